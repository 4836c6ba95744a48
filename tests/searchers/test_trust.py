"""Statistics of supernets against scipy and closed forms."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import assume, given
from hypothesis import strategies as st

from searchers.trust import (
    _tau_b,
    kendall_tau_b,
    mean_pareto_accuracy,
    rank_correlation,
    spearman_rho,
)

# Few distinct values, so that ties are common.
numbers = st.integers(-3, 3).map(float) | st.sampled_from([-math.inf, -0.0, 1e308, math.inf])
pairs = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=2, max_size=12)


@given(pairs)
def test_correlations_are_those_of_scipy(drawn: list[tuple[int, int]]) -> None:
    x, y = np.array(drawn, dtype=float).T
    assume(len(set(x)) > 1 and len(set(y)) > 1)
    assert kendall_tau_b(x, y) == pytest.approx(scipy.stats.kendalltau(x, y).statistic)
    assert spearman_rho(x, y) == pytest.approx(scipy.stats.spearmanr(x, y).statistic)


@given(st.lists(st.tuples(numbers, numbers), max_size=20))
def test_pairs_are_counted_without_making_them(drawn: list[tuple[float, float]]) -> None:
    x, y = np.array(drawn, dtype=float).reshape(-1, 2).T
    counted, made = kendall_tau_b(x, y), float(_tau_b(x[None], y[None])[0])
    assert counted == made or (math.isnan(counted) and math.isnan(made))


def test_many_thousands_of_values_correlate_in_little_memory() -> None:
    rng = np.random.default_rng(5)
    x = rng.integers(0, 5000, 30_000)  # their pairs take 3.6 GB for each of their signs
    y = x + rng.integers(-3000, 3000, len(x))
    expected = scipy.stats.kendalltau(x, y).statistic
    assert kendall_tau_b(x, y) == pytest.approx(expected, rel=1e-12)


def test_what_is_no_number_has_no_order() -> None:
    assert math.isnan(kendall_tau_b([1, 2, math.nan], [1, 2, 3]))
    assert kendall_tau_b([1, 2, math.inf], [-math.inf, 2, 3]) == 1


def test_what_is_tied_altogether_has_no_correlation() -> None:
    assert math.isnan(kendall_tau_b([1, 2], [3, 3]))
    assert math.isnan(spearman_rho([1, 1], [1, 2]))
    assert math.isnan(kendall_tau_b([], []))
    undefined = rank_correlation("kendall", [1, 2, 3], [5, 5, 5], np.random.default_rng(0))
    assert (undefined.value, undefined.interval, undefined.num_pairs) == (None, None, 3)


def test_equal_orders_correlate_fully_whatever_is_resampled() -> None:
    values = [3.0, 1.0, 4.0, 1.5, 9.0, 2.0]
    for kind in ("kendall", "spearman"):
        found = rank_correlation(kind, values, np.exp(values), np.random.default_rng(0))
        assert found.value == pytest.approx(1)
        assert found.interval == pytest.approx((1, 1))


def test_the_bootstrap_interval_is_seeded_and_near_the_one_of_scipy() -> None:
    rng = np.random.default_rng(3)
    x = rng.standard_normal(40)
    y = x + rng.standard_normal(40)
    first, again = (rank_correlation("spearman", x, y, np.random.default_rng(7)) for _ in "ab")
    assert first == again
    expected = scipy.stats.bootstrap(
        (x, y),
        lambda a, b: scipy.stats.spearmanr(a, b).statistic,
        paired=True,
        vectorized=False,
        n_resamples=2000,
        method="percentile",
        rng=np.random.default_rng(1),
    ).confidence_interval
    assert first.interval == pytest.approx(tuple(expected), abs=0.03)


def test_two_pairs_have_no_interval() -> None:
    found = rank_correlation("kendall", [1, 2], [1, 2], np.random.default_rng(0))
    assert (found.value, found.interval, found.num_pairs) == (pytest.approx(1), None, 2)


def test_the_mean_pareto_accuracy_is_the_mean_height_of_the_staircase() -> None:
    # 60 % from cost 1 to 3, 80 % from 3 to 4; the point at cost 2 is dominated, the last one only
    # ends the range.
    assert mean_pareto_accuracy([1, 3, 2, 4], [60, 80, 50, 90]) == pytest.approx(
        (2 * 60 + 1 * 80) / 3
    )
    assert mean_pareto_accuracy([5, 5], [70, 71]) == 71
    assert mean_pareto_accuracy([5], [70]) == 70
    with pytest.raises(ValueError, match="count at least 1, got \\(0,\\) and \\(0,\\)"):
        mean_pareto_accuracy([], [])


@given(st.lists(st.tuples(st.integers(1, 20), st.floats(0, 100)), min_size=1, max_size=9))
def test_it_is_the_limit_of_evenly_spaced_budgets(points: list[tuple[int, float]]) -> None:
    cost, accuracy = np.array(points).T
    assume(cost.max() > cost.min())
    budgets = np.linspace(cost.min(), cost.max(), 20_001)[:-1]
    best = np.where(cost[None] <= budgets[:, None], accuracy[None], -np.inf).max(axis=1)
    assert mean_pareto_accuracy(cost, accuracy) == pytest.approx(best.mean(), abs=0.2)
