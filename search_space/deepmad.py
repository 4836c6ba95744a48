"""DeepMAD's space of convolutional networks with free widths and depths (arXiv 2303.02165).

A stem and super-blocks of bottleneck residual blocks (1x1, k x k, 1x1), as in the released code's
structures of `SuperResK1KXK1`: each super-block has its own output width, bottleneck width, kernel
size and number of blocks, the same for all of its blocks. There any multiple of 8 is a width; here
a width is an option of a stated grid, so that the space is finite and every searcher works on it.

The released code also demands that widths do not fall from one super-block to the next, nor grow
more than fourfold, and that a bottleneck is between a tenth of the output and all of it. A space of
independent choices cannot express that; the metric `shape_violation` says by how much a network
breaks those rules (0 where it keeps them all), for a limit of 0.

Differences in the network itself: shortcuts that change shape are pooled and projected, in the
first block of each super-block, as in `search_space.resnet`; the stem is one 3x3 convolution.
"""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from search_space.deepmad_figures import FIGURES, Networks, figures
from search_space.family import PAPER_COSTS, Figures, NetworkSettings
from search_space.layers import Layer, LayerGraph
from search_space.parts import Depths, Sizes, check_resolutions, choice, odd, value
from search_space.resnet import bottleneck, conv_norm_relu, projected
from search_space.space import Choice, Genes, Option


class SuperBlockSettings(BaseModel):
    """One super-block; a part with a single option is fixed and is no choice of the space."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    widths: Sizes = Field(description="Output channels of every block.")
    hidden_widths: Sizes = Field(description="Channels of a block's inner layers.")
    kernel_sizes: Annotated[Sizes, AfterValidator(odd)] = (3, 5)
    depths: Depths = Field(default=(1, 2, 3, 4, 5, 6, 7, 8, 9, 10), description="Number of blocks.")
    stride: Literal[1, 2] = 2


IMAGENET: dict[str, Any] = {
    "resolutions": [224],
    "stem_widths": [16, 24, 32, 40, 48, 64],
    # Around the released ResNet-18 and ResNet-50 budgets: 2,048 channels at most.
    "stages": [
        {"widths": list(range(32, 321, 32)), "hidden_widths": list(range(16, 129, 16))},
        {"widths": list(range(64, 769, 64)), "hidden_widths": list(range(32, 257, 32))},
        {"widths": list(range(128, 1281, 64)), "hidden_widths": list(range(32, 385, 32))},
        {
            "widths": list(range(128, 1537, 64)),
            "hidden_widths": list(range(32, 513, 32)),
            "stride": 1,
        },
        {"widths": list(range(256, 2049, 64)), "hidden_widths": list(range(64, 769, 64))},
    ],
}
TINY: dict[str, Any] = {
    "input_channels": 1,
    "num_classes": 10,
    "resolutions": [8],
    "stem_widths": [8, 12],
    "stem_stride": 1,
    "stages": [
        {"widths": [8, 12, 16], "hidden_widths": [4, 8], "depths": [1, 2], "stride": 1},
        {"widths": [16, 24], "hidden_widths": [8, 12], "depths": [1, 2, 3]},
    ],
}


class DeepMADSettings(NetworkSettings):
    """DeepMAD's space: super-blocks of bottlenecks with free widths, kernels and depths."""

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {"tiny": TINY, "imagenet": IMAGENET}

    kind: Literal["deepmad"] = "deepmad"
    preset: Literal["tiny", "imagenet"] | None = Field(default=None, exclude=True)
    resolutions: Sizes = Field(default=(224,), description="Height and width of the input.")
    stem_widths: Sizes = (16, 24, 32, 40, 48, 64)
    stem_stride: Literal[1, 2] = 2
    stages: tuple[SuperBlockSettings, ...] = Field(
        default=tuple(SuperBlockSettings.model_validate(stage) for stage in IMAGENET["stages"]),
        min_length=1,
        max_length=16,
    )

    @model_validator(mode="after")
    def _check_resolutions(self) -> Self:
        strides = [self.stem_stride, *(stage.stride for stage in self.stages)]
        check_resolutions(self.resolutions, strides)
        return self

    def network_choices(self) -> list[Choice]:
        """Returns the stem's width, then those of each super-block."""
        choices = choice("stem.width", self.stem_widths)
        for number, stage in enumerate(self.stages, start=1):
            choices += choice(f"stage{number}.width", stage.widths)
            choices += choice(f"stage{number}.hidden_width", stage.hidden_widths)
            choices += choice(f"stage{number}.kernel_size", stage.kernel_sizes)
            choices += choice(f"stage{number}.depth", stage.depths)
        return choices

    def lower(self, architecture: Mapping[str, Option]) -> tuple[Layer, ...]:
        """Returns the layers of a valid architecture of the space, in execution order."""
        graph = LayerGraph(self.input_shape(architecture))
        width = int(value(architecture, "stem.width", self.stem_widths))
        x = conv_norm_relu(graph, "stem", graph.input, width, kernel=3, stride=self.stem_stride)
        for number, stage in enumerate(self.stages, start=1):
            x = _super_block(graph, f"stage{number}", x, stage, architecture)
        x = graph.flatten("flatten", graph.global_pool("pool", x))
        graph.linear("classifier", x, self.num_classes)
        return graph.layers()

    @property
    def computed_metrics(self) -> tuple[str, ...]:
        """The costs, and DeepMAD's figures (`search_space.deepmad_figures`)."""
        return (*PAPER_COSTS, *FIGURES)

    def compute(self, genes: Genes) -> Figures:
        """Returns the metrics of many networks at once; see `NetworkSettings.compute`."""
        reader = _Reader(genes)
        resolution = reader.next(self.resolutions)
        stem_width = reader.next(self.stem_widths)
        sizes = np.stack(
            [
                [
                    reader.next(stage.widths),
                    reader.next(stage.hidden_widths),
                    reader.next(stage.kernel_sizes),
                    reader.next(stage.depths),
                ]
                for stage in self.stages
            ],
            axis=1,
        )
        networks = Networks(
            self.input_channels,
            self.num_classes,
            self.stem_stride,
            [stage.stride for stage in self.stages],
            resolution,
            stem_width,
            *sizes,
        )
        return figures(networks)


