"""Where anchors are stitched, as a user may choose it: the schemes of SN-Net and of SN-Netv2."""

from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from search_space.blocks import BlockChain
from search_space.stitch_routes import Pair, Stitch, boundaries, paired, unpaired

TwoWayRoute = Literal["small_large", "large_small", "small_large_small", "large_small_large"]
_ORDERS: dict[TwoWayRoute, tuple[int, ...]] = {
    "small_large": (1, 2),
    "large_small": (2, 1),
    "small_large_small": (1, 2, 1),
    "large_small_large": (2, 1, 2),
}


def _distinct(options: tuple[TwoWayRoute, ...]) -> tuple[TwoWayRoute, ...]:
    if len(set(options)) < len(options):
        raise ValueError(f"routes must be distinct, got {options}")
    return options


class OneWaySettings(BaseModel):
    """Stitches from smaller to larger anchors (SN-Net).

    Between stages of one depth: paired stitching, in windows. Between others: every block of the
    later anchor's stage but the first follows the block of its place in the earlier one's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["one_way"] = "one_way"
    kernel: int = Field(default=2, ge=1, le=32, description="Blocks of a window.")
    stride: int = Field(default=1, ge=1, le=32, description="Blocks from one window to the next.")
    nearest: bool = Field(
        default=True,
        description="Whether only neighbouring anchors are stitched; else all pairs and chains.",
    )
    forward_only: bool | None = Field(
        default=None,
        description="Whether windows stitch a block only to later blocks; null: exactly where "
        "blocks differ in the shapes that they read and give, as in hierarchical anchors.",
    )

    def orders(self, num_anchors: int) -> list[tuple[int, ...]]:
        """Returns the numbers of the anchors that run one after another in a network."""
        numbers = range(1, num_anchors + 1)
        if self.nearest:
            return list(pairwise(numbers))
        lengths = range(2, num_anchors + 1)
        return [order for length in lengths for order in combinations(numbers, length)]

    def places(
        self, chains: Sequence[BlockChain], stages: Sequence[int]
    ) -> dict[Pair, list[list[Stitch]]]:
        """Returns by pair of anchors the stitches that share each stitching layer.

        Args:
            chains: the anchors.
            stages: numbers of the stages within which they are stitched.

        Raises:
            ValueError: windows are longer than all stages that they would move over.
        """
        forward_only = self.forward_only
        if forward_only is None:
            forward_only = not all(chain.is_isotropic for chain in chains)
        found: dict[Pair, list[list[Stitch]]] = {}
        paired_depths = set()
        for pair in _pairs(self.orders(len(chains))):
            found[pair] = []
            for front, back in _stages(chains, pair, stages):
                if len(front) == len(back):
                    paired_depths.add(len(front))
                    local = paired(len(front), self.kernel, self.stride, forward_only=forward_only)
                else:
                    local = unpaired(len(front), len(back))
                found[pair] += [[(front[i - 1], back[k - 1]) for i, k in one] for one in local]
        if paired_depths and self.kernel > max(paired_depths):
            raise ValueError(
                f"scheme.kernel must be at most {max(paired_depths)}, the blocks of the longest "
                f"stage that it moves over, got {self.kernel}"
            )
        return found


class TwoWaySettings(BaseModel):
    """Stitches between two anchors in both directions (SN-Netv2)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["two_way"] = "two_way"
    routes: Annotated[tuple[TwoWayRoute, ...], AfterValidator(_distinct)] = Field(
        default=tuple(_ORDERS), min_length=1, description="The orders in which anchors run."
    )

    def orders(self, num_anchors: int) -> list[tuple[int, ...]]:
        """Returns the numbers of the anchors that run one after another in a network.

        Raises:
            ValueError: there are not two anchors.
        """
        if num_anchors != 2:
            raise ValueError(f"anchors must be exactly 2 with a two_way scheme, got {num_anchors}")
        return [_ORDERS[name] for name in self.routes]

    def places(
        self, chains: Sequence[BlockChain], stages: Sequence[int]
    ) -> dict[Pair, list[list[Stitch]]]:
        """Returns by pair of anchors the stitches, each with a stitching layer of its own.

        Args:
            chains: the two anchors.
            stages: numbers of the stages within which they are stitched.
        """
        return {
            pair: [
                [(front[before - 1], back[behind])]
                for front, back in _stages(chains, pair, stages)
                for before, behind in boundaries(len(front), len(back))
            ]
            for pair in _pairs(self.orders(len(chains)))
        }


SchemeSettings = Annotated[OneWaySettings | TwoWaySettings, Field(discriminator="kind")]


def _pairs(orders: Sequence[tuple[int, ...]]) -> list[Pair]:
    """Returns the anchors that follow one another in some order."""
    return sorted({pair for order in orders for pair in pairwise(order)})


def _stages(
    chains: Sequence[BlockChain], pair: Pair, stages: Sequence[int]
) -> list[tuple[list[int], list[int]]]:
    """Returns stage by stage the numbers of the blocks of a pair's two anchors."""
    front, back = (chains[number - 1].stages for number in pair)
    return [(front[stage], back[stage]) for stage in stages]
