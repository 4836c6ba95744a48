"""How good a search's front was after each of its evaluations."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from searchers.pareto import Losses, Staircase, hypervolume


def hypervolume_history(losses: npt.ArrayLike, reference: npt.ArrayLike) -> Losses:
    """Returns the hypervolume of the first 1, 2, ..., count rows, shape (count,).

    In two objectives the front is kept as a staircase whose area is kept with it, so that a row
    costs O(log n) comparisons. Otherwise a row that enters the front adds what it alone dominates,
    so that all of the history takes about as long as the hypervolume of its end.

    Args:
        losses: shape (count, num_objectives), in the order of evaluation. A row that is not finite
            (an infeasible network, one that failed) adds nothing.
        reference: shape (num_objectives,), finite.

    Raises:
        ValueError: shapes do not match, or the reference is not finite.
    """
    rows = np.asarray(losses, dtype=np.float64)
    corner = np.asarray(reference, dtype=np.float64)
    if rows.ndim != 2 or corner.shape != (rows.shape[1],):
        raise ValueError(
            "losses must have shape (count, num_objectives) and reference (num_objectives,), "
            f"got {rows.shape} and {corner.shape}"
        )
    if not np.isfinite(corner).all():
        raise ValueError(f"reference must be finite, got {corner.tolist()}")
    shifted = rows - corner
    useful: npt.NDArray[np.bool_] = np.all(np.isfinite(rows) & (shifted < 0), axis=1)
    if rows.shape[1] == 2:
        return _staircase_history(shifted, useful)
    return _added_history(shifted, useful)


def _staircase_history(shifted: Losses, useful: npt.NDArray[np.bool_]) -> Losses:
    staircase = Staircase()
    history = np.zeros(len(shifted))
    for position, point in enumerate(shifted.tolist()):
        if useful[position] and not staircase.covers(point):
            staircase.insert(point)
        history[position] = staircase.area
    return history


def _added_history(shifted: Losses, useful: npt.NDArray[np.bool_]) -> Losses:
    num_objectives = shifted.shape[1]
    front = np.empty((0, num_objectives))
    history = np.zeros(len(shifted))
    volume = 0.0
    for position, row in enumerate(shifted):
        if useful[position] and not (front <= row).all(axis=1).any():
            # Its box, less what the front dominates of it: mostly few rows of that matter.
            covered = hypervolume(np.maximum(front, row), np.zeros(num_objectives))
            volume += float(np.prod(-row)) - covered
            front = np.vstack([front[~(row <= front).all(axis=1)], row])
        history[position] = volume
    return history


def evaluations_to_reach(history: Sequence[float], target: float) -> int | None:
    """Returns after how many evaluations a history first reaches a target; None if it never does.

    A target within rounding (1e-12 of itself) counts as reached.
    """
    for count, value in enumerate(history, start=1):
        if value >= target * (1 - 1e-12):
            return count
    return None
