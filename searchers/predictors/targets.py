"""The scales on which predictors see their targets.

A few broken networks at 10 % accuracy among good ones at 90 to 94 % fill nine tenths of the range:
a fit by squares then learns which networks are broken, and hardly how the good ones differ.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
import numpy.typing as npt

from searchers.predictors.base import Vector

LEAST_EXPONENT = -300
"""Of a unit that is a power of ten: that of still smaller numbers would be 0."""
TargetScaleKind = Literal["standardized", "power_of_ten", "winsorized", "rank_normal"]
LossScaleKind = Literal["standardized", "rank_normal", "half_rank"]


class TargetScale(ABC):
    """A map of a metric's values to what a predictor learns, and back; both ascend."""

    @abstractmethod
    def forward(self, values: npt.ArrayLike) -> Vector:
        """Returns what a predictor is to learn instead of the values, same shape."""

    @abstractmethod
    def inverse(self, targets: npt.ArrayLike) -> Vector:
        """Returns the values, in the metric's unit, of what a predictor says.

        Of a mean it makes the median rather than the mean, wherever the scale is not linear.
        """


@dataclass(frozen=True)
class Linear(TargetScale):
    """(value - center) / unit, with a unit above 0."""

    center: float
    unit: float

    def forward(self, values: npt.ArrayLike) -> Vector:  # noqa: D102 - as above
        return (np.asarray(values, dtype=np.float64) - self.center) / self.unit

    def inverse(self, targets: npt.ArrayLike) -> Vector:  # noqa: D102 - as above
        return self.center + self.unit * np.asarray(targets, dtype=np.float64)


@dataclass(frozen=True)
class Winsorized(TargetScale):
    """Values beyond a lower or an upper fence are moved to it; predictions stay as they are."""

    lower: float
    upper: float

    def forward(self, values: npt.ArrayLike) -> Vector:  # noqa: D102 - as above
        return np.clip(np.asarray(values, dtype=np.float64), self.lower, self.upper)

    def inverse(self, targets: npt.ArrayLike) -> Vector:  # noqa: D102 - as above
        return np.asarray(targets, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class RankNormal(TargetScale):
    """Each known value becomes a score, such as the normal one of its rank; linear otherwise.

    Attributes:
        values: known, ascending, all different.
        scores: theirs, ascending.
        slope: of the values over the scores, beyond the outermost ones.
    """

    values: Vector
    scores: Vector
    slope: float

    def forward(self, values: npt.ArrayLike) -> Vector:  # noqa: D102 - as above
        return _interpolate(values, self.values, self.scores, 1 / self.slope)

    def inverse(self, targets: npt.ArrayLike) -> Vector:  # noqa: D102 - as above
        return _interpolate(targets, self.scores, self.values, self.slope)


def fit_scale(kind: TargetScaleKind, values: npt.ArrayLike) -> TargetScale:
    """Returns the scale of a metric of which some values are known.

    Args:
        kind: `standardized`: mean 0, standard deviation 1. `power_of_ten`: the largest magnitude
            lies between 10 and 100 (as LINAS: Cummings et al. 2022, arXiv 2205.10358; its released
            code divides by 10^(floor(log10 max|y|) - 1)). `winsorized`: values beyond Tukey's outer
            fences, three times the distance of the quartiles away from them, are moved there.
            `rank_normal`: normal scores of the ranks (Blom 1958), ties sharing their mean rank.
        values: shape (count,), finite, one at least.

    Raises:
        ValueError: there is none, or one is not finite.
    """
    known = np.asarray(values, dtype=np.float64)
    if known.ndim != 1 or len(known) == 0 or not np.isfinite(known).all():
        raise ValueError(f"values must be finite, one at least, got {known}")
    match kind:
        case "standardized":
            return Linear(float(known.mean()), float(known.std()) or 1.0)
        case "power_of_ten":
            largest = float(np.abs(known).max())
            exponent = int(np.floor(np.log10(largest))) - 1 if largest > 0 else 0
            return Linear(0.0, 10.0 ** max(exponent, LEAST_EXPONENT))
        case "winsorized":
            low, high = np.percentile(known, (25, 75))
            reach = 3 * (high - low) or np.inf  # where half of all are equal, nothing is moved
            return Winsorized(float(low - reach), float(high + reach))
        case "rank_normal":
            return _rank_normal(known)


def fit_loss_scale(kind: LossScaleKind, losses: npt.ArrayLike) -> TargetScale:
    """Returns the scale of losses, of which the small ones matter.

    Args:
        kind: as in `fit_scale`, or `half_rank`: losses up to the median stay as they are, and those
            beyond become normal scores of their ranks in the same unit, so that it matters which
            are worse but not by how much (Google Vizier warps the worse half so: Song et al. 2024,
            arXiv 2408.11527, section 4.1).
        losses: shape (count,), finite, one at least.

    Raises:
        ValueError: there is none, or one is not finite.
    """
    if kind != "half_rank":
        return fit_scale(kind, losses)
    ranked = fit_scale("rank_normal", losses)
    known = np.asarray(losses, dtype=np.float64)
    values = np.unique(known)
    median = float(np.median(known))
    good = known <= median
    spread, in_scores = known[good] - median, ranked.forward(known[good])
    if not (spread.any() and np.isfinite(spread).all() and in_scores.any()):
        return ranked  # half of all are equal, or differ by more than numbers can tell
    unit = _root_mean_square(spread) / _root_mean_square(in_scores)
    scores = median + unit * (ranked.forward(values) - float(ranked.forward([median])[0]))
    return RankNormal(values, np.where(values <= median, values, scores), 1.0)


def _root_mean_square(values: Vector) -> float:
    largest = float(np.abs(values).max())  # squares of huge values would overflow
    return largest * float(np.sqrt(np.mean((values / largest) ** 2)))


def _rank_normal(known: Vector) -> TargetScale:
    values, counts = np.unique(known, return_counts=True)
    if len(values) == 1:
        return Linear(float(values[0]), 1.0)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    normal = NormalDist()
    scores = np.array([normal.inv_cdf(rank) for rank in (ranks - 0.375) / (len(known) + 0.25)])
    slope = float((values[-1] - values[0]) / (scores[-1] - scores[0]))
    if not np.isfinite(1 / slope):  # values that differ by less than numbers can tell
        return Linear(float(values[0]), 1.0)
    return RankNormal(values, scores, slope)


def _interpolate(points: npt.ArrayLike, xs: Vector, ys: Vector, slope: float) -> Vector:
    """Returns the broken line through (xs, ys) at some points; beyond the ends it has a slope."""
    given = np.asarray(points, dtype=np.float64)
    beyond = given - np.clip(given, xs[0], xs[-1])
    return np.interp(given, xs, ys) + slope * beyond
