"""The exact front of a problem all of whose architectures are known."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field

from searchers.comparison.errors import ComparisonError
from searchers.comparison.problems import KnownProblem, Metrics
from searchers.front import pareto_front
from searchers.protocol import Limit, Problem


class ExactFront(BaseModel):
    """What is best among all architectures that keep the limits.

    It is stored with the logs of runs, so that their figures need nothing else.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    points: tuple[dict[str, float], ...] = Field(
        min_length=1, description="Those that nothing dominates, by the first objective."
    )
    worst: dict[str, float] = Field(description="The worst feasible value of each objective.")
    num_feasible: int = Field(ge=1, description="Architectures that keep the limits.")
    num_known: int = Field(ge=1, description="Architectures that have all metrics.")


def exact_front(known: KnownProblem) -> ExactFront | None:
    """Returns the exact front; None where the space is too large to be looked at as a whole.

    Raises:
        ComparisonError: no architecture has all metrics or keeps the limits, or an objective is the
            same for all that do.
    """
    if known.everything is None:
        return None
    problem, rows = known.problem, known.everything()
    if not rows:
        rule = f"must have a row of the space with figures in all of {list(problem.metrics)}"
        raise ComparisonError("table", rule, 0)
    feasible = [row for row in rows if problem.violation(row) == 0]
    if not feasible:
        raise _nothing_feasible(problem, rows)
    losses = problem.loss_matrix(feasible)
    worst = {}
    for position, objective in enumerate(problem.objectives):
        name = objective.metric
        if losses[:, position].min() == losses[:, position].max():
            rule = f"must differ between architectures: all {len(feasible)} feasible ones are equal"
            raise ComparisonError("objective", rule, f"{name}={feasible[0][name]:g}")
        worst[name] = feasible[int(losses[:, position].argmax())][name]
    points = pareto_front(problem, feasible).points
    return ExactFront(
        points=tuple({o.metric: feasible[i][o.metric] for o in problem.objectives} for i in points),
        worst=worst,
        num_feasible=len(feasible),
        num_known=len(rows),
    )


def _nothing_feasible(problem: Problem, rows: Sequence[Metrics]) -> ComparisonError:
    """Returns what to say: the first limit that nothing keeps, or all of them."""
    for limit in problem.limits:
        values = [row[limit.metric] for row in rows]
        if all(limit.violation(value) > 0 for value in values):
            name = limit.metric
            rule = f"must leave something: {name} is from {min(values):g} to {max(values):g}"
            return ComparisonError("limit", rule, limit_text(limit))
    rule = f"must leave something: none of {len(rows)} architectures keeps all of them"
    return ComparisonError("limit", rule, [limit_text(limit) for limit in problem.limits])


def limit_text(limit: Limit) -> str:
    """Returns a limit as the command line takes it."""
    lower = [] if limit.lower is None else [f"{limit.metric}>={limit.lower:g}"]
    upper = [] if limit.upper is None else [f"{limit.metric}<={limit.upper:g}"]
    return " and ".join(lower + upper)
