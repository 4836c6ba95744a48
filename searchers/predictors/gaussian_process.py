"""Gaussian process regression (Rasmussen and Williams 2006) for tens to hundreds of rows.

The kernel of two rows x and z, whose columns are scaled by s, is

    a (s x)' (s z) + b exp(-|s (x - z)|^2) + noise where they are the same row.

The first part knows what each column adds, the second how columns act together, most of all near
what was measured. Scales, a, b and the noise are those of highest posterior density (section 5.4.1
with a prior of normal logarithms): with as many scales as rows, likelihood alone would choose
nonsense. They are found by L-BFGS from the mean of the prior, in a fixed number of steps.
"""

from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from searchers.predictors.base import Matrix, StandardizedPredictor, Vector
from searchers.space_columns import Scales

LINEAR, SMOOTH, NOISE = -3, -2, -1
"""Where the logarithms of a, b and the noise variance lie among the parameters."""
KERNEL_MEAN = np.array([-1.0, 0.0, -6.0])
KERNEL_DEVIATION = np.array([1.0, 1.0, 2.0])
REACH = 6.0
"""Prior deviations within which parameters are looked for."""
JITTER = 1e-8
MIN_VARIANCE = 1e-10


class GaussianProcessSettings(BaseModel):
    """A linear and a smooth part, the scale of each feature learned."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["gaussian_process"] = "gaussian_process"
    num_steps: int = Field(
        default=15, ge=1, le=1000, description="Steps of the search for scales, at most."
    )

    def build(self, seed: int) -> "GaussianProcess":  # noqa: ARG002 - nothing is random here
        """Returns the predictor."""
        return GaussianProcess(self)


class GaussianProcess(StandardizedPredictor):
    """The process; its deviation is that of a new measurement, noise included.

    Args:
        settings: of the fit.
        scales: what is known of the columns beforehand; nothing is, by default.
    """

    def __init__(self, settings: GaussianProcessSettings, scales: Scales | None = None) -> None:
        super().__init__()
        self._num_steps = settings.num_steps
        self._given = scales

    def posterior(self, features: Matrix) -> "Posterior":
        """Returns what is believed of some rows together, shape (count, d) as in `predict`."""
        rows = self._checked(features)
        return Posterior(self if self._learned else None, rows, self._center, self._scale)

    def _fit(self, rows: Matrix, targets: Vector) -> None:
        from scipy.linalg import solve_triangular
        from scipy.optimize import minimize

        self._scales = self._given or Scales.separate(rows.shape[1])
        prior = np.concatenate([self._scales.mean, KERNEL_MEAN])
        deviation = np.concatenate([self._scales.deviation, KERNEL_DEVIATION])
        found = minimize(
            self._negative_log_posterior,
            prior,
            args=(rows, targets, prior, deviation),
            jac=True,
            method="L-BFGS-B",
            bounds=list(zip(prior - REACH * deviation, prior + REACH * deviation, strict=True)),
            options={"maxiter": self._num_steps, "maxcor": 20},
        )
        self._parameters = found.x
        self._seen = self.scaled(rows)
        self._factor = _factor(self.kernel(self._seen, self._seen), self.noise)
        self._whitened = solve_triangular(self._factor, targets, lower=True)

    def _predict(self, rows: Matrix) -> tuple[Vector, Vector]:
        scaled = self.scaled(rows)
        mean, variance, _ = self.conditioned(scaled)
        return mean, np.sqrt(np.maximum(variance, MIN_VARIANCE) + self.noise)

    def _mean(self, rows: Matrix) -> Vector:
        return self.conditioned(self.scaled(rows))[0]

    @property
    def noise(self) -> float:
        """The variance of measurements around the process, of standardized targets."""
        return float(np.exp(self._parameters[NOISE])) + JITTER

    def scaled(self, rows: Matrix) -> Matrix:
        """Returns rows in the columns' scales."""
        scaled: Matrix = rows * np.exp(self._scales.design @ self._parameters[:LINEAR])
        return scaled

    def kernel(self, first: Matrix, second: Matrix) -> Matrix:
        """Returns the covariances of scaled rows, shape (len(first), len(second))."""
        linear, smooth = np.exp(self._parameters[[LINEAR, SMOOTH]])
        products, closeness = first @ second.T, np.exp(-_squared_distances(first, second))
        covariances: Matrix = linear * products + smooth * closeness
        return covariances

    def conditioned(self, scaled: Matrix) -> tuple[Vector, Vector, Matrix]:
        """Returns mean and variance of scaled rows, and how they depend on what was measured."""
        from scipy.linalg import solve_triangular

        linear, smooth = np.exp(self._parameters[[LINEAR, SMOOTH]])
        shared = solve_triangular(self._factor, self.kernel(self._seen, scaled), lower=True)
        prior = smooth + linear * (scaled**2).sum(axis=1)
        return shared.T @ self._whitened, prior - (shared**2).sum(axis=0), shared

    def _negative_log_posterior(
        self, parameters: Vector, rows: Matrix, targets: Vector, prior: Vector, deviation: Vector
    ) -> tuple[float, Vector]:
        """Returns the density's negative logarithm and its gradient (equations 5.8 and 5.9)."""
        from scipy.linalg import cho_solve

        x = rows * np.exp(self._scales.design @ parameters[:LINEAR])
        linear, smooth, noise = np.exp(parameters[LINEAR:])
        products, closeness = x @ x.T, np.exp(-_squared_distances(x, x))
        factor = _factor(linear * products + smooth * closeness, noise + JITTER)
        weights = cho_solve((factor, True), targets)
        inverse = cho_solve((factor, True), np.eye(len(rows)))
        by_kernel = 0.5 * (inverse - np.outer(weights, weights))
        by_closeness = -smooth * by_kernel * closeness
        by_x = 4 * (by_closeness.sum(axis=1)[:, None] * x - by_closeness @ x)
        by_x += 2 * linear * by_kernel @ x
        gradient = np.concatenate(
            [
                self._scales.design.T @ (by_x * x).sum(axis=0),
                [
                    linear * (by_kernel * products).sum(),
                    -by_closeness.sum(),
                    noise * np.trace(by_kernel),
                ],
            ]
        )
        away = (parameters - prior) / deviation
        value = 0.5 * targets @ weights + np.log(np.diag(factor)).sum() + 0.5 * away @ away
        return float(value), gradient + away / deviation


