"""Fronts, ranks, crowding and hypervolumes against brute force, moocore and closed forms."""

import moocore
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import loss_matrices

from searchers.pareto import (
    Losses,
    crowding,
    crowding_by_front,
    fronts,
    hypervolume,
    non_dominated,
)

Matrix = npt.NDArray[np.float64]


def brute_force_front(losses: Matrix) -> list[bool]:
    return [
        not any(((other <= row).all() and (other < row).any()) for other in losses)
        for row in losses
    ]


@given(loss_matrices())
def test_the_front_is_what_no_row_dominates(losses: Matrix) -> None:
    assert non_dominated(losses).tolist() == brute_force_front(losses)


@given(loss_matrices())
def test_ranks_peel_one_front_after_another(losses: Matrix) -> None:
    ranks = fronts(losses)
    remaining = np.ones(len(losses), dtype=bool)
    rank = 0
    while remaining.any():
        front = np.flatnonzero(remaining)[brute_force_front(losses[remaining])]
        assert set(np.flatnonzero(ranks == rank)) == set(front)
        remaining[front] = False
        rank += 1


@given(loss_matrices(max_count=60).filter(lambda losses: len(losses) > 0))
def test_fronts_and_ranks_agree_with_moocore(losses: Matrix) -> None:
    assert np.array_equal(non_dominated(losses), moocore.is_nondominated(losses, keep_weakly=True))
    if losses.shape[1] > 1:
        # moocore ranks only the first of equal rows; compare where there are none.
        distinct = np.unique(losses, axis=0)
        assert np.array_equal(fronts(distinct), moocore.pareto_rank(distinct))


@pytest.mark.parametrize("num_objectives", [1, 2, 3, 4, 5])
def test_large_random_sets_agree_with_moocore(num_objectives: int) -> None:
    losses = np.random.default_rng(num_objectives).random((500, num_objectives))
    reference = np.full(num_objectives, 0.9)
    expected = moocore.hypervolume(losses[:60], ref=reference)
    assert hypervolume(losses[:60], reference) == pytest.approx(expected, rel=1e-12)
    assert np.array_equal(non_dominated(losses), moocore.is_nondominated(losses))
    if num_objectives > 1:
        assert np.array_equal(fronts(losses), moocore.pareto_rank(losses))


@pytest.mark.parametrize("losses", [[[0.0, np.inf], [1.0, np.inf]], [[-np.inf, 1.0], [0.0, 2.0]]])
def test_infinite_losses_are_ordinary(losses: list[list[float]]) -> None:
    assert non_dominated(losses).tolist() == [True, False]
    assert fronts(losses).tolist() == [0, 1]


def test_crowding_of_a_front_with_known_distances() -> None:
    # Deb et al. 2002, section III-B: sums of the neighbours' distances over the ranges 4 and 8.
    losses = [[0, 8], [1, 6], [3, 2], [4, 0]]
    assert crowding(losses) == pytest.approx(
        [np.inf, 3 / 4 + 6 / 8, 3 / 4 + 6 / 8, np.inf], rel=1e-12
    )


@given(loss_matrices())
def test_crowding_of_all_fronts_is_that_of_each(losses: Losses) -> None:
    ranks = fronts(losses) if len(losses) else np.empty(0, dtype=np.int64)
    found = crowding_by_front(losses, ranks)
    for rank in np.unique(ranks):
        on_front = ranks == rank
        assert found[on_front].tolist() == crowding(losses[on_front]).tolist()
    # Each extreme of an objective with a range is infinitely far from others, one row of equals.
    first = losses[ranks == 0]
    if len(first):
        ranged = np.ptp(first, axis=0) > 0
        assert np.isinf(found[ranks == 0]).any() == ranged.any()


def test_crowding_ignores_an_objective_without_a_range() -> None:
    assert crowding([[0, 5], [1, 5], [4, 5]]).tolist() == [np.inf, 1.0, np.inf]
    assert crowding([[2, 5], [2, 5]]).tolist() == [0.0, 0.0]
    assert crowding(np.empty((0, 2))).tolist() == []


