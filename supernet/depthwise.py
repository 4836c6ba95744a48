"""Depthwise convolutions whose training on a CPU is as quick as their use.

Two things cost several times the forward pass otherwise, as oneDNN (torch's library on a CPU)
computes them (measured with torch 2.13, AVX-512 and AVX2):

- taps of a large kernel that meet nothing but padding on a small map: they are left out;
- the weights' gradient of kernels wider than 3, for which it takes a dense convolution's path with
  15 of 16 products thrown away: it is put together from gradients of windows 3 columns wide.

Both are exact; only the order of summation differs.

Tensors carry their shape as a suffix: B batch, C channels, H height, W width, K kernel; HWp is a
padded map.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

WINDOW = 3
"""The widest kernel for which oneDNN has a depthwise weight gradient."""

CHUNK_BYTES = 2 * 2**20
"""Size of the padded images that are worked on at once."""


def depthwise_conv2d(
    x_BCHW: Tensor, weight_C1KK: Tensor, bias: Tensor | None, stride: int
) -> Tensor:
    """Returns the convolution of each channel with a kernel of its own; padding kernel // 2.

    Args:
        x_BCHW: images.
        weight_C1KK: odd kernels.
        bias: shape (C,), or None.
        stride: in both directions.

    Returns:
        Shape (B, C, ceil(H / stride), ceil(W / stride)).
    """
    weight = within_reach(weight_C1KK, x_BCHW.shape[2], x_BCHW.shape[3])
    if bias is None and _has_slow_gradient(x_BCHW, weight, stride):
        result: Tensor = _DepthwiseConv2d.apply(x_BCHW, weight, stride)  # type: ignore[no-untyped-call]
        return result
    return functional.conv2d(x_BCHW, weight, bias, stride, _padding(weight), 1, x_BCHW.shape[1])


def within_reach(weight_C1KK: Tensor, height: int, width: int) -> Tensor:
    """Returns the centre of kernels outside which all taps meet only padding.

    A tap that is `n` from the centre reads an image only if that is over `n` wide.
    """
    for dim, side in ((2, height), (3, width)):
        kernel = weight_C1KK.shape[dim]
        excess = kernel // 2 - (side - 1)
        if excess > 0:
            weight_C1KK = weight_C1KK.narrow(dim, excess, kernel - 2 * excess)
    return weight_C1KK


def weight_gradient(
    x_BCHW: Tensor, grad_BCHW: Tensor, kernel: tuple[int, int], stride: int
) -> Tensor:
    """Returns the gradient of a loss by the kernels, put together from windows of 3 columns.

    The windows begin at columns 0, 2, 4, ...; each is the weight gradient of a convolution over the
    whole padded images whose output is the given gradient, shifted by the window's beginning. Only
    a few images are padded at a time: they stay in the processor's cache, and memory that is asked
    for in large blocks is slow to come.

    Args:
        x_BCHW: what was convolved.
        grad_BCHW: gradient by the result.
        kernel: height and width, at least 3.
        stride: 1 or 2.

    Returns:
        Shape (C, 1, *kernel).
    """
    height, width = kernel
    _, channels, image_height, image_width = x_BCHW.shape
    num_padded = channels * (image_height + height - 1) * (image_width + width - 1)
    num_images = max(1, CHUNK_BYTES // (num_padded * x_BCHW.element_size()))
    total = x_BCHW.new_zeros(channels, 1, height, width)
    chunks = (torch.split(tensor, num_images) for tensor in (x_BCHW, grad_BCHW))
    for images, grads in zip(*chunks, strict=True):
        total += _of_a_chunk(images, grads, height, width, stride)
    return total


def _of_a_chunk(x_BCHW: Tensor, grad_BCHW: Tensor, height: int, width: int, stride: int) -> Tensor:
    x_BCHWp = functional.pad(x_BCHW, (width // 2, width // 2, height // 2, height // 2))
    num_columns = (x_BCHWp.shape[3] - WINDOW) // stride + 1
    shape_only = x_BCHW.new_empty(x_BCHW.shape[1], 1, height, WINDOW)
    parts = []
    for begin in range(0, width - 2, WINDOW - 1):
        left = begin // stride
        shifted = functional.pad(grad_BCHW, (left, num_columns - grad_BCHW.shape[3] - left))
        part = _convolution_backward(
            shifted, x_BCHWp, shape_only, stride, (0, 0), (False, True, False)
        )[1]
        parts.append(part if begin == 0 else part[..., 1:])  # neighbours share a column
    return torch.cat(parts, dim=3)


def _padding(weight_C1KK: Tensor) -> tuple[int, int]:
    return weight_C1KK.shape[2] // 2, weight_C1KK.shape[3] // 2


def _has_slow_gradient(x_BCHW: Tensor, weight_C1KK: Tensor, stride: int) -> bool:
    height, width = weight_C1KK.shape[2:]
    return (
        torch.is_grad_enabled()
        and weight_C1KK.requires_grad
        and x_BCHW.dtype == torch.float32
        and x_BCHW.device.type == "cpu"
        and stride in (1, 2)
        and min(height, width) >= WINDOW
        and (width > WINDOW or min(x_BCHW.shape[2:]) < WINDOW)
        and not torch.is_autocast_enabled("cpu")
        and not torch.compiler.is_compiling()
    )


def _convolution_backward(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    stride: int,
    padding: tuple[int, int],
    wanted: tuple[bool, bool, bool],
) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the wanted gradients by input, weight and bias; the others are undefined."""
    found: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.convolution_backward(
        grad, x, weight, None, [stride] * 2, padding, [1, 1], False, [0, 0], x.shape[1], wanted
    )
    return found


class _DepthwiseConv2d(torch.autograd.Function):
    """Torch's convolution with the weight gradient replaced."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return functional.conv2d(x, weight, None, stride, _padding(weight), 1, x.shape[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        by_x = by_weight = None
        if ctx.needs_input_grad[0]:
            wanted = (True, False, False)
            padding = _padding(weight)
            by_x = _convolution_backward(grad, x, weight, ctx.stride, padding, wanted)[0]
        if ctx.needs_input_grad[1]:
            by_weight = weight_gradient(x, grad, tuple(weight.shape[2:]), ctx.stride)
        return by_x, by_weight, None
