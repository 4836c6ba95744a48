"""What an evaluation engine keeps from one call to the next, within a bound.

Kept are the values of nodes at which blocks end, for all batches of one phase (calibration or
evaluation), and the batch-norm statistics of every node before them. The first is what costs
memory: for each of them it is decided whether all of it is kept, never a part, since what goes
round in a circle that is a little too long for the memory would always be dropped just before it is
needed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from supernet.prefix_tree import Node

Phase = Literal["calibration", "evaluation"]
Key = tuple[Phase, Node]
KEPT_SHARE = 0.75
"""Of the memory; what is left of it always serves what waits for another network of one call."""

ITEM_BYTES = 4
"""Of an element, for planning; in bfloat16 some values take half of it."""


@dataclass(slots=True)
class Kept:
    """Values of a node, batch by batch from the first.

    Attributes:
        batches: may end before the last batch of the phase.
        num_bytes: that they take.
    """

    batches: list[Tensor] = field(default_factory=list)
    num_bytes: int = 0


class PrefixMemory:
    """Values by phase and node.

    Args:
        bound: bytes of values and statistics that may be kept.
    """

    def __init__(self, bound: int) -> None:
        self.bound = bound
        self._kept: dict[Key, Kept] = {}

    def available(self, phase: Phase, batch: int, call: int) -> set[Node]:
        """Returns the nodes of a call that have a value for the batch of that number."""
        return {
            node
            for (of, node), kept in self._kept.items()
            if of == phase and node.call == call and len(kept.batches) > batch
        }

    def value(self, phase: Phase, node: Node, batch: int) -> Tensor:
        """Returns a node's value for a batch."""
        return self._kept[phase, node].batches[batch]

    def wanted(self, phase: Phase, batch: int) -> set[Node]:
        """Returns the nodes whose value for the batch shall be added when it is computed."""
        return {
            node
            for (of, node), kept in self._kept.items()
            if of == phase and len(kept.batches) == batch
        }

    def add(self, phase: Phase, node: Node, value: Tensor) -> None:
        """Keeps the value of one more batch."""
        kept = self._kept[phase, node]
        kept.batches.append(value)
        kept.num_bytes += value.nbytes

    def holds(self, node: Node) -> bool:
        """Whether a value of the node is kept, or will be."""
        return ("calibration", node) in self._kept or ("evaluation", node) in self._kept

    def make_room(
        self,
        candidates: Mapping[Key, int],
        in_use: Iterable[Key],
    ) -> int:
        """Decides what is kept from now on, drops the rest and returns the bytes of all of it.

        What is in use stays. Of all else, what was used by the latest call comes first, and there
        what saves most per byte.

        Args:
            candidates: values that the call will compute, and the bytes of all their batches.
            in_use: values that the call will read.
        """
        chosen = dict.fromkeys(in_use)
        counted: set[Node] = set()
        total = room = int(KEPT_SHARE * self.bound)
        sizes = {key: kept.num_bytes for key, kept in self._kept.items()} | dict(candidates)
        for key in chosen:
            room -= sizes[key] + _count_statistics(key[1], counted)
        others = [key for key in sizes if key not in chosen]
        others.sort(key=lambda key: (-key[1].call, -key[1].cost / key[1].num_elements))
        for key in others:
            before = set(counted)
            size = sizes[key] + _count_statistics(key[1], counted)
            if size <= room:
                room -= size
                chosen[key] = None
            else:
                counted = before
        self._kept = {key: self._kept.get(key) or Kept() for key in chosen}
        return total - room

    def clear(self) -> None:
        """Drops everything."""
        self._kept.clear()

    @property
    def num_bytes(self) -> int:
        """Bytes of values and statistics that are kept."""
        counted: set[Node] = set()
        statistics = sum(_count_statistics(node, counted) for _, node in self._kept)
        return statistics + sum(kept.num_bytes for kept in self._kept.values())


def _count_statistics(node: Node, counted: set[Node]) -> int:
    """Returns the bytes of the statistics on a node's path that were not counted before.

    Two float32 for each channel, also where they are not known yet.
    """
    total = 0
    at: Node | None = node
    while at is not None and at not in counted:
        counted.add(at)
        if at.step.norm is not None:
            total += 2 * ITEM_BYTES * at.step.norm.in_channels
        at = at.parent
    return total
