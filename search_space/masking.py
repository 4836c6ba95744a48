"""Which networks can run as one larger network with some channels masked; imports no torch.

A larger network computes what a smaller one computes if, after every layer with weights, the
channels that the smaller one lacks are set to zero (`supernet.masked`): zeros stay zeros on the way
to the next weights, and a block that the smaller one lacks adds zeros to its shortcut.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from search_space.family import NetworkSettings
from search_space.layers import PARAMETRIC, Layer
from search_space.space import SearchSpace

_NOT_ZERO_AT_ZERO = ("hard_sigmoid",)


class MaskError(ValueError):
    """A mask cannot make one network of another; the message names layer, rule and values."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a smaller network has of one layer's output.

    Attributes:
        channels: of the output; 0 where it has no such layer.
        heads: attention heads into which they are divided.
        in_channels: of the layer's first input.
    """

    channels: int
    heads: int
    in_channels: int


def kept(whole: Sequence[Layer], part: Sequence[Layer]) -> dict[str, Kept]:
    """Returns, by layer of a network, what a smaller network has of its output.

    A sum with a block that the smaller network lacks stands there for the block's shortcut.

    Args:
        whole: the layers of the larger network.
        part: those of the smaller one.

    Raises:
        MaskError: masked channels do not make `part` of `whole`.
    """
    own = {layer.name: layer for layer in part}
    if unknown := own.keys() - {layer.name for layer in whole}:
        raise MaskError(f"the larger network must have every layer, got {min(unknown)} missing")
    stands_for: dict[str, Layer | None] = {}  # by layer of `whole`; None: its output is all zeros
    touched: set[str] = set()  # layers whose outputs depend on the architecture
    found: dict[str, Kept] = {}
    for layer in whole:
        inputs = tuple(stands_for[name] for name in layer.inputs)
        there = own.get(layer.name)
        if there is None:
            stands_for[layer.name] = _absent(layer, inputs)
        else:
            _check_same(layer, there, inputs)
            stands_for[layer.name] = there
        stand_in = stands_for[layer.name]
        found[layer.name] = Kept(
            channels=stand_in.out_channels if stand_in else 0,
            heads=there.out_heads if there else 1,
            in_channels=inputs[0].out_channels if inputs and inputs[0] else 0,
        )
        if not touched.isdisjoint(layer.inputs) or stand_in is not there or layer != there:
            touched.add(layer.name)
            _check_masked(layer)
    return found


def can_mask(settings: NetworkSettings, space: SearchSpace | None = None) -> None:
    """Checks that all architectures of a space can share a masked pass.

    Compares the largest architecture with every one that differs in one choice, which sees every
    difference as long as no layer depends on two choices in a way that neither shows alone.

    Args:
        settings: of the family.
        space: the space that is left of the settings' own; by default all of it.

    Raises:
        MaskError: naming the choice, the layer, the rule and the values.
    """
    space = space or settings.build()
    largest = space.num_options - 1
    whole = settings.lower(space.largest())
    for position, choice in enumerate(space.choices):
        for option in range(len(choice.options) - 1):
            row = largest.copy()
            row[position] = option
            try:
                kept(whole, settings.lower(space.decode(row)))
            except MaskError as error:
                raise MaskError(
                    f"networks that differ in {choice.name} cannot share one masked pass: {error}"
                ) from error


def _absent(layer: Layer, inputs: Sequence[Layer | None]) -> Layer | None:
    """Returns what a layer that is not there stands for: a shortcut, or zeros (None)."""
    present = [source for source in inputs if source is not None]
    if layer.op == "add" and len(present) == 1:
        return present[0]
    if present and layer.op not in PARAMETRIC:
        raise MaskError(f"{layer.name} must be in all networks, got one without it")
    return None


def _check_same(layer: Layer, there: Layer, inputs: Sequence[Layer | None]) -> None:
    """Checks that two layers of one name differ in channels and heads only."""
    names = tuple(source.name if source else "zeros" for source in inputs)
    facts: Mapping[str, tuple[object, object]] = {
        "inputs": (names, there.inputs),
        "op": (layer.op, there.op),
        "function": (layer.function, there.function),
        "kernel": (layer.kernel, there.kernel),
        "stride": (layer.stride, there.stride),
        "height and width": (layer.out_shape[1:], there.out_shape[1:]),
        "groups": (_grouping(layer), _grouping(there)),
    }
    for name, (first, second) in facts.items():
        if first != second:
            raise MaskError(f"{layer.name} must have one {name}, got {first} and {second}")


def _grouping(layer: Layer) -> int | str:
    if 1 < layer.groups == layer.in_channels == layer.out_channels:
        return "depthwise"
    return layer.groups


def _check_masked(layer: Layer) -> None:
    """Checks that a layer may read masked channels."""
    if layer.op == "batch_norm":
        raise MaskError(
            f"{layer.name} must come before all choices, got a batch_norm whose statistics would "
            "mix the networks"
        )
    if layer.function in _NOT_ZERO_AT_ZERO:
        raise MaskError(f"{layer.name} must keep zeros, got {layer.function}")
