"""Drawing architectures from a space of which only the largest options are admitted yet."""

import numpy as np
import numpy.typing as npt

from search_space.space import Architecture, Genes, SearchSpace

RESOLUTION = "resolution"
DEPTHS = frozenset({"depth", "exists"})
"""Dimensions that say which blocks there are."""


def dimension(name: str) -> str:
    """Returns what a choice varies: the last part of its path ("kernel_size")."""
    return name.rpartition(".")[2]


def draw(
    space: SearchSpace,
    admitted: npt.NDArray[np.int64],
    count: int,
    rng: np.random.Generator,
    *,
    same: str = "",
) -> list[Architecture]:
    """Draws architectures, each choice uniform over its largest admitted options.

    Args:
        space: of the architectures.
        admitted: how many options of each choice are admitted, from the last one down; shape
            (num_choices,), at least 1 each.
        count: how many to draw; duplicates may occur.
        rng: the only source of randomness.
        same: a dimension in which all that are drawn agree.
    """
    lowest = space.num_options - admitted
    genes: Genes = rng.integers(lowest, space.num_options, size=(count, space.num_choices))
    for position, choice in enumerate(space.choices):
        if same and dimension(choice.name) == same:
            genes[:, position] = genes[0, position]
    return [space.decode(row) for row in space.canonical(genes)]
