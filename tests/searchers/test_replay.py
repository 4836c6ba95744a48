"""Logs of searches: replayed, or refused at the entry that does not fit."""

import pickle

import pytest
from toy_problems import grid, two_losses, zdt1

from searchers.nsga2 import NSGA2Settings
from searchers.protocol import Observation
from searchers.replay import Asked, ReplayError, Told, replay

PROBLEM = two_losses(grid(3, 6))
SETTINGS = NSGA2Settings(population_size=6)


def played(num_batches: int) -> list[Asked | Told]:
    """The log of a search."""
    searcher, log = SETTINGS.build(PROBLEM, 0), list[Asked | Told]()
    for _ in range(num_batches):
        proposals = tuple(searcher.ask(6))
        observations = tuple(Observation(p, zdt1(p.architecture)) for p in proposals)
        searcher.tell(observations)
        log += [Asked(proposals), Told(observations)]
    return log


def test_a_replayed_searcher_goes_on_as_the_lost_one() -> None:
    log = played(5)
    rebuilt = SETTINGS.build(PROBLEM, 0)
    replay(rebuilt, log[:-2])
    last = log[-2]
    assert isinstance(last, Asked)
    assert tuple(rebuilt.ask(6)) == last.proposals


def test_a_log_of_another_seed_is_refused_at_its_first_ask() -> None:
    with pytest.raises(ReplayError, match=r"at entry 0 of its log .* proposal 0 is on record as"):
        replay(SETTINGS.build(PROBLEM, 1), played(2))


def test_a_log_of_other_settings_is_refused_where_they_begin_to_matter() -> None:
    other = SETTINGS.model_copy(update={"crossover_probability": 0.0})
    with pytest.raises(ReplayError) as caught:
        replay(other.build(PROBLEM, 0), played(3))
    assert caught.value.entry == 2
    assert "at entry 2 of its log" in str(caught.value)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_a_log_with_another_outcome_is_refused_at_the_next_ask() -> None:
    log = played(3)
    told = log[1]
    assert isinstance(told, Told)
    swapped = [
        Observation(observation.proposal, told.observations[-1 - i].outcome)
        for i, observation in enumerate(told.observations)
    ]
    log[1] = Told(tuple(swapped))
    with pytest.raises(ReplayError, match="at entry 2"):
        replay(SETTINGS.build(PROBLEM, 0), log)


def test_a_log_of_a_larger_space_is_refused() -> None:
    small = SETTINGS.build(two_losses(grid(1, 4)), 0)
    same = SETTINGS.build(two_losses(grid(1, 4)), 0).ask(4)
    more = SETTINGS.build(two_losses(grid(1, 40)), 0).ask(6)[4:]
    with pytest.raises(ReplayError, match="6 are on record and now there are 4") as caught:
        replay(small, [Asked((*same, *more))])
    assert caught.value.entry == 0


def test_a_log_that_tells_what_was_not_asked_for_is_refused() -> None:
    with pytest.raises(ValueError, match="this searcher's proposals"):
        replay(SETTINGS.build(PROBLEM, 0), played(1)[1:])
