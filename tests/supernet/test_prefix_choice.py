import random

import pytest
from supernet_examples import EXAMPLES, random_architectures

from supernet.prefix_choice import LEAVING_SHARE, Worth
from supernet.prefix_tree import HALF_LIFE, Node, PrefixTree


def tree_of(name: str) -> PrefixTree:
    settings = EXAMPLES[name]
    tree = PrefixTree()
    for each in random_architectures(settings.build(), 8):
        tree.insert(settings.lower(each), 1)
    return tree


def ends_of(tree: PrefixTree) -> list[Node]:
    return [node for node in tree.nodes() if node.ends_block]


def saved(ends: list[Node], kept: set[Node], now: int) -> float:
    """What is saved, as the module says it: network by network that leaves at some node."""
    total = 0.0
    for node in ends:
        leaving = LEAVING_SHARE * (1 - LEAVING_SHARE) ** node.num_blocks
        at = [each for each in node.path() if each in kept]
        total += node.popularity(now) * leaving * (at[-1].cost if at else 0.0)
    return total


@pytest.mark.parametrize("name", ["mobilenetv3", "vit"])
def test_worth_is_what_one_more_value_saves(name: str) -> None:
    tree = tree_of(name)
    ends, now = ends_of(tree), tree.num_inserted + 10
    worth = Worth(ends, now)
    kept: set[Node] = set()
    for node in random.Random(0).sample(ends, 12):
        before = saved(ends, kept, now)
        for each in ends:
            if each not in kept:
                expected = saved(ends, kept | {each}, now) - before
                assert worth[each] == pytest.approx(expected, rel=1e-6, abs=1e-6)
        worth.keep(node)
        kept.add(node)


def test_what_is_passed_often_and_lately_is_worth_more() -> None:
    settings = EXAMPLES["resnet"]
    space, tree = settings.build(), PrefixTree()
    small = tree.insert(settings.lower(space.smallest()), 1)
    large = tree.insert(settings.lower(space.largest()), 1)
    first, second = (leaf.block_before for leaf in (small, large))
    assert first is not None
    assert second is not None
    assert first.popularity(2) == pytest.approx(2 ** (-1 / HALF_LIFE))
    before = Worth(ends_of(tree), 2)[first]
    for _ in range(3):
        tree.insert(settings.lower(space.smallest()), 2)
    worth = Worth(ends_of(tree), tree.num_inserted)
    assert worth[first] > 3 * before
    assert Worth(ends_of(tree), tree.num_inserted + HALF_LIFE)[first] == worth[first] / 2
