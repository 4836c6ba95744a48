"""Linear least squares over more rows than fit into memory.

Stitching layers begin as its solutions (`supernet.stitching`). Letters in the names of tensors:
N rows, I input columns, O output columns.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

FALLBACK_RIDGE = 1e-4
"""Used where the data do not determine the solution."""

MAX_CONDITION = 1e6
"""Of the standardized inputs. They come from float32 computations, whose errors are about 1e-7 of
their size: directions that are a million times shorter than the longest one are such errors."""

CONSTANT = 1e-6
"""An input that deviates from its mean by less, relatively, says no more than the bias does."""

Reason = Literal["asked", "few_rows", "dependent_inputs"]


@dataclass(frozen=True)
class Solution:
    """Weights that predict outputs from inputs: y = x W' + b.

    Attributes:
        weight: float64 of shape (O, I).
        bias: float64 of shape (O,).
        num_rows: how many rows it was found from.
        ridge: what it was regularized by; 0 where it was not.
        reason: why it was regularized; None where it was not.
        unexplained_share: of the outputs' variance over all rows, as a share of 1.
    """

    weight: Tensor
    bias: Tensor
    num_rows: int
    ridge: float
    reason: Reason | None
    unexplained_share: float


class LeastSquares:
    """Takes rows part by part, and solves for all of them at once.

    A column of ones stands before the inputs, for the bias. Of the rows so far the triangular
    factor R of [1 X] = Q R is kept, with Q'Y; more rows are put below and factorized again (the
    sequential TSQR of Demmel et al. 2012, arXiv 0809.2407, section 3). So the inputs' condition is
    not squared, as it would be in normal equations. All of it is computed in float64.

    Args:
        num_inputs: I.
        num_outputs: O.
        device: where rows come from.
    """

    def __init__(
        self, num_inputs: int, num_outputs: int, device: torch.device | str = "cpu"
    ) -> None:
        self.num_rows = 0
        self._width = 1 + num_inputs
        self._factor = torch.empty(0, self._width, dtype=torch.float64, device=device)
        self._projected = torch.empty(0, num_outputs, dtype=torch.float64, device=device)
        self._square_sum = 0.0
        self._waiting: list[tuple[Tensor, Tensor]] = []
        self._num_waiting = 0

    def add(self, x_NI: Tensor, y_NO: Tensor) -> None:
        """Takes rows in, of any floating-point type."""
        x_NI, y_NO = x_NI.double(), y_NO.double()
        ones = x_NI.new_ones(len(x_NI), 1)
        self._waiting.append((torch.cat([ones, x_NI], 1), y_NO))
        self._square_sum += float((y_NO**2).sum())
        self.num_rows += len(x_NI)
        self._num_waiting += len(x_NI)
        if self._num_waiting >= 2 * self._width:  # each time the old factor is computed anew
            self._factorize()

    def _factorize(self) -> None:
        inputs = torch.cat([self._factor, *(x for x, _ in self._waiting)])
        outputs = torch.cat([self._projected, *(y for _, y in self._waiting)])
        q, self._factor = torch.linalg.qr(inputs)
        self._projected = q.T @ outputs
        self._waiting, self._num_waiting = [], 0

    def solve(self, ridge: float = 0.0) -> Solution:
        """Returns the weights with the least sum of squared errors.

        With a ridge, what is made least is the mean squared error plus `ridge` times the sum over
        inputs of variance times squared weights; the bias is free. Without one, where there are
        fewer rows than unknowns or the inputs depend on one another, a ridge of `FALLBACK_RIDGE` is
        used. Inputs that are constant get the weight 0.

        Args:
            ridge: at least 0.
        """
        assert self.num_rows > 0, "no rows to solve for"
        self._factorize()
        scale = math.sqrt(self.num_rows)
        # The first row and column are those of the ones; the rest is of inputs less their means.
        x_means, y_means = self._factor[0, 1:], self._projected[0]
        x_means, y_means = x_means / self._factor[0, 0], y_means / self._factor[0, 0]
        factor, projected = self._factor[1:, 1:], self._projected[1:]
        deviations = factor.norm(dim=0) / scale
        sizes = self._factor[:, 1:].norm(dim=0) / scale
        varies = deviations > CONSTANT * sizes
        weight_IO = factor.new_zeros(self._width - 1, projected.shape[1])
        reason: Reason | None = "asked" if ridge else None
        if varies.any():
            standardized = factor[:, varies] / deviations[varies]
            q, triangle = torch.linalg.qr(standardized)
            target = q.T @ projected
            if not ridge:
                reason = _reason(triangle, self.num_rows < self._width)
                ridge = FALLBACK_RIDGE if reason else 0.0
            if ridge:
                triangle, target = _with_ridge(triangle, target, scale * math.sqrt(ridge))
            solved = torch.linalg.solve_triangular(triangle, target, upper=True)
            weight_IO[varies] = solved / deviations[varies, None]
        total = self._square_sum - self.num_rows * float((y_means**2).sum())
        error = (
            total
            - float((projected**2).sum())
            + float(((projected - factor @ weight_IO) ** 2).sum())
        )
        return Solution(
            weight=weight_IO.T.contiguous(),
            bias=y_means - x_means @ weight_IO,
            num_rows=self.num_rows,
            ridge=ridge,
            reason=reason,
            unexplained_share=min(max(error / total, 0.0), 1.0) if total > 0 else 0.0,
        )


def _reason(triangle: Tensor, has_few_rows: bool) -> Reason | None:
    """Returns why a triangular system needs a ridge, if it does."""
    if has_few_rows:
        return "few_rows"
    is_square = triangle.shape[0] == triangle.shape[1]
    if not is_square or not bool((triangle.diagonal() != 0).all()):
        return "dependent_inputs"
    identity = torch.eye(len(triangle), dtype=triangle.dtype, device=triangle.device)
    inverse = torch.linalg.solve_triangular(triangle, identity, upper=True)
    condition = torch.linalg.matrix_norm(triangle, 1) * torch.linalg.matrix_norm(inverse, 1)
    return None if float(condition) <= MAX_CONDITION else "dependent_inputs"


def _with_ridge(triangle: Tensor, target: Tensor, weight: float) -> tuple[Tensor, Tensor]:
    """Returns a system with rows below that want every unknown to be zero, as a triangle again."""
    identity = torch.eye(triangle.shape[1], dtype=triangle.dtype, device=triangle.device)
    zeros = target.new_zeros(triangle.shape[1], target.shape[1])
    q, wider = torch.linalg.qr(torch.cat([triangle, weight * identity]))
    return wider, q.T @ torch.cat([target, zeros])
