"""Networks as paths of one tree: what they have in common is there once.

A node is one step of a network, a layer with the batch norm that it absorbs, after all the steps
before it. Two networks share a node when they agree in all layers up to it; what it computes is
then the same in both, batch-norm statistics included, since these depend only on what comes before.
"""

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from search_space.costs import layer_macs
from search_space.layers import PARAMETRIC, Layer
from supernet.network import absorbed_norms, folded_layers

HALF_LIFE = 64
"""Networks after which the passing of another counts half."""

FORGOTTEN_BELOW = 1 / 16
"""Passes so far back are no longer remembered."""

MACS_PER_ELEMENT = 20
"""What writing one element costs besides, so that layers without products cost something, too."""


@dataclass(frozen=True, slots=True)
class Step:
    """One operation of a network whose batch norms are folded.

    Attributes:
        raw: the layer as it was lowered.
        norm: the batch norm that it absorbs, if any.
        layer: the layer after folding.
    """

    raw: Layer
    norm: Layer | None
    layer: Layer = field(compare=False)


@dataclass(frozen=True, slots=True)
class Statistics:
    """What a batch norm has seen; both of shape (channels,)."""

    mean: Tensor
    variance: Tensor

    @property
    def num_bytes(self) -> int:
        """Memory that they take."""
        return self.mean.nbytes + self.variance.nbytes


@dataclass(eq=False, slots=True)
class Node:
    """A step at its place in the tree; equal only to itself.

    Attributes:
        step: what is computed.
        parent: the step before; None for an input.
        inputs: the earlier nodes whose values it reads, in the order of its arguments.
        depth: number of nodes before it.
        ends_block: whether a block ends here: nothing but its value is read later, by a layer with
            weights or by nobody.
        cost: of all steps up to this one for one image, in multiply-accumulates and their like.
        block_before: the nearest node before this one at which a block ends, if any.
        num_blocks: that end before this node or at it.
        children: the steps that follow.
        statistics: of its batch norm, once they are known.
        call: number of the call that used it last.
        passes: networks that went through it, those of long ago counting less.
        passed_at: how many networks there had been at the last of them.
    """

    step: Step
    parent: "Node | None"
    inputs: tuple["Node", ...]
    depth: int
    ends_block: bool
    cost: float
    block_before: "Node | None"
    num_blocks: int
    children: dict[Step, "Node"] = field(default_factory=dict)
    statistics: Statistics | None = None
    call: int = 0
    passes: float = 0.0
    passed_at: int = 0

    @property
    def num_elements(self) -> int:
        """Of its value, for one image."""
        return math.prod(self.step.layer.out_shape)

    @property
    def is_uncalibrated(self) -> bool:
        """Whether it has a batch norm without statistics."""
        return self.step.norm is not None and self.statistics is None

    def popularity(self, now: int) -> float:
        """Returns `passes` as of now.

        Args:
            now: how many networks there have been.
        """
        return self.passes * math.pow(0.5, (now - self.passed_at) / HALF_LIFE)

    def path(self) -> "list[Node]":
        """Returns all nodes from the input to this one."""
        found: list[Node] = []
        node: Node | None = self
        while node is not None:
            found.append(node)
            node = node.parent
        return found[::-1]


def steps(layers: Sequence[Layer]) -> list[Step]:
    """Returns the steps of a network in execution order.

    Raises:
        ValueError: a batch norm does not follow a convolution that nobody else reads.
    """
    norms = absorbed_norms(layers)
    names = {norm.name for norm in norms.values()}
    raw = [layer for layer in layers if layer.name not in names]
    return [
        Step(before, norms.get(before.name), after)
        for before, after in zip(raw, folded_layers(layers), strict=True)
    ]


class PrefixTree:
    """The networks that are known; grows by `insert`, shrinks by `prune`.

    Attributes:
        num_inserted: networks so far, each as often as it came.
    """

    def __init__(self) -> None:
        self._roots: dict[Step, Node] = {}
        self.num_inserted = 0

    def insert(self, layers: Sequence[Layer], call: int) -> Node:
        """Returns the last node of a network, which it adds where it is missing.

        Args:
            layers: in execution order, the input first.
            call: noted in all its nodes.
        """
        self.num_inserted += 1
        found = steps(layers)
        ends = _block_ends([step.layer for step in found])
        by_name: dict[str, Node] = {}
        node: Node | None = None
        for depth, (step, ends_block) in enumerate(zip(found, ends, strict=True)):
            siblings = self._roots if node is None else node.children
            child = siblings.get(step)
            if child is None:
                inputs = tuple(by_name[name] for name in step.layer.inputs)
                child = siblings[step] = _node(step, node, inputs, depth, ends_block)
            child.passes = child.popularity(self.num_inserted) + 1
            child.passed_at = self.num_inserted
            child.call = call
            by_name[step.layer.name] = child
            node = child
        assert node is not None
        return node

    def in_order(self, call: int) -> Iterator[Node]:
        """Gives the nodes that a call uses, each right after what it shares with the one before."""
        stack = [node for node in reversed(self._roots.values()) if node.call == call]
        while stack:
            node = stack.pop()
            yield node
            stack += [child for child in reversed(node.children.values()) if child.call == call]

    def nodes(self) -> list[Node]:
        """Returns all nodes, parents first."""
        found = list(self._roots.values())
        for node in found:  # grows as it goes
            found += node.children.values()
        return found

    def prune(self, kept: Iterable[Node], *, remembers: bool) -> None:
        """Forgets nodes, and the statistics of those that stay only to be remembered.

        Args:
            kept: those that are needed, as is all before them.
            remembers: whether nodes stay for as long as a network's passing counts for something.
        """
        needed = {node for each in kept for node in each.path()}
        wanted = set(needed)
        for node in self.nodes():
            if node not in needed:
                node.statistics = None
                if remembers and node.popularity(self.num_inserted) > FORGOTTEN_BELOW:
                    wanted.add(node)  # more networks went through those before it
        self._roots = _only(self._roots, wanted)
        for node in wanted:
            node.children = _only(node.children, wanted)


def _only(nodes: Mapping[Step, Node], wanted: Collection[Node]) -> dict[Step, Node]:
    return {step: node for step, node in nodes.items() if node in wanted}


def _node(
    step: Step, parent: Node | None, inputs: tuple[Node, ...], depth: int, ends_block: bool
) -> Node:
    if parent is None:
        return Node(step, None, inputs, depth, ends_block, _cost(step), None, int(ends_block))
    return Node(
        step,
        parent,
        inputs,
        depth,
        ends_block,
        parent.cost + _cost(step),
        parent if parent.ends_block else parent.block_before,
        parent.num_blocks + ends_block,
    )


def _cost(step: Step) -> float:
    return layer_macs(step.raw) + MACS_PER_ELEMENT * math.prod(step.layer.out_shape)


def _block_ends(layers: Sequence[Layer]) -> Iterable[bool]:
    """Returns for each layer whether a block ends with it; see `Node.ends_block`."""
    last_use = {layer.name: position for position, layer in enumerate(layers)}
    for position, layer in enumerate(layers):
        last_use.update(dict.fromkeys(layer.inputs, position))
    ends, alive_until = [], 0
    for position, layer in enumerate(layers[:-1]):
        follows = layers[position + 1]
        # Whatever came before this layer is dead when the next one runs.
        is_alone = alive_until <= position and layer.name in follows.inputs
        ends.append(layer.op != "input" and is_alone and follows.op in PARAMETRIC)
        alive_until = max(alive_until, last_use[layer.name])
    return [*ends, True]
