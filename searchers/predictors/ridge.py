"""Ridge regression whose penalty is chosen by leave-one-out in closed form.

Hoerl and Kennard 1970, Technometrics 12(1); leave-one-out residuals from one decomposition: Golub,
Heath and Wahba 1979, Technometrics 21(2), section 2. The intercept is not penalized. The public
hardware-aware system searches 100 penalties by five refits each: here all penalties share one
singular value decomposition.
"""

from typing import Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from searchers.predictors.base import Matrix, StandardizedPredictor, Vector

MIN_FREE = 1e-9
"""A row whose leverage leaves less than this of it unexplained is taken to leave that much."""


class RidgeSettings(BaseModel):
    """Linear regression, penalized; features should be of one scale, as one-hot ones are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["ridge"] = "ridge"
    min_alpha: float = Field(default=1e-3, gt=0, le=1e9, description="The smallest penalty.")
    max_alpha: float = Field(default=1e3, gt=0, le=1e9, description="The largest penalty.")
    num_alphas: int = Field(
        default=31, ge=1, le=1000, description="Penalties to choose from, evenly in logarithm."
    )

    @model_validator(mode="after")
    def _check_range(self) -> Self:
        if self.min_alpha > self.max_alpha:
            raise ValueError(
                f"min_alpha must be at most max_alpha, got {self.min_alpha} and {self.max_alpha}"
            )
        return self

    def build(self, seed: int) -> "RidgePredictor":  # noqa: ARG002 - nothing is random here
        """Returns the predictor."""
        return RidgePredictor(self)


class RidgePredictor(StandardizedPredictor):
    """A linear model.

    Its deviation is that of the Bayesian view, in which weights are normal with variance
    noise / alpha: sqrt(noise (1 + 1/n + x (X'X + alpha I)^-1 x')), which grows away from the data.
    The noise is the leave-one-out mean square error, so that what a linear model cannot express
    counts.
    """

    def __init__(self, settings: RidgeSettings) -> None:
        super().__init__()
        self._alphas = np.geomspace(settings.min_alpha, settings.max_alpha, settings.num_alphas)
        self.alpha = float(self._alphas[-1])
        """The penalty that was chosen, for targets and features as they are centred."""

    def _fit(self, rows: Matrix, targets: Vector) -> None:
        count = len(rows)
        self._offset = rows.mean(axis=0)
        left, singular, self._right = np.linalg.svd(rows - self._offset, full_matrices=False)
        powers = singular**2
        shrinkage = powers[:, None] / (powers[:, None] + self._alphas)  # (rank, num_alphas)
        projected = left.T @ targets
        fitted = left @ (shrinkage * projected[:, None])
        leverage = 1 / count + left**2 @ shrinkage  # 1 / count: the intercept's
        residuals = (targets[:, None] - fitted) / np.maximum(1 - leverage, MIN_FREE)
        errors = np.mean(residuals**2, axis=0)
        # Of penalties that are as good to rounding the largest: it trusts the data least.
        best = int(np.flatnonzero(errors <= errors.min() * (1 + 1e-12))[-1])
        self.alpha = float(self._alphas[best])
        self._noise = float(errors[best])
        self._left_out = targets - residuals[:, best]
        self._weights = self._right.T @ (singular / (powers + self.alpha) * projected)
        self._powers = powers
        self._num_seen = count

    def _mean(self, rows: Matrix) -> Vector:
        means: Vector = (rows - self._offset) @ self._weights
        return means

    def _predict(self, rows: Matrix) -> tuple[Vector, Vector]:
        centred = rows - self._offset
        rotated = centred @ self._right.T
        # What lies outside of all directions seen has the full variance that weights begin with.
        outside = np.maximum((centred**2).sum(axis=1) - (rotated**2).sum(axis=1), 0)
        spread = rotated**2 @ (1 / (self._powers + self.alpha)) + outside / self.alpha
        return self._mean(rows), np.sqrt(self._noise * (1 + 1 / self._num_seen + spread))

    def left_out(self) -> Vector:
        """Returns predictions of the rows of the fit, each by a fit of all other rows.

        Not `held_out`: methods that leave out a fifth of the rows would be compared unfairly.

        Raises:
            RuntimeError: nothing was learned yet, or there was nothing to learn.
        """
        if not self._learned:
            raise RuntimeError("fit must come before left_out, to targets that differ")
        return self._center + self._scale * self._left_out
