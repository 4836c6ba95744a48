"""What shares are shares of: a front, and the volume that it dominates below a reference point."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from searchers.comparison.errors import ComparisonError
from searchers.comparison.exact import ExactFront
from searchers.pareto import Losses, hypervolume, non_dominated
from searchers.protocol import Problem

Kind = Literal["exact", "joint"]


@dataclass(frozen=True)
class Whole:
    """What 100 % is.

    Attributes:
        kind: `exact` for the front of all architectures, `joint` for that of all runs together.
        front: its losses, shape (num_points, num_objectives); no point where nothing feasible is
            known.
        reference: losses, shape (num_objectives,); None where nothing feasible is known.
        source: where the reference comes from, in words.
        volume: what the front dominates below the reference.
    """

    kind: Kind
    front: Losses
    reference: Losses | None
    source: str
    volume: float


def whole_of(
    problem: Problem,
    exact: ExactFront | None,
    runs: Sequence[Losses],
    given: Mapping[str, float] | None,
) -> Whole:
    """Returns what shares refer to.

    Args:
        problem: whose objectives count.
        exact: the front of all architectures, if that is known.
        runs: losses of all runs, infinite where infeasible; needed without an exact front.
        given: a reference point in natural units. By default it is the nadir: the worst value of
            each objective among the front's points. Where nothing lies below that, as with one
            objective or where one point beats all others, it is the worst feasible value of each
            that is known.

    Raises:
        ComparisonError: the reference names other metrics than the objectives, or no point of the
            exact front is better than it in every objective.
    """
    known = _known_losses(problem, exact, runs)
    front = known[non_dominated(known)]
    kind: Kind = "joint" if exact is None else "exact"
    if given is None and len(front) == 0:
        return Whole(kind, front, None, "nothing feasible is known", 0.0)
    if given is not None:
        reference, source = _given(problem, given), "given"
    else:
        reference, source = front.max(axis=0), f"nadir of the {kind} front"
        if hypervolume(front, reference) == 0:  # a single point, say, is its own nadir
            worst = known if exact is None else problem.loss_matrix([exact.worst])
            reference, source = np.max(worst, axis=0), "worst feasible value that is known"
    volume = hypervolume(front, reference)
    if exact is not None and volume == 0:
        rule = (
            "must be worse than a point of the exact front in every objective, or no share exists"
        )
        raise ComparisonError("reference", rule, natural(problem, reference))
    return Whole(kind, front, reference, source, volume)


def _known_losses(problem: Problem, exact: ExactFront | None, runs: Sequence[Losses]) -> Losses:
    if exact is not None:
        return problem.loss_matrix(exact.points)
    rows: Losses = np.concatenate([np.empty((0, len(problem.objectives))), *runs])
    return rows[np.isfinite(rows).all(axis=1)]


def _given(problem: Problem, given: Mapping[str, float]) -> Losses:
    expected = [objective.metric for objective in problem.objectives]
    if set(given) != set(expected):
        rule = f"must give a number for each of {expected}, and for nothing else"
        raise ComparisonError("reference", rule, list(given))
    return problem.losses(given)


def natural(problem: Problem, losses: Losses) -> dict[str, float]:
    """Returns losses in natural units, by metric."""
    # Adding 0.0 turns -0.0 into 0.0.
    return {
        objective.metric: float(-loss if objective.goal == "maximize" else loss) + 0.0
        for objective, loss in zip(problem.objectives, losses, strict=True)
    }
