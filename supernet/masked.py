"""Several architectures in one forward and backward pass: multi-architectural sampling.

The batch is divided among the architectures; every layer runs once, and a mask per sample sets to
zero what the sample's architecture lacks (Liao et al. 2021, arXiv 2109.00642, section 3.3). Three
things differ from the released code: the pass runs the smallest network that contains the
architectures at hand, where that always runs the largest; an architecture is one network from the
first layer to the last, where that draws the widths of every layer anew for each part of the batch;
and narrower heads are masked as well.

A pass costs what the containing network costs, so it pays where passes over small parts of a batch
leave a device idle, and not where slicing saves arithmetic.

Tensors carry their shape as a suffix: A architectures, B batch, C channels, H height, W width.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from search_space.layers import Layer
from search_space.masking import Kept, kept
from search_space.space import Architecture, SearchSpace
from supernet.base import Supernet
from supernet.plans import Operation, Plan
from supernet.tokens import LAYER_NORM_EPSILON, LayerNorm


def masked_forward(
    supernet: Supernet,
    inputs_BCHW: Tensor,
    architectures: Sequence[Architecture],
    assignment_B: Tensor,
    *,
    checkpointing: bool = False,
) -> Tensor:
    """Returns the logits of every sample by its own architecture, all from one pass.

    Equals `supernet(inputs_BCHW[b : b + 1], architectures[assignment_B[b]])` for each b up to
    rounding, and so do the gradients, with one exception: in training mode, batch norms (which must
    come before all choices) normalize by the statistics of the whole batch.

    Args:
        supernet: over a space without choices that a mask cannot express
            (`search_space.masking.can_mask`).
        inputs_BCHW: images at the architectures' resolution.
        architectures: at least one, of the supernet's space.
        assignment_B: int64, the index among `architectures` of each sample's own.
        checkpointing: as of the supernet's forward.

    Returns:
        Shape (B, num_classes).

    Raises:
        InvalidArchitectureError: an architecture is not of the space.
        MaskError: the architectures differ in more than a mask can express.
        ValueError: the inputs or the assignment have another shape or range.
    """
    if not architectures:
        raise ValueError("architectures must have at least one, got none")
    parts = [supernet.settings.lower(supernet.space.validate(a)) for a in architectures]
    whole = supernet.settings.lower(containing(supernet.space, architectures))
    _check_inputs(inputs_BCHW, whole[0].out_shape, assignment_B, len(parts))
    masks = _Masks(whole, [kept(whole, part) for part in parts], assignment_B)
    plan = Plan(whole, partial(_masked, supernet, masks))
    return plan.checkpointed(inputs_BCHW) if checkpointing else plan(inputs_BCHW)


def containing(space: SearchSpace, architectures: Sequence[Architecture]) -> Architecture:
    """Returns the smallest architecture that has all that any of the given ones has.

    Of each choice it takes the last of the options taken; options ascend in size.
    """
    rows = [space.encode(architecture) for architecture in architectures]
    return space.decode(np.max(rows, axis=0))


def _check_inputs(
    inputs_BCHW: Tensor, shape: tuple[int, ...], assignment_B: Tensor, count: int
) -> None:
    if inputs_BCHW.shape[1:] != shape:
        raise ValueError(
            f"inputs must have shape (batch, channels, height, width) = (any, "
            f"{', '.join(map(str, shape))}), got {tuple(inputs_BCHW.shape)}"
        )
    if assignment_B.shape != inputs_BCHW.shape[:1] or assignment_B.dtype != torch.int64:
        raise ValueError(
            f"assignment must be int64 of shape ({len(inputs_BCHW)},), got {assignment_B.dtype} "
            f"of shape {tuple(assignment_B.shape)}"
        )
    low, high = (int(bound) for bound in torch.aminmax(assignment_B))
    if low < 0 or high >= count:
        raise ValueError(f"assignment must lie in 0 to {count - 1}, got {low} to {high}")


class _Masks:
    """The masks of one pass; layers that keep alike share theirs.

    Args:
        whole: the network that runs.
        parts: for each architecture what it has of the whole, by layer.
        assignment_B: each sample's architecture.
    """

    def __init__(
        self, whole: Sequence[Layer], parts: Sequence[Mapping[str, Kept]], assignment_B: Tensor
    ) -> None:
        self._parts = parts
        self._assignment_B = assignment_B
        self._scales = _query_scales(whole, parts)
        self._made: dict[tuple[object, ...], Tensor] = {}

    def of(self, layer: Layer) -> Tensor | None:
        """Returns what to multiply a layer's output by, (B, C, 1, 1); None for nothing."""
        keeps = tuple((part[layer.name].channels, part[layer.name].heads) for part in self._parts)
        scales = self._scales.get(layer.name, (1.0,) * len(keeps))
        full = (layer.out_channels, layer.out_heads)
        if set(keeps) == {full} and set(scales) == {1.0}:
            return None
        return self._gathered((full, keeps, scales), partial(_table, full, keeps, scales))

    def in_channels(self, layer: Layer) -> Tensor | None:
        """Returns how many channels of its input each sample has, (B, 1, 1, 1); None for all."""
        counts = tuple(part[layer.name].in_channels for part in self._parts)
        if set(counts) == {layer.in_channels}:
            return None
        return self._gathered((counts,), lambda: torch.tensor(counts, dtype=torch.float32)[:, None])

    def _gathered(self, key: tuple[object, ...], table: Callable[[], Tensor]) -> Tensor:
        if key not in self._made:
            rows_AC = table().to(self._assignment_B.device)
            self._made[key] = rows_AC[self._assignment_B][:, :, None, None]
        return self._made[key]


