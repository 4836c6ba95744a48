"""The once-for-all MobileNetV3 space (Cai et al. 2020, arXiv 1908.09791; its released code).

A stem, a fixed first block, elastic stages of inverted residuals with squeeze-and-excitation
(Howard et al. 2019, arXiv 1905.02244), a head. Elastic per stage: depth, and here also the output
width; per block: kernel size and expansion ratio; for the whole network: the resolution of its
input. Every part is a setting; the published space is the preset `imagenet`, which is also the
default: (9^2 + 9^3 + 9^4)^5 networks per resolution, 25 resolutions.

The plain inverted residuals of MobileNetV2 (Sandler et al. 2018, arXiv 1801.04381) are the same
blocks by other settings: relu6, no squeeze-and-excitation, no feature mix layer in the head. The
presets `mobilenetv2` and `proxyless` are the once-for-all spaces of that kind, over the widths of
MobileNetV2, which is one of its networks, and over 1.3 times those of ProxylessNAS (Cai et al.
2019, arXiv 1812.00332). Their sixth stage has one block: 9 times as many networks.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from search_space.family import NetworkSettings
from search_space.layers import Layer, LayerGraph
from search_space.parts import (
    Depths,
    Ratios,
    Sizes,
    check_resolutions,
    choice,
    conv_norm,
    make_divisible,
    needs_depth,
    odd,
    value,
)
from search_space.space import Choice, Option

ActivationName = Literal["relu", "relu6", "hard_swish"]


class StageSettings(BaseModel):
    """One elastic stage; a part with a single option is fixed and is no choice of the space."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    widths: Sizes = Field(description="Output channels.")
    depths: Depths = Field(default=(2, 3, 4), description="Number of blocks.")
    kernel_sizes: Annotated[Sizes, AfterValidator(odd)] = (3, 5, 7)
    expand_ratios: Ratios = (3, 4, 6)
    stride: Literal[1, 2] = 2
    squeeze_excite: bool = False
    activation: ActivationName = "relu"


IMAGENET: dict[str, Any] = {
    "stages": [
        {"widths": [24]},
        {"widths": [40], "squeeze_excite": True},
        {"widths": [80], "activation": "hard_swish"},
        {"widths": [112], "stride": 1, "squeeze_excite": True, "activation": "hard_swish"},
        {"widths": [160], "squeeze_excite": True, "activation": "hard_swish"},
    ],
}
CIFAR: dict[str, Any] = {
    "num_classes": 10,
    "resolutions": [32],
    "stem_stride": 1,
    "stages": [{"stride": 1, **IMAGENET["stages"][0]}, *IMAGENET["stages"][1:]],
}
DIGITS: dict[str, Any] = {
    "input_channels": 1,
    "num_classes": 10,
    "resolutions": [8, 10, 12],
    "stem_width": 8,
    "stem_stride": 1,
    "first_block_width": 8,
    "stages": [
        {
            "widths": [8, 12, 16],
            "depths": [1, 2, 3],
            "kernel_sizes": [3, 5],
            "expand_ratios": [1, 2, 3],
            "stride": stride,
            "squeeze_excite": squeeze_excite,
            "activation": "hard_swish",
        }
        | widths
        for stride, squeeze_excite, widths in (
            (1, False, {}),
            (2, True, {"widths": [12, 16, 24]}),
            (2, True, {"widths": [16, 24, 32]}),
        )
    ],
    "final_expand_width": 64,
    "head_width": 96,
    "width_divisor": 4,
}
TINY: dict[str, Any] = {
    "input_channels": 1,
    "num_classes": 10,
    "resolutions": [8],
    "stem_width": 8,
    "stem_stride": 1,
    "first_block_width": 8,
    "stages": [
        {
            "widths": [8, 12],
            "depths": [1, 2],
            "kernel_sizes": [3, 5],
            "expand_ratios": [1, 2],
            "squeeze_excite": squeeze_excite,
            "activation": "hard_swish",
        }
        | widths
        for squeeze_excite, widths in ((False, {}), (True, {"widths": [12, 16]}))
    ],
    "final_expand_width": 32,
    "head_width": 48,
    "width_divisor": 4,
}


