"""Fast compound scaling: larger and smaller versions of a network.

Dollar et al. 2021, arXiv 2103.06877 ("dWr"). Multiply-accumulates grow with depth, and with the
squares of width and resolution. Of a factor s of them, width gets the exponent alpha, depth and
resolution share the rest: depth grows by s^((1 - alpha) / 2), width by s^(alpha / 2), resolution by
s^((1 - alpha) / 4). The published alpha of 0.8 scales width mostly: activations, which runtime
follows, grow by s^0.6 only, against s^0.83 if all three share alike (alpha = 1/3).

Rounding is the paper's: depths to whole numbers, widths to multiples of 8, resolutions to multiples
of 4, each at least 1 of its unit. So costs come near s times the base's, not at it: of depthwise
convolutions they grow with the width, not with its square. None of the families here has groups
between one and depthwise, so the paper's rules for group widths are not needed.

Unlike the paper the stem and the head are scaled in width as well, not only the stages.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import ValidationError

from search_space.costs import costs
from search_space.families import NETWORK_FAMILIES
from search_space.family import PAPER_COSTS, NetworkSettings
from search_space.space import Genes, Option, SearchSpace

WIDTH_UNIT = 8
RESOLUTION_UNIT = 4
SCALABLE = ("mobilenetv3", "resnet", "deepmad")
"""Kinds of families whose widths are free; a transformer's belong to its heads."""
STEPS_PER_DOUBLING = 64
"""Scales that `scaled_within` tries are powers of 2^(1/64): 1.1 % apart."""
MAX_DOUBLINGS = 12

_DIMENSIONS = {
    "width": "width",
    "hidden_width": "width",
    "depth": "depth",
    "resolution": "resolution",
}
_WIDTHS = frozenset(
    {
        "stem_width",
        "stem_widths",
        "stem_hidden_widths",
        "first_block_width",
        "final_expand_width",
        "head_width",
        "widths",
        "hidden_widths",
    }
)


@dataclass(frozen=True)
class Factors:
    """By how much a network's sizes are multiplied."""

    depth: float
    width: float
    resolution: float

    @property
    def macs(self) -> float:
        """By how much multiply-accumulates grow, were it not for rounding."""
        return self.depth * self.width**2 * self.resolution**2

    @property
    def activations(self) -> float:
        """By how much activations grow, were it not for rounding."""
        return self.depth * self.width * self.resolution**2


def factors(scale: float, alpha: float = 0.8) -> Factors:
    """Returns how a factor of multiply-accumulates is shared.

    Args:
        scale: positive; below 1 for smaller networks.
        alpha: in [0, 1], the width's share: 1 scales width alone, 1/3 all alike.

    Raises:
        ValueError: one is out of range.
    """
    if not (scale > 0 and math.isfinite(scale)):
        raise ValueError(f"scale must be positive and finite, got {scale}")
    if not 0 <= alpha <= 1:
        raise ValueError(f"alpha must be in [0, 1], got {alpha}")
    rest = (1 - alpha) / 2
    return Factors(depth=scale**rest, width=scale ** (alpha / 2), resolution=scale ** (rest / 2))


def scaled(settings: NetworkSettings, by: Factors) -> NetworkSettings:
    """Returns a family's settings with all sizes multiplied and rounded.

    A base network is a space with one option everywhere. In larger spaces every option is scaled;
    options that become equal are one.

    Args:
        settings: of a family of `SCALABLE`.
        by: the factors.

    Raises:
        ValueError: the family is another, or the result lies beyond what a family admits.
    """
    if settings.kind not in SCALABLE:
        raise ValueError(f"settings must be of one of {SCALABLE}, got {settings.kind!r}")
    rounding: Mapping[str, Callable[[float], int]] = {
        **dict.fromkeys(_WIDTHS, lambda size: _multiple(size * by.width, WIDTH_UNIT)),
        "depths": lambda size: _multiple(size * by.depth, 1),
        "resolutions": lambda size: _multiple(size * by.resolution, RESOLUTION_UNIT),
    }
    family = NETWORK_FAMILIES[settings.kind]
    return family.model_validate(_changed(settings.model_dump(mode="json"), rounding))


