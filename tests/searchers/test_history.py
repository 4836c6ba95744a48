"""The history of hypervolumes against the hypervolume of each prefix."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from strategies import loss_matrices

from searchers.history import evaluations_to_reach, hypervolume_history
from searchers.pareto import hypervolume


@given(loss_matrices())
def test_each_entry_is_the_hypervolume_of_the_rows_so_far(losses: npt.NDArray[np.float64]) -> None:
    reference = np.full(losses.shape[1], 1.5)
    history = hypervolume_history(losses, reference)
    expected = [hypervolume(losses[: i + 1], reference) for i in range(len(losses))]
    assert history == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("num_objectives", [1, 2, 3, 4])
def test_rows_that_are_not_finite_or_beyond_the_reference_add_nothing(num_objectives: int) -> None:
    rows = np.array([[np.inf], [0.5], [np.nan], [1.0], [0.25]]) * np.ones(num_objectives)
    history = hypervolume_history(rows, np.ones(num_objectives))
    assert history.tolist() == pytest.approx(
        [0.0, *[0.5**num_objectives] * 3, 0.75**num_objectives]
    )


def test_no_rows_have_no_history() -> None:
    assert hypervolume_history(np.empty((0, 2)), [1.0, 1.0]).tolist() == []


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"got \(2, 2\) and \(3,\)"):
        hypervolume_history(np.ones((2, 2)), np.ones(3))
    with pytest.raises(ValueError, match="reference must be finite"):
        hypervolume_history(np.ones((2, 2)), [1.0, np.inf])


def test_a_target_is_reached_by_the_first_evaluation_that_is_as_good() -> None:
    assert evaluations_to_reach([0.0, 1.0, 1.0, 2.0], 1.0) == 2
    assert evaluations_to_reach([0.0, 1.0], 1.5) is None
    assert evaluations_to_reach([0.1 + 0.2], 0.3) == 1
