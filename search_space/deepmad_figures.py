"""What DeepMAD's networks cost and score, for many at once: the folds of `costs` in closed form.

All blocks of a super-block but the first are alike, so a super-block takes a handful of array
operations however deep it is. Sizes are whole numbers in float64, which is exact below 2^53 and
multiplies faster than integers. That these are the numbers of `search_space.costs`, exactly, is
tested on random architectures.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from search_space import entropy
from search_space.entropy import Trunk

Array = npt.NDArray[np.float64]

FIGURES = ("deepmad_score", "deepmad_score_paper", "effectiveness", "shape_violation")
"""Metrics beside the costs: the score in its two versions (`search_space.entropy`), the largest
depth by width, and by how much the released code's rules for widths are broken."""
MAX_GROWTH = 4
"""Times by which a super-block may widen its input."""
MAX_REDUCTION = 10
"""Times by which a bottleneck may be narrower than the output."""


@dataclass(frozen=True)
class SuperBlocks:
    """The super-blocks in one place of many networks; arrays have shape (count,)."""

    width: Array
    hidden_width: Array
    kernel_size: Array
    depth: Array
    stride: int


def figures(
    input_shape: tuple[int, Array],
    stem_width: Array,
    stem_stride: int,
    stages: Sequence[SuperBlocks],
    num_classes: int,
) -> dict[str, Array]:
    """Returns all metrics, shape (count,) each.

    Args:
        input_shape: channels, and height and width of each network's input.
        stem_width: channels of the stem's convolution.
        stem_stride: of that convolution.
        stages: in execution order.
        num_classes: outputs of the classifier.
    """
    channels, resolution = input_shape
    fold = _Fold(channels, resolution)
    fold.stem(stem_width, stem_stride)
    for stage in stages:
        fold.super_blocks(stage)
    fold.head(num_classes)
    trunk = fold.trunk()
    return {
        "macs": fold.macs,
        "num_params": fold.num_params,
        "num_activations": fold.num_activations,
        "peak_activations": fold.peak,
        "deepmad_score": entropy.score(trunk, entropy.RELEASED),
        "deepmad_score_paper": entropy.score(trunk, entropy.PAPER),
        "effectiveness": entropy.effectiveness(trunk),
        "shape_violation": shape_violation(stem_width, stages),
    }


def shape_violation(stem_width: Array, stages: Sequence[SuperBlocks]) -> Array:
    """Returns the sum of the relative excesses over the rules for widths, shape (count,).

    For every super-block: in <= out <= 4 in, out / 10 <= bottleneck <= out.
    """
    total = np.zeros(len(stem_width))
    before = stem_width
    for stage in stages:
        for smaller, larger in (
            (before, stage.width),
            (stage.width, MAX_GROWTH * before),
            (stage.hidden_width, stage.width),
            (stage.width, MAX_REDUCTION * stage.hidden_width),
        ):
            total += np.maximum(smaller / larger - 1, 0)
        before = stage.width
    return total


class _Fold:
    """Adds up costs from the input to the head; what is public is the sum so far."""

    def __init__(self, channels: int, resolution: Array) -> None:
        self._channels: Array = np.full(len(resolution), float(channels))
        self._side = resolution
        self._input: Array = channels * resolution**2  # alive throughout
        zeros = np.zeros(len(resolution))
        self.macs, self.num_params, self.num_activations = zeros, zeros, zeros
        self.peak = self._input
        self._stages: list[list[Array]] = []  # log widths, layers, channels, side

    def stem(self, width: Array, stride: int) -> None:
        """A 3x3 convolution with batch normalization and relu."""
        log_width = np.log(9.0 * self._channels)
        self._shrink(stride)
        self._conv(self._channels, width, 3, self._side)
        # Two of convolution, norm and relu are alive at once.
        self._raise_peak(2 * width * self._side**2)
        self._channels = width
        self._stages.append([log_width, np.ones(len(width)), width, self._side])

    def super_blocks(self, stage: SuperBlocks) -> None:
        """The first block, which changes shape, and the others, which are alike."""
        before, side_before = self._channels, self._side
        width, hidden, kernel = stage.width, stage.hidden_width, stage.kernel_size
        self._shrink(stage.stride)
        side, others = self._side, stage.depth - 1
        self._conv(before, width, 1, side)  # the shortcut
        self._conv(before, hidden, 1, side_before)
        self._conv(hidden, hidden, kernel, side, stage.depth)
        self._conv(hidden, width, 1, side, stage.depth)
        self._conv(width, hidden, 1, side, others)
        self._raise_first_peak(stage, before * side_before**2, side_before)
        out, inner = width * side**2, hidden * side**2
        self._raise_peak(np.where(others > 0, np.maximum(out + 2 * inner, 3 * out), 0))
        log_hidden = np.log(hidden)
        log_widths = (
            np.log(before)
            + others * np.log(width)
            + stage.depth * (2 * log_hidden + 2 * np.log(kernel))
        )
        self._channels = width
        if stage.stride > 1:
            self._stages.append([log_widths, 3 * stage.depth, width, side])
        else:
            last = self._stages[-1]
            self._stages[-1] = [last[0] + log_widths, last[1] + 3 * stage.depth, width, side]

    def head(self, num_classes: int) -> None:
        """Global pooling and a linear layer with bias."""
        self._raise_peak(self._channels * (self._side**2 + 1))
        self._raise_peak(self._channels + num_classes)
        self.macs = self.macs + self._channels * num_classes
        self.num_params = self.num_params + (self._channels + 1) * num_classes
        self.num_activations = self.num_activations + num_classes

    def trunk(self) -> Trunk:
        """The convolutions but the shortcuts', by stage."""
        columns = [np.stack(part, axis=1) for part in zip(*self._stages, strict=True)]
        return Trunk(*columns)

    def _shrink(self, stride: int) -> None:
        self._side = np.ceil(self._side / stride)

    def _conv(
        self, before: Array, after: Array, kernel: Array | int, side: Array, count: Array | int = 1
    ) -> None:
        """Adds convolutions of one shape, without biases, each with a batch normalization."""
        weights, pixels = before * after * kernel**2, side**2
        self.macs = self.macs + count * weights * pixels
        self.num_params = self.num_params + count * (weights + 2 * after)
        self.num_activations = self.num_activations + count * after * pixels

    def _raise_peak(self, alive: Array) -> None:
        """Notes how much is alive at once beside the network's input."""
        self.peak = np.maximum(self.peak, self._input + alive)

    def _raise_first_peak(self, stage: SuperBlocks, before: Array, side_before: Array) -> None:
        """What is alive at once in a super-block's first block, whose input has `before` elements.

        In the order of execution: pooling and projecting the shortcut, its norm; reducing, while
        the input is still read; norm and relu of the reduced; the sum.
        """
        out = stage.width * self._side**2
        reduced = stage.hidden_width * side_before**2
        if stage.stride > 1:
            self._raise_peak(before + self._channels * self._side**2 + out)
        self._raise_peak(before + 2 * out)
        self._raise_peak(before + out + reduced)
        self._raise_peak(out + 2 * reduced)
        self._raise_peak(3 * out)
