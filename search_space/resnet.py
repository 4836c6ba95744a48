"""The once-for-all ResNet-50D space (Cai et al. 2020, arXiv 1908.09791; its released code).

Bottleneck residual networks (He et al. 2016, arXiv 1512.03385) with the stem of three convolutions
and the average-pooled shortcuts of ResNet-D (He et al. 2019, arXiv 1812.01187, section 4.2).
Elastic in the stem: both widths, and a residual block that may be left out; per stage: width and
depth; per block: the ratio of the hidden width to the stage's; for the whole network: the
resolution of its input. Every part is a setting; the published space is the preset `imagenet`,
which is also the default.

The published encoding has 29 genes of three options each (5 depths, 18 ratios, 6 widths), 3^29 =
6.86e13 vectors. Many mean one network: ratios of blocks that are not there, two of the stem's three
depths, two of its three hidden widths (both 24 after rounding). Here every architecture is another
network: 2 * 2 * 3 * 3^4 * (3^2 + 3^3 + 3^4)^3 * (3^4 + 3^5 + 3^6) = 1.64e12 per resolution.
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
    ascending,
    check_resolutions,
    choice,
    conv_norm,
    make_divisible,
    needs_depth,
    value,
)
from search_space.space import Choice, Option

StemDepths = Annotated[
    tuple[Annotated[int, Field(ge=0, le=8, strict=True)], ...],
    Field(min_length=1),
    AfterValidator(ascending),
]


class ResNetStageSettings(BaseModel):
    """One elastic stage; a part with a single option is fixed and is no choice of the space."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    widths: Sizes = Field(description="Output channels of every block.")
    depths: Depths = Field(default=(2, 3, 4), description="Number of blocks.")
    expand_ratios: Ratios = Field(
        default=(0.2, 0.25, 0.35), description="Channels of a block's inner layers by its output's."
    )
    stride: Literal[1, 2] = 2


IMAGENET: dict[str, Any] = {
    # The multiples 0.65, 0.8 and 1 of ResNet-50's widths, rounded to multiples of 8.
    "stages": [
        {"widths": [168, 208, 256], "stride": 1},
        {"widths": [336, 408, 512]},
        {"widths": [664, 816, 1024], "depths": [4, 5, 6]},
        {"widths": [1328, 1640, 2048]},
    ],
}
CIFAR: dict[str, Any] = {
    "num_classes": 10,
    "resolutions": [32],
    "stem_stride": 1,
    "stem_pool": False,
    "stem_hidden_widths": [16],
    "stem_widths": [24, 32],
    "stages": [
        {"widths": [80, 104, 128], "stride": 1},
        {"widths": [168, 208, 256]},
        {"widths": [336, 408, 512]},
    ],
}
TINY: dict[str, Any] = {
    "input_channels": 1,
    "num_classes": 10,
    "resolutions": [8],
    "stem_stride": 1,
    "stem_pool": False,
    "stem_hidden_widths": [4, 8],
    "stem_widths": [8, 12],
    "stages": [
        {"widths": [16, 24], "depths": [1, 2], "expand_ratios": [0.25, 0.5], "stride": stride}
        | widths
        for stride, widths in ((1, {}), (2, {"widths": [32, 48]}))
    ],
    "width_divisor": 4,
}


