"""What a network costs on paper: folds over its layers."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from search_space.layers import Layer


@dataclass(frozen=True, slots=True)
class Costs:
    """Costs of one forward pass on one image.

    Attributes:
        macs: multiply-accumulates of convolutions, linear layers and attention's two products.
        num_params: elements of all weights, biases, scales and shifts of norms, and positions.
        num_activations: elements of the outputs of convolutions, linear layers and attention's two
            products (the measure that runtime follows; Dollar et al. 2021, arXiv 2103.06877).
        peak_activations: most elements alive at once when layers run one after another, each output
            in memory of its own and freed after its last use, the input kept throughout. Attention
            is fused (Dao et al. 2022, arXiv 2205.14135): it never holds all scores at once, of
            which there are heads * positions^2.
    """

    macs: int
    num_params: int
    num_activations: int
    peak_activations: int


def costs(layers: Sequence[Layer]) -> Costs:
    """Returns all costs of a network given as layers in execution order."""
    return Costs(
        macs=sum(map(layer_macs, layers)),
        num_params=sum(map(layer_params, layers)),
        num_activations=sum(map(layer_activations, layers)),
        peak_activations=peak_activations(layers),
    )


def layer_macs(layer: Layer) -> int:
    """Returns the multiply-accumulates of one layer; biases and element-wise work count nothing."""
    if layer.op == "conv":
        return math.prod(layer.out_shape) * (layer.in_channels // layer.groups) * layer.kernel**2
    if layer.op == "linear":
        return layer.in_channels * layer.out_channels
    if layer.op == "attention":
        channels, height, width = layer.out_shape
        return 2 * channels * (height * width) ** 2
    return 0


def layer_activations(layer: Layer) -> int:
    """Returns the elements that one layer's products write; see `Costs.num_activations`."""
    outputs = math.prod(layer.out_shape)
    if layer.op in ("conv", "linear"):
        return outputs
    if layer.op == "attention":
        return outputs + layer.in_heads * math.prod(layer.out_shape[1:]) ** 2
    return 0


def layer_params(layer: Layer) -> int:
    """Returns the elements of one layer's parameters; running statistics are not parameters."""
    if layer.op in ("batch_norm", "layer_norm"):
        return 2 * layer.in_channels
    if layer.op == "position":
        return math.prod(layer.out_shape)
    if layer.op == "conv":
        weights = layer.out_channels * (layer.in_channels // layer.groups) * layer.kernel**2
    elif layer.op == "linear":
        weights = layer.in_channels * layer.out_channels
    else:
        return 0
    return weights + (layer.out_channels if layer.bias else 0)


def peak_activations(layers: Sequence[Layer]) -> int:
    """Returns the most elements alive at once; see `Costs.peak_activations`.

    A flatten is a view of its input: it allocates nothing and keeps its input alive.
    """
    storage: dict[str, str] = {}  # layer -> the layer whose output memory it uses
    last_use: dict[str, int] = {}  # owner of memory -> position of the last reader
    for position, layer in enumerate(layers):
        owner = storage[layer.inputs[0]] if layer.op == "flatten" else layer.name
        storage[layer.name] = owner
        last_use[owner] = position
        for name in layer.inputs:
            last_use[storage[name]] = position
    last_use[layers[0].name] = len(layers)
    freed_after: dict[int, int] = {}
    peak = alive = 0
    sizes = {layer.name: math.prod(layer.out_shape) for layer in layers}
    for owner, position in last_use.items():
        freed_after[position] = freed_after.get(position, 0) + sizes[owner]
    for position, layer in enumerate(layers):
        if storage[layer.name] == layer.name:
            alive += sizes[layer.name]
        peak = max(peak, alive)
        alive -= freed_after.get(position, 0)
    return peak
