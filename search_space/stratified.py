"""Samples of a space that cover its range of costs.

Architectures drawn choice by choice have costs that crowd in the middle of the range. To see how
accuracy goes with cost, a sample must reach both ends and have its share everywhere between.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from search_space.space import Architecture, SearchSpace

POOL_SIZE = 1000
"""Random architectures whose costs say where the strata lie."""


@dataclass(frozen=True)
class Costed:
    """An architecture, and what it costs."""

    architecture: Architecture
    cost: float


def stratified_sample(
    space: SearchSpace,
    cost: Callable[[Architecture], float],
    count: int,
    num_strata: int,
    rng: np.random.Generator,
    *,
    pool_size: int = POOL_SIZE,
) -> list[Costed]:
    """Returns distinct architectures of all costs, by ascending cost.

    The smallest and the largest architecture are always there. The others come in equal numbers
    (to within one; more from the cheaper strata) from the strata, which are the quantiles of the
    costs of a larger random sample: each holds as many of its architectures.

    Args:
        space: where they come from.
        cost: of an architecture, such as its multiply-accumulates.
        count: how many, at least 2; fewer come back where the pool has fewer distinct ones.
        num_strata: at least 1 and at most `count - 2`, but 1 where `count` is 2.
        rng: the only source of randomness.
        pool_size: architectures drawn to find the quantiles, at least `count`.

    Raises:
        ValueError: count, strata and pool do not fit each other.
    """
    if count < 2 or pool_size < count:
        raise ValueError(f"count must be from 2 to the pool's {pool_size}, got {count}")
    if not 1 <= num_strata <= max(1, count - 2):
        raise ValueError(f"num_strata must be from 1 to {max(1, count - 2)}, got {num_strata}")
    extremes = {a.digest: a for a in (space.smallest(), space.largest())}
    drawn = [space.decode(row) for row in space.sample(pool_size, rng)]
    others = {a.digest: a for a in drawn if a.digest not in extremes}
    pool = sorted((Costed(a, cost(a)) for a in others.values()), key=_order)
    chosen = [Costed(a, cost(a)) for a in extremes.values()]
    chosen += [pool[i] for i in _choose(len(pool), count - len(chosen), num_strata, rng)]
    return sorted(chosen, key=_order)


def _order(candidate: Costed) -> tuple[float, str]:
    return candidate.cost, candidate.architecture.digest


def _choose(pool_size: int, count: int, num_strata: int, rng: np.random.Generator) -> list[int]:
    """Returns positions in a sorted pool: from each stratum its share, without replacement."""
    count = min(count, pool_size)
    chosen: list[int] = []
    strata = np.array_split(np.arange(pool_size), num_strata)
    for number, stratum in enumerate(strata):
        share = count // num_strata + (number < count % num_strata)
        chosen += rng.choice(stratum, min(share, len(stratum)), replace=False).tolist()
    # A pool hardly larger than the sample has strata that are smaller than their shares.
    rest = np.setdiff1d(np.arange(pool_size), chosen)
    chosen += rng.choice(rest, count - len(chosen), replace=False).tolist()
    return chosen


def evenly_spread(count: int, total: int) -> list[int]:
    """Returns up to `count` distinct positions from 0 to `total - 1`, evenly spaced.

    The first and the last are among them where there are two or more.
    """
    positions: npt.NDArray[np.float64] = np.linspace(0, total - 1, min(count, total))
    return sorted({round(position) for position in positions.tolist()})
