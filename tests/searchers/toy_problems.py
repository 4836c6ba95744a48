"""Problems with known answers and a loop that plays a searcher against them."""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from search_space.outcomes import Measured, Outcome
from search_space.space import Architecture, Choice, SearchSpace
from searchers.protocol import Limit, Objective, Observation, Problem, Proposal, Searcher

METRICS = ("f1", "f2")
Evaluate = Callable[[Architecture], Outcome]
Script = Sequence[tuple[int, Sequence[tuple[int, Outcome]]]]
"""Steps of a search: how many to ask for; then which of the proposals that are out to tell, as an
index modulo their number, and the outcome."""


def two_losses(space: SearchSpace, *limits: Limit) -> Problem:
    """Minimizes f1 and f2."""
    objectives = tuple(Objective(metric=metric, goal="minimize") for metric in METRICS)
    return Problem(space, objectives, limits)


def grid(num_variables: int, num_steps: int) -> SearchSpace:
    """The unit cube as a grid: x1, x2, ... each of 0, 1 / (num_steps - 1), ..., 1."""
    steps = tuple(step / (num_steps - 1) for step in range(num_steps))
    return SearchSpace(
        "grid", [Choice(name=f"x{i + 1}", options=steps) for i in range(num_variables)]
    )


def zdt1(architecture: Architecture) -> Outcome:
    """Zitzler et al. 2000, T1: the front is f2 = 1 - sqrt(f1), where x2 = x3 = ... = 0."""
    first, *others = (float(value) for value in architecture.values())
    g = 1 + 9 * float(np.mean(others))
    return Measured({"f1": first, "f2": g * (1 - np.sqrt(first / g))})


def play(searcher: Searcher, script: Script) -> list[Proposal]:
    """Asks and tells as the script says; returns all proposals."""
    proposals: list[Proposal] = []
    out: list[Proposal] = []
    for count, told in script:
        asked = searcher.ask(count)
        proposals += asked
        out += asked
        observations = [
            Observation(out.pop(index % len(out)), outcome) for index, outcome in told[: len(out)]
        ]
        searcher.tell(observations)
    return proposals


def search(
    searcher: Searcher, evaluate: Evaluate, budget: int, *, batch_size: int | None = None
) -> list[tuple[Proposal, Outcome]]:
    """Evaluates `budget` proposals in batches with a barrier between them."""
    history: list[tuple[Proposal, Outcome]] = []
    while len(history) < budget:
        wanted = min(batch_size or searcher.batch_size, budget - len(history))
        batch = [(proposal, evaluate(proposal.architecture)) for proposal in searcher.ask(wanted)]
        searcher.tell([Observation(proposal, outcome) for proposal, outcome in batch])
        history += batch
    return history


def losses(history: list[tuple[Proposal, Outcome]]) -> npt.NDArray[np.float64]:
    """Returns f1 and f2 of what was measured, shape (count, 2)."""
    measured = [outcome.metrics for _, outcome in history if isinstance(outcome, Measured)]
    return np.array([[metrics[name] for name in METRICS] for metrics in measured])