def scaled_within(
    settings: NetworkSettings, metric: str, budget: float, alpha: float = 0.8
) -> tuple[NetworkSettings, float]:
    """Returns the largest version of a network within a budget, and its scale.

    Args:
        settings: as of `scaled`; of a space, what its largest network costs counts.
        metric: one of the costs (`search_space.costs.Costs`).
        budget: that is not exceeded.
        alpha: as of `factors`.

    Raises:
        ValueError: the metric is unknown, or no version that the family admits is small enough.
    """
    if metric not in PAPER_COSTS:
        raise ValueError(f"metric must be one of {PAPER_COSTS}, got {metric!r}")

    def version(step: int) -> tuple[NetworkSettings, float]:
        scale = 2 ** (step / STEPS_PER_DOUBLING)
        return scaled(settings, factors(scale, alpha)), scale

    def is_over(step: int) -> bool:
        """Costs never fall with the scale; beyond what a family admits they count as too large."""
        try:
            network, _ = version(step)
        except ValidationError:
            return step > 0
        largest = network.lower(network.build().largest())
        return bool(getattr(costs(largest), metric) > budget)

    low, high = -MAX_DOUBLINGS * STEPS_PER_DOUBLING, MAX_DOUBLINGS * STEPS_PER_DOUBLING
    while low < high:  # the largest step that is not over; `low` is never known to be over
        middle = (low + high + 1) // 2
        if is_over(middle):
            high = middle - 1
        else:
            low = middle
    try:
        found = version(low)
    except ValidationError:
        found = None
    if found is None or is_over(low):
        raise ValueError(f"budget must leave room for some version, got {metric} <= {budget}")
    return found


def scaled_genes(
    space: SearchSpace, base: Mapping[str, Option], scales: Sequence[float], alpha: float = 0.8
) -> Genes:
    """Returns versions of an architecture within its space: each size the option next to scaled.

    Choices are told apart by the last part of their names: `width` and `hidden_width`, `depth`,
    `resolution`; all others stay. "Next" is by ratio. Blocks that the base does not have are made
    like the last one before them.

    Args:
        space: of the architecture.
        base: the architecture that is scaled.
        scales: positive.
        alpha: as of `factors`.

    Returns:
        Canonical genes of shape (len(scales), num_choices); equal rows where scales are too near.

    Raises:
        InvalidArchitectureError: the base is not of the space.
    """
    row = _completed(space, space.encode(base))
    genes = np.repeat(row[None], len(scales), axis=0)
    by = [factors(scale, alpha) for scale in scales]
    for position, choice in enumerate(space.choices):
        dimension = _DIMENSIONS.get(choice.name.rpartition(".")[2])
        sizes = [size for size in choice.options if not isinstance(size, str) and size > 0]
        if dimension is not None and len(sizes) == len(choice.options):
            ratios = np.array([getattr(each, dimension) for each in by])
            wanted = np.log(ratios * sizes[row[position]])
            genes[:, position] = np.abs(wanted[:, None] - np.log(sizes)).argmin(axis=1)
    return space.canonical(genes)


def _completed(space: SearchSpace, row: Genes) -> Genes:
    """Returns genes whose inactive ones are those of the last choice of their kind."""
    row, active = row.copy(), space.active(row[None])[0]
    last: dict[tuple[str, tuple[Option, ...]], int] = {}
    for position, choice in enumerate(space.choices):
        kind = choice.name.rpartition(".")[2], choice.options
        if active[position]:
            last[kind] = int(row[position])
        else:
            row[position] = last.get(kind, 0)
    return row


def _multiple(size: float, unit: int) -> int:
    """Returns the nearest multiple, halves up, at least one unit."""
    return max(unit, math.floor(size / unit + 0.5) * unit)


def _changed(value: Any, rounding: Mapping[str, Callable[[float], int]], name: str = "") -> Any:
    """Returns a JSON value with the sizes of known names replaced."""
    if isinstance(value, dict):
        return {key: _changed(part, rounding, key) for key, part in value.items()}
    change = rounding.get(name)
    if isinstance(value, list):
        if change is None:
            return [_changed(part, rounding) for part in value]
        return sorted({change(part) for part in value})
    return value if change is None or value is None else change(value)
