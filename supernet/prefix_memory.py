"""What an evaluation engine keeps from one call to the next, within a bound.

Kept are the values of nodes at which blocks end, for the batches of one phase (calibration or
evaluation), and the batch-norm statistics of every node before them. The first is what costs
memory. Whether it is worth that is decided for each node and all its batches at once, before the
call runs: batch by batch, what goes round in a circle that is a little too long for the memory
would always be dropped just before it is needed.
"""

import heapq
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from supernet.prefix_choice import Worth
from supernet.prefix_tree import Node

Phase = Literal["calibration", "evaluation"]
Key = tuple[Phase, Node]
PHASES: tuple[Phase, ...] = ("calibration", "evaluation")
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
        grows: whether there is room for the batches that are missing.
    """

    batches: list[Tensor] = field(default_factory=list)
    num_bytes: int = 0
    grows: bool = False


class PrefixMemory:
    """Values by phase and node.

    Args:
        bound: bytes of values and statistics that may be kept.
    """

    def __init__(self, bound: int) -> None:
        self.bound = bound
        self._kept: dict[Key, Kept] = {}
        self._statistics_bytes = 0

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
            if of == phase and kept.grows and len(kept.batches) == batch
        }

    def add(self, phase: Phase, node: Node, value: Tensor) -> None:
        """Keeps the value of one more batch."""
        kept = self._kept[phase, node]
        kept.batches.append(value)
        kept.num_bytes += value.nbytes

    def num_batches(self, phase: Phase, node: Node) -> int:
        """Returns of how many batches, from the first, a node's values are kept."""
        kept = self._kept.get((phase, node))
        return 0 if kept is None else len(kept.batches)

    def nodes(self) -> set[Node]:
        """Returns the nodes of which something is kept."""
        return {node for _, node in self._kept}

    def make_room(
        self,
        candidates: Mapping[Key, int],
        in_use: Iterable[Key],
        ends: Collection[Node],
        now: int,
    ) -> int:
        """Decides what is kept from now on, drops the rest and returns the bytes of all of it.

        Args:
            candidates: values that the call may compute, and the bytes of the batches that are
                missing, which is all of them or what was not computed for dropped networks.
            in_use: values that the call will read; what is there of them stays.
            ends: all nodes at which blocks end, parents first.
            now: how many networks there have been.
        """
        there = {key: kept.num_bytes for key, kept in self._kept.items()}
        worth: dict[Phase, Worth] = {phase: Worth(ends, now) for phase in PHASES}
        counted: set[Node] = set()
        total = room = int(KEPT_SHARE * self.bound)
        chosen: dict[Key, bool] = {}  # whether they may grow
        for phase, node in in_use:
            room -= there[phase, node] + _count_statistics(node, counted)
            worth[phase].keep(node)
            chosen[phase, node] = False
        others = [key for key in there | dict(candidates) if key not in chosen or key in candidates]
        for key in _by_worth(others, worth):
            phase, node = key
            before = set(counted)
            size = candidates.get(key, 0)
            if key not in chosen:
                size += there.get(key, 0) + _count_statistics(node, counted)
            if size > room:
                counted = before
                continue
            room -= size
            if key not in chosen:
                worth[phase].keep(node)
            chosen[key] = key in candidates
        self._kept = {key: self._kept.get(key) or Kept() for key in chosen}
        counted.clear()
        self._statistics_bytes = sum(_count_statistics(node, counted) for _, node in chosen)
        for key, grows in chosen.items():
            self._kept[key].grows = grows
        return total - room

    def clear(self) -> None:
        """Drops everything."""
        self._kept.clear()
        self._statistics_bytes = 0

    @property
    def num_bytes(self) -> int:
        """Bytes of values and statistics that are kept."""
        return self._statistics_bytes + sum(kept.num_bytes for kept in self._kept.values())


def _by_worth(keys: Sequence[Key], worth: Mapping[Phase, Worth]) -> Iterator[Key]:
    """Gives keys, those that save most per byte first, as it is when each is given.

    What one saves only falls with what else is kept, so that only the first in line is looked at
    again.
    """

    def density(key: Key) -> float:
        phase, node = key
        return -worth[phase][node] / node.num_elements

    line = [(density(key), number) for number, key in enumerate(keys)]
    heapq.heapify(line)
    while line:
        _, number = line[0]
        now = density(keys[number])
        heapq.heapreplace(line, (now, number))
        if line[0][1] == number:
            heapq.heappop(line)
            if now < 0:  # else it saves nothing any more
                yield keys[number]


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
