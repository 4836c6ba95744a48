"""The scales on which predictors learn."""

from statistics import NormalDist
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from searchers.predictors.ridge import RidgePredictor, RidgeSettings
from searchers.predictors.targets import TargetScaleKind, fit_scale
from searchers.trust import kendall_tau_b

KINDS: tuple[TargetScaleKind, ...] = get_args(TargetScaleKind)
values = st.lists(
    st.one_of(st.integers(-5, 5).map(float), st.floats(-1e30, 1e30, allow_nan=False)),
    min_size=1,
    max_size=20,
)


@given(st.sampled_from(KINDS), values, st.floats(-1e6, 1e6))
def test_scales_ascend_and_stay_finite(
    kind: TargetScaleKind, known: list[float], target: float
) -> None:
    scale = fit_scale(kind, known)
    ascending = np.sort(known)
    assert np.isfinite(scale.forward(ascending)).all()
    assert (np.diff(scale.forward(ascending)) >= 0).all()
    found = scale.inverse([target - 1, target, target + 1])
    assert np.isfinite(found).all()
    assert (np.diff(found) >= 0).all()


@given(st.sampled_from(KINDS), values)
def test_what_was_known_is_found_again(kind: TargetScaleKind, known: list[float]) -> None:
    scale = fit_scale(kind, known)
    expected = scale.forward(known) if kind == "winsorized" else known
    size = max(map(abs, known))
    found = scale.inverse(scale.forward(known))
    assert found == pytest.approx(np.asarray(expected), rel=1e-9, abs=1e-9 * size)


def test_the_largest_magnitude_lies_between_ten_and_a_hundred() -> None:
    for largest in (93.1, 9.31, -0.0931, 1e7):
        moved = fit_scale("power_of_ten", [0.5 * largest, largest]).forward(largest)
        assert 10 <= abs(moved) < 100
    assert fit_scale("power_of_ten", [0.0]).forward([0.0]) == 0


def test_no_unit_is_zero() -> None:
    for known in ([5e-324], [0.0, 1e-310], [-3e-320, 2e-315]):
        for kind in KINDS:
            scale = fit_scale(kind, known)
            assert np.isfinite(scale.forward(known)).all()
            assert scale.inverse(scale.forward(known)) == pytest.approx(known, abs=1e-307)


def test_normal_scores_are_those_of_blom() -> None:
    scale = fit_scale("rank_normal", [30.0, 10.0, 20.0, 20.0])
    ranks = [1, 2.5, 4]
    expected = [NormalDist().inv_cdf((rank - 0.375) / 4.25) for rank in ranks]
    assert scale.forward([10.0, 20.0, 30.0]) == pytest.approx(expected)
    # Beyond what is known it goes on, so that candidates that promise more are told apart.
    assert scale.inverse([expected[-1] + 1])[0] > 30


def test_winsorizing_moves_outliers_to_the_outer_fence() -> None:
    known = [10.0, *np.linspace(90, 94, 41)]
    low, high = np.percentile(known, (25, 75))
    moved = fit_scale("winsorized", known).forward(known)
    assert moved[0] == pytest.approx(low - 3 * (high - low))
    assert np.array_equal(moved[1:], known[1:])
    # Where half of all are equal there are no fences.
    assert fit_scale("winsorized", [1.0, 1.0, 1.0, 9.0]).forward([9.0])[0] == 9.0


@pytest.mark.parametrize("known", [[], [np.nan], [1.0, np.inf]])
def test_values_must_be_finite(known: list[float]) -> None:
    with pytest.raises(ValueError, match="values must be finite, one at least"):
        fit_scale("rank_normal", known)


def test_robust_scales_rank_the_good_ones_although_some_are_broken() -> None:
    rng = np.random.default_rng(0)
    rows = np.eye(4)[rng.integers(0, 4, (80, 6))].reshape(80, -1)
    accuracy = 92 + rows @ rng.normal(0, 0.5, 24)
    is_broken = (rows[:, 0] > 0) & (rows[:, 4] > 0) | (rng.random(80) < 0.03)
    spoilt = np.where(is_broken, 10.0, accuracy)
    good = ~is_broken

    def tau(kind: TargetScaleKind) -> float:
        predictor = RidgePredictor(RidgeSettings())
        predictor.fit(rows, fit_scale(kind, spoilt).forward(spoilt))
        return kendall_tau_b(predictor.left_out()[good], spoilt[good])

    for kind in ("winsorized", "rank_normal"):
        assert tau(kind) > tau("standardized") + 0.1