class ResNetSettings(NetworkSettings):
    """The once-for-all ResNet-50D space: elastic stages of bottleneck residual blocks."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tiny": TINY,
        "cifar": CIFAR,
        "imagenet": IMAGENET,
    }

    kind: Literal["resnet"] = "resnet"
    preset: Literal["tiny", "cifar", "imagenet"] | None = Field(default=None, exclude=True)
    stem_hidden_widths: Sizes = Field(
        default=(24, 32), description="Channels of the stem's convolutions but the last."
    )
    stem_widths: Sizes = Field(
        default=(40, 48, 64), description="Channels of the stem's last convolution."
    )
    stem_depths: StemDepths = Field(
        default=(0, 1), description="Number of residual blocks between the stem's two convolutions."
    )
    stem_stride: Literal[1, 2] = 2
    stem_pool: bool = Field(default=True, description="Max pooling of stride 2 after the stem.")
    stages: tuple[ResNetStageSettings, ...] = Field(
        default=tuple(ResNetStageSettings.model_validate(stage) for stage in IMAGENET["stages"]),
        min_length=1,
        max_length=16,
    )
    width_divisor: int = Field(default=8, ge=1, le=64, description="Hidden widths are multiples.")

    @model_validator(mode="after")
    def _check_resolutions(self) -> Self:
        strides = [self.stem_stride, 1 + self.stem_pool, *(stage.stride for stage in self.stages)]
        check_resolutions(self.resolutions, strides)
        return self

    def network_choices(self) -> list[Choice]:
        """Returns the stem's choices, then stage by stage width, depth and the blocks' ratios."""
        choices = choice("stem.hidden_width", self.stem_hidden_widths)
        choices += choice("stem.depth", self.stem_depths)
        choices += choice("stem.width", self.stem_widths)
        for number, stage in enumerate(self.stages, start=1):
            choices += _stage_choices(f"stage{number}", stage)
        return choices

    def lower(self, architecture: Mapping[str, Option]) -> tuple[Layer, ...]:
        """Returns the layers of a valid architecture of the space, in execution order."""
        graph = LayerGraph(self.input_shape(architecture))
        x = self._stem(graph, architecture)
        for number, stage in enumerate(self.stages, start=1):
            x = self._stage(graph, f"stage{number}", x, stage, architecture)
        x = graph.flatten("flatten", graph.global_pool("pool", x))
        graph.linear("classifier", x, self.num_classes)
        return graph.layers()

    def _stem(self, graph: LayerGraph, architecture: Mapping[str, Option]) -> str:
        hidden = int(value(architecture, "stem.hidden_width", self.stem_hidden_widths))
        depth = int(value(architecture, "stem.depth", self.stem_depths))
        width = int(value(architecture, "stem.width", self.stem_widths))
        x = conv_norm_relu(
            graph, "stem.first", graph.input, hidden, kernel=3, stride=self.stem_stride
        )
        for number in range(1, depth + 1):
            # Unlike the bottlenecks, activated before the sum and not after it.
            y = conv_norm_relu(graph, f"stem.block{number}", x, hidden, kernel=3)
            x = graph.add(f"stem.block{number}.add", x, y)
        x = conv_norm_relu(graph, "stem.last", x, width, kernel=3)
        return graph.max_pool("stem.pool", x, kernel=3, stride=2) if self.stem_pool else x

    def _stage(
        self,
        graph: LayerGraph,
        name: str,
        x: str,
        stage: ResNetStageSettings,
        architecture: Mapping[str, Option],
    ) -> str:
        width = int(value(architecture, f"{name}.width", stage.widths))
        depth = int(value(architecture, f"{name}.depth", stage.depths))
        for number in range(1, depth + 1):
            block = f"{name}.block{number}"
            ratio = float(value(architecture, f"{block}.expand_ratio", stage.expand_ratios))
            hidden = make_divisible(round(width * ratio), self.width_divisor)
            # The first block's shortcut has a convolution even where neither width nor stride
            # changes: with elastic widths only some networks would need it.
            stride = stage.stride if number == 1 else 1
            shortcut = projected(graph, block, x, width, stride) if number == 1 else x
            y = bottleneck(graph, block, x, hidden, width, stride)
            x = graph.add(f"{block}.add", y, shortcut)
            x = graph.activation(f"{block}.activation", x, "relu")
        return x


def bottleneck(
    graph: LayerGraph, name: str, x: str, hidden: int, width: int, stride: int, kernel: int = 3
) -> str:
    """Appends the residual branch of a block.

    The spatial convolution has the stride (ResNet-B), so no layer skips pixels.
    """
    y = conv_norm_relu(graph, f"{name}.reduce", x, hidden)
    y = conv_norm_relu(graph, f"{name}.spatial", y, hidden, kernel=kernel, stride=stride)
    return conv_norm(graph, f"{name}.expand", y, width)


def projected(graph: LayerGraph, block: str, x: str, width: int, stride: int) -> str:
    """Appends a shortcut that changes shape.

    Pooled, then projected: a strided 1x1 convolution would ignore three of four pixels.
    """
    if stride > 1:
        x = graph.average_pool(f"{block}.shortcut.pool", x, stride)
    return conv_norm(graph, f"{block}.shortcut", x, width)


def conv_norm_relu(
    graph: LayerGraph, name: str, x: str, out_channels: int, *, kernel: int = 1, stride: int = 1
) -> str:
    """Appends a convolution, its batch normalization and a relu."""
    x = conv_norm(graph, name, x, out_channels, kernel=kernel, stride=stride)
    return graph.activation(f"{name}.activation", x, "relu")


def _stage_choices(name: str, stage: ResNetStageSettings) -> list[Choice]:
    choices = choice(f"{name}.width", stage.widths) + choice(f"{name}.depth", stage.depths)
    for number in range(1, max(stage.depths) + 1):
        when = needs_depth(f"{name}.depth", stage.depths, number)
        choices += choice(f"{name}.block{number}.expand_ratio", stage.expand_ratios, when)
    return choices
