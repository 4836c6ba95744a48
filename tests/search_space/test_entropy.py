"""DeepMAD's formulas by hand; `test_deepmad.py` has them over whole networks."""

import math

import numpy as np
import pytest

from search_space.entropy import (
    PAPER,
    RELEASED,
    Trunk,
    depth_penalty,
    effectiveness,
    entropies,
    score,
)

# One network of two stages: a convolution of 27 and one of 64 * 9 into 64 channels of 16 x 16;
# then two of 64 * 9 into 128 channels of 8 x 8.
WIDTHS = [[27, 576], [576, 576]]
TRUNK = Trunk(
    log_widths=np.array([[math.log(27 * 576), 2 * math.log(576)]]),
    num_layers=np.array([[2.0, 2.0]]),
    channels=np.array([[64.0, 128.0]]),
    sides=np.array([[16.0, 8.0]]),
)
LOGS = [math.log(64 * 16**2), math.log(128 * 8**2)]
DEPTHS = [math.log(27 * 576), math.log(27 * 576**3)]


def test_entropy_is_the_logarithm_of_the_map_times_the_widths_so_far() -> None:
    paper = [log * depth for log, depth in zip(LOGS, DEPTHS, strict=True)]
    assert entropies(TRUNK, PAPER)[0] == pytest.approx(paper)
    assert entropies(TRUNK, RELEASED)[0] == pytest.approx([value / 2 for value in paper])


def test_effectiveness_is_depth_by_geometric_mean_width() -> None:
    means = math.sqrt(27 * 576), (27 * 576**3) ** 0.25
    assert effectiveness(TRUNK)[0] == pytest.approx(max(2 / means[0], 4 / means[1]))


def test_the_penalty_is_of_the_spread_of_depths_without_the_first_stage() -> None:
    ones = np.ones((1, 4))
    trunk = Trunk(ones, np.array([[1.0, 3, 6, 9]]), ones, ones)
    assert depth_penalty(trunk, PAPER)[0] == pytest.approx(math.exp(6))
    assert depth_penalty(trunk, RELEASED)[0] == pytest.approx(math.exp(math.sqrt(6)))
    single = Trunk(ones[:, :1], ones[:, :1], ones[:, :1], ones[:, :1])
    assert depth_penalty(single, RELEASED)[0] == 1
    hopeless = Trunk(ones, np.array([[1.0, 1, 1, 9000]]), ones, ones)
    assert np.isfinite(depth_penalty(hopeless, PAPER)).all()


def test_the_score_weighs_the_last_stage_eightfold() -> None:
    first, last = (log * depth / 2 for log, depth in zip(LOGS, DEPTHS, strict=True))
    assert score(TRUNK)[0] == pytest.approx(first + 8 * last - 10)


def test_arrays_must_agree() -> None:
    with pytest.raises(ValueError, match=r"one shape \(count, stages\)"):
        Trunk(np.ones((1, 2)), np.ones((1, 3)), np.ones((1, 2)), np.ones((1, 2)))
