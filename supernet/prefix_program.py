"""In which order the steps of many networks run, and what waits in memory meanwhile.

A depth-first walk over the tree: what two networks share is computed for the first and waits until
the last of them has read it. Where what waits would take more memory than is allowed, the values
that were used least recently go, and are computed again when they are needed.
"""

from collections import Counter, OrderedDict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from supernet.prefix_tree import Node

Kind = Literal["compute", "repeat", "load", "finish"]


@dataclass(slots=True)
class Instruction:
    """One thing to do with a batch of images.

    Attributes:
        kind: compute a node's value for the first time, or once more; take it from what is kept; or
            hand it over.
        node: whose value.
        reads: slots of what it is computed from, or of what is handed over.
        slot: where the value goes; of its own, and left empty, where it is handed over.
        dead: slots that nobody reads after it.
    """

    kind: Kind
    node: Node
    reads: tuple[int, ...]
    slot: int
    dead: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Program:
    """What is done with each batch of images.

    Attributes:
        instructions: in order.
        num_slots: for values.
        most_waiting: elements per image that wait for another network, at most.
    """

    instructions: tuple[Instruction, ...]
    num_slots: int
    most_waiting: int

    def computed(self) -> Iterable[Node]:
        """Gives the nodes whose values are computed, once for each time."""
        return (each.node for each in self.instructions if each.kind in ("compute", "repeat"))

    def loaded(self) -> set[Node]:
        """Returns the nodes whose values are taken from what is kept."""
        return {each.node for each in self.instructions if each.kind == "load"}


def program(
    targets: Sequence[Node],
    *,
    available: Collection[Node],
    kept: Collection[Node],
    max_waiting: float,
) -> Program:
    """Returns how the values of some nodes are computed.

    Args:
        targets: whose values are handed over, in an order that brings together what shares most
            (`PrefixTree.in_order`).
        available: nodes whose values need not be computed.
        kept: nodes whose values stay in memory in any case, so that they may wait for nothing.
        max_waiting: elements per image that may wait for another network.
    """
    return _Writer(targets, frozenset(available), frozenset(kept), max_waiting).write()


def reached(targets: Sequence[Node], available: Collection[Node]) -> tuple[set[Node], set[Node]]:
    """Returns the nodes that must be computed for the targets, and those that need not be."""
    computed: set[Node] = set()
    loaded: set[Node] = set()
    stack = list(targets)
    while stack:
        node = stack.pop()
        if node in available:
            loaded.add(node)
        elif node not in computed:
            computed.add(node)
            stack += node.inputs
    return computed, loaded


class _Writer:
    """Writes one program."""

    def __init__(
        self,
        targets: Sequence[Node],
        available: frozenset[Node],
        kept: frozenset[Node],
        max_waiting: float,
    ) -> None:
        self._targets = targets
        self._available = available
        self._free_of_charge = available | kept
        self._max_waiting = max_waiting
        self._instructions: list[Instruction] = []
        self._num_slots = 0
        self._slots: dict[Node, int] = {}  # values that are there
        self._computed: set[Node] = set()
        self._waiting: OrderedDict[Node, int] = OrderedDict()  # elements, least recently used first
        self._num_waiting = self._most_waiting = 0
        self._soon: Counter[Node] = Counter()  # reads on the way to the next target
        self._soon_first: Counter[Node] = Counter()  # those of them that are first ones
        self._later = self._all_reads()  # first reads that are yet to come, those included

    def _all_reads(self) -> Counter[Node]:
        reads = Counter(self._targets)
        for node in reached(self._targets, self._available)[0]:
            reads.update(set(node.inputs))
        return reads

    def write(self) -> Program:
        for target in self._targets:
            missing = self._missing(target)
            self._expect(target, missing)
            for node in self._soon:
                if node in self._waiting:
                    self._waiting.move_to_end(node)
            for node in missing:
                self._obtain(node)
            reads = (self._slots[target],)
            self._instructions.append(Instruction("finish", target, reads, self._new_slot()))
            self._has_read(target, is_first=True)
        return Program(tuple(self._instructions), self._num_slots, self._most_waiting)

    def _expect(self, target: Node, missing: Sequence[Node]) -> None:
        self._soon = Counter([target])
        self._soon_first = Counter([target])
        for node in missing:
            if node not in self._available:
                self._soon.update(set(node.inputs))
                if node not in self._computed:
                    self._soon_first.update(set(node.inputs))

    def _missing(self, target: Node) -> list[Node]:
        """Returns what must be obtained for a target, in execution order."""
        found: set[Node] = set()
        stack = [target]
        while stack:
            node = stack.pop()
            if node not in self._slots and node not in found:
                found.add(node)
                if node not in self._available:
                    stack += node.inputs
        return sorted(found, key=lambda node: node.depth)

    def _obtain(self, node: Node) -> None:
        """Appends what brings a node's value into a slot of its own."""
        slot = self._new_slot()
        is_first = node not in self._computed
        if node in self._available:
            self._instructions.append(Instruction("load", node, (), slot))
            self._slots[node] = slot
            return
        reads = tuple(self._slots[source] for source in node.inputs)
        kind: Kind = "compute" if is_first else "repeat"
        self._instructions.append(Instruction(kind, node, reads, slot))
        self._slots[node] = slot
        self._computed.add(node)
        for source in set(node.inputs):
            self._has_read(source, is_first=is_first)
        if self._later[node] > self._soon_first[node]:  # another network reads it
            self._let_wait(node)

    def _new_slot(self) -> int:
        self._num_slots += 1
        return self._num_slots - 1

    def _has_read(self, node: Node, *, is_first: bool) -> None:
        self._soon[node] -= 1
        if is_first:
            self._soon_first[node] -= 1
            self._later[node] -= 1
        if self._later[node] == 0:
            self._num_waiting -= self._waiting.pop(node, 0)
        if self._soon[node] == 0 and not self._may_wait(node):
            self._drop(node)

    def _may_wait(self, node: Node) -> bool:
        return self._later[node] > 0 and (node in self._waiting or node in self._available)

    def _let_wait(self, node: Node) -> None:
        """Marks a value as waiting for other networks, as far as there is memory for it."""
        size = 0 if node in self._free_of_charge else node.num_elements
        self._waiting[node] = size
        self._num_waiting += size
        while self._num_waiting > self._max_waiting:
            oldest = next(node for node, size in self._waiting.items() if size)
            self._num_waiting -= self._waiting.pop(oldest)
            if self._soon[oldest] == 0:
                self._drop(oldest)
        self._most_waiting = max(self._most_waiting, self._num_waiting)

    def _drop(self, node: Node) -> None:
        self._instructions[-1].dead.append(self._slots.pop(node))
