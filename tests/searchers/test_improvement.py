"""Expected hypervolume improvement: boxes against volumes, integrals against simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from searchers.improvement import MAX_POINTS, expected_improvement, open_boxes
from searchers.pareto import Losses, hypervolume, non_dominated
from searchers.predictors.targets import Linear, RankNormal

PLAIN = Linear(0.0, 1.0)


def front_of(rows: Losses) -> Losses:
    below = rows[(rows < 1).all(axis=1)]
    return np.unique(below[non_dominated(below)], axis=0)


@settings(max_examples=40)
@given(
    st.integers(1, 4).flatmap(
        lambda m: hnp.arrays(
            np.float64, st.tuples(st.integers(0, 8), st.just(m)), elements=st.integers(-4, 1)
        )
    )
)
def test_boxes_are_what_a_front_leaves_open(rows: Losses) -> None:
    num_objectives = rows.shape[1]
    front = front_of(rows.astype(np.float64))
    reference, corner = np.ones(num_objectives), np.full(num_objectives, -5.0)
    boxes = open_boxes(front, reference)
    volume = np.prod(boxes.upper - np.maximum(boxes.lower, corner), axis=1).sum()
    assert volume == pytest.approx(6.0**num_objectives - hypervolume(front, reference))
    for lower, upper in zip(np.maximum(boxes.lower, corner), boxes.upper, strict=True):
        middle = (lower + upper) / 2
        assert not (front <= middle).all(axis=1).any()


@pytest.mark.parametrize("num_objectives", [1, 2, 3])
def test_improvement_is_the_mean_of_simulated_ones(num_objectives: int) -> None:
    rng = np.random.default_rng(num_objectives)
    front = front_of(rng.uniform(-1, 1, (6, num_objectives)))
    reference = np.ones(num_objectives)
    means, deviations = rng.uniform(-1, 1, (3, num_objectives)), np.full((3, num_objectives), 0.5)
    scales = [PLAIN] * num_objectives
    found = expected_improvement(open_boxes(front, reference), scales, means, deviations)
    before = hypervolume(front, reference)
    for mean, deviation, value in zip(means, deviations, found, strict=True):
        drawn = rng.normal(mean, deviation, (800, num_objectives))
        gains = [hypervolume(np.vstack([front, point]), reference) - before for point in drawn]
        assert value == pytest.approx(np.mean(gains), abs=4 * np.std(gains) / np.sqrt(800))


def test_a_certain_prediction_improves_by_what_it_adds() -> None:
    front, reference = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([2.0, 2.0])
    means = np.array([[0.5, 0.5], [1.0, 1.0], [-1.0, 3.0]])
    found = expected_improvement(
        open_boxes(front, reference), [PLAIN, PLAIN], means, np.full((3, 2), 1e-9)
    )
    # (0.5, 0.5) adds the square up to (1, 1); the others are dominated or beyond the reference.
    assert found == pytest.approx([0.25, 0.0, 0.0], abs=1e-8)


def test_volumes_are_measured_in_the_losses_own_unit() -> None:
    # Losses 0, 1, 3 have scores 0, 1, 2: from 1 on, a score is worth twice as much.
    bent = RankNormal(np.array([0.0, 1.0, 3.0]), np.array([0.0, 1.0, 2.0]), 1.0)
    boxes = open_boxes(np.array([[1.0, 1.0]]), np.array([3.0, 3.0]))
    certain = np.full((1, 2), 1e-9)
    # A loss of 2 in the first objective at score 1.5, and of 0 in the second: adds 1 x 1.
    means = np.array([[1.5, 0.0]])
    found = expected_improvement(boxes, [bent, bent], means, certain)
    assert found == pytest.approx([hypervolume([[2.0, 0.0], [1.0, 1.0]], [3.0, 3.0]) - 4], abs=1e-6)


def test_a_front_of_many_points_is_thinned_but_keeps_its_ends() -> None:
    angles = np.linspace(0, np.pi / 2, 300)[1:-1]
    front = -np.stack([np.sin(angles), np.cos(angles)], axis=1)
    boxes = open_boxes(front, np.zeros(2))
    assert len(boxes.upper) == MAX_POINTS[2] + 1
    assert boxes.upper[:, 0].min() == front[:, 0].min()
    assert boxes.upper[:, 1].min() == front[:, 1].min()


@pytest.mark.parametrize("num_objectives", range(2, 13))
def test_boxes_of_any_number_of_objectives_are_few(num_objectives: int) -> None:
    points = np.random.default_rng(0).random((300, num_objectives))
    front = points / np.linalg.norm(points, axis=1, keepdims=True)
    boxes = open_boxes(front, np.full(num_objectives, 2.0))
    assert num_objectives < len(boxes.upper) < 2000
