"""Execution of a layer graph: operations bound in order over numbered slots.

Extracted networks and the supernet run the same plans; they differ in what a layer is bound to.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial

from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from search_space.layers import Layer
from supernet.tokens import attention

Operation = Callable[..., Tensor]
_PlanStep = tuple[Operation, int, tuple[int, ...], int, tuple[int, ...]]
"""Operation, first input, other inputs, output, slots that are read for the last time."""


class Plan:
    """A network's forward pass: calls one operation per layer and frees what nobody reads again.

    Args:
        layers: in execution order, the input first.
        bind: returns what computes a layer with parameters (`PARAMETRIC`); all others have only one
            meaning and are bound here.
    """

    def __init__(self, layers: Sequence[Layer], bind: Callable[[Layer], Operation]) -> None:
        slot = {layer.name: number for number, layer in enumerate(layers)}
        last_use = dict(slot)
        for layer in layers:
            for name in layer.inputs:
                last_use[name] = slot[layer.name]
        last_use[layers[-1].name] = len(layers)
        self._num_slots = len(layers)
        self._steps: list[_PlanStep] = []
        for layer in layers[1:]:
            first, *others = (slot[name] for name in layer.inputs)
            dead = tuple(
                slot[name] for name in set(layer.inputs) if last_use[name] == slot[layer.name]
            )
            operation = fixed_operation(layer) or bind(layer)
            self._steps.append((operation, first, tuple(others), slot[layer.name], dead))

    def __call__(self, x: Tensor) -> Tensor:
        """Returns the last layer's output for the input's value `x`."""
        values: list[Tensor | None] = [None] * self._num_slots
        values[0] = x
        return self._result(self._run(self._steps, values))

    def checkpointed(self, x: Tensor) -> Tensor:
        """Returns the same; the backward pass computes again what lies within a segment.

        About as many segments as each has steps, so that memory grows with the square root of the
        depth (Chen et al. 2016, arXiv 1604.06174, section 4). A batch norm then updates its running
        statistics twice, which no evaluation relies on.
        """
        values: list[Tensor | None] = [None] * self._num_slots
        values[0] = x
        length = math.isqrt(len(self._steps) - 1) + 1
        for start in range(0, len(self._steps), length):
            segment = self._steps[start : start + length]
            values = checkpoint(
                self._run, segment, values, use_reentrant=False, preserve_rng_state=False
            )
        return self._result(values)

    @staticmethod
    def _result(values: list[Tensor | None]) -> Tensor:
        result = values[-1]
        assert result is not None
        return result

    @staticmethod
    def _run(steps: Sequence[_PlanStep], values: list[Tensor | None]) -> list[Tensor | None]:
        """Returns the slots after some steps; those given stay as they are."""
        values = list(values)
        for operation, first, others, output, dead in steps:
            if others:
                values[output] = operation(values[first], *[values[slot] for slot in others])
            else:
                values[output] = operation(values[first])
            for slot in dead:
                values[slot] = None
        return values


def max_pool(x_BCHW: Tensor, kernel: int, stride: int) -> Tensor:
    """Returns the maximum of each window, (B, C, ceil(H / stride), ceil(W / stride))."""
    return functional.max_pool2d(x_BCHW, kernel, stride, kernel // 2)


def average_pool(x_BCHW: Tensor, kernel: int, stride: int) -> Tensor:
    """Returns the mean of each window, (B, C, ceil(H / stride), ceil(W / stride))."""
    return functional.avg_pool2d(x_BCHW, kernel, stride, ceil_mode=True)


def pad_channels(x_BCHW: Tensor, channels: int) -> Tensor:
    """Returns (B, channels, H, W), zeros behind the channels of x."""
    return functional.pad(x_BCHW, (0, 0, 0, 0, 0, channels - x_BCHW.shape[1]))


def global_pool(x_BCHW: Tensor) -> Tensor:
    """Returns the mean over height and width, (B, C, 1, 1)."""
    return x_BCHW.mean((2, 3), keepdim=True)


def flatten(x_BCHW: Tensor) -> Tensor:
    """Returns (B, C * H * W); a view wherever the memory format allows it."""
    return x_BCHW.flatten(1)


def add(x: Tensor, y: Tensor) -> Tensor:
    """Returns the sum."""
    return x + y


def multiply(x: Tensor, gate: Tensor) -> Tensor:
    """Returns the product; the gate is broadcast."""
    return x * gate


def fixed_operation(layer: Layer) -> Operation | None:
    """Returns what computes a layer without parameters, None for one that has some."""
    if layer.op == "attention":
        return partial(attention, heads=layer.in_heads)
    if layer.op == "pad_channels":
        return partial(pad_channels, channels=layer.out_channels)
    if layer.op in _WINDOWED:
        return partial(_WINDOWED[layer.op], kernel=layer.kernel, stride=layer.stride)
    return _FIXED.get(layer.function or layer.op)


_WINDOWED: dict[str, Operation] = {"max_pool": max_pool, "average_pool": average_pool}
_FIXED: dict[str, Operation] = {
    "relu": functional.relu,
    "relu6": functional.relu6,
    "hard_swish": functional.hardswish,
    "hard_sigmoid": functional.hardsigmoid,
    "gelu": functional.gelu,
    "global_pool": global_pool,
    "flatten": flatten,
    "add": add,
    "multiply": multiply,
}
