"""Least squares from rows that come in parts, against torch's solver of whole matrices."""

import pytest
import torch
from torch import Tensor

from supernet.least_squares import FALLBACK_RIDGE, LeastSquares, Solution

NUM_INPUTS, NUM_OUTPUTS = 7, 5


def rows(count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Inputs of different sizes and means, and outputs that depend on them and on chance."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, NUM_INPUTS, generator=generator, dtype=torch.float64)
    x = x * torch.logspace(-3, 3, NUM_INPUTS, dtype=torch.float64) + torch.arange(NUM_INPUTS)
    weight = torch.randn(NUM_OUTPUTS, NUM_INPUTS, generator=generator, dtype=torch.float64)
    noise = torch.randn(count, NUM_OUTPUTS, generator=generator, dtype=torch.float64)
    return x, x @ weight.T + 3 + 0.5 * noise


def solved(x: Tensor, y: Tensor, part: int | None = None, ridge: float = 0.0) -> Solution:
    system = LeastSquares(x.shape[1], y.shape[1])
    for x_part, y_part in zip(x.split(part or len(x)), y.split(part or len(y)), strict=True):
        system.add(x_part, y_part)
    return system.solve(ridge)


def squared_error(solution: Solution, x: Tensor, y: Tensor) -> float:
    return float(((x @ solution.weight.T + solution.bias - y) ** 2).sum())


@pytest.mark.parametrize("part", [1, 3, 20, 200])
def test_parts_give_what_the_whole_matrix_gives(part: int) -> None:
    x, y = rows(200)
    found = solved(x, y, part)
    whole = torch.linalg.lstsq(torch.cat([x, torch.ones(200, 1)], 1), y).solution
    assert torch.allclose(found.weight, whole[:-1].T, rtol=1e-8, atol=1e-10)
    assert torch.allclose(found.bias, whole[-1], rtol=1e-8, atol=1e-10)
    assert (found.num_rows, found.ridge, found.reason) == (200, 0.0, None)
    total = float(((y - y.mean(0)) ** 2).sum())
    assert found.unexplained_share == pytest.approx(squared_error(found, x, y) / total, rel=1e-6)


def test_the_ridge_is_that_of_the_closed_form_on_standardized_inputs() -> None:
    x, y = rows(50)
    found = solved(x, y, 9, ridge=0.3)
    deviations = x.std(0, correction=0)
    standardized = (x - x.mean(0)) / deviations
    gram = standardized.T @ standardized / 50 + 0.3 * torch.eye(NUM_INPUTS).double()
    wanted = torch.linalg.solve(gram, standardized.T @ (y - y.mean(0)) / 50)
    assert torch.allclose(found.weight, (wanted / deviations[:, None]).T, rtol=1e-8)
    assert torch.allclose(found.bias, y.mean(0) - x.mean(0) @ found.weight.T, rtol=1e-8)
    assert (found.ridge, found.reason) == (0.3, "asked")
    total = float(((y - y.mean(0)) ** 2).sum())
    assert found.unexplained_share == pytest.approx(squared_error(found, x, y) / total, rel=1e-6)


@pytest.mark.parametrize("count", [1, 2, NUM_INPUTS])
def test_fewer_rows_than_unknowns_are_regularized(count: int) -> None:
    x, y = rows(count)
    found = solved(x, y)
    # One row says nothing about how outputs follow inputs: all is in the bias.
    wanted = (0.0, None) if count == 1 else (FALLBACK_RIDGE, "few_rows")
    assert (found.ridge, found.reason) == wanted
    assert found.unexplained_share < 0.01
    assert torch.isfinite(found.weight).all()
    assert torch.allclose(x @ found.weight.T + found.bias, y, rtol=0.1, atol=0.1)


def test_inputs_that_depend_on_one_another_are_regularized() -> None:
    x, y = rows(300)
    generator = torch.Generator().manual_seed(1)
    twin = x[:, 3:4] * (1 + 1e-9 * torch.randn(300, 1, generator=generator, dtype=torch.float64))
    found = solved(torch.cat([x, twin], 1), y, 40)
    assert (found.ridge, found.reason) == (FALLBACK_RIDGE, "dependent_inputs")
    plain = solved(x, y)
    # What one input did alone, two do together, each about half of it.
    assert torch.allclose(found.weight[:, 3], found.weight[:, 7], rtol=1e-4)
    together = found.weight[:, 3] + found.weight[:, 7]
    assert torch.allclose(together, plain.weight[:, 3], rtol=0.01, atol=1e-3)


def test_constant_inputs_have_no_weight() -> None:
    x, y = rows(100)
    dead = torch.cat([torch.zeros(100, 1), x, torch.full((100, 1), 1e4)], 1)
    found, plain = solved(dead, y, 30), solved(x, y)
    assert found.reason is None
    assert torch.equal(found.weight[:, [0, -1]], torch.zeros(NUM_OUTPUTS, 2).double())
    assert torch.allclose(found.weight[:, 1:-1], plain.weight, rtol=1e-6)
    assert torch.allclose(found.bias, plain.bias, rtol=1e-6)


def test_inputs_that_are_all_constant_leave_the_mean() -> None:
    _, y = rows(100)
    found = solved(torch.ones(100, 2).double(), y, 30)
    assert torch.allclose(found.bias, y.mean(0))
    assert found.unexplained_share == pytest.approx(1.0)


def test_an_exact_relation_of_badly_scaled_inputs_is_found_from_float32() -> None:
    """Normal equations would square a condition of 1e5 before they are solved."""
    generator = torch.Generator().manual_seed(0)
    base = torch.randn(500, 1, generator=generator, dtype=torch.float64)
    x = (base + 1e-4 * torch.randn(500, 6, generator=generator, dtype=torch.float64)).float()
    weight = torch.randn(4, 6, generator=generator, dtype=torch.float64)
    found = solved(x, x.double() @ weight.T, 60)
    assert found.reason is None
    assert torch.allclose(found.weight, weight, rtol=1e-6)
