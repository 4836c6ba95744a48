"""The order of architectures: a walk over the tree of their layers."""

import itertools

import numpy as np
import pytest

from search_space.cnn import MobileNetV3Settings
from search_space.family import NetworkSettings
from search_space.layers import Layer
from search_space.prefixes import prefix_order
from search_space.resnet import ResNetSettings
from search_space.vit import VisionTransformerSettings

FAMILIES = [
    MobileNetV3Settings.from_preset("digits", resolutions=(8, 12)),
    ResNetSettings.from_preset("tiny"),
    VisionTransformerSettings.from_preset("tiny"),
]


def lowered(settings: NetworkSettings, count: int) -> list[dict[str, int | float | str]]:
    space = settings.build()
    return [dict(space.decode(row)) for row in space.sample(count, np.random.default_rng(0))]


def num_common(first: tuple[Layer, ...], second: tuple[Layer, ...]) -> int:
    """Returns how many layers two networks have in common before they part."""
    pairs = zip(first, second, strict=False)
    return len(list(itertools.takewhile(lambda pair: pair[0] == pair[1], pairs)))


@pytest.mark.parametrize("settings", FAMILIES, ids=lambda settings: settings.kind)
def test_no_common_beginning_is_interrupted(settings: NetworkSettings) -> None:
    architectures = lowered(settings, 40)
    order = prefix_order(settings, architectures)
    assert sorted(order) == list(range(40))
    networks = [settings.lower(architectures[position]) for position in order]
    for length in range(1, max(map(len, networks)) + 1):
        prefixes = [layers[:length] for layers in networks]
        runs = [prefix for prefix, _ in itertools.groupby(prefixes)]
        assert len(runs) == len(set(runs))  # each beginning is one run of neighbours


def test_a_walk_runs_through_far_fewer_layers_than_the_order_of_a_sample() -> None:
    settings = FAMILIES[0]
    networks = [settings.lower(architecture) for architecture in lowered(settings, 40)]
    walk = [networks[position] for position in prefix_order(settings, lowered(settings, 40))]
    shared, by_chance = (
        sum(num_common(*pair) for pair in itertools.pairwise(order)) for order in (walk, networks)
    )
    assert shared > 1.5 * by_chance


def test_the_order_is_of_the_networks_not_of_the_request() -> None:
    settings = FAMILIES[0]
    architectures = lowered(settings, 20)
    backwards = architectures[::-1]
    walk = [architectures[position] for position in prefix_order(settings, architectures)]
    assert [backwards[position] for position in prefix_order(settings, backwards)] == walk


def test_none_and_equals() -> None:
    settings = FAMILIES[0]
    assert prefix_order(settings, []) == []
    (one,) = lowered(settings, 1)
    assert prefix_order(settings, [one, one, one]) == [0, 1, 2]