class Posterior:
    """What a process believes of candidates, and would believe if some of them were measured.

    Attributes:
        mean: expected targets, shape (count,).
        deviation: of the process without noise, shape (count,).
    """

    def __init__(
        self, process: GaussianProcess | None, rows: Matrix, center: float, scale: float
    ) -> None:
        self._process = process
        self._center, self._unit = center, scale
        self._mean, self._variance = np.zeros(len(rows)), np.zeros(len(rows))
        if process is not None:
            self._rows = process.scaled(rows)
            self._mean, self._variance, self._shared = process.conditioned(self._rows)

    @property
    def mean(self) -> Vector:  # noqa: D102 - an attribute
        return self._center + self._unit * self._mean

    @property
    def deviation(self) -> Vector:  # noqa: D102 - an attribute
        return self._unit * np.sqrt(np.maximum(self._variance, MIN_VARIANCE))

    def keep(self, positions: np.ndarray[tuple[int], np.dtype[np.int64]]) -> None:
        """Forgets all candidates but those at some positions."""
        self._mean, self._variance = self._mean[positions], self._variance[positions]
        if self._process is not None:
            self._rows, self._shared = self._rows[positions], self._shared[:, positions]

    def assume(self, position: int) -> None:
        """Goes on as if a candidate had been measured as expected: means stay, variances shrink."""
        if self._process is None:
            return
        covariance = self._process.kernel(self._rows[position : position + 1], self._rows)[0]
        covariance -= self._shared[:, position] @ self._shared
        variance = max(float(self._variance[position]), MIN_VARIANCE) + self._process.noise
        row = covariance / np.sqrt(variance)
        self._shared = np.vstack([self._shared, row])
        self._variance = self._variance - row**2


def _squared_distances(first: Matrix, second: Matrix) -> Matrix:
    squares = (first**2).sum(axis=1)[:, None] + (second**2).sum(axis=1)
    distances: Matrix = np.maximum(squares - 2 * first @ second.T, 0)
    return distances


def _factor(kernel: Matrix, noise: float) -> Matrix:
    """Returns the Cholesky factor of a kernel matrix with noise; more noise where it needs it."""
    size = len(kernel)
    for more in (0.0, 1e-6, 1e-4, 1e-2):
        try:
            return np.linalg.cholesky(
                kernel + (noise + more * np.trace(kernel) / size) * np.eye(size)
            )
        except np.linalg.LinAlgError:
            continue  # rows so close that rounding makes the matrix singular: with more noise
    raise AssertionError("a kernel matrix is positive definite with a hundredth of it as noise")
