"""Depthwise convolutions against torch's own, and the gradients that autograd finds for those."""

import itertools

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from supernet import depthwise
from supernet.depthwise import depthwise_conv2d, weight_gradient, within_reach

SIDES = ((1, 1), (2, 2), (3, 3), (4, 5), (7, 2), (8, 8), (9, 12))
CASES = [
    (side, kernel, stride)
    for side, kernel, stride in itertools.product(SIDES, (1, 3, 5, 7, 9), (1, 2))
]


def tensors(
    side: tuple[int, int], kernel: int, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn((2, 16, *side), generator=generator, dtype=dtype)
    weight = torch.randn((16, 1, kernel, kernel), generator=generator, dtype=dtype)
    return x.requires_grad_(), weight.requires_grad_()


def plain(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    return functional.conv2d(x, weight, None, stride, weight.shape[2] // 2, 1, x.shape[1])


def gradients(y: Tensor, x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    grad = torch.randn(y.shape, generator=torch.Generator().manual_seed(1), dtype=y.dtype)
    by_x, by_weight = torch.autograd.grad(y, (x, weight), grad)
    return by_x, by_weight


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_outputs_and_gradients_are_those_of_torch(
    memory_format: torch.memory_format, dtype: torch.dtype
) -> None:
    for side, kernel, stride in CASES:
        x, weight = tensors(side, kernel, dtype)
        x = x.detach().to(memory_format=memory_format).requires_grad_()
        y, expected = depthwise_conv2d(x, weight, None, stride), plain(x, weight, stride)
        close = dict.fromkeys(("atol", "rtol"), 1e-5 if dtype == torch.float32 else 1e-12)
        torch.testing.assert_close(y, expected, **close)
        found = gradients(y, x, weight)
        torch.testing.assert_close(found, gradients(expected, x, weight), **close)


def test_gradients_put_together_from_windows_are_exact() -> None:
    for side, kernel, stride in CASES:
        if kernel >= 3:
            x, weight = tensors(side, kernel)
            y = plain(x, weight, stride)
            grad = torch.randn(y.shape, generator=torch.Generator().manual_seed(1), dtype=y.dtype)
            (expected,) = torch.autograd.grad(y, weight, grad)
            found = weight_gradient(x.detach(), grad, (kernel, kernel), stride)
            torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-12)


def test_many_images_are_worked_on_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    x, weight = tensors((8, 8), 5)
    x = torch.cat([x, 2 * x, x[:1]]).detach()
    grad = torch.randn(x.shape, generator=torch.Generator().manual_seed(1), dtype=x.dtype)
    (expected,) = torch.autograd.grad(plain(x, weight, 1), weight, grad)
    for num_images in (1, 2, 3):
        monkeypatch.setattr(depthwise, "CHUNK_BYTES", num_images * 16 * 12 * 12 * 8)
        found = weight_gradient(x, grad, (5, 5), 1)
        torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-12)


def test_what_is_not_wanted_is_not_computed() -> None:
    x, weight = tensors((8, 8), 5, torch.float32)
    y = depthwise_conv2d(x.detach(), weight, None, 1)
    y.sum().backward()
    assert x.grad is None
    assert weight.grad is not None
    with torch.no_grad():
        assert not depthwise_conv2d(x, weight, None, 1).requires_grad


def test_a_bias_is_added() -> None:
    x, weight = tensors((8, 8), 5)
    bias = torch.arange(16.0, dtype=torch.float64)
    added = depthwise_conv2d(x, weight, bias, 2) - depthwise_conv2d(x, weight, None, 2)
    torch.testing.assert_close(added, bias[:, None, None].expand(added.shape))


def test_half_precision_is_left_to_torch() -> None:
    x, weight = tensors((8, 8), 5, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        y = depthwise_conv2d(x, weight, None, 1)
        expected = plain(x, weight, 1)
    assert y.dtype == torch.bfloat16
    assert torch.equal(y, expected)
    for found, wanted in zip(gradients(y, x, weight), gradients(expected, x, weight), strict=True):
        assert torch.equal(found, wanted)


@pytest.mark.parametrize(
    ("side", "kernel", "kept"), [(1, 7, 1), (2, 7, 3), (3, 7, 5), (4, 7, 7), (2, 3, 3), (1, 1, 1)]
)
def test_taps_that_only_meet_padding_are_left_out(side: int, kernel: int, kept: int) -> None:
    _, weight = tensors((1, 1), kernel)
    margin = (kernel - kept) // 2
    centre = weight[:, :, margin : margin + kept, margin : margin + kept]
    assert torch.equal(within_reach(weight, side, side), centre)
