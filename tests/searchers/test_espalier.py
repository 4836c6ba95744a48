"""Espalier: what it proposes first, what it learns from, and that learning helps."""

import numpy as np
import pytest
from toy_problems import grid, losses, search, two_losses, zdt1

from search_space.outcomes import Infeasible, Measured, Outcome
from search_space.space import Architecture
from searchers.espalier import EspalierSettings
from searchers.pareto import hypervolume
from searchers.protocol import Limit, Objective, Observation, Problem
from searchers.random import RandomSettings

SPACE = grid(5, 5)


def test_the_first_proposals_have_the_same_place_everywhere() -> None:
    searcher = EspalierSettings().build(two_losses(SPACE), seed=0)
    first = [tuple(proposal.architecture.values()) for proposal in searcher.ask(16)]
    assert first[:5] == [(place,) * 5 for place in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert len(set(first)) == 16


def test_random_first_proposals_are_a_setting() -> None:
    settings = EspalierSettings(initial="random")
    first = settings.build(two_losses(SPACE), seed=0).ask(16)
    assert (0.0,) * 5 not in [tuple(proposal.architecture.values()) for proposal in first]


def test_it_finds_more_of_a_front_than_chance() -> None:
    def volume(settings: EspalierSettings | RandomSettings, seed: int) -> float:
        history = search(settings.build(two_losses(SPACE), seed), zdt1, 32)
        return hypervolume(losses(history), [1.1, 10.0])

    learned = [volume(EspalierSettings(), seed) for seed in range(2)]
    random = [volume(RandomSettings(), seed) for seed in range(4)]
    assert min(learned) > max(random)


def test_one_objective_is_minimized() -> None:
    problem = Problem(SPACE, (Objective(metric="f1", goal="minimize"),))

    def bowl(architecture: Architecture) -> Outcome:
        return Measured({"f1": sum((float(value) - 0.75) ** 2 for value in architecture.values())})

    searcher = EspalierSettings(initial="random").build(problem, seed=0)
    history = search(searcher, bowl, 40)
    best = min(o.metrics["f1"] for _, o in history if isinstance(o, Measured))
    assert best <= 2 * 0.25**2  # within two steps of 0 on a grid of 3,125


@pytest.mark.parametrize("limited", ["f1", "energy"])
def test_what_keeps_the_limits_is_found_where_nothing_did_at_first(limited: str) -> None:
    def evaluate(architecture: Architecture) -> Outcome:
        metrics = dict(zdt1(architecture).metrics)  # type: ignore[union-attr]
        return Measured({**metrics, "energy": metrics["f1"] ** 2})

    limit = Limit(metric=limited, upper=0.05)  # x1 must be 0
    settings = EspalierSettings(num_initial=4, initial="random", losses="standardized")
    searcher = settings.build(two_losses(SPACE, limit), seed=7)
    history = search(searcher, evaluate, 28)
    first = [limit.violation(o.metrics[limited]) for _, o in history[:4]]  # type: ignore[union-attr]
    assert min(first) > 0
    # Where x1 is 0 one architecture dominates all others.
    assert (0.0,) * 5 in [tuple(proposal.architecture.values()) for proposal, _ in history]


def test_what_is_infeasible_is_avoided() -> None:
    def evaluate(architecture: Architecture) -> Outcome:
        return Infeasible("too deep") if architecture["x1"] == 0.0 else zdt1(architecture)

    searcher = EspalierSettings(initial="random").build(two_losses(SPACE), seed=0)
    history = search(searcher, evaluate, 32)
    refused = [isinstance(outcome, Infeasible) for _, outcome in history]
    # Where x1 is 0 all of the front's f1 could be best: it is tried, and then given up.
    assert sum(refused[:24]) > 0
    assert sum(refused[24:]) == 0


def test_what_is_out_is_not_proposed_around_again() -> None:
    searcher = EspalierSettings().build(two_losses(SPACE), seed=0)
    initial = searcher.ask(16)
    searcher.tell([Observation(p, zdt1(p.architecture)) for p in initial])
    one_by_one = [searcher.ask(1)[0].architecture for _ in range(6)]
    together = EspalierSettings().build(two_losses(SPACE), seed=0)
    together.ask(16)
    together.tell([Observation(p, zdt1(p.architecture)) for p in initial])
    assert one_by_one == [proposal.architecture for proposal in together.ask(6)]


def test_predictions_of_a_batch_are_compared_when_it_is_told() -> None:
    searcher = EspalierSettings().build(two_losses(SPACE), seed=0)
    search(searcher, zdt1, 32)
    (first,) = searcher.prediction_quality()[:1]
    assert (first.first_number, first.count) == (16, 8)
    assert set(first.kendall) == {"f1", "f2"}


def test_long_logs_are_learned_in_part() -> None:
    settings = EspalierSettings(max_learned=12, num_initial=8)
    searcher = settings.build(two_losses(SPACE), seed=0)
    search(searcher, zdt1, 40)
    learned = searcher._learned()
    assert len(set(learned)) == len(learned) == 12
    assert learned == sorted(learned)


@pytest.mark.parametrize("num_objectives", [1, 2, 4])
def test_numbers_of_any_magnitude_are_learned(num_objectives: int) -> None:
    rng = np.random.default_rng(num_objectives)
    names = [f"f{position}" for position in range(num_objectives)]
    problem = Problem(
        grid(4, 3),
        tuple(Objective(metric=name, goal="minimize") for name in names),
        (Limit(metric="joules", upper=1.0), Limit(metric="f0", lower=-1e300)),
    )
    numbers = [0.0, 1e-310, -1e-300, 1.0, 1.0, 1 + 1e-15, 1e308, -1e308, 5e-324, 3.0, 1e30]
    searcher = EspalierSettings(num_initial=4, batch_size=3).build(problem, seed=0)
    for _ in range(8):
        drawn = rng.choice(numbers, (3, num_objectives + 1))
        searcher.tell(
            [
                Observation(
                    proposal, Measured(dict(zip([*names, "joules"], row.tolist(), strict=True)))
                )
                for proposal, row in zip(searcher.ask(3), drawn, strict=True)
            ]
        )
    assert len(searcher.prediction_quality()) > 1