def _table(
    full: tuple[int, int], keeps: Sequence[tuple[int, int]], scales: Sequence[float]
) -> Tensor:
    """Returns for each architecture its factor of each channel, (A, C): 0 where it lacks it."""
    channels, heads = full
    table = torch.zeros(len(keeps), heads, channels // heads)
    for row, (kept_channels, kept_heads), scale in zip(table, keeps, scales, strict=True):
        row[:kept_heads, : kept_channels // kept_heads] = scale
    return table.flatten(1)


def _query_scales(
    whole: Sequence[Layer], parts: Sequence[Mapping[str, Kept]]
) -> dict[str, tuple[float, ...]]:
    """Returns the factors that queries need, by the layer that writes them.

    Scores are divided by the root of the head width, which here is that of the whole network.
    """
    scales = {}
    for layer in whole:
        if layer.op == "attention":
            width = layer.out_channels // layer.in_heads
            own = [part[layer.inputs[0]] for part in parts]
            scales[layer.inputs[0]] = tuple(
                math.sqrt(width * each.heads / each.channels) if each.channels else 1.0
                for each in own
            )
    return scales


def _masked(supernet: Supernet, masks: _Masks, layer: Layer) -> Operation:
    """Returns what computes a layer with weights and masks its output."""
    operation, mask = supernet.operation(layer), masks.of(layer)
    if layer.op == "layer_norm" and (counts := masks.in_channels(layer)) is not None:
        module = supernet.get_submodule(layer.name)
        assert isinstance(module, LayerNorm)
        return partial(_masked_layer_norm, module, counts, mask)
    if mask is None:
        return operation
    if layer.op == "linear":
        mask = mask.flatten(1)
    return partial(_multiplied, operation, mask)


def _multiplied(operation: Operation, mask: Tensor, x: Tensor) -> Tensor:
    y = operation(x)
    return y * mask.to(y.dtype)  # bfloat16 under autocast


def _masked_layer_norm(
    norm: LayerNorm, counts_B111: Tensor, mask: Tensor | None, x_BCHW: Tensor
) -> Tensor:
    """Normalizes each sample by the moments of its own channels; the others must be zeros.

    The mean is a sum divided by the count. The variance is taken of the differences from it, where
    the released code subtracts the squared mean, which cancels digits.
    """
    weight, bias = norm.sliced(x_BCHW.shape[1])
    x_BHWC = x_BCHW.permute(0, 2, 3, 1).to(torch.promote_types(x_BCHW.dtype, torch.float32))
    own = torch.arange(x_BHWC.shape[-1], device=counts_B111.device) < counts_B111
    centred = (x_BHWC - x_BHWC.sum(-1, keepdim=True) / counts_B111) * own
    variance = centred.square().sum(-1, keepdim=True) / counts_B111
    y_BHWC = centred * torch.rsqrt(variance + LAYER_NORM_EPSILON) * weight + bias
    y_BCHW = y_BHWC.permute(0, 3, 1, 2)
    return y_BCHW if mask is None else y_BCHW * mask
