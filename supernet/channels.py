"""Which channels move together: the groups by which a supernet's channels can be sorted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import torch
from torch import Tensor

from search_space.layers import PARAMETRIC, Layer
from search_space.tensors import LOW_RANK_DOWN, LOW_RANK_UP, TRANSFORM_PREFIX


@dataclass
class ChannelGroup:
    """Tensors that index the same channels; permuting all alike leaves the network's function.

    Attributes:
        members: (layer, dimension) of each tensor of that layer that has these channels: dimension
            0 of everything a writer owns, dimension 1 of a reader's weight.
        reader: the last convolution or linear layer that reads the channels: in an inverted
            residual the projection (the squeeze layer of its gate comes before).
        is_fixed: whether the channels' order means something outside: the network's input and
            output, and sums, whose channels other blocks share.
        run: channels that stay together in their order: those of one attention head, else 1.
    """

    members: list[tuple[str, int]] = field(default_factory=list)
    reader: str = ""
    is_fixed: bool = False
    run: int = 1


def channel_groups(layers: Sequence[Layer]) -> list[ChannelGroup]:
    """Returns the groups of a network whose channels may be sorted, found by walking its layers.

    Args:
        layers: in execution order; where they are those of several networks, a layer's inputs are
            what any of them reads there (`NetworkSettings.supernet_layers`), and sorting keeps the
            functions of all.
    """
    groups: dict[str, ChannelGroup] = {}  # by layer: the group of its output channels
    read = {name for layer in layers for name in layer.inputs}
    shapes = {layer.name: layer.out_shape for layer in layers}
    for layer in layers:
        sources = [groups[name] for name in layer.inputs]
        if layer.op in ("conv", "linear") and not is_depthwise(layer):
            source = _merged(sources, groups)
            source.members.append((layer.name, 1))
            source.reader = layer.name
            group = ChannelGroup()
        else:
            group = _merged(sources, groups)
        if layer.op in PARAMETRIC:
            group.members.append((layer.name, 0))
        if layer.op in ("input", "add", "pad_channels"):
            group.is_fixed = True
        if layer.op == "attention":
            # Queries and keys meet channel by channel within a head; whole heads may be sorted.
            group.run = layer.out_channels // layer.in_heads
        if layer.op == "flatten" and shapes[layer.inputs[0]][1:] != (1, 1):
            group.is_fixed = True  # a channel becomes several features
        if layer.name not in read:
            group.is_fixed = True  # an output
        groups[layer.name] = group
    unique = {id(group): group for group in groups.values()}
    return [group for group in unique.values() if not group.is_fixed]


def is_depthwise(layer: Layer) -> bool:
    """Whether each output channel of the layer reads the one input channel of its own number."""
    return layer.op == "conv" and layer.groups == layer.in_channels == layer.out_channels


def _merged(sources: list[ChannelGroup], groups: dict[str, ChannelGroup]) -> ChannelGroup:
    """Makes one group of all sources, also where earlier layers refer to them."""
    if not sources:
        return ChannelGroup()
    first, *others = sources
    for other in others:
        if other is first:
            continue
        first.members += other.members
        first.is_fixed |= other.is_fixed
        for name, group in groups.items():
            if group is other:
                groups[name] = first
    return first


Tensors = Mapping[str, Mapping[str, Tensor]]
"""Tensors by layer and then by kind: {"stem.conv": {"weight": ...}}."""


def bands(group: ChannelGroup, networks: Sequence[Sequence[Layer]]) -> list[int]:
    """Returns where bands of a group's channels end, ascending.

    A band is what one of some networks has of the group and the next smaller one has not. Counted
    in runs: a network with narrower attention heads has every head, so it ends no band.

    Args:
        group: of the largest network.
        networks: the layers of each.
    """
    readers = (layer for layers in networks for layer in layers if layer.name == group.reader)
    return sorted({layer.in_heads if group.run > 1 else layer.in_channels for layer in readers})


@torch.no_grad()
def sort_by_importance(
    groups: Sequence[ChannelGroup],
    weights: Tensors,
    companions: Sequence[Tensors] = (),
    trained: Sequence[Sequence[Layer]] = (),
) -> None:
    """Sorts each group's channels in place, the most important first.

    A channel's importance is the L1 norm of what the group's reader multiplies it by (Cai et al.
    2020, arXiv 1908.09791, section 3.3: the norm of the following pointwise convolution). An
    attention head moves as a whole, by the sum over its channels (the released ViT-ResNAS code
    adds the norms of what writes the channels).

    Args:
        groups: of the largest network.
        weights: its parameters and buffers.
        companions: tensors of the same shapes that are permuted along.
        trained: the layers of smaller networks whose function shall stay as well: channels are
            sorted within the bands that these networks end (the once-for-all code's
            `expand_ratio_stage` does so for its own widths).
    """
    for group in groups:
        weight = weights[group.reader]["weight"]
        importance = weight.abs().sum(dim=[dim for dim in range(weight.dim()) if dim != 1])
        runs = torch.arange(len(importance), device=weight.device).view(-1, group.run)
        importance = importance.view(-1, group.run).sum(1)
        order = runs[_descending(importance, bands(group, trained))].flatten()
        for tensors in (weights, *companions):
            for layer, dim in group.members:
                for kind, tensor in tensors.get(layer, {}).items():
                    if _has_channels(kind, dim):
                        tensor.copy_(tensor.index_select(dim, order))


def _descending(importance: Tensor, ends: Sequence[int]) -> Tensor:
    """Returns the indices that sort each band from high to low, bands in their order."""
    bounds = sorted({0, *ends, len(importance)})
    return torch.cat(
        [
            start + torch.argsort(importance[start:end], descending=True, stable=True)
            for start, end in pairwise(bounds)
        ]
    )


def _has_channels(kind: str, dim: int) -> bool:
    """Whether a tensor of a layer has a dimension of the layer's output (0) or input (1) channels.

    A kernel transform is shared by all channels; the factors of a low-rank update have one of the
    two.
    """
    if kind in (LOW_RANK_DOWN, LOW_RANK_UP):
        return dim == (1 if kind == LOW_RANK_DOWN else 0)
    return kind == "weight" or (dim == 0 and not kind.startswith(TRANSFORM_PREFIX))


def by_layer(named: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Returns a state dict's entries by layer and kind: {"stem.conv": {"weight": ...}}."""
    nested: dict[str, dict[str, Tensor]] = {}
    for name, value in named.items():
        layer, _, kind = name.rpartition(".")
        nested.setdefault(layer, {})[kind] = value
    return nested
