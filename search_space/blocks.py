"""Networks as chains of blocks, between which they can be cut and joined.

Every family names its blocks `stageS.blockB`, and a block reads one tensor, so all that the rest of
a network does depends on that tensor alone.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from search_space.layers import Layer

_BLOCK = re.compile(r"(?:^|\.)stage(\d+)\.block(\d+)\.")


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a network.

    Attributes:
        stage: its number, from 1.
        start: position of its first layer.
        end: position behind its last layer.
        reads: the layer whose output it reads.
        output: its last layer.
    """

    stage: int
    start: int
    end: int
    reads: str
    output: str


@dataclass(frozen=True)
class BlockChain:
    """A network and its blocks, which are numbered from 1 over all stages.

    What comes before the first block belongs to it where the network begins with it; so does what
    lies between two blocks (a transformer's reduction) to the second of them.

    Attributes:
        layers: in execution order, the input first.
        blocks: in their order.
    """

    layers: tuple[Layer, ...]
    blocks: tuple[Block, ...]

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Output shapes by layer."""
        return {layer.name: layer.out_shape for layer in self.layers}

    @cached_property
    def stages(self) -> dict[int, list[int]]:
        """The numbers of the blocks of each stage."""
        found: dict[int, list[int]] = {}
        for number, block in enumerate(self.blocks, start=1):
            found.setdefault(block.stage, []).append(number)
        return found

    def read_by(self, number: int) -> tuple[int, ...]:
        """Returns the shape of what a block reads."""
        return self.shapes[self.blocks[number - 1].reads]

    def written_by(self, number: int) -> tuple[int, ...]:
        """Returns the shape of what a block gives."""
        return self.shapes[self.blocks[number - 1].output]

    @property
    def is_isotropic(self) -> bool:
        """Whether all blocks read and give tensors of one shape, as in a plain transformer."""
        numbers = range(1, len(self.blocks) + 1)
        return len({shape for n in numbers for shape in (self.read_by(n), self.written_by(n))}) == 1

    def span(self, first: int, last: int, *, begins: bool, ends: bool) -> slice:
        """Returns the positions of the layers of some blocks, without the input.

        Args:
            first: number of the first block.
            last: number of the last block.
            begins: whether the network begins here, so with all that comes before.
            ends: whether it ends here, so with all that comes after.
        """
        start = 1 if begins else self.blocks[first - 1].start
        return slice(start, len(self.layers) if ends else self.blocks[last - 1].end)


def block_chain(layers: Sequence[Layer]) -> BlockChain:
    """Returns the blocks of a network, found by its layers' names."""
    spans: dict[tuple[int, int], list[int]] = {}
    for position, layer in enumerate(layers):
        if found := _BLOCK.search(layer.name):
            spans.setdefault((int(found[1]), int(found[2])), []).append(position)
    blocks = []
    for (stage, number), positions in spans.items():
        start, end = positions[0], positions[-1] + 1
        own = {layer.name for layer in layers[start:end]}
        reads = {name for layer in layers[start:end] for name in layer.inputs if name not in own}
        assert end - start == len(positions), f"stage{stage}.block{number} is interrupted"
        assert len(reads) == 1, f"stage{stage}.block{number} must read one tensor, got {reads}"
        blocks.append(Block(stage, start, end, reads.pop(), layers[end - 1].name))
    return BlockChain(tuple(layers), tuple(blocks))
