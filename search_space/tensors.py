"""Which tensors networks and supernets own: the names and shapes of their state dicts.

Said without torch, so that a file of weights can be checked where no network is built. That
`supernet.network.Network` and `supernet.base.Supernet` own just these is tested for every family.
"""

import itertools
from collections.abc import Sequence

from search_space.family import NetworkSettings
from search_space.layers import Layer
from search_space.space import SearchSpace

Shape = tuple[int, ...]

TRANSFORM_PREFIX = "transform_"
"""How the kernel transforms of a supernet's convolutions begin; extracted networks have none."""
LOW_RANK_DOWN, LOW_RANK_UP = "low_rank_down", "low_rank_up"
"""The two factors of the update of a convolution whose own weight is frozen; likewise."""


def layer_tensors(layer: Layer) -> dict[str, Shape]:
    """Returns the shapes of a layer's parameters and running statistics, by kind.

    In the order in which ONNX's operators take them; empty for a layer that owns none.
    """
    if layer.op == "conv":
        weight = (layer.out_channels, layer.in_channels // layer.groups, layer.kernel, layer.kernel)
        return (
            {"weight": weight, "bias": (layer.out_channels,)} if layer.bias else {"weight": weight}
        )
    if layer.op == "linear":
        return {"weight": (layer.out_channels, layer.in_channels), "bias": (layer.out_channels,)}
    channels: Shape = (layer.in_channels,)
    if layer.op == "layer_norm":
        return {"weight": channels, "bias": channels}
    if layer.op == "batch_norm":
        statistics = {"running_mean": channels, "running_var": channels}
        return {"weight": channels, "bias": channels} | statistics
    if layer.op == "position":
        return {"embedding": layer.out_shape}
    return {}


def network_tensors(layers: Sequence[Layer]) -> dict[str, Shape]:
    """Returns the shapes of a network's tensors by their names, `layer.kind`."""
    return {
        f"{layer.name}.{kind}": shape
        for layer in layers
        for kind, shape in layer_tensors(layer).items()
    }


def supernet_tensors(settings: NetworkSettings, space: SearchSpace) -> dict[str, Shape]:
    """Returns the shapes of a supernet's tensors.

    Those of all layers, and what only supernets have: kernel transforms and low-rank updates.

    Args:
        settings: of the family.
        space: its space, or what is left of it.
    """
    transforms = {
        f"{layer}.{transform_name(small, large)}": (small**2, small**2)
        for layer, sizes in kernel_sizes(settings, space).items()
        for small, large in itertools.pairwise(sizes)
    }
    layers = settings.supernet_layers(space)
    updates = {
        f"{layer.name}.{kind}": shape
        for layer in layers
        if (rank := settings.low_rank(layer.name))
        for kind, shape in low_rank_tensors(layer.in_channels, layer.out_channels, rank).items()
    }
    return network_tensors(layers) | transforms | updates


def low_rank_tensors(in_channels: int, out_channels: int, rank: int) -> dict[str, Shape]:
    """Returns the shapes of the factors of a convolution's low-rank update, by kind."""
    return {LOW_RANK_DOWN: (rank, in_channels), LOW_RANK_UP: (out_channels, rank)}


def transform_name(small: int, large: int) -> str:
    """Returns how a convolution calls the matrix that leads from one kernel size to a smaller."""
    return f"{TRANSFORM_PREFIX}{large}to{small}"


def is_transform(name: str) -> bool:
    """Whether a tensor's name is that of a kernel transform."""
    return name.rpartition(".")[2].startswith(TRANSFORM_PREFIX)


def is_low_rank(name: str) -> bool:
    """Whether a tensor's name is that of a factor of a low-rank update."""
    return name.rpartition(".")[2] in (LOW_RANK_DOWN, LOW_RANK_UP)


def kernel_sizes(settings: NetworkSettings, space: SearchSpace) -> dict[str, tuple[int, ...]]:
    """Returns every convolution's kernel sizes, ascending."""
    sizes: dict[str, set[int]] = {}
    for layers in settings.networks_of_all_kernels(space):
        for layer in layers:
            if layer.op == "conv":
                sizes.setdefault(layer.name, set()).add(layer.kernel)
    return {name: tuple(sorted(found)) for name, found in sizes.items()}