@given(loss_matrices(), st.floats(0.1, 100), st.floats(-50, 50))
def test_crowding_does_not_depend_on_units(losses: Matrix, scale: float, shift: float) -> None:
    coarse = np.round(losses)  # so that no range vanishes by rounding
    assert crowding(coarse * scale + shift) == pytest.approx(crowding(coarse), rel=1e-6, abs=1e-6)


@given(loss_matrices(max_count=12), st.floats(-1, 5))
def test_hypervolume_agrees_with_moocore(losses: Matrix, corner: float) -> None:
    reference = np.full(losses.shape[1], corner)
    expected = moocore.hypervolume(losses, ref=reference) if len(losses) else 0.0
    assert hypervolume(losses, reference) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@given(loss_matrices(max_count=8).map(np.round))
def test_hypervolume_on_a_grid_is_the_number_of_dominated_cells(losses: Matrix) -> None:
    # Losses are integers from 0 to 4: the cells of the cube up to 5 can be counted.
    num_objectives = losses.shape[1]
    cells = np.stack(np.meshgrid(*[np.arange(5)] * num_objectives, indexing="ij"), axis=-1)
    dominated = np.zeros(cells.shape[:-1], dtype=bool)
    for row in losses:
        dominated |= (row <= cells).all(axis=-1)
    assert hypervolume(losses, np.full(num_objectives, 5)) == dominated.sum()


@pytest.mark.parametrize("num_objectives", [2, 3, 4])
def test_hypervolume_of_one_point_is_its_box(num_objectives: int) -> None:
    point = np.arange(num_objectives) / 10
    assert hypervolume([point], np.ones(num_objectives)) == pytest.approx((1 - point).prod())


def test_hypervolume_of_the_zdt1_front_approaches_its_closed_form() -> None:
    # Zitzler et al. 2000: f2 = 1 - sqrt(f1); below (1.1, 1.1) the integral is 1.21 - 1 / 3.
    first = np.linspace(0, 1, 100_001)
    volume = hypervolume(np.stack([first, 1 - np.sqrt(first)], axis=1), [1.1, 1.1])
    assert volume == pytest.approx(1.21 - 1 / 3, abs=1e-4)
    assert volume < 1.21 - 1 / 3


def test_hypervolume_of_a_sphere_octant_approaches_its_closed_form() -> None:
    # DTLZ2's front (Deb et al. 2002) is the unit sphere's first octant: what it dominates below
    # (1, 1, 1) is the unit cube less an eighth of the ball.
    angles = np.linspace(0, np.pi / 2, 150)
    theta, phi = (grid.ravel() for grid in np.meshgrid(angles, angles))
    x = np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], axis=1)
    assert hypervolume(x, [1, 1, 1]) == pytest.approx(1 - np.pi / 6, abs=0.01)


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        ([1.0, 2.0], r"losses must have shape \(count, num_objectives >= 1\), got \(2,\)"),
        (np.empty((3, 0)), r"got \(3, 0\)"),
        ([[np.nan, 1.0]], "losses must not be NaN"),
    ],
)
def test_bad_matrices_are_refused(losses: npt.ArrayLike, message: str) -> None:
    for function in (non_dominated, fronts, crowding):
        with pytest.raises(ValueError, match=message):
            function(losses)
    with pytest.raises(ValueError, match=message):
        hypervolume(losses, [1.0, 1.0])


def test_hypervolume_refuses_what_has_no_volume() -> None:
    with pytest.raises(ValueError, match=r"shape \(num_objectives,\) = \(2,\), got \(3,\)"):
        hypervolume([[0.0, 0.0]], [1.0, 1.0, 1.0])
    with pytest.raises(ValueError, match="finite"):
        hypervolume([[0.0, -np.inf]], [1.0, 1.0])
    with pytest.raises(ValueError, match="finite"):
        hypervolume([[0.0, 0.0]], [1.0, np.inf])
