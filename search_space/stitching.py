"""Stitched networks: routes through several trained networks, the anchors.

A stitch runs the first blocks of one anchor, then a stitching layer (a linear layer on each token
or pixel, so a 1 x 1 convolution), then the later blocks of another anchor: SN-Net (Pan et al. 2023,
arXiv 2302.06586) and SN-Netv2 (Pan et al. 2024, arXiv 2307.00154). Between a few anchors of
different size so lie many networks of sizes in between, which share all weights. Anchors are
networks of any other family; they are stitched stage by stage where they have several.

The one choice of a space is its `route`, whose options name blocks, numbered from 1 over all stages
of an anchor: "1:1-12" is the first anchor, "1:1-4,2:5-12" runs its first four blocks, a stitching
layer and the second anchor from block 5 on. Options ascend in multiply-accumulates, between the
first and the last anchor.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import chain, islice, pairwise
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StrictFloat,
    StrictInt,
    StrictStr,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from search_space.blocks import BlockChain, block_chain
from search_space.costs import Costs, costs
from search_space.family import PAPER_COSTS, Figures, NetworkSettings
from search_space.layers import Layer
from search_space.parts import Sizes, ascending
from search_space.plain_families import PlainFamily
from search_space.space import Architecture, Choice, Genes, Option, SearchSpace
from search_space.stitch_graph import (
    STITCH_PREFIX,
    StitchGraph,
    StitchLayer,
    anchor_name,
    stitch_graph,
)
from search_space.stitch_routes import Part, Route, route_name, routes
from search_space.stitch_schemes import OneWaySettings, SchemeSettings

MAX_ANCHORS = 8
MAX_ROUTES = 10_000
"""Networks of one space at most: the options of a choice."""
MAX_LAYERS = 20_000
"""Of all anchors at all resolutions: they are lowered, about 0.1 ms a layer, to see what fits."""

Values = Annotated[
    Mapping[str, StrictInt | StrictFloat | StrictStr],
    Field(max_length=10_000),
    BeforeValidator(lambda value: dict(value) if isinstance(value, Architecture) else value),
    AfterValidator(Architecture),
    PlainSerializer(dict, return_type=dict[str, StrictInt | StrictFloat | StrictStr]),
]
"""An architecture as JSON; kept as an `Architecture`, which is immutable."""
Stages = Annotated[
    tuple[Annotated[int, Field(ge=1, le=16, strict=True)], ...],
    Field(min_length=1, max_length=16),
    AfterValidator(ascending),
]


class AnchorSettings(BaseModel):
    """One network that takes part."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    network: Annotated[PlainFamily, Field(discriminator="kind")] = Field(
        description="The space that the anchor is a network of."
    )
    architecture: Values = Field(
        default={},
        validate_default=True,
        description="Which of its networks; by default the largest.",
    )

    @field_validator("architecture")
    @classmethod
    def _check_architecture(
        cls, values: Mapping[str, Option], info: ValidationInfo
    ) -> Architecture:
        network: NetworkSettings | None = info.data.get("network")
        if network is None:  # which is what is reported
            return Architecture(values)
        space = network.build()
        return space.validate(values) if values else space.largest()

    @property
    def resolution(self) -> int:
        """Height and width of the input of the anchor itself."""
        return self.network.resolution(self.architecture)

    def lower(self, resolution: int) -> tuple[Layer, ...]:
        """Returns the anchor's layers for inputs of a resolution that its space has."""
        changed = {"resolution": resolution} if "resolution" in self.architecture else {}
        return self.network.lower({**self.architecture, **changed})


