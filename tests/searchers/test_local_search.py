"""Local search: whose neighbours are proposed, when it moves, and where it begins anew."""

from collections.abc import Sequence

import pytest
from pydantic import ValidationError
from toy_problems import grid, search, two_losses

from search_space.operators import neighbours
from search_space.outcomes import Failed, Measured, Outcome
from search_space.space import Architecture, SearchSpace
from searchers.local_search import LocalSearchSettings
from searchers.protocol import Limit, Objective, Observation, Problem, Proposal, Searcher

SPACE = grid(3, 5)
F1 = Problem(SPACE, (Objective(metric="f1", goal="minimize"),))


def total(architecture: Architecture) -> float:
    return sum(float(value) for value in architecture.values())


def uphill(architecture: Architecture) -> Outcome:
    return Measured({"f1": total(architecture)})


def near(space: SearchSpace, architecture: Architecture) -> set[Architecture]:
    return {space.decode(row) for row in neighbours(space, space.encode(architecture))}


def tell(searcher: Searcher, proposals: Sequence[Proposal], values: Sequence[float]) -> None:
    searcher.tell(
        [Observation(p, Measured({"f1": v})) for p, v in zip(proposals, values, strict=True)]
    )


def started(problem: Problem = F1, **changes: object) -> tuple[Searcher, Proposal]:
    """A searcher with three random architectures told, and the best of them."""
    document = {"num_initial": 3, "neighbourhood": "until_better"} | changes
    searcher = LocalSearchSettings.model_validate(document).build(problem, 0)
    first = searcher.ask(3)
    tell(searcher, first, [5.0, 4.0, 6.0])
    return searcher, first[1]


def test_neighbours_of_the_best_are_proposed_and_may_be_out_together() -> None:
    searcher, best = started()
    around = near(SPACE, best.architecture)
    proposals = [*searcher.ask(4), *searcher.ask(5)]
    assert {proposal.architecture for proposal in proposals} <= around
    assert len(around) == 12


def test_it_moves_as_soon_as_something_is_better() -> None:
    searcher, best = started()
    first, second = searcher.ask(2)
    tell(searcher, [first, second], [4.5, 3.0])
    (proposal,) = searcher.ask(1)
    assert proposal.architecture in near(SPACE, second.architecture) - {best.architecture}


def test_or_when_the_whole_neighbourhood_is_proposed() -> None:
    searcher, best = started(neighbourhood="full")
    proposals = list(searcher.ask(2))
    tell(searcher, proposals, [4.5, 3.0])
    known = {SPACE.decode(SPACE.encode(best.architecture))}
    left = near(SPACE, best.architecture) - known - {p.architecture for p in proposals}
    rest = searcher.ask(9)
    assert {proposal.architecture for proposal in rest} <= left
    tell(searcher, rest, [9.0] * len(rest))
    last = searcher.ask(4)
    moved = [p for p in last if p.architecture not in near(SPACE, best.architecture)]
    assert moved
    assert {p.architecture for p in moved} <= near(SPACE, proposals[1].architecture)


def exhausted_neighbourhood(at_optimum: str) -> tuple[Searcher, list[Architecture]]:
    """A searcher all of whose best's neighbours are told and worse; what it was told, in order."""
    searcher, best = started(at_optimum=at_optimum)
    seen = [proposal.architecture for proposal in (best,)]
    while near(SPACE, best.architecture) - set(seen):
        (proposal,) = searcher.ask(1)
        seen.append(proposal.architecture)
        tell(searcher, [proposal], [4.1 + 0.01 * len(seen)])
    return searcher, seen


def test_at_an_optimum_it_goes_on_from_the_next_best() -> None:
    searcher, seen = exhausted_neighbourhood("continue")
    next_best = seen[1]
    proposals = searcher.ask(4)
    assert {proposal.architecture for proposal in proposals} <= near(SPACE, next_best)


def test_or_begins_anew_and_forgets_what_was_better() -> None:
    searcher, seen = exhausted_neighbourhood("restart")
    fresh = searcher.ask(3)
    assert not all(p.architecture in near(SPACE, seen[1]) for p in fresh)
    tell(searcher, fresh, [8.0, 7.0, 9.0])
    (proposal,) = searcher.ask(1)
    assert proposal.architecture in near(SPACE, fresh[1].architecture)


def test_no_restart_while_a_neighbour_is_out() -> None:
    searcher, _ = started(at_optimum="restart")
    out = searcher.ask(12)
    tell(searcher, out[:-1], [4.5] * 11)
    (proposal,) = searcher.ask(1)
    told = [p.architecture for p in out[:-1]]
    assert any(proposal.architecture in near(SPACE, each) for each in told)
    tell(searcher, [proposal, out[-1]], [5.0, 3.0])
    (proposal,) = searcher.ask(1)
    assert proposal.architecture in near(SPACE, out[-1].architecture)


@pytest.mark.parametrize("neighbourhood", ["full", "until_better"])
def test_a_convex_problem_is_solved(neighbourhood: str) -> None:
    settings = LocalSearchSettings.model_validate({"neighbourhood": neighbourhood})
    history = search(settings.build(F1, 0), uphill, 60)
    assert any(total(proposal.architecture) == 0 for proposal, _ in history)  # one of 125


def test_of_several_objectives_the_whole_front_is_explored() -> None:
    # Two sums at odds on one axis: every architecture of that axis is on the front.
    def at_odds(architecture: Architecture) -> Outcome:
        rest = total(architecture) - float(architecture["x1"])
        x1 = float(architecture["x1"])
        return Measured({"f1": x1 + rest, "f2": 1 - x1 + rest})

    problem = two_losses(SPACE)
    history = search(LocalSearchSettings().build(problem, 0), at_odds, 60)
    on_front = {p.architecture for p, _ in history if total(p.architecture) == p.architecture["x1"]}
    assert len(on_front) == 5


def test_what_keeps_limits_is_better_than_what_does_not() -> None:
    problem = Problem(SPACE, F1.objectives, (Limit(metric="f1", lower=4.5),))
    searcher, _ = started(problem)
    (proposal,) = searcher.ask(1)
    again = LocalSearchSettings(num_initial=3).build(problem, 0).ask(3)
    assert proposal.architecture in near(SPACE, again[0].architecture)  # 5.0: the least feasible


def test_failures_are_no_centres() -> None:
    searcher, best = started()
    out = searcher.ask(3)
    searcher.tell([Observation(proposal, Failed("worker died")) for proposal in out])
    proposals = searcher.ask(9)
    assert {proposal.architecture for proposal in proposals} <= near(SPACE, best.architecture)


@pytest.mark.parametrize(
    "document", [{"num_initial": 0}, {"neighbourhood": "half"}, {"at_optimum": "stop"}]
)
def test_bad_settings_are_refused(document: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        LocalSearchSettings.model_validate(document)
