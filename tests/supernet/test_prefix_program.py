"""Programs do what they say: checked by running them with names instead of numbers."""

from itertools import pairwise

import pytest
from supernet_examples import EXAMPLES, random_architectures

from supernet.prefix_program import Program, program, reached
from supernet.prefix_tree import Node, PrefixTree, steps


def tree_of(name: str, count: int = 8) -> tuple[PrefixTree, list[Node]]:
    settings = EXAMPLES[name]
    tree = PrefixTree()
    leaves = {
        tree.insert(settings.lower(each), 1)
        for each in random_architectures(settings.build(), count)
    }
    return tree, [node for node in tree.in_order(1) if node in leaves]


def check(made: Program, targets: list[Node], available: set[Node]) -> int:
    """Checks every value that is read; returns the number of nodes computed."""
    slots: dict[int, Node] = {}
    finished, computed = [], []
    for each in made.instructions:
        read = [slots[slot] for slot in each.reads]
        if each.kind == "finish":
            assert read == [each.node]
            finished.append(each.node)
        elif each.kind == "load":
            assert each.node in available
            assert read == []
        else:
            assert each.node not in available
            assert (each.kind == "repeat") == (each.node in computed)
            assert read == list(each.node.inputs)
            computed.append(each.node)
        if each.kind != "finish":
            slots[each.slot] = each.node
        for slot in each.dead:
            del slots[slot]
    assert finished == targets
    assert slots == {}  # nothing is left behind
    return len(computed)


@pytest.mark.parametrize("name", EXAMPLES)
def test_with_enough_memory_everything_runs_once(name: str) -> None:
    _, leaves = tree_of(name)
    made = program(leaves, available=(), kept=(), max_waiting=float("inf"))
    assert check(made, leaves, set()) == len(reached(leaves, ())[0])


@pytest.mark.parametrize("name", EXAMPLES)
def test_with_less_memory_more_is_run_again_and_no_more_waits(name: str) -> None:
    _, leaves = tree_of(name)
    most = program(leaves, available=(), kept=(), max_waiting=float("inf")).most_waiting
    counts = []
    for bound in (most, most // 2, most // 4, most // 8, 0):
        made = program(leaves, available=(), kept=(), max_waiting=bound)
        assert made.most_waiting <= bound
        counts.append(check(made, leaves, set()))
    assert counts[0] == len(reached(leaves, ())[0])
    assert all(few <= many for few, many in pairwise(counts))
    assert counts[-1] == sum(len(leaf.path()) for leaf in leaves)  # each network alone


@pytest.mark.parametrize("name", ["mobilenetv3", "vit"])
def test_what_is_available_is_not_computed(name: str) -> None:
    tree, leaves = tree_of(name)
    ends = {node for node in tree.nodes() if node.ends_block and node.children}
    for available in (ends, set(list(ends)[::3])):
        for bound in (0, 200, float("inf")):
            made = program(leaves, available=available, kept=(), max_waiting=bound)
            check(made, leaves, available)
            assert made.loaded() <= available


def test_what_is_kept_waits_for_nothing() -> None:
    tree, leaves = tree_of("mobilenetv3")
    everything = set(tree.nodes())
    made = program(leaves, available=(), kept=everything, max_waiting=0)
    assert made.most_waiting == 0
    assert check(made, leaves, set()) == len(reached(leaves, ())[0])


def test_networks_share_a_path_as_far_as_their_layers_agree() -> None:
    settings = EXAMPLES["resnet"]
    architectures = random_architectures(settings.build(), 10)
    tree = PrefixTree()
    leaves = [tree.insert(settings.lower(each), 1) for each in architectures]
    found = [steps(settings.lower(each)) for each in architectures]
    prefixes = {tuple(path[: end + 1]) for path in found for end in range(len(path))}
    assert len(tree.nodes()) == len(prefixes)
    for leaf, path in zip(leaves, found, strict=True):
        assert [node.step for node in leaf.path()] == path


def test_pruning_keeps_what_is_needed_and_what_is_not_yet_forgotten() -> None:
    tree, leaves = tree_of("vit")
    kept = leaves[2].path()[-4]
    everything = tree.nodes()
    tree.prune([kept], remembers=True)
    assert tree.nodes() == everything
    tree.prune([kept], remembers=False)
    assert tree.nodes() == kept.path()
    assert list(kept.children) == []
    other = EXAMPLES["vit"].build().largest()
    for _ in range(400):
        leaf = tree.insert(EXAMPLES["vit"].lower(other), 2)
    tree.prune([], remembers=True)
    assert tree.nodes() == leaf.path()
