"""DeepMAD's score of convolutional networks without training (Shen et al. 2023, arXiv 2303.02165).

A network is seen as an information system whose entropy grows with its width and depth, but which
carries information only if it is not too deep for its width. All of it is arithmetic on sizes, here
of many networks at once: arrays have shape (count, num_stages), stages in execution order, the
first one beginning with the stem and a new one with every stride of 2.

- Width of a convolution: w_i = c_in k^2 / g (the released code's; depthwise: k^2).
- Entropy of stage j: H_j = (log C_j + log r_j^2) * sum over layers i up to its end of log w_i.
- Effectiveness: rho_j = L_j / exp(mean over the same layers of log w_i), with their number L_j.
- Score: sum_j alpha_j H_j - beta Q, where Q punishes stages of unequal depths.

Paper and released code differ: the code takes the square root of w_i in H (half the entropy, so
that Q weighs twice as much) and exp(std) of the depths where the paper has exp(variance).
`RELEASED` is what the published networks were found with, `PAPER` what the paper says (its variance
from a secondary source). Of the stages of Q the released code leaves out the first one or two,
depending on the network; here it is the first one, which is hardly more than the stem.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

MAX_EXPONENT = 300.0
"""Of Q, so that it remains finite: a deviation of 300 layers is hopeless in any case."""


@dataclass(frozen=True)
class Trunk:
    """The convolutions on the longest path of many networks, summed up by stage.

    Attributes:
        log_widths: sum of log w_i over the stage's own layers.
        num_layers: number of its layers.
        channels: of its output.
        sides: height and width of its output.
    """

    log_widths: Array
    num_layers: Array
    channels: Array
    sides: Array

    def __post_init__(self) -> None:
        shapes = {self.log_widths.shape, self.num_layers.shape}
        shapes |= {self.channels.shape, self.sides.shape}
        if len(shapes) > 1 or self.channels.ndim != 2:
            raise ValueError(f"a trunk's arrays must have one shape (count, stages), got {shapes}")


@dataclass(frozen=True)
class ScoreSettings:
    """How the parts make a score.

    Attributes:
        square_root: whether entropies take the square root of widths.
        variance: whether Q takes the variance of the depths, not the standard deviation.
        last_weight: alpha of the last stage; all others have 1.
        penalty_weight: beta.
        num_skipped: stages in front that Q leaves out.
    """

    square_root: bool = True
    variance: bool = False
    last_weight: float = 8.0
    penalty_weight: float = 10.0
    num_skipped: int = 1


RELEASED = ScoreSettings()
PAPER = ScoreSettings(square_root=False, variance=True)


def entropies(trunk: Trunk, settings: ScoreSettings = RELEASED) -> Array:
    """Returns H_j, shape (count, num_stages)."""
    depth = np.cumsum(trunk.log_widths, axis=1)
    if settings.square_root:
        depth = depth / 2
    found: Array = (np.log(trunk.channels) + 2 * np.log(trunk.sides)) * depth
    return found


def effectiveness(trunk: Trunk) -> Array:
    """Returns the largest rho_j, shape (count,); the published limits are 0.3 and 0.5."""
    num_layers = np.cumsum(trunk.num_layers, axis=1)
    mean_log_width = np.cumsum(trunk.log_widths, axis=1) / num_layers
    largest: Array = (num_layers * np.exp(-mean_log_width)).max(axis=1)
    return largest


def depth_penalty(trunk: Trunk, settings: ScoreSettings = RELEASED) -> Array:
    """Returns Q, shape (count,); exp(0) where there is no stage to compare with."""
    depths = trunk.num_layers[:, settings.num_skipped :]
    if depths.shape[1] == 0:
        return np.ones(len(depths))
    spread = depths.var(axis=1) if settings.variance else depths.std(axis=1)
    penalty: Array = np.exp(np.minimum(spread, MAX_EXPONENT))
    return penalty


def score(trunk: Trunk, settings: ScoreSettings = RELEASED) -> Array:
    """Returns the score to maximize, shape (count,)."""
    found = entropies(trunk, settings)
    total: Array = found[:, :-1].sum(axis=1) + settings.last_weight * found[:, -1]
    return total - settings.penalty_weight * depth_penalty(trunk, settings)
