"""What the families' settings and networks are made of: options, choices, rounded widths."""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated

from pydantic import AfterValidator, Field

from search_space.layers import LayerGraph
from search_space.space import Choice, Condition, Option


def ascending(options: tuple[float, ...]) -> tuple[float, ...]:
    """Options ascend so that the first is the smallest and the last the largest network."""
    if any(a >= b for a, b in itertools.pairwise(options)):
        raise ValueError(f"options must ascend without repetition, got {options}")
    return options


def odd(options: tuple[int, ...]) -> tuple[int, ...]:
    """Kernels are odd, so that padding keeps a map's size."""
    if any(option % 2 == 0 for option in options):
        raise ValueError(f"kernel sizes must be odd, got {options}")
    return options


def _at_most_32(options: tuple[int, ...]) -> tuple[int, ...]:
    if options[-1] > 32:
        raise ValueError(f"a stage has at most 32 blocks, got {options}")
    return options


def _plain(options: tuple[float, ...]) -> tuple[float, ...]:
    """Whole ratios are written as integers, so that 3 and 3.0 are one option with one digest."""
    return tuple(int(option) if option == int(option) else option for option in options)


Size = Annotated[int, Field(ge=1, le=4096, strict=True)]
Sizes = Annotated[tuple[Size, ...], Field(min_length=1, max_length=64), AfterValidator(ascending)]
Depths = Annotated[Sizes, AfterValidator(_at_most_32)]
Ratio = Annotated[float, Field(gt=0, le=16)]
Ratios = Annotated[
    tuple[Ratio, ...],
    Field(min_length=1, max_length=64),
    AfterValidator(_plain),
    AfterValidator(ascending),
]


def check_resolutions(resolutions: Sequence[int], strides: Iterable[int]) -> None:
    """Returns if every stride has pixels to choose from, at the smallest resolution as well.

    Raises:
        ValueError: a resolution is below the product of the strides.
    """
    total = math.prod(strides)
    if resolutions[0] < total:
        raise ValueError(
            f"resolutions must be at least {total}, the product of all strides, got "
            f"{resolutions[0]}"
        )


def choice(name: str, options: tuple[float, ...], when: Condition | None = None) -> list[Choice]:
    """Returns the choice among the options; none where there is one option, which is fixed."""
    return [Choice(name=name, options=options, when=when)] if len(options) > 1 else []


def value(architecture: Mapping[str, Option], name: str, options: tuple[float, ...]) -> float:
    """Returns the chosen option, or the only one of a part that is no choice."""
    if len(options) == 1:
        return options[0]
    chosen = architecture[name]
    assert not isinstance(chosen, str)
    return chosen


def needs_depth(parent: str, depths: tuple[int, ...], number: int) -> Condition | None:
    """Returns when there is a part of the given number, counted from 1, below an elastic depth.

    None where there always is: no depth is smaller.
    """
    if number <= depths[0]:
        return None
    return Condition(parent=parent, options=tuple(depth for depth in depths if depth >= number))


def make_divisible(width: float, divisor: int) -> int:
    """Returns the multiple of `divisor` nearest to `width`, never less than 0.9 of it nor than one.

    The rounding of the MobileNet family (Sandler et al. 2018, released code).
    """
    rounded = max(divisor, int(width + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * width else rounded


def conv_norm(
    graph: LayerGraph,
    name: str,
    x: str,
    out_channels: int,
    *,
    kernel: int = 1,
    stride: int = 1,
    groups: int = 1,
) -> str:
    """Appends a convolution and its batch normalization, `name.conv` and `name.norm`."""
    x = graph.conv(f"{name}.conv", x, out_channels, kernel=kernel, stride=stride, groups=groups)
    return graph.batch_norm(f"{name}.norm", x)