def _plain_inverted_residuals(*widths: int) -> dict[str, Any]:
    """Returns the settings of MobileNetV2 with the given widths from the stem to the head."""
    stem, first_block, *stages, head = widths
    return {
        "stem_width": stem,
        "stem_activation": "relu6",
        "first_block_width": first_block,
        "first_block_activation": "relu6",
        "stages": [
            {"widths": [width], "depths": depths, "stride": stride, "activation": "relu6"}
            for width, depths, stride in zip(
                stages, [[2, 3, 4]] * 5 + [[1]], (2, 2, 2, 1, 2, 1), strict=True
            )
        ],
        "final_expand_width": head,
        "head_activation": "relu6",
        "head_width": None,
    }


MOBILENETV2 = _plain_inverted_residuals(32, 16, 24, 32, 64, 96, 160, 320, 1280)
PROXYLESS = _plain_inverted_residuals(40, 24, 32, 56, 104, 128, 248, 416, 1664)


class MobileNetV3Settings(NetworkSettings):
    """The once-for-all MobileNetV3 space, also of plain MobileNetV2: inverted residuals."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "digits": DIGITS,
        "cifar": CIFAR,
        "imagenet": IMAGENET,
        "tiny": TINY,
        "mobilenetv2": MOBILENETV2,
        "proxyless": PROXYLESS,
    }
    younger_fields: ClassVar[frozenset[str]] = frozenset(
        {"stem_activation", "first_block_activation", "head_activation"}
    )

    kind: Literal["mobilenetv3"] = "mobilenetv3"
    preset: Literal["digits", "cifar", "imagenet", "tiny", "mobilenetv2", "proxyless"] | None = (
        Field(default=None, exclude=True)
    )
    stem_width: int = Field(default=16, ge=1, le=4096)
    stem_stride: Literal[1, 2] = 2
    stem_activation: ActivationName = "hard_swish"
    first_block_width: int = Field(default=16, ge=1, le=4096)
    first_block_activation: ActivationName = "relu"
    stages: tuple[StageSettings, ...] = Field(
        default=tuple(StageSettings.model_validate(stage) for stage in IMAGENET["stages"]),
        min_length=1,
        max_length=16,
    )
    final_expand_width: int = Field(default=960, ge=1, le=16_384)
    head_width: Annotated[int, Field(ge=1, le=16_384)] | None = Field(
        default=1280, description="Of the feature mix layer after the pooling; null for none."
    )
    head_activation: ActivationName = "hard_swish"
    width_divisor: int = Field(default=8, ge=1, le=64, description="Hidden widths are multiples.")

    @model_validator(mode="after")
    def _check_resolutions(self) -> Self:
        strides = [self.stem_stride, *(stage.stride for stage in self.stages)]
        check_resolutions(self.resolutions, strides)
        return self

    def network_choices(self) -> list[Choice]:
        """Returns stage by stage width, depth and the blocks."""
        return [
            found
            for number, stage in enumerate(self.stages, start=1)
            for found in _stage_choices(f"stage{number}", stage)
        ]

    def lower(self, architecture: Mapping[str, Option]) -> tuple[Layer, ...]:
        """Returns the layers of a valid architecture of the space, in execution order."""
        graph = LayerGraph(self.input_shape(architecture))
        x = conv_norm(
            graph, "stem", graph.input, self.stem_width, kernel=3, stride=self.stem_stride
        )
        x = graph.activation("stem.activation", x, self.stem_activation)
        x = self._first_block(graph, x)
        for number, stage in enumerate(self.stages, start=1):
            x = self._stage(graph, f"stage{number}", x, stage, architecture)
        x = conv_norm(graph, "final_expand", x, self.final_expand_width)
        x = graph.activation("final_expand.activation", x, self.head_activation)
        x = graph.global_pool("pool", x)
        if self.head_width is not None:
            x = graph.conv("feature_mix.conv", x, self.head_width)
            x = graph.activation("feature_mix.activation", x, self.head_activation)
        x = graph.flatten("flatten", x)
        graph.linear("classifier", x, self.num_classes)
        return graph.layers()

    def _first_block(self, graph: LayerGraph, x: str) -> str:
        """A depthwise separable block with a shortcut where the widths agree."""
        y = conv_norm(
            graph, "first.depthwise", x, self.stem_width, kernel=3, groups=self.stem_width
        )
        y = graph.activation("first.depthwise.activation", y, self.first_block_activation)
        y = conv_norm(graph, "first.project", y, self.first_block_width)
        return graph.add("first.add", x, y) if self.first_block_width == self.stem_width else y

    def _stage(
        self,
        graph: LayerGraph,
        name: str,
        x: str,
        stage: StageSettings,
        architecture: Mapping[str, Option],
    ) -> str:
        width = int(value(architecture, f"{name}.width", stage.widths))
        depth = int(value(architecture, f"{name}.depth", stage.depths))
        for number in range(1, depth + 1):
            block = f"{name}.block{number}"
            kernel = int(value(architecture, f"{block}.kernel_size", stage.kernel_sizes))
            ratio = float(value(architecture, f"{block}.expand_ratio", stage.expand_ratios))
            # The first block changes width or stride, so it never has a shortcut: with elastic
            # widths it would otherwise have one in some networks and not in others.
            stride = stage.stride if number == 1 else 1
            y = self._inverted_residual(graph, block, x, stage, width, kernel, ratio, stride)
            x = y if number == 1 else graph.add(f"{block}.add", x, y)
        return x

    def _inverted_residual(
        self,
        graph: LayerGraph,
        name: str,
        x: str,
        stage: StageSettings,
        width: int,
        kernel: int,
        ratio: float,
        stride: int,
    ) -> str:
        hidden = make_divisible(round(graph.shape(x)[0] * ratio), self.width_divisor)
        y = conv_norm(graph, f"{name}.expand", x, hidden)
        y = graph.activation(f"{name}.expand.activation", y, stage.activation)
        y = conv_norm(
            graph, f"{name}.depthwise", y, hidden, kernel=kernel, stride=stride, groups=hidden
        )
        y = graph.activation(f"{name}.depthwise.activation", y, stage.activation)
        if stage.squeeze_excite:
            y = self._squeeze_excite(graph, f"{name}.squeeze_excite", y)
        return conv_norm(graph, f"{name}.project", y, width)

    def _squeeze_excite(self, graph: LayerGraph, name: str, x: str) -> str:
        """A gate per channel from the pooled channels, reduced to a quarter in between."""
        channels = graph.shape(x)[0]
        gate = graph.global_pool(f"{name}.pool", x)
        reduced = make_divisible(channels // 4, self.width_divisor)
        gate = graph.conv(f"{name}.reduce", gate, reduced, bias=True)
        gate = graph.activation(f"{name}.reduce_activation", gate, "relu")
        gate = graph.conv(f"{name}.expand", gate, channels, bias=True)
        gate = graph.activation(f"{name}.gate", gate, "hard_sigmoid")
        return graph.multiply(f"{name}.multiply", x, gate)


def _stage_choices(name: str, stage: StageSettings) -> list[Choice]:
    choices = choice(f"{name}.width", stage.widths) + choice(f"{name}.depth", stage.depths)
    for number in range(1, max(stage.depths) + 1):
        when = needs_depth(f"{name}.depth", stage.depths, number)
        choices += choice(f"{name}.block{number}.kernel_size", stage.kernel_sizes, when)
        choices += choice(f"{name}.block{number}.expand_ratio", stage.expand_ratios, when)
    return choices
