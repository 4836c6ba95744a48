"""Support vector regression with a radial kernel (Drucker et al. 1997, NeurIPS 9).

scikit-learn (libsvm) solves for the support vectors. Distances are computed once for all folds and
widths, and predictions are matrix products here: libsvm predicts row by row, some ten times slower.
"""

from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from searchers.predictors.base import Matrix, StandardizedPredictor, Vector
from searchers.predictors.folds import folds

BETTER = 0.999
"""A cost or width must lower the mean square error to this share of the best so far: rows that no
cost binds have one solution to the solver's tolerance, and rounding must not choose."""
Positive = Annotated[float, Field(gt=0, le=1e6)]


class SVRSettings(BaseModel):
    """Support vector regression; cost and width are chosen by cross-validation."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["svr"] = "svr"
    costs: tuple[Positive, ...] = Field(
        default=(1.0, 10.0, 100.0),
        min_length=1,
        max_length=100,
        description="Penalties of errors to choose from, for targets of standard deviation 1.",
    )
    widths: tuple[Positive, ...] = Field(
        default=(0.1, 0.3, 1.0),
        min_length=1,
        max_length=100,
        description="Kernels exp(-width d^2 / m) to choose from; m is the mean d^2 of the rows.",
    )
    epsilon: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="Errors below it cost nothing, for targets of standard deviation 1.",
    )
    num_folds: int = Field(default=5, ge=2, le=20, description="Of the cross-validation.")

    def build(self, seed: int) -> "SVRPredictor":
        """Returns the predictor; the seed draws the folds."""
        return SVRPredictor(self, seed)


class SVRPredictor(StandardizedPredictor):
    """A kernel expansion on the rows that lie outside of the tube.

    Its deviation is put together from the cross-validated root mean square error, which is the same
    everywhere, and the spread of the models of the folds. Far from all rows these agree on their
    intercept, so the deviation does not promise to grow there.
    """

    def __init__(self, settings: SVRSettings, seed: int) -> None:
        super().__init__()
        self._settings = settings
        self._seed = seed

    def _fit(self, rows: Matrix, targets: Vector) -> None:
        import sklearn  # heavy: only what fits needs it

        # Everything was checked; there are dozens of fits, and to check again takes longer than
        # most of them.
        with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
            self._choose_and_fit(rows, targets)

    def _choose_and_fit(self, rows: Matrix, targets: Vector) -> None:
        distances = squared_distances(rows, rows)
        mean_distance = float(distances.mean()) or 1.0
        parts = list(folds(len(rows), self._settings.num_folds, np.random.default_rng(self._seed)))
        best_error = np.inf
        for width in self._settings.widths:
            kernel = np.exp(-width / mean_distance * distances)
            for cost in self._settings.costs:
                held_out, models = self._cross_validate(kernel, targets, cost, parts)
                error = float(np.mean((held_out - targets) ** 2))
                if error < best_error * BETTER:
                    best_error, best = error, (width / mean_distance, cost, held_out, models)
        self._gamma, cost, self._predicted, models = best
        kernel = np.exp(-self._gamma * distances)
        self._rows = rows
        self._error = best_error
        # One column for each model: that of all rows, then those of the folds.
        solutions = [self._solve(kernel, targets, cost), *models]
        self._coefficients = np.stack([weights for weights, _ in solutions], axis=1)
        self._intercepts = np.array([intercept for _, intercept in solutions])

    def _cross_validate(
        self,
        kernel: Matrix,
        targets: Vector,
        cost: float,
        parts: list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]],
    ) -> tuple[Vector, list[tuple[Vector, float]]]:
        """Returns the predictions of the folds held out, and the models that made them."""
        held_out = np.empty(len(targets))
        models = []
        for seen, held in parts:
            inner, intercept = self._solve(kernel[np.ix_(seen, seen)], targets[seen], cost)
            weights = np.zeros(len(targets))
            weights[seen] = inner
            held_out[held] = kernel[held] @ weights + intercept
            models.append((weights, intercept))
        return held_out, models

    def _solve(self, kernel: Matrix, targets: Vector, cost: float) -> tuple[Vector, float]:
        """Returns the rows' weights and the intercept."""
        from sklearn.svm import SVR

        model = SVR(kernel="precomputed", C=cost, epsilon=self._settings.epsilon)
        model.fit(kernel, targets)
        weights = np.zeros(len(targets))
        weights[model.support_] = model.dual_coef_[0]
        return weights, float(model.intercept_[0])

    def _kernel(self, rows: Matrix) -> Matrix:
        kernel: Matrix = np.exp(-self._gamma * squared_distances(rows, self._rows))
        return kernel

    def _mean(self, rows: Matrix) -> Vector:
        means: Vector = self._kernel(rows) @ self._coefficients[:, 0] + self._intercepts[0]
        return means

    def _predict(self, rows: Matrix) -> tuple[Vector, Vector]:
        outputs = self._kernel(rows) @ self._coefficients + self._intercepts
        spread = outputs[:, 1:].var(axis=1)
        return outputs[:, 0], np.sqrt(self._error + spread)

    def _held_out(self) -> Vector:
        return self._predicted


def squared_distances(first: Matrix, second: Matrix) -> Matrix:
    """Returns the squared Euclidean distance of each row of one to each of the other."""
    squares = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1)
    distances: Matrix = np.maximum(squares - 2 * first @ second.T, 0)
    return distances