def _transformer(width: int, heads: int, **fields: Any) -> dict[str, Any]:
    """Returns an anchor without choices: a plain vision transformer."""
    stage = {
        "widths": [width],
        "heads": [heads],
        "head_widths": [width // heads],
        "hidden_widths": [4 * width],
        "num_blocks": fields.pop("num_blocks", 12),
        "skippable": [],
    }
    return {"network": {"kind": "vit", "stem_width": 0, "stages": [stage], **fields}}


_DEIT = [_transformer(width, width // 64, patch_size=16) for width in (192, 384, 768)]
_DIGITS = {"input_channels": 1, "num_classes": 10, "resolutions": [8], "patch_size": 2}
DEIT: dict[str, Any] = {"anchors": _DEIT}
DEIT_TWO_WAY: dict[str, Any] = {"anchors": _DEIT[1:], "scheme": {"kind": "two_way"}, "rank": 64}
TINY: dict[str, Any] = {
    "anchors": [
        _transformer(width, heads, num_blocks=3, **_DIGITS) for width, heads in ((16, 2), (24, 3))
    ]
}


class StitchSettings(NetworkSettings):
    """Networks stitched from anchors, which are trained networks of other families."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": TINY,
        "deit": DEIT,
        "deit_two_way": DEIT_TWO_WAY,
    }

    kind: Literal["stitch"] = "stitch"
    preset: Literal["tiny", "deit", "deit_two_way"] | None = Field(default=None, exclude=True)
    input_channels: int = Field(
        default=3, ge=1, le=1024, description="Those of the anchors, which is also the default."
    )
    num_classes: int = Field(
        default=1000, ge=2, le=100_000, description="Those of the anchors, which is the default."
    )
    resolutions: Sizes = Field(
        default=(224,), description="Height and width of the input; by default the anchors'."
    )
    anchors: tuple[AnchorSettings, ...] = Field(
        default=tuple(AnchorSettings.model_validate(anchor) for anchor in DEIT["anchors"]),
        min_length=2,
        max_length=MAX_ANCHORS,
        description="From small to large.",
    )
    scheme: SchemeSettings = Field(
        default=OneWaySettings(), description="Where the anchors are stitched."
    )
    stages: Stages | None = Field(
        default=None,
        description="Numbers of the stages within which anchors are stitched; null: all but the "
        "last, or the only one.",
    )
    rank: int = Field(
        default=0,
        ge=0,
        le=4096,
        description="Of the low-rank update by which stitching layers learn, on a frozen weight; "
        "0: they learn as other layers do.",
    )

    @classmethod
    def filled(cls, values: Any) -> Any:
        """Returns settings with what is not given taken from the preset, then from an anchor."""
        values = super().filled(values)
        if not isinstance(values, Mapping) or not values.get("anchors"):
            return values
        try:
            first, *_ = _ANCHORS.validate_python(values["anchors"])
        except ValidationError:
            return values  # the field's own type says what is wrong with it
        taken = {
            "input_channels": first.network.input_channels,
            "num_classes": first.network.num_classes,
            "resolutions": (first.resolution,),
        }
        return {**taken, **values}

    @model_validator(mode="after")
    def _check_anchors(self) -> Self:
        for position, anchor in enumerate(self.anchors):
            for field in ("input_channels", "num_classes"):
                wanted, found = getattr(self, field), getattr(anchor.network, field)
                if found != wanted:
                    raise ValueError(
                        f"anchors.{position}.network.{field} must be {wanted}, as in the whole "
                        f"and in all anchors, got {found}"
                    )
            if anchor.resolution not in self.resolutions:
                raise ValueError(
                    f"anchors.{position}.architecture.resolution must be one of "
                    f"{self.resolutions}, as in all anchors, got {anchor.resolution}"
                )
            for resolution in self.resolutions:
                if resolution not in anchor.network.resolutions:
                    raise ValueError(
                        f"resolutions must be among those of anchors.{position}.network, "
                        f"{anchor.network.resolutions}, got {resolution}"
                    )
        self.scheme.orders(len(self.anchors))
        largest = _graph(self, self.resolutions[-1])
        most = max(1, MAX_LAYERS // sum(len(chain.layers) for chain in largest.chains))
        if len(self.resolutions) > most:
            raise ValueError(
                f"resolutions must be at most {most} where anchors have as many layers, "
                f"got {len(self.resolutions)}"
            )
        for resolution in self.resolutions[:-1]:
            _graph(self, resolution)
        _routes(self)
        return self

    def network_choices(self) -> list[Choice]:
        """Returns the route, the only choice but for the resolution."""
        return [Choice(name="route", options=tuple(_routes(self)), is_ordered=True)]

    def lower(self, architecture: Mapping[str, Option]) -> tuple[Layer, ...]:
        """Returns the layers of a valid architecture of the space, in execution order."""
        route = _routes(self)[str(architecture["route"])]
        return _graph(self, self.resolution(architecture)).lower(route)

    def compute(self, genes: Genes) -> Figures:
        """Returns what is known of networks on paper; see `NetworkSettings.compute`.

        Of every network once: there are few, and searches on paper ask again and again.
        """
        space = self.build()
        rows, inverse = np.unique(genes, axis=0, return_inverse=True)
        found = [_costs(self, space.decode(row)) for row in rows]
        return {
            name: np.array([getattr(each, name) for each in found], dtype=np.float64)[
                inverse.ravel()
            ]
            for name in PAPER_COSTS
        }

    def supernet_layers(self, space: SearchSpace) -> tuple[Layer, ...]:
        """Returns the layers of all routes of a space; see `NetworkSettings.supernet_layers`."""
        known = _routes(self)
        (options,) = (choice.options for choice in space.choices if choice.name == "route")
        graph = _graph(self, self.resolution(space.largest()))
        return graph.union(known[str(option)] for option in options)

    def networks_of_all_kernels(self, space: SearchSpace) -> Iterator[tuple[Layer, ...]]:
        """Gives all layers: every anchor is one network, whose kernels have one size."""
        yield self.supernet_layers(space)

    def macs(self, architecture: Mapping[str, Option]) -> int:
        """Returns a network's multiply-accumulates, from sums that all routes share."""
        route = _routes(self)[str(architecture["route"])]
        return _graph(self, self.resolution(architecture)).macs(route)

    def low_rank(self, layer_name: str) -> int:
        """Returns the rank of a layer's update; see `NetworkSettings.low_rank`."""
        return self.rank if layer_name.startswith(STITCH_PREFIX) else 0

    def anchor_layers(self, number: int) -> tuple[Layer, ...]:
        """Returns the layers of an anchor, at its own resolution, under names of this space.

        Args:
            number: of the anchor, from 1. Its layers' names begin with "anchor1.", but for "input".
        """
        return _graph(self, self.anchors[number - 1].resolution).chains[number - 1].layers

    def stitch_layers(self) -> tuple[StitchLayer, ...]:
        """Returns all stitching layers."""
        return _graph(self, self.resolutions[-1]).layers

    def anchor_architectures(self) -> tuple[Architecture, ...]:
        """Returns the whole anchors as networks of this space, each at its own resolution."""
        space, found = self.build(), []
        for number, anchor in enumerate(self.anchors, start=1):
            values: dict[str, Option] = {"route": route_name(self._whole(number))}
            if len(self.resolutions) > 1:
                values["resolution"] = anchor.resolution
            found.append(space.validate(values))
        return tuple(found)

    def _whole(self, number: int) -> Route:
        chain = _graph(self, self.resolutions[-1]).chains[number - 1]
        return (Part(number, 1, len(chain.blocks)),)

    def _identity(self) -> dict[str, Any]:
        anchors = [
            {"network": anchor.network._identity(), "architecture": dict(anchor.architecture)}
            for anchor in self.anchors
        ]
        return {**super()._identity(), "anchors": anchors}

    def _stitched_stages(self, chains: Sequence[BlockChain]) -> tuple[int, ...]:
        """Returns the numbers of the stages in which anchors are stitched."""
        counts = [len(chain.stages) for chain in chains]
        if self.stages is None:
            if len(set(counts)) > 1:
                raise ValueError(
                    f"stages must be given where anchors have different numbers of stages, "
                    f"here {counts}, got None"
                )
            return tuple(range(1, max(2, counts[0])))
        if self.stages[-1] > min(counts):
            raise ValueError(
                f"stages must be at most {min(counts)}, the number of stages of anchors."
                f"{counts.index(min(counts))}, got {self.stages}"
            )
        return self.stages


_ANCHORS = TypeAdapter(Annotated[tuple[AnchorSettings, ...], Field(max_length=MAX_ANCHORS)])


@lru_cache(maxsize=64)  # each of some MiB at most; trainings draw from all resolutions
def _graph(settings: StitchSettings, resolution: int) -> StitchGraph:
    """Returns the networks of a space at one resolution.

    Raises:
        ValueError: the anchors cannot be stitched as wished.
    """
    chains = []
    for number, anchor in enumerate(settings.anchors, start=1):
        layers = [
            replace(
                layer,
                name=anchor_name(number, layer.name),
                inputs=tuple(anchor_name(number, name) for name in layer.inputs),
            )
            for layer in anchor.lower(resolution)
        ]
        chains.append(block_chain(layers))
    stages = settings._stitched_stages(chains)
    places = settings.scheme.places(chains, stages)
    if not any(places.values()):
        raise ValueError(f"stages must have blocks to stitch, got {stages}")
    return stitch_graph(chains, places)


@lru_cache(maxsize=2 * MAX_ROUTES)
def _costs(settings: StitchSettings, architecture: Architecture) -> Costs:
    return costs(settings.lower(architecture))


@lru_cache(maxsize=16)
def _routes(settings: StitchSettings) -> dict[str, Route]:
    """Returns the routes of a space by option, in the options' order.

    Raises:
        ValueError: the anchors do not ascend in size, or there are too many routes.
    """
    graph = _graph(settings, settings.resolutions[-1])
    numbers = range(1, len(graph.chains) + 1)
    whole = [settings._whole(number) for number in numbers]
    sizes = [graph.macs(route) for route in whole]
    for position, (before, behind) in enumerate(pairwise(sizes), start=1):
        if before > behind:
            raise ValueError(
                f"anchors.{position} must have at least {before} multiply-accumulates, as "
                f"anchors.{position - 1} has, got {behind}"
            )
    chained = chain.from_iterable(
        routes(order, graph.stitches, [len(c.blocks) for c in graph.chains])
        for order in settings.scheme.orders(len(whole))
    )
    stitched = list(islice(chained, MAX_ROUTES - len(whole) + 1))
    if len(stitched) + len(whole) > MAX_ROUTES:
        raise ValueError(f"scheme must give at most {MAX_ROUTES} networks, got more than that")
    first, *between, last = whole
    between = sorted([*between, *stitched], key=graph.macs)
    return {route_name(route): route for route in (first, *between, last)}
