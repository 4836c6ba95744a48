"""In which order to evaluate architectures, so that networks that begin alike are neighbours."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from operator import attrgetter

from search_space.family import NetworkSettings
from search_space.layers import Layer
from search_space.space import Option

_IN_FULL = attrgetter(*(field.name for field in fields(Layer)))


def prefix_order(
    settings: NetworkSettings, architectures: Sequence[Mapping[str, Option]]
) -> list[int]:
    """Returns the positions of architectures in the order of a walk over the tree of their layers.

    Networks whose first layers are equal then stand beside one another: of any two neighbours'
    common beginnings none is interrupted by a network without it.

    The order depends on the networks alone, not on the order in which they are given; equal
    networks stay in that. So the parts that several workers take of one batch begin much as those
    of the next one do.

    Args:
        settings: of the family.
        architectures: valid ones of its space.
    """
    networks = [settings.lower(architecture) for architecture in architectures]
    distinct = {layer for layers in networks for layer in layers}
    rank = {layer: number for number, layer in enumerate(sorted(distinct, key=_IN_FULL))}
    keys = [tuple(rank[layer] for layer in layers) for layers in networks]
    return sorted(range(len(keys)), key=keys.__getitem__)
