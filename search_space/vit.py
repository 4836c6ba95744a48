"""The ViT-ResNAS space (Liao et al. 2021, arXiv 2109.00642; its released code).

A vision transformer of several stages: a convolutional patch embedding, stages of transformer
blocks, and between them residual spatial reductions, which halve height and width and raise the
width. Elastic per stage: the embedding width; per block: attention heads, their width, the hidden
width of the feed-forward network, and, for some blocks, whether it exists at all. Every part is a
setting; the published space of the tiny networks is the preset `imagenet`, which is also the
default: 5^3 (28^3 29^3)^3 = 1.9e28 networks (28 variants of a block, and its absence).

Tokens are the pixels of (channels, height, width) maps, so token-wise linear layers are 1 x 1
convolutions. Two things differ from the released code: the classifier reads the mean of all tokens,
where that appends a class token to the pixels; and skippable blocks exist independently of each
other also where they follow one another (which they never do in the published spaces).
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from search_space.family import NetworkSettings
from search_space.layers import Layer, LayerGraph
from search_space.parts import Size, Sizes, choice, conv_norm, value
from search_space.space import Choice, Condition, Option


class TransformerStageSettings(BaseModel):
    """One elastic stage; a part with a single option is fixed and is no choice of the space."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    widths: Sizes = Field(description="Channels of the embedding.")
    heads: Sizes = Field(description="Attention heads of a block.")
    head_widths: Sizes = Field(description="Channels per head.")
    hidden_widths: Sizes = Field(description="Hidden channels of a block's feed-forward network.")
    num_blocks: int = Field(default=6, ge=1, le=32)
    skippable: tuple[Annotated[int, Field(ge=1, strict=True)], ...] = Field(
        default=(2, 4, 6), description="Numbers, from 1, of the blocks that a network may lack."
    )

    @model_validator(mode="after")
    def _check_skippable(self) -> Self:
        if list(self.skippable) != sorted(set(self.skippable)):
            raise ValueError(f"skippable must ascend without repetition, got {self.skippable}")
        if self.skippable and self.skippable[-1] > self.num_blocks:
            raise ValueError(
                f"skippable must be at most num_blocks = {self.num_blocks}, got {self.skippable}"
            )
        if len(self.skippable) == self.num_blocks:
            raise ValueError(f"skippable must leave a block in every network, got {self.skippable}")
        return self


