"""Pareto dominance on loss matrices: fronts by sort, crowding, hypervolume.

Everywhere a loss matrix has shape (count, num_objectives), every column is to be minimized and no
entry is NaN. A row dominates another when it is nowhere worse and somewhere better; so equal rows
do not dominate each other.

No two rows are ever compared in a loop over pairs: rows are visited in lexicographic order, in
which nobody is dominated by a later row, and each is compared with a summary of the earlier ones.
With n rows, in 2 objectives the summary is one number (O(n log n), Kung et al. 1975, J. ACM
22(4)), in 3 a `Staircase`, beyond that the front so far, as one vectorized comparison.
"""

from bisect import bisect_left, bisect_right
from typing import Protocol

import numpy as np
import numpy.typing as npt

Losses = npt.NDArray[np.float64]


def non_dominated(losses: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Returns which rows no other row dominates, shape (count,); of equal rows all or none.

    Raises:
        ValueError: not a matrix, or NaN.
    """
    rows, inverse = _sorted_unique(_checked(losses))
    return _first_front(rows)[inverse]


def fronts(losses: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Returns each row's rank, shape (count,): 0 on the front, 1 on the front of the rest, ...

    Rows find their front by bisection, since a front that dominates a row implies that all better
    fronts do (Zhang et al. 2015, IEEE TEVC 19(2): ENS-BS; here with the summaries of this module).

    Raises:
        ValueError: not a matrix, or NaN.
    """
    rows, inverse = _sorted_unique(_checked(losses))
    if rows.shape[1] == 1:
        return inverse
    ranks = np.zeros(len(rows), dtype=np.int64)
    if rows.shape[1] == 2:
        lowest: list[float] = []  # of each front; ascends from front to front
        for i, loss in enumerate(rows[:, 1].tolist()):
            ranks[i] = bisect_right(lowest, loss)
            lowest[ranks[i] : ranks[i] + 1] = [loss]
        return ranks[inverse]
    summaries: list[_Summary] = []
    for i, row in enumerate(rows[:, 1:].tolist()):
        low, high = 0, len(summaries)
        while low < high:
            middle = (low + high) // 2
            if summaries[middle].covers(row):
                low = middle + 1
            else:
                high = middle
        if low == len(summaries):
            summaries.append(_summary(rows.shape[1]))
        summaries[low].insert(row)
        ranks[i] = low
    return ranks[inverse]


def crowding(losses: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Returns the crowding distance of each row of one front, shape (count,).

    The sum over objectives of the distance between a row's two neighbours, as a fraction of the
    objective's range; infinite for a row that is first or last in some objective (Deb et al. 2002,
    IEEE TEVC 6(2), section III-B). Of equal extremes only one is infinite. An objective without a
    range adds nothing.

    Args:
        losses: finite, of rows of one front.

    Raises:
        ValueError: not a matrix, or NaN.
    """
    rows = _checked(losses)
    return crowding_by_front(rows, np.zeros(len(rows), dtype=np.int64))


def crowding_by_front(
    losses: npt.ArrayLike, ranks: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Returns the crowding distance of each row on its own front, shape (count,).

    All fronts at once: in the order of ranks, then of an objective, each front is a run of rows.

    Args:
        losses: finite.
        ranks: the front of each row, as `fronts` returns it, shape (count,).

    Raises:
        ValueError: not a matrix, or NaN.
    """
    rows = _checked(losses)
    distances = np.zeros(len(rows))
    if len(rows) == 0:
        return distances
    for column in rows.T:
        order = np.lexsort((column, ranks))
        front = ranks[order]
        starts = np.concatenate([[True], front[1:] != front[:-1]])
        run = np.cumsum(starts) - 1
        first = np.flatnonzero(starts)
        last = np.concatenate([first[1:], [len(rows)]]) - 1
        # Scaled before subtracting: the range of huge losses may exceed the largest float.
        ascending = column[order]
        largest = np.maximum(np.abs(ascending[first]), np.abs(ascending[last]))[run]
        scaled = np.divide(ascending, largest, out=np.zeros(len(rows)), where=largest > 0)
        width = (scaled[last] - scaled[first])[run]
        ranged = ascending[last][run] > ascending[first][run]
        gaps = np.full(len(rows), np.inf)
        gaps[1:-1] = scaled[2:] - scaled[:-2]
        gaps[first] = gaps[last] = np.inf
        distances[order[ranged]] += gaps[ranged] / width[ranged]
    return distances


def hypervolume(losses: npt.ArrayLike, reference: npt.ArrayLike) -> float:
    """Returns the volume that the rows dominate below a reference point, exactly.

    By a sweep in up to 3 objectives (O(n log n); Beume et al. 2009, IEEE TEVC 13(5), section IV),
    by exclusive volumes beyond (While et al. 2012, IEEE TEVC 16(1): WFG, with its slicing: one
    objective less at each level), which takes time exponential in the number of objectives.

    Args:
        losses: shape (count, num_objectives), finite.
        reference: shape (num_objectives,), finite; rows that are not better than it in every
            objective add nothing.

    Raises:
        ValueError: shapes do not match, or a number is not finite.
    """
    rows = _checked(losses)
    corner = np.asarray(reference, dtype=np.float64)
    if corner.shape != (rows.shape[1],):
        raise ValueError(
            f"reference must have shape (num_objectives,) = ({rows.shape[1]},), got {corner.shape}"
        )
    if not (np.isfinite(rows).all() and np.isfinite(corner).all()):
        raise ValueError("losses and reference must be finite")
    better = rows[(rows < corner).all(axis=1)]
    return _volume(better - corner)


def _checked(losses: npt.ArrayLike) -> Losses:
    rows = np.asarray(losses, dtype=np.float64)
    if rows.ndim != 2 or rows.shape[1] == 0:
        raise ValueError(f"losses must have shape (count, num_objectives >= 1), got {rows.shape}")
    if np.isnan(rows).any():
        raise ValueError("losses must not be NaN")
    return rows


def _sorted_unique(rows: Losses) -> tuple[Losses, npt.NDArray[np.int64]]:
    """Returns the distinct rows in lexicographic order, and each given row's position there."""
    order = np.lexsort(rows.T[::-1])
    ordered = rows[order]
    new = np.ones(len(rows), dtype=np.bool_)
    new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    inverse = np.empty(len(rows), dtype=np.int64)
    inverse[order] = np.cumsum(new) - 1
    return ordered[new], inverse


def _first_front(rows: Losses) -> npt.NDArray[np.bool_]:
    """Returns which of some distinct rows in lexicographic order are not dominated."""
    count, num_objectives = rows.shape
    first = np.zeros(count, dtype=np.bool_)
    first[:1] = True
    if num_objectives == 1:
        return first
    if num_objectives == 2:
        lowest_before = np.minimum.accumulate(np.concatenate([[np.inf], rows[:-1, 1]]))[:count]
        return np.logical_or(first, rows[:, 1] < lowest_before)  # first: even if infinite
    front = _summary(num_objectives)
    mask = np.zeros(count, dtype=np.bool_)
    for i, row in enumerate(rows[:, 1:].tolist()):
        if not front.covers(row):
            front.insert(row)
            mask[i] = True
    return mask


class _Summary(Protocol):
    """Rows of one front without their first loss, in the order of which they come."""

    def covers(self, point: list[float]) -> bool:
        """Returns whether some point here is nowhere worse than the given one."""
        ...

    def insert(self, point: list[float]) -> None:
        """Adds a point that is not covered."""
        ...


def _summary(num_objectives: int) -> _Summary:
    return Staircase() if num_objectives == 3 else _Members(num_objectives - 1)


class Staircase:
    """The front of points in the plane, sorted: x ascends and y descends strictly.

    Covering, inserting and keeping the area cost O(log n) comparisons (amortized) and a memory
    move.

    Attributes:
        area: the area between the points, and the corner (0, 0): right for points below 0.
    """

    def __init__(self) -> None:
        self._xs: list[float] = []
        self._ys: list[float] = []
        self.area = 0.0

    def covers(self, point: list[float]) -> bool:
        """Returns whether some point of the staircase is nowhere worse than the given one."""
        x, y = point
        position = bisect_right(self._xs, x)
        return position > 0 and self._ys[position - 1] <= y

    def insert(self, point: list[float]) -> None:
        """Adds a point that is not covered, and drops those that it covers."""
        x, y = point
        start = end = bisect_left(self._xs, x)
        left, upper = x, self._ys[start - 1] if start > 0 else 0.0
        while end < len(self._xs) and self._ys[end] >= y:
            self.area += (self._xs[end] - left) * (upper - y)
            left, upper = self._xs[end], self._ys[end]
            end += 1
        right = self._xs[end] if end < len(self._xs) else 0.0
        self.area += (right - left) * (upper - y)
        self._xs[start:end] = [x]
        self._ys[start:end] = [y]


class _Members:
    """Points in any number of dimensions, one growing column for each, compared all at once."""

    def __init__(self, num_dimensions: int) -> None:
        self._columns = np.empty((num_dimensions, 64))
        self._count = 0

    def covers(self, point: list[float]) -> bool:
        """As `Staircase.covers`."""
        covering = np.ones(self._count, dtype=np.bool_)
        for column, value in zip(self._columns, point, strict=True):
            covering &= column[: self._count] <= value
        return bool(covering.any())

    def insert(self, point: list[float]) -> None:
        """Adds a point that is not covered."""
        if self._count == self._columns.shape[1]:
            self._columns = np.concatenate([self._columns, np.empty_like(self._columns)], axis=1)
        self._columns[:, self._count] = point
        self._count += 1


def _volume(rows: Losses) -> float:
    """Returns the hypervolume of rows that are all below the reference point 0."""
    if len(rows) == 0:
        return 0.0
    rows, _ = _sorted_unique(rows)
    num_objectives = rows.shape[1]
    if num_objectives == 1:
        return float(-rows[0, 0])
    rows = rows[_first_front(rows)]
    if num_objectives == 2:
        upper = np.concatenate([[0.0], rows[:-1, 1]])
        return float((-rows[:, 0] * (upper - rows[:, 1])).sum())
    if num_objectives == 3:
        return _volume_3d(rows)
    # Each row adds its box less what the earlier ones dominate of it. These are not worse in the
    # first objective, so that what they dominate is as wide there as the box: one objective less.
    total = 0.0
    for i, row in enumerate(rows):
        side, face = -row[0], row[1:]
        total += float(side * (np.prod(-face) - _volume(np.maximum(rows[:i, 1:], face))))
    return total


def _volume_3d(rows: Losses) -> float:
    """Sweeps the first objective; the others' staircase has the area of each slice."""
    section = Staircase()
    volume = 0.0
    ends = np.append(rows[1:, 0], 0.0).tolist()
    for (start, *point), end in zip(rows.tolist(), ends, strict=True):
        section.insert(point)
        volume += (end - start) * section.area
    return volume