def _super_block(
    graph: LayerGraph,
    name: str,
    x: str,
    stage: SuperBlockSettings,
    architecture: Mapping[str, Option],
) -> str:
    width = int(value(architecture, f"{name}.width", stage.widths))
    hidden = int(value(architecture, f"{name}.hidden_width", stage.hidden_widths))
    kernel = int(value(architecture, f"{name}.kernel_size", stage.kernel_sizes))
    depth = int(value(architecture, f"{name}.depth", stage.depths))
    for number in range(1, depth + 1):
        block = f"{name}.block{number}"
        # As in `search_space.resnet`: the first block always has a projected shortcut.
        stride = stage.stride if number == 1 else 1
        shortcut = projected(graph, block, x, width, stride) if number == 1 else x
        y = bottleneck(graph, block, x, hidden, width, stride, kernel)
        x = graph.activation(f"{block}.activation", graph.add(f"{block}.add", y, shortcut), "relu")
    return x


class _Reader:
    """Reads gene columns in the order of the choices."""

    def __init__(self, genes: Genes) -> None:
        self._genes = genes
        self._position = 0

    def next(self, options: tuple[int, ...]) -> npt.NDArray[np.float64]:
        """Returns the next choice's options, shape (count,); a single option is no choice."""
        if len(options) == 1:
            return np.full(len(self._genes), float(options[0]))
        column = self._genes[:, self._position]
        self._position += 1
        return np.array(options, dtype=np.float64)[column]
