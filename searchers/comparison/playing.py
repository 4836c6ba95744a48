"""One searcher, one seed, one budget: what it proposed, in order, and what came of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from search_space.outcomes import Failed, Measured
from search_space.space import SearchSpace
from searchers.comparison.problems import KnownProblem, Metrics
from searchers.protocol import Observation, Proposal, Searcher

INACTIVE = -1
"""Stands for the option of a choice that is inactive."""


@dataclass(frozen=True)
class Trial:
    """One evaluation.

    Attributes:
        choices: the index of the option of each choice, in the space's order; `INACTIVE` where the
            choice is.
        metrics: what was measured; None where the architecture is infeasible.
        reason: why it is infeasible; None where it was measured.
    """

    choices: tuple[int, ...]
    metrics: Metrics | None
    reason: str | None = None


@dataclass(frozen=True)
class Run:
    """A search from beginning to end.

    Attributes:
        trials: in the order of proposals.
        exhausted: whether it ended before its budget, as the space held nothing further.
        ask_seconds: spent in `ask`.
        tell_seconds: spent in `tell`.
    """

    trials: tuple[Trial, ...]
    exhausted: bool
    ask_seconds: float
    tell_seconds: float

    @property
    def searcher_seconds(self) -> float:
        """Spent in the searcher; looking up outcomes is not part of it."""
        return self.ask_seconds + self.tell_seconds


class BrokenPromiseError(RuntimeError):
    """A searcher did what the protocol rules out: its figures would not be comparable."""


def play(
    searcher: Searcher, known: KnownProblem, evaluations: int, clock: Callable[[], float]
) -> Run:
    """Lets a searcher search, in batches of its size with a barrier between them.

    Args:
        searcher: just built for `known.problem`.
        known: tells outcomes.
        evaluations: the budget; the last batch is as small as it needs to be.
        clock: seconds, such as `time.perf_counter`.

    Raises:
        BrokenPromiseError: it proposed more than was asked for, or something again.
    """
    trials: list[Trial] = []
    seen: set[tuple[int, ...]] = set()
    ask_seconds = tell_seconds = 0.0
    exhausted = False
    while len(trials) < evaluations and not exhausted:
        count = min(searcher.batch_size, evaluations - len(trials))
        started = clock()
        proposals = searcher.ask(count)
        ask_seconds += clock() - started
        observations = [Observation(p, known.outcome(p.architecture)) for p in proposals]
        batch = [trial_of(known.problem.space, one) for one in observations]
        _check(proposals, count, len(trials))
        for trial in batch:
            if trial.choices in seen:
                raise BrokenPromiseError(f"proposals must be new, got {trial.choices} again")
            seen.add(trial.choices)
        started = clock()
        searcher.tell(observations)
        tell_seconds += clock() - started
        trials += batch
        exhausted = len(proposals) < count
    return Run(tuple(trials), exhausted, ask_seconds, tell_seconds)


def _check(proposals: Sequence[Proposal], count: int, num_before: int) -> None:
    numbers = [proposal.number for proposal in proposals]
    if len(numbers) > count or numbers != list(range(num_before, num_before + len(numbers))):
        rule = f"proposals must be at most {count}, numbered from {num_before}"
        raise BrokenPromiseError(f"{rule}, got {numbers}")


def trial_of(space: SearchSpace, observation: Observation) -> Trial:
    """Returns what is kept of an observation.

    Raises:
        InvalidArchitectureError: the architecture is not of the space.
    """
    row = space.encode(observation.proposal.architecture)
    active = space.active(row[None])[0]
    choices = tuple(int(option) if on else INACTIVE for option, on in zip(row, active, strict=True))
    outcome = observation.outcome
    assert not isinstance(outcome, Failed), "looking up does not fail"
    if isinstance(outcome, Measured):
        return Trial(choices, dict(outcome.metrics))
    return Trial(choices, None, outcome.reason)
