"""What is measured of runs: hypervolume shares, IGD+, evaluations to reach a share, quartiles."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from searchers.comparison.playing import Run
from searchers.pareto import Losses, non_dominated
from searchers.protocol import Problem

CHECKPOINTS = (25, 50, 75, 100, 150, 200, 300, 500)
TARGETS_PERCENT = (95.0, 99.0, 99.9)

Values = npt.NDArray[np.float64]


def checkpoints(evaluations: int) -> tuple[int, ...]:
    """Returns after how many evaluations runs are looked at: `CHECKPOINTS`, and at their end."""
    return (*(count for count in CHECKPOINTS if count < evaluations), evaluations)


def run_losses(problem: Problem, run: Run) -> Losses:
    """Returns the losses of a run's evaluations, shape (count, num_objectives), in their order.

    What is infeasible or breaks a limit is infinite: it is on no front.
    """
    losses = np.full((len(run.trials), len(problem.objectives)), np.inf)
    measured = [(n, one.metrics) for n, one in enumerate(run.trials) if one.metrics is not None]
    feasible = [(n, metrics) for n, metrics in measured if problem.violation(metrics) == 0]
    losses[[n for n, _ in feasible]] = problem.loss_matrix([metrics for _, metrics in feasible])
    return losses


def extended(history: Values, evaluations: int) -> Values:
    """Returns a history up to the budget, shape (evaluations,): its end stands for what is missing.

    A run is shorter than its budget only where the space held nothing further.
    """
    full = np.zeros(evaluations)
    full[: len(history)] = history
    full[len(history) :] = history[-1] if len(history) else 0.0
    return full


def igd_plus(losses: Losses, front: Losses, reference: Losses) -> float:
    """Returns how far a front is from what was found: the modified inverted generational distance.

    The mean over the front's points z of the smallest distance to a point a that was found, where
    only what is worse counts: sqrt(sum over objectives of max(a - z, 0)^2) (Ishibuchi et al. 2015,
    "Modified distance calculation", EMO). Differences are divided by the front's range in each
    objective, so that units do not matter; where it has none, as with a single objective, by its
    distance from the reference point.

    Args:
        losses: of what was found, shape (count, num_objectives); infinite where infeasible.
        front: shape (num_points, num_objectives), one or more.
        reference: shape (num_objectives,), for where the front has no range.

    Returns:
        0 where all of the front was found; infinite where nothing feasible was.
    """
    found = losses[np.isfinite(losses).all(axis=1)]
    if len(found) == 0:
        return math.inf
    found = found[non_dominated(found)]  # what is dominated is never nearer
    span = front.max(axis=0) - front.min(axis=0)
    span = np.where(span > 0, span, np.abs(reference - front.min(axis=0)))
    span[span == 0] = 1.0
    distances = [np.linalg.norm(np.maximum(found - z, 0.0) / span, axis=1).min() for z in front]
    return float(np.mean(distances))


@dataclass(frozen=True)
class Quartiles:
    """Of some values; None where the quartile is beyond all that is known (infinite)."""

    lower: float | None
    median: float | None
    upper: float | None


def quartiles(values: Sequence[float]) -> Quartiles:
    """Returns quartiles, interpolated between neighbours as numpy does; infinity is the largest.

    Args:
        values: one or more, none of them NaN.
    """
    ascending = sorted(values)
    lower, median, upper = (_quantile(ascending, part) for part in (0.25, 0.5, 0.75))
    return Quartiles(lower, median, upper)


def _quantile(ascending: Sequence[float], part: float) -> float | None:
    position = part * (len(ascending) - 1)
    low, high = ascending[math.floor(position)], ascending[math.ceil(position)]
    if math.isinf(high):
        # Halfway to infinity is infinity; but a position on a value is that value.
        return low if math.isfinite(low) and position == math.floor(position) else None
    return low + (high - low) * (position - math.floor(position))
