"""Expected hypervolume improvement, exactly, where predictions are independent and normal.

What a front leaves open below a reference point is cut into boxes. What a candidate is expected to
add is the sum over the boxes of what it is expected to dominate there, a product over objectives
(Emmerich et al. 2011, IEEE CEC; with boxes Yang et al. 2019, J. Global Optimization 75:3-34). Ours
differs in that predictions may be normal on another scale than the one volumes are measured on.
"""

from dataclasses import dataclass

import numpy as np

from searchers.inner import spread
from searchers.pareto import Losses, non_dominated
from searchers.predictors.base import Matrix, Vector
from searchers.predictors.targets import TargetScale

MAX_POINTS = {1: 1_000_000, 2: 200, 3: 40, 4: 14, 5: 11, 6: 8, 7: 6, 8: 5}
"""Points of a front that boxes are made of, by the number of objectives: a thousand boxes or so."""
MAX_POINTS_BEYOND = 3


@dataclass(frozen=True)
class OpenBoxes:
    """Disjoint boxes: what lies below a reference point and is not dominated by a front.

    Attributes:
        lower: corners, shape (num_boxes, num_objectives), -inf where a box is unbounded.
        upper: corners, same shape, finite.
    """

    lower: Losses
    upper: Losses


def open_boxes(front: Losses, reference: Vector) -> OpenBoxes:
    """Returns the boxes that a front leaves open.

    Args:
        front: non-dominated losses below the reference, shape (count, num_objectives); a front of
            many points is thinned, so that open space is overestimated a little.
        reference: shape (num_objectives,), finite.
    """
    most = MAX_POINTS.get(len(reference), MAX_POINTS_BEYOND)
    if len(front) > most:
        front = front[spread(front, most)]
    lower, upper = _open_boxes(front, reference)
    return OpenBoxes(lower, upper)


def _open_boxes(front: Losses, reference: Vector) -> tuple[Losses, Losses]:
    num_objectives = len(reference)
    if len(front) == 0:
        return np.full((1, num_objectives), -np.inf), reference[None]
    if num_objectives == 1:
        return np.full((1, 1), -np.inf), front.min(axis=0)[None]
    # Between two neighbouring values of the last objective the front is one of fewer objectives:
    # that of the points up to there.
    ordered = front[np.argsort(front[:, -1], kind="stable")]
    levels = np.concatenate([[-np.inf], ordered[:, -1], reference[-1:]])
    lowers, uppers = [], []
    for count in range(len(ordered) + 1):
        low, high = levels[count], levels[count + 1]
        if low < high:
            face = ordered[:count, :-1]
            lower, upper = _open_boxes(face[non_dominated(face)], reference[:-1])
            lowers.append(np.column_stack([lower, np.full(len(lower), low)]))
            uppers.append(np.column_stack([upper, np.full(len(upper), high)]))
    return np.concatenate(lowers), np.concatenate(uppers)


def expected_improvement(
    boxes: OpenBoxes, scales: list[TargetScale], means: Matrix, deviations: Matrix
) -> Vector:
    """Returns the volume that each candidate is expected to add to the front, shape (count,).

    Args:
        boxes: what is open.
        scales: of each objective the scale on which its loss is normal.
        means: on those scales, shape (count, num_objectives).
        deviations: above 0, same shape.
    """
    total: Matrix = np.ones((len(means), len(boxes.upper)))
    for objective, scale in enumerate(scales):
        lower, upper = boxes.lower[:, objective], boxes.upper[:, objective]
        bounds = np.unique(np.concatenate([upper, lower[np.isfinite(lower)]]))
        below = _expected_below(bounds, scale, means[:, objective], deviations[:, objective])
        below = np.concatenate([np.zeros((len(means), 1)), below], axis=1)
        first = np.where(np.isfinite(lower), np.searchsorted(bounds, lower) + 1, 0)
        total *= below[:, np.searchsorted(bounds, upper) + 1] - below[:, first]
    volumes: Vector = total.sum(axis=1)
    return volumes


def _expected_below(bounds: Vector, scale: TargetScale, mean: Vector, deviation: Vector) -> Matrix:
    """Returns E[max(0, bound - loss)] for ascending bounds, shape (len(mean), len(bounds)).

    Between two bounds the scale is taken to be linear, and below the first one as steep as there;
    so each interval adds its share of the normal distribution's integral.
    """
    from scipy.special import ndtr

    targets = scale.forward(bounds)
    standard = (targets - mean[:, None]) / deviation[:, None]
    density = np.exp(-0.5 * standard**2) / np.sqrt(2 * np.pi)
    integral = deviation[:, None] * (standard * ndtr(standard) + density)
    widths = np.diff(targets)
    steps = np.divide(np.diff(bounds), widths, out=np.zeros(len(widths)), where=widths > 1e-12)
    unit = max(float(np.ptp(bounds)), abs(float(bounds[0])), 1e-300) * 1e-3
    first = unit / max(float(targets[0] - scale.forward(bounds[:1] - unit)[0]), 1e-300)
    return np.cumsum(np.diff(integral, axis=1, prepend=0) * np.append(first, steps), axis=1)
