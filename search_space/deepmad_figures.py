"""What DeepMAD's networks cost and score, for many at once: the folds of `costs` in closed form.

All blocks of a super-block but the first are alike, so a super-block takes the same few array
operations however deep it is, and all super-blocks take them together. Sizes are whole numbers in
float64, which is exact below 2^53 and multiplies faster than integers. That these are the numbers
of `search_space.costs`, exactly, is tested on random architectures.

Arrays have shape (count,), or (num_blocks, count) with one row for each super-block.
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
STEM_KERNEL = 3


@dataclass(frozen=True)
class Networks:
    """The sizes of many networks; each super-block is a row of the arrays with two dimensions.

    Attributes:
        input_channels: of the image.
        num_classes: outputs of the classifier.
        stem_stride: of the stem's convolution.
        strides: of each super-block's first block.
        resolution: height and width of the input, shape (count,).
        stem_width: channels of the stem, shape (count,).
        width: output channels of the super-blocks, shape (num_blocks, count).
        hidden_width: channels within their blocks.
        kernel_size: of the convolutions within their blocks.
        depth: numbers of blocks.
    """

    input_channels: int
    num_classes: int
    stem_stride: int
    strides: Sequence[int]
    resolution: Array
    stem_width: Array
    width: Array
    hidden_width: Array
    kernel_size: Array
    depth: Array

    @property
    def width_before(self) -> Array:
        """Channels that each super-block reads."""
        return np.concatenate([self.stem_width[None], self.width[:-1]])

    def sides(self) -> Array:
        """Returns height and width of the stem's output and of each super-block's.

        Shape (1 + num_blocks, count).
        """
        sides = [np.ceil(self.resolution / self.stem_stride)]
        for stride in self.strides:
            sides.append(np.ceil(sides[-1] / stride))
        return np.stack(sides)


def figures(networks: Networks) -> dict[str, Array]:
    """Returns all metrics, shape (count,) each."""
    sides = networks.sides()
    trunk = _trunk(networks, sides)
    return {
        **_sums(networks, sides),
        "peak_activations": _peak_activations(networks, sides),
        "deepmad_score": entropy.score(trunk, entropy.RELEASED),
        "deepmad_score_paper": entropy.score(trunk, entropy.PAPER),
        "effectiveness": entropy.effectiveness(trunk),
        "shape_violation": shape_violation(networks),
    }


def shape_violation(networks: Networks) -> Array:
    """Returns the sum of the relative excesses over the rules for widths, shape (count,).

    For every super-block: in <= out <= 4 in, out / 10 <= bottleneck <= out.
    """
    before, width, hidden = networks.width_before, networks.width, networks.hidden_width
    growth, share = width / before, hidden / width
    excess = np.maximum(1 / growth - 1, 0) + np.maximum(growth / MAX_GROWTH - 1, 0)
    excess += np.maximum(share - 1, 0) + np.maximum(1 / (share * MAX_REDUCTION) - 1, 0)
    # A rule that is just kept must not seem broken by rounding.
    total: Array = np.where(excess < 1e-12, 0, excess).sum(axis=0)
    return total


def _sums(networks: Networks, sides: Array) -> dict[str, Array]:
    """Returns multiply-accumulates, parameters and activations: convolutions by their places.

    In every first block a shortcut and a reducing convolution of what comes in; in every block a
    spatial and an expanding one; in every other block a reducing one of the super-block's width.
    """
    before, width, hidden = networks.width_before, networks.width, networks.hidden_width
    depth, others = networks.depth, networks.depth - 1
    pixels_before, pixels = sides[:-1] ** 2, sides[1:] ** 2
    reducing = before * hidden
    rest = before * width + depth * hidden * (hidden * networks.kernel_size**2 + width)
    rest += others * width * hidden
    norms = 2 * (depth * (2 * hidden + width) + width)
    outputs = width + depth * (hidden + width) + others * hidden
    stem = networks.input_channels * networks.stem_width * STEM_KERNEL**2
    stem_outputs = networks.stem_width * sides[0] ** 2
    last, classes = width[-1], networks.num_classes
    return {
        "macs": (reducing * pixels_before + rest * pixels).sum(axis=0)
        + stem * sides[0] ** 2
        + last * classes,
        "num_params": (reducing + rest + norms).sum(axis=0)
        + stem
        + 2 * networks.stem_width
        + (last + 1) * classes,
        "num_activations": (hidden * pixels_before + outputs * pixels).sum(axis=0)
        + stem_outputs
        + classes,
    }


def _peak_activations(networks: Networks, sides: Array) -> Array:
    """Returns the most that is alive at once, the network's input included.

    In a first block, in the order of execution: pooling and projecting the shortcut; its norm;
    reducing, while the input is still read; norm and relu of the reduced; the sum. In another
    block: norm and relu of the reduced beside the input; the sum. In the stem and in the head, a
    layer's input and output.
    """
    before, width, hidden = networks.width_before, networks.width, networks.hidden_width
    pixels_before, pixels = sides[:-1] ** 2, sides[1:] ** 2
    read, out = before * pixels_before, width * pixels
    reduced, inner = hidden * pixels_before, hidden * pixels
    is_pooled = np.array([stride > 1 for stride in networks.strides])[:, None]
    alive = np.maximum(read + 2 * out, read + out + reduced)
    alive = np.maximum(alive, np.where(is_pooled, read + before * pixels + out, 0))
    alive = np.maximum(alive, np.maximum(out + 2 * reduced, 3 * out))
    alive = np.maximum(alive, np.where(networks.depth > 1, out + 2 * inner, 0))
    last = width[-1]
    ends = np.maximum(2 * networks.stem_width * sides[0] ** 2, last * (pixels[-1] + 1))
    ends = np.maximum(ends, last + networks.num_classes)
    peak: Array = np.maximum(alive.max(axis=0), ends)
    return peak + networks.input_channels * networks.resolution**2


def _trunk(networks: Networks, sides: Array) -> Trunk:
    """Returns the convolutions but the shortcuts', by stage: a new one with every stride of 2."""
    depth, log_hidden = networks.depth, np.log(networks.hidden_width)
    log_widths = depth * 2 * (log_hidden + np.log(networks.kernel_size))
    log_widths += np.log(networks.width_before) + (depth - 1) * np.log(networks.width)
    count = len(networks.stem_width)
    stem = np.full((1, count), np.log(networks.input_channels * STEM_KERNEL**2))
    starts = [0, *(row for row, stride in enumerate(networks.strides, start=1) if stride > 1)]
    ends = [*(start - 1 for start in starts[1:]), len(networks.strides)]
    widths = np.concatenate([networks.stem_width[None], networks.width])
    num_layers = np.concatenate([np.ones((1, count)), 3 * depth])
    return Trunk(
        log_widths=np.add.reduceat(np.concatenate([stem, log_widths]), starts).T,
        num_layers=np.add.reduceat(num_layers, starts).T,
        channels=widths[ends].T,
        sides=sides[ends].T,
    )
