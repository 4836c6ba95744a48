"""Where anchors are stitched, and which routes lead through them.

Positions are those of the released code of SN-Net (Pan et al. 2023, arXiv 2302.06586) and SN-Netv2
(arXiv 2307.00154). Blocks are numbered from 1. A stitch (front, back) runs one anchor up to and
with block `front`, and then another from block `back` on.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

Pair = tuple[int, int]
"""Numbers, from 1, of the anchors before and behind a stitching layer."""
Stitch = tuple[int, int]
"""(front, back): the last block before and the first block after a stitching layer."""


@dataclass(frozen=True, slots=True)
class Part:
    """Blocks of one anchor that a route runs.

    Attributes:
        anchor: its number, from 1.
        first: number of the first block.
        last: number of the last block.
    """

    anchor: int
    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.anchor}:{self.first}-{self.last}"


Route = tuple[Part, ...]


def route_name(route: Route) -> str:
    """Returns how a route is written as an option: "1:1-4,2:5-12"."""
    return ",".join(map(str, route))


def paired(depth: int, kernel: int, stride: int, *, forward_only: bool) -> list[list[Stitch]]:
    """Returns the stitches between equally deep stages, those of one stitching layer together.

    A window of `kernel` blocks moves by `stride`; all ordered pairs of blocks within it are
    stitches of one layer, unless an earlier window had them. The last window is cut off where the
    stage ends.

    Args:
        depth: blocks of each stage.
        kernel: blocks of a window.
        stride: blocks between the beginnings of two windows.
        forward_only: whether the front block must come before the back block.
    """
    found, covered, end = [], 0, 0
    for start in range(1, depth + 1, stride):
        covered, end = end, min(start + kernel - 1, depth)
        window = range(start, end + 1)
        new = [
            (front, back)
            for front, back in itertools.product(window, window)
            # All pairs that lie before the end of the last window lie within it.
            if max(front, back) > covered and (front < back or not forward_only)
        ]
        if new:
            found.append(new)
        if end == depth:
            break
    return found


def unpaired(front_depth: int, back_depth: int) -> list[list[Stitch]]:
    """Returns the stitches between unequally deep stages, one stitching layer for each front block.

    Every block of the back stage but the first is stitched to the front block whose place it has
    (nearest interpolation: the released code's rule that a front block has the smaller number means
    the same wherever the back stage is the deeper one, as it demands).
    """
    by_front: dict[int, list[Stitch]] = {}
    for back in range(1, back_depth):
        front = back * front_depth // back_depth
        by_front.setdefault(front, []).append((front + 1, back + 1))
    return list(by_front.values())


def boundaries(first_depth: int, second_depth: int) -> list[Stitch]:
    """Returns the places between blocks of two stages that correspond to each other.

    As numbers of blocks before the place in both stages. The shallower stage's are all taken, the
    deeper one's are the nearest ones behind, so that a route from one stage to the other and back
    goes on where it would have gone on without. With depths 12 and 24: (1, 2), (2, 4), ...,
    (11, 22), which are the positions of SN-Netv2 in both directions.
    """
    least = min(first_depth, second_depth)
    return [
        (-(-place * first_depth // least), -(-place * second_depth // least))
        for place in range(1, least)
    ]


def routes(
    chain: Sequence[int],
    stitches: Mapping[tuple[int, int], Sequence[Stitch]],
    depths: Sequence[int],
) -> Iterator[Route]:
    """Gives all routes through a chain of anchors; each runs at least one block of every anchor.

    Args:
        chain: numbers of the anchors in the order in which they run.
        stitches: by the numbers of the front and the back anchor.
        depths: number of blocks of each anchor.
    """

    def continued(position: int, first: int) -> Iterator[Route]:
        anchor = chain[position]
        if position == len(chain) - 1:
            yield (Part(anchor, first, depths[anchor - 1]),)
            return
        for front, back in stitches.get((anchor, chain[position + 1]), ()):
            if front >= first:
                for rest in continued(position + 1, back):
                    yield (Part(anchor, first, front), *rest)

    return continued(0, 1)