# Widest first in the released supernet_config/sr_tiny_mh.py, where attention is in channels.
IMAGENET: dict[str, Any] = {
    "stages": [
        {
            "widths": [160, 176, 192, 224, 256],
            "heads": [3, 4, 5, 6],
            "head_widths": [32],
            "hidden_widths": [384, 448, 512, 576, 640, 704, 768],
        },
        {
            "widths": [320, 352, 384, 448, 512],
            "heads": [6, 8, 10, 12],
            "head_widths": [48],
            "hidden_widths": [768, 896, 1024, 1152, 1280, 1408, 1536],
        },
        {
            "widths": [640, 704, 768, 896, 1024],
            "heads": [6, 8, 10, 12],
            "head_widths": [64],
            "hidden_widths": [1536, 1792, 2048, 2304, 2560, 2816, 3072],
        },
    ],
}
CIFAR: dict[str, Any] = {
    "num_classes": 10,
    "resolutions": [32],
    "stem_width": 16,
    "patch_size": 4,
    "stages": [
        {
            "widths": [width - width // 3, width - width // 6, width],
            "heads": heads,
            "head_widths": [24, 32],
            "hidden_widths": [hidden // 2, hidden - hidden // 4, hidden],
            "num_blocks": 4,
            "skippable": [2, 4],
        }
        for width, heads, hidden in (
            (96, [2, 3], 256),
            (192, [3, 4, 6], 512),
            (384, [4, 6, 8], 1024),
        )
    ],
}
TINY: dict[str, Any] = {
    "input_channels": 1,
    "num_classes": 10,
    "resolutions": [8],
    "stem_width": 0,
    "patch_size": 2,
    "stages": [
        {
            "widths": [16, 24, 32],
            "heads": [2, 3, 4],
            "head_widths": [4, 8],
            "hidden_widths": [32, 48, 64],
            "num_blocks": 3,
            "skippable": [2, 3],
        },
        {
            "widths": [32, 48, 64],
            "heads": [2, 4],
            "head_widths": [8, 16],
            "hidden_widths": [64, 96, 128],
            "num_blocks": 3,
            "skippable": [2, 3],
        },
    ],
}


class VisionTransformerSettings(NetworkSettings):
    """The ViT-ResNAS space: elastic stages of transformer blocks."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": TINY,
        "cifar": CIFAR,
        "imagenet": IMAGENET,
    }

    kind: Literal["vit"] = "vit"
    preset: Literal["tiny", "cifar", "imagenet"] | None = Field(default=None, exclude=True)
    resolutions: Sizes = Field(
        default=(224,),
        description="Height and width of the input; smaller ones resample the position embeddings.",
    )
    stem_width: int = Field(
        default=24,
        ge=0,
        le=4096,
        description="Channels of the three convolutions before the patches; 0 for none.",
    )
    patch_size: Size = Field(default=14, description="Pixels per side of a first-stage token.")
    stages: tuple[TransformerStageSettings, ...] = Field(
        default=tuple(TransformerStageSettings.model_validate(s) for s in IMAGENET["stages"]),
        min_length=1,
        max_length=8,
    )

    @model_validator(mode="after")
    def _check_sizes(self) -> Self:
        if self.stem_width and self.patch_size % 2:
            raise ValueError(f"patch_size must be even below a stem, got {self.patch_size}")
        unit = self.patch_size * 2 ** (len(self.stages) - 1)
        for resolution in self.resolutions:
            if resolution % unit:
                raise ValueError(
                    f"resolutions must be multiples of {unit} = patch_size * "
                    f"2^(number of stages - 1), got {resolution}"
                )
        for number in range(1, len(self.stages)):
            least, before = self.stages[number].widths[0], self.stages[number - 1].widths[-1]
            if least < before:
                raise ValueError(
                    f"stages.{number}.widths must be at least {before}, the widest of the stage "
                    f"before, got {least}"
                )
        return self

    def network_choices(self) -> list[Choice]:
        """Returns stage by stage the width and the blocks."""
        return [
            found
            for number, stage in enumerate(self.stages, start=1)
            for found in _stage_choices(f"stage{number}", stage)
        ]

    def lower(self, architecture: Mapping[str, Option]) -> tuple[Layer, ...]:
        """Returns the layers of a valid architecture of the space, in execution order."""
        graph = LayerGraph(self.input_shape(architecture))
        x = graph.input
        for number, stage in enumerate(self.stages, start=1):
            name = f"stage{number}"
            width = int(value(architecture, f"{name}.width", stage.widths))
            if number == 1:
                x = self._patches(graph, x, width)
            else:
                x = _reduction(graph, f"{name}.reduction", x, width)
            for block in range(1, stage.num_blocks + 1):
                if block not in stage.skippable or architecture[f"{name}.block{block}.exists"]:
                    x = _block(graph, f"{name}.block{block}", x, stage, architecture)
        x = graph.layer_norm("norm", x)
        x = graph.flatten("flatten", graph.global_pool("pool", x))
        graph.linear("classifier", x, self.num_classes)
        return graph.layers()

    def _patches(self, graph: LayerGraph, x: str, width: int) -> str:
        """Three 3 x 3 convolutions, the first of stride 2, then one convolution over patches."""
        size = self.patch_size
        if self.stem_width:
            size //= 2
            shortcut = y = _stem_conv(graph, "stem.conv1", x, self.stem_width, stride=2)
            for name in ("stem.conv2", "stem.conv3"):
                y = _stem_conv(graph, name, y, self.stem_width)
            x = graph.add("stem.add", y, shortcut)
        x = graph.conv("patches.conv", x, width, kernel=size, stride=size, bias=True)
        return graph.position("patches.position", x)


def _stem_conv(graph: LayerGraph, name: str, x: str, width: int, *, stride: int = 1) -> str:
    x = conv_norm(graph, name, x, width, kernel=3, stride=stride)
    return graph.activation(f"{name}.activation", x, "relu")


def _reduction(graph: LayerGraph, name: str, x: str, width: int) -> str:
    """Residual spatial reduction (section 3.2): halves height and width, raises the width.

    A strided convolution and a new position embedding, beside a skip path that has no weights: the
    mean of 2 x 2 tokens, with zeros for the new channels.
    """
    y = graph.layer_norm(f"{name}.norm", x)
    y = graph.conv(f"{name}.conv", y, width, kernel=3, stride=2, bias=True)
    y = graph.position(f"{name}.position", y)
    skip = graph.average_pool(f"{name}.pool", x, 2)
    skip = graph.pad_channels(f"{name}.pad", skip, width)
    return graph.add(f"{name}.add", y, skip)


def _block(
    graph: LayerGraph,
    name: str,
    x: str,
    stage: TransformerStageSettings,
    architecture: Mapping[str, Option],
) -> str:
    """Attention and a feed-forward network, each normalized before and added to its input."""
    width = graph.shape(x)[0]
    heads = int(value(architecture, f"{name}.heads", stage.heads))
    inner = heads * int(value(architecture, f"{name}.head_width", stage.head_widths))
    y = graph.layer_norm(f"{name}.attention.norm", x)
    q, k, v = (
        graph.conv(f"{name}.attention.{part}", y, inner, bias=True, out_heads=heads)
        for part in ("query", "key", "value")
    )
    y = graph.attention(f"{name}.attention.mix", q, k, v, heads)
    y = graph.conv(f"{name}.attention.project", y, width, bias=True, in_heads=heads)
    x = graph.add(f"{name}.attention.add", x, y)
    hidden = int(value(architecture, f"{name}.hidden_width", stage.hidden_widths))
    y = graph.layer_norm(f"{name}.feed_forward.norm", x)
    y = graph.conv(f"{name}.feed_forward.expand", y, hidden, bias=True)
    y = graph.activation(f"{name}.feed_forward.activation", y, "gelu")
    y = graph.conv(f"{name}.feed_forward.project", y, width, bias=True)
    return graph.add(f"{name}.feed_forward.add", x, y)


def _stage_choices(name: str, stage: TransformerStageSettings) -> list[Choice]:
    choices = choice(f"{name}.width", stage.widths)
    for number in range(1, stage.num_blocks + 1):
        block, when = f"{name}.block{number}", None
        if number in stage.skippable:
            choices += choice(f"{block}.exists", (0, 1))
            when = Condition(parent=f"{block}.exists", options=(1,))
        choices += choice(f"{block}.heads", stage.heads, when)
        choices += choice(f"{block}.head_width", stage.head_widths, when)
        choices += choice(f"{block}.hidden_width", stage.hidden_widths, when)
    return choices
