"""Floors of successive evaluation: what is below is dominated, and nothing else is."""

from collections.abc import Sequence

import numpy as np
import pytest

from search_space.cnn import MobileNetV3Settings
from search_space.costs import costs
from search_space.outcomes import Failed, Infeasible, Measured, Outcome
from search_space.space import Architecture
from searchers.front import pareto_front
from searchers.protocol import Limit, Objective, Observation, Problem, Proposal
from server.execution.floors import floors

NETWORK = MobileNetV3Settings.from_preset("digits")
SPACE = NETWORK.build()


def macs(architecture: Architecture) -> float:
    return costs(NETWORK.lower(architecture)).macs


ARCHITECTURES = sorted(map(SPACE.decode, SPACE.sample(60, np.random.default_rng(2))), key=macs)
"""The cheapest first."""


def problem(*metrics: str, limits: Sequence[Limit] = ()) -> Problem:
    objectives = tuple(Objective(metric=metric) for metric in metrics)
    return Problem(SPACE, objectives, tuple(limits))


def observed(outcomes: Sequence[Outcome]) -> list[Observation]:
    return [
        Observation(Proposal(number, architecture), outcome)
        for number, (architecture, outcome) in enumerate(zip(ARCHITECTURES, outcomes, strict=False))
    ]


def measured(position: int, top1_percent: float) -> Measured:
    lowered = NETWORK.lower(ARCHITECTURES[position])
    metrics = {"top1_percent": top1_percent, "macs": costs(lowered).macs}
    return Measured({**metrics, "num_params": costs(lowered).num_params})


def test_a_floor_is_the_best_top1_of_what_costs_no_more() -> None:
    log = observed([measured(0, 80.0), measured(1, 70.0), measured(2, 90.0)])
    assert len({macs(a) for a in ARCHITECTURES[:5]}) == 5
    found = floors(problem("top1_percent", "macs"), NETWORK, log, ARCHITECTURES)
    first, second, third, fourth = ARCHITECTURES[:4]
    assert found[first.digest] == found[second.digest] == 80.0
    assert found[third.digest] == found[fourth.digest] == 90.0


def test_what_is_cheaper_than_the_front_has_no_floor() -> None:
    log = observed([])
    log += [Observation(Proposal(9, ARCHITECTURES[5]), measured(5, 80.0))]
    found = floors(problem("top1_percent", "macs"), NETWORK, log, ARCHITECTURES)
    assert all(architecture.digest not in found for architecture in ARCHITECTURES[:5])
    assert all(found[architecture.digest] == 80.0 for architecture in ARCHITECTURES[5:])


def test_without_another_objective_the_best_is_everybodys_floor() -> None:
    log = observed([measured(0, 80.0), measured(1, 70.0)])
    found = floors(problem("top1_percent"), NETWORK, log, ARCHITECTURES)
    assert set(found.values()) == {80.0}
    assert len(found) == len(ARCHITECTURES)


def test_only_what_keeps_the_limits_sets_a_floor() -> None:
    outcomes = [measured(0, 60.0), measured(1, 80.0), Infeasible("too wide"), Failed("died")]
    limit = Limit(metric="top1_percent", upper=70.0)
    log, goals = observed(outcomes), problem("top1_percent", "macs", limits=[limit])
    assert set(floors(goals, NETWORK, log, ARCHITECTURES).values()) == {60.0}
    nothing = problem("top1_percent", "macs", limits=[Limit(metric="macs", upper=1.0)])
    assert floors(nothing, NETWORK, log, ARCHITECTURES) == {}
    assert floors(goals, NETWORK, [], ARCHITECTURES) == {}


@pytest.mark.parametrize(
    "metrics", [("macs", "top1_percent"), ("top1_percent", "macs", "num_params")]
)
def test_whoever_is_below_is_dominated_and_whoever_reaches_it_is_not(
    metrics: tuple[str, ...],
) -> None:
    rng = np.random.default_rng(1)
    known = [measured(position, float(rng.integers(50, 100))) for position in range(30)]
    goals = problem(*metrics)
    found = floors(goals, NETWORK, observed(known), ARCHITECTURES[30:])
    front = [dict(known[p].metrics) for p in pareto_front(goals, [o.metrics for o in known]).points]
    assert found
    for position, architecture in enumerate(ARCHITECTURES[30:], start=30):
        floor = found.get(architecture.digest)
        for top1_percent in (0.0, 49.0, 100.0) if floor is None else (floor - 0.01, floor + 0.01):
            is_on_front = top1_percent > floor if floor is not None else True
            candidate = measured(position, top1_percent).metrics
            points = pareto_front(goals, [*front, candidate]).points
            assert (len(front) in points) == is_on_front
