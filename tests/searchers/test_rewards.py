"""Rewards: the papers' figures, feasibility first, and problems that they are not defined for."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from toy_problems import grid, two_losses, zdt1

from search_space.outcomes import Measured
from searchers.protocol import Limit, Objective, Problem, UnsuitableProblemError
from searchers.rewards import (
    Known,
    MnasNetReward,
    N2NReward,
    Reward,
    ScalarizedReward,
    _shares_that_are_worse,
    draw_weights,
    feasibility_first,
)

SPACE = grid(2, 4)
ACCURACY = Objective(metric="accuracy", goal="maximize")
LATENCY = Objective(metric="latency_ms")
ACCURATE_AND_FAST = Problem(SPACE, (ACCURACY, LATENCY))


def rewards_of(
    reward: Reward, problem: Problem, *metrics: dict[str, float] | None, num_updates: int = 0
) -> list[float]:
    known = Known(problem)
    for each in metrics:
        known.add(each)
    weights = np.full((1, len(problem.objectives)), len(problem.objectives) ** -0.5)
    return [float(value) for value in reward.rewards(known, weights, num_updates)[0]]


@pytest.mark.parametrize(
    ("exponents", "expected"),
    [
        ({}, [0.787288, 0.75, 0.714478]),  # soft, as by default
        ({"alpha": 0, "beta": -1}, [0.75, 0.75, 0.375]),  # hard
    ],
)
def test_mnasnets_reward_at_half_once_and_twice_the_target(
    exponents: dict[str, float], expected: list[float]
) -> None:
    reward = MnasNetReward(metric="latency_ms", target=75, **exponents)
    metrics = [{"accuracy": 0.75, "latency_ms": latency} for latency in (37.5, 75.0, 150.0)]
    assert rewards_of(reward, ACCURATE_AND_FAST, *metrics) == pytest.approx(expected, abs=1e-6)


def test_twice_the_latency_is_worth_five_percent_of_accuracy() -> None:
    reward = MnasNetReward(metric="latency_ms", target=75)
    plain, better = rewards_of(
        reward,
        ACCURATE_AND_FAST,
        {"accuracy": 70.0, "latency_ms": 50.0},
        {"accuracy": 70.0 * 1.05, "latency_ms": 100.0},
    )
    assert better == pytest.approx(plain, rel=1e-3)


def test_a_cost_of_nothing_is_no_infinite_reward() -> None:
    reward = MnasNetReward(metric="latency_ms", target=75)
    (value,) = rewards_of(reward, ACCURATE_AND_FAST, {"accuracy": 1.0, "latency_ms": 0.0})
    assert value == pytest.approx(1e-6**-0.07)


SIZES = Problem(SPACE, (ACCURACY,), (Limit(metric="num_params", upper=5e6),))
N2N = N2NReward(metric="num_params", teacher_cost=11.17e6, teacher_quality=0.92)


def test_n2ns_reward() -> None:
    found = rewards_of(
        N2N,
        Problem(SPACE, (ACCURACY, Objective(metric="num_params"))),
        {"accuracy": 0.90, "num_params": 1.0e6},
        {"accuracy": 0.99, "num_params": 11.17e6},
    )
    assert found == pytest.approx([0.97042, -1], abs=1e-5)


@pytest.mark.parametrize(
    ("num_updates", "softness"), [(0, 1), (5, 0.197531), (10, 0.012346), (15, 0), (99, 0)]
)
def test_n2ns_limits_harden(num_updates: int, softness: float) -> None:
    soft = N2N.model_copy(update={"soft_updates": 15})
    unlimited = Problem(SPACE, (ACCURACY, Objective(metric="num_params")))
    metrics = {"accuracy": 0.90, "num_params": 6.0e6}
    (free,) = rewards_of(N2N, unlimited, metrics)
    (found, missing) = rewards_of(soft, SIZES, metrics, None, num_updates=num_updates)
    assert found == pytest.approx(softness - 1 + softness * free, abs=1e-5)
    assert missing < found
    kept = {"accuracy": 0.90, "num_params": 1.0e6}
    assert rewards_of(soft, SIZES, kept, num_updates=num_updates) == pytest.approx([0.97042])


def test_a_scalarized_reward_is_the_least_weighted_share_of_worse_ones() -> None:
    problem = two_losses(SPACE)
    known = Known(problem)
    for f1, f2 in [(0.0, 3.0), (1.0, 2.0), (2.0, 1.0), (3.0, 3.0)]:
        known.add({"f1": f1, "f2": f2})
    # The share that is worse, ties as halves; the evaluation itself is a tie.
    first, second = np.array([7, 5, 3, 1]) / 8, np.array([2, 5, 7, 2]) / 8
    weights = np.array([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]])
    expected = [first, second, np.minimum(first / 0.6, second / 0.8)]
    assert ScalarizedReward().rewards(known, weights, 0) == pytest.approx(np.array(expected))


def test_without_anything_feasible_nothing_is_better_than_anything() -> None:
    known = Known(two_losses(SPACE, Limit(metric="f1", upper=-1)))
    known.add({"f1": 0.0, "f2": 1.0})
    known.add(None)
    assert _shares_that_are_worse(known.losses, known.violations == 0).tolist() == [[0, 0], [0, 0]]
    missed, unknown = ScalarizedReward().rewards(known, np.array([[0.6, 0.8]]), 0)[0]
    assert (missed, unknown) == (-0.75, -1)


def test_a_scalarized_reward_has_no_units() -> None:
    problem = two_losses(SPACE)
    plain, stretched = Known(problem), Known(problem)
    for row in SPACE.sample(20, np.random.default_rng(0)):
        outcome = zdt1(SPACE.decode(row))
        assert isinstance(outcome, Measured)
        plain.add(outcome.metrics)
        stretched.add({"f1": outcome.metrics["f1"], "f2": np.exp(outcome.metrics["f2"])})
    weights = draw_weights(ScalarizedReward(), 2, 5, np.random.default_rng(1))
    found = ScalarizedReward().rewards(plain, weights, 0)
    assert ScalarizedReward().rewards(stretched, weights, 0) == pytest.approx(found)


def test_random_weights_are_uniform_on_the_sphere() -> None:
    weights = draw_weights(ScalarizedReward(), 3, 5000, np.random.default_rng(0))
    assert np.linalg.norm(weights, axis=1) == pytest.approx(np.ones(5000))
    assert (weights >= 0).all()
    # Archimedes: each coordinate of a uniform point on the sphere is uniform.
    shares = [np.histogram(column, bins=4, range=(0, 1))[0] / 5000 for column in weights.T]
    assert np.array(shares) == pytest.approx(np.full((3, 4), 0.25), abs=0.03)


def test_given_weights_are_everybodys() -> None:
    weights = draw_weights(ScalarizedReward(weights=(3, 4)), 2, 3, np.random.default_rng(0))
    assert weights == pytest.approx(np.array([[0.6, 0.8]] * 3))


@given(
    hnp.arrays(np.float64, (2, 6), elements=st.floats(-1e6, 1e6)),
    hnp.arrays(np.float64, 6, elements=st.sampled_from([0.0, 0.0, 0.5, 2.0, 1e300, np.inf])),
)
def test_what_breaks_limits_gets_less_than_what_keeps_them(
    values: np.ndarray, violations: np.ndarray
) -> None:
    found = feasibility_first(values, violations)
    feasible = violations == 0
    assert np.array_equal(found[:, feasible], values[:, feasible])
    for row in found:
        assert row[~feasible].max(initial=-np.inf) < row[feasible].min(initial=np.inf)
        broken = np.argsort(violations[~feasible], kind="stable")
        assert (np.diff(row[~feasible][broken]) <= 0).all()


@pytest.mark.parametrize(
    ("reward", "problem", "field", "rule"),
    [
        (ScalarizedReward(weights=(1, 1, 1)), ACCURATE_AND_FAST, "weights", "2 objectives"),
        (
            MnasNetReward(metric="macs", target=1),
            ACCURATE_AND_FAST,
            "metric",
            "of the problem: ['latency_ms']",
        ),
        (MnasNetReward(metric="accuracy", target=1), ACCURATE_AND_FAST, "metric", "minimize"),
        (MnasNetReward(metric="f2", target=1), two_losses(SPACE), "kind", "scalarized"),
        (
            MnasNetReward(metric="latency_ms", target=1),
            Problem(SPACE, (ACCURACY, LATENCY, Objective(metric="macs"))),
            "kind",
            "beside a quality and the cost",
        ),
        (
            N2N,
            Problem(SPACE, (ACCURACY, Objective(metric="num_params", goal="maximize"))),
            "kind",
            "not exactly one",
        ),
    ],
)
def test_problems_that_a_reward_is_not_defined_for(
    reward: Any, problem: Problem, field: str, rule: str
) -> None:
    with pytest.raises(UnsuitableProblemError) as caught:
        reward.check(problem)
    assert caught.value.field == field
    assert rule in caught.value.rule


def test_a_cost_may_be_an_objective_or_have_a_limit() -> None:
    reward = MnasNetReward(metric="latency_ms", target=5)
    reward.check(ACCURATE_AND_FAST)
    reward.check(Problem(SPACE, (ACCURACY,), (Limit(metric="latency_ms", upper=10),)))
