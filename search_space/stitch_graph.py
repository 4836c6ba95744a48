"""The layers of stitched networks: anchors as chains of blocks, and convolutions between them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate, pairwise

from search_space.blocks import BlockChain
from search_space.costs import layer_macs
from search_space.layers import Layer
from search_space.stitch_routes import Pair, Part, Route, Stitch

ANCHOR_PREFIX = "anchor"
STITCH_PREFIX = "stitch"
"""How the names of layers begin: "anchor1.stem.conv", "stitch1to2.layer3"."""


@dataclass(frozen=True, slots=True)
class StitchLayer:
    """One stitching layer: a 1 x 1 convolution with bias.

    Attributes:
        name: of the convolution.
        in_channels: of what it reads.
        out_channels: of what it gives.
        front_anchor: number, from 1, of the anchor that runs before.
        back_anchor: number of the anchor that runs behind.
        pairs: (front, back), by names of the anchors' layers: the output of the front anchor that
            it reads, and the tensor of the back anchor that it stands in for.
    """

    name: str
    in_channels: int
    out_channels: int
    front_anchor: int
    back_anchor: int
    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class StitchGraph:
    """All networks that are stitched from some anchors, for inputs of one size.

    Attributes:
        chains: the anchors; their layers share no name but the input's.
        layers: the stitching layers.
        by_place: the same by pair and stitch.
    """

    chains: tuple[BlockChain, ...]
    layers: tuple[StitchLayer, ...]
    by_place: Mapping[tuple[Pair, Stitch], StitchLayer]

    @cached_property
    def stitches(self) -> dict[Pair, list[Stitch]]:
        """All stitches by pair."""
        found: dict[Pair, list[Stitch]] = {}
        for pair, stitch in self.by_place:
            found.setdefault(pair, []).append(stitch)
        return found

    def lower(self, route: Route) -> tuple[Layer, ...]:
        """Returns the layers of one network, in execution order."""
        layers = [self.chains[0].layers[0]]
        joints = [None, *pairwise(route)]
        for part, joint in zip(route, joints, strict=True):
            chain = self.chains[part.anchor - 1]
            own = chain.layers[self._span(part, route)]
            if joint is not None:
                stitch = self._convolution(*joint)
                layers.append(stitch)
                reads = chain.blocks[part.first - 1].reads
                own = tuple(_with_input(layer, reads, stitch.name) for layer in own)
            layers.extend(own)
        return tuple(layers)

    def macs(self, route: Route) -> int:
        """Returns the multiply-accumulates of one network."""
        total = sum(layer_macs(self._convolution(*joint)) for joint in pairwise(route))
        for part in route:
            span, sums = self._span(part, route), self._macs_before[part.anchor - 1]
            total += sums[span.stop] - sums[span.start]
        return total

    @cached_property
    def _macs_before(self) -> list[list[int]]:
        """By anchor the multiply-accumulates of all layers before each position."""
        return [[*accumulate(map(layer_macs, chain.layers), initial=0)] for chain in self.chains]

    def union(self, routes: Iterable[Route]) -> tuple[Layer, ...]:
        """Returns every layer of some networks once, with all inputs that it has in any of them.

        In an order in which all could be computed; the last is the output of the last network.
        """
        used = [[False] * len(chain.layers) for chain in self.chains]
        stitches: dict[str, Layer] = {}
        stand_ins: dict[str, dict[str, None]] = {}  # by anchor's tensor: stitching layers
        output = ""
        for route in routes:
            for part in route:
                span = self._span(part, route)
                used[part.anchor - 1][span] = [True] * (span.stop - span.start)
            for before, part in pairwise(route):
                found = self._convolution(before, part)
                known = stitches.get(found.name, found)
                both = tuple(dict.fromkeys((*known.inputs, *found.inputs)))
                stitches[found.name] = replace(found, inputs=both)
                reads = self.chains[part.anchor - 1].blocks[part.first - 1].reads
                stand_ins.setdefault(reads, {})[found.name] = None
            output = self.chains[route[-1].anchor - 1].layers[-1].name
        every = [
            layer
            for chain, mask in zip(self.chains, used, strict=True)
            for layer, is_used in zip(chain.layers, mask, strict=True)
            if is_used
        ]
        known_names = {self._input.name, *stitches, *(layer.name for layer in every)}
        for position, layer in enumerate(every):
            inputs = tuple(
                source
                for name in layer.inputs
                for source in (name, *stand_ins.get(name, ()))
                if source in known_names
            )
            every[position] = replace(layer, inputs=inputs)
        return _in_order([self._input, *every, *stitches.values()], output)

    @property
    def _input(self) -> Layer:
        return self.chains[0].layers[0]

    def _span(self, part: Part, route: Route) -> slice:
        chain = self.chains[part.anchor - 1]
        return chain.span(part.first, part.last, begins=part is route[0], ends=part is route[-1])

    def _convolution(self, before: Part, behind: Part) -> Layer:
        """Returns a stitching layer between two parts of a route."""
        stitch = self.by_place[(before.anchor, behind.anchor), (before.last, behind.first)]
        return Layer(
            stitch.name,
            "conv",
            (self.chains[before.anchor - 1].blocks[before.last - 1].output,),
            self.chains[behind.anchor - 1].read_by(behind.first),
            stitch.in_channels,
            bias=True,
        )


def anchor_name(number: int, layer_name: str) -> str:
    """Returns how a layer of an anchor is called in stitched networks; all read one input."""
    return layer_name if layer_name == "input" else f"{ANCHOR_PREFIX}{number}.{layer_name}"


def stitch_graph(
    chains: Sequence[BlockChain], places: Mapping[Pair, Sequence[Sequence[Stitch]]]
) -> StitchGraph:
    """Returns the networks that are stitched from some anchors.

    Args:
        chains: the anchors, their layers named by `anchor_name`.
        places: by pair of anchors: for each stitching layer the stitches that share it.

    Raises:
        ValueError: an anchor does not read what it would be stitched to.
    """
    layers, by_place = [], {}
    for (front, back), shared in places.items():
        for number, stitches in enumerate(shared, start=1):
            name = f"{STITCH_PREFIX}{front}to{back}.layer{number}"
            layer = _stitch_layer(name, (front, back), chains, stitches)
            layers.append(layer)
            by_place.update({((front, back), stitch): layer for stitch in stitches})
    return StitchGraph(tuple(chains), tuple(layers), by_place)


def _stitch_layer(
    name: str, pair: Pair, chains: Sequence[BlockChain], stitches: Sequence[Stitch]
) -> StitchLayer:
    front, back = (chains[number - 1] for number in pair)
    widths = front.written_by(stitches[0][0])[0], back.read_by(stitches[0][1])[0]
    for before, behind in stitches:
        written, read = front.written_by(before), back.read_by(behind)
        if written[1:] != read[1:]:
            raise ValueError(
                f"anchors.{pair[1] - 1} must have the grid of anchors.{pair[0] - 1} where they are "
                f"stitched: block {before} there gives height and width {written[1:]}, block "
                f"{behind} here reads others, got {read[1:]}"
            )
        if read[0] != widths[1]:
            raise ValueError(
                f"scheme.forward_only must not be false where blocks of a stage read different "
                f"widths ({widths[1]} and {read[0]} in anchors.{pair[1] - 1}), got False"
            )
        assert written[0] == widths[0], "all blocks of a stage must have one width"
    pairs = ((front.blocks[i - 1].output, back.blocks[k - 1].reads) for i, k in stitches)
    return StitchLayer(name, *widths, *pair, tuple(pairs))


def _with_input(layer: Layer, name: str, other: str) -> Layer:
    """Returns a layer that reads `other` where it read `name`."""
    if name not in layer.inputs:
        return layer
    return replace(layer, inputs=tuple(other if own == name else own for own in layer.inputs))


def _in_order(layers: Sequence[Layer], last: str) -> tuple[Layer, ...]:
    """Returns layers so that each comes behind all that it reads, and one behind all others."""
    done: dict[str, Layer] = {}
    waiting = [layer for layer in layers if layer.name != last]
    while waiting:
        still = []
        for layer in waiting:
            if all(name in done for name in layer.inputs):
                done[layer.name] = layer
            else:
                still.append(layer)
        assert len(still) < len(waiting), "layers must not read each other in a circle"
        waiting = still
    return (*done.values(), *(layer for layer in layers if layer.name == last))
