"""What a predictor is.

In this package `count` is the number of rows that are given, `d` the number of their features.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]
Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Prediction:
    """What a predictor says of some rows.

    Attributes:
        mean: the expected target, shape (count,), finite.
        deviation: the standard deviation of what would be measured around the mean, in the unit of
            the target, shape (count,); finite and never negative.
    """

    mean: Vector
    deviation: Vector


class Predictor(ABC):
    """Learns a number from rows of features; deterministic given settings, seed and rows."""

    @abstractmethod
    def fit(self, features: npt.ArrayLike, targets: npt.ArrayLike) -> None:
        """Learns from rows, and forgets all that was learned before.

        Args:
            features: shape (count, d), finite; `d` may be 0, rows may repeat.
            targets: shape (count,), finite, one at least.

        Raises:
            ValueError: the shapes are others, or a number is not finite.
        """

    @abstractmethod
    def predict(self, features: npt.ArrayLike) -> Prediction:
        """Returns what is likely of rows, each as if it had come alone (up to rounding).

        Args:
            features: shape (count, d) with the `d` of the fit, finite.

        Raises:
            RuntimeError: nothing was learned yet.
            ValueError: the shape is another, or a number is not finite.
        """

    def mean(self, features: npt.ArrayLike) -> Vector:
        """Returns `predict(features).mean`, which may be had at much less cost."""
        return self.predict(features).mean

    def held_out(self) -> Vector | None:
        """Returns predictions of the rows of the fit, each by a model that did not see its row.

        Returns:
            Shape (count,); None where the method does not come by them anyway (the default).
        """
        return None


def checked_rows(features: npt.ArrayLike) -> Matrix:
    """Returns features as float64.

    Raises:
        ValueError: they are no matrix, or not finite.
    """
    rows = np.asarray(features, dtype=np.float64)
    if rows.ndim != 2:
        raise ValueError(f"features must have shape (count, d), got {rows.shape}")
    if not np.isfinite(rows).all():
        raise ValueError("features must be finite, got NaN or infinity")
    return rows


def checked_training(features: npt.ArrayLike, targets: npt.ArrayLike) -> tuple[Matrix, Vector]:
    """Returns features and targets as float64.

    Raises:
        ValueError: as `Predictor.fit`.
    """
    rows = checked_rows(features)
    values = np.asarray(targets, dtype=np.float64)
    if values.shape != (len(rows),):
        raise ValueError(
            f"targets must have shape (count,) = ({len(rows)},), as features have that many rows, "
            f"got {values.shape}"
        )
    if len(values) == 0:
        raise ValueError("targets must be one at least, got none")
    if not np.isfinite(values).all():
        raise ValueError("targets must be finite, got NaN or infinity")
    return rows, values


class StandardizedPredictor(Predictor):
    """A predictor whose method sees targets of mean 0 and standard deviation 1.

    Where there is nothing to learn (one row, equal targets, no features) the method is not asked:
    the mean of the targets is predicted with their own standard deviation, which is 0 for one row,
    as nothing tells the unit of a single number.
    """

    def __init__(self) -> None:
        self._num_features: int | None = None
        self._center = 0.0
        self._scale = 0.0
        self._spread = 0.0
        self._learned = False
        self._num_rows = 0

    def fit(self, features: npt.ArrayLike, targets: npt.ArrayLike) -> None:  # noqa: D102 - as above
        rows, values = checked_training(features, targets)
        self._num_features = rows.shape[1]
        self._num_rows = len(rows)
        # Squares of huge targets would overflow.
        magnitude = float(np.abs(values).max()) or 1.0
        self._center = magnitude * float((values / magnitude).mean())
        self._scale = magnitude * float((values / magnitude).std())
        # Equal targets have a deviation of their mean's rounding error.
        if self._scale <= 1e-13 * magnitude:
            self._scale = 0.0
        self._spread = self._scale * np.sqrt(len(rows) / max(1, len(rows) - 1))
        self._learned = bool(len(rows) > 1 and rows.shape[1] > 0 and self._scale > 0)
        if self._learned:
            self._fit(rows, (values - self._center) / self._scale)

    def predict(self, features: npt.ArrayLike) -> Prediction:  # noqa: D102 - as above
        rows = self._checked(features)
        if not self._learned or len(rows) == 0:
            return Prediction(
                np.full(len(rows), self._center), np.full(len(rows), float(self._spread))
            )
        mean, deviation = self._predict(rows)
        return Prediction(self._center + self._scale * mean, self._scale * deviation)

    def mean(self, features: npt.ArrayLike) -> Vector:  # noqa: D102 - as above
        rows = self._checked(features)
        if not self._learned or len(rows) == 0:
            return np.full(len(rows), self._center)
        return self._center + self._scale * self._mean(rows)

    def held_out(self) -> Vector | None:  # noqa: D102 - as above
        if self._num_features is None:
            raise RuntimeError("fit must come before held_out")
        if not self._learned:
            return np.full(self._num_rows, self._center)
        found = self._held_out()
        return None if found is None else self._center + self._scale * found

    def _checked(self, features: npt.ArrayLike) -> Matrix:
        if self._num_features is None:
            raise RuntimeError("fit must come before predict")
        rows = checked_rows(features)
        if rows.shape[1] != self._num_features:
            raise ValueError(
                f"features must have shape (count, {self._num_features}) as in fit, "
                f"got {rows.shape}"
            )
        return rows

    @abstractmethod
    def _fit(self, rows: Matrix, targets: Vector) -> None:
        """Learns from two rows or more, of one feature or more, with targets that differ."""

    @abstractmethod
    def _predict(self, rows: Matrix) -> tuple[Vector, Vector]:
        """Returns mean and deviation of one row or more, for standardized targets."""

    def _mean(self, rows: Matrix) -> Vector:
        return self._predict(rows)[0]

    def _held_out(self) -> Vector | None:
        return None
