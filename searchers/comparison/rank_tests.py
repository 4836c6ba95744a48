"""Whether one searcher is better than another, or was lucky with its seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

TIED = 1e-12
"""Shares nearer than this are equal but for rounding."""

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class PairTest:
    """Two searchers on the same seeds.

    Attributes:
        first: the name of one.
        second: the name of the other.
        num_pairs: how many seeds both have.
        median_difference: of first minus second.
        wins: seeds with which the first is better.
        losses: seeds with which the second is.
        p_value: of the signed-rank test.
        p_adjusted: the same, corrected for the number of pairs of searchers.
    """

    first: str
    second: str
    num_pairs: int
    median_difference: float
    wins: int
    losses: int
    p_value: float
    p_adjusted: float


def pair_tests(shares: Mapping[str, Mapping[int, float]]) -> list[PairTest]:
    """Compares every two searchers, paired by seed.

    By Wilcoxon's signed-rank test, two-sided, seeds that tie left out (Wilcoxon 1945; Demsar 2006,
    JMLR 7, section 3.1), and Holm's correction over all pairs (Holm 1979).

    Args:
        shares: by searcher and seed; larger is better. Only seeds that both have count; pairs
            without any are left out.
    """
    compared = []
    for first, second in combinations(shares, 2):
        seeds = sorted(shares[first].keys() & shares[second].keys())
        if seeds:
            difference = np.array([shares[first][s] - shares[second][s] for s in seeds])
            difference[np.abs(difference) < TIED] = 0.0
            compared.append((first, second, difference))
    p_values = [signed_rank(difference) for _, _, difference in compared]
    return [
        PairTest(
            first=first,
            second=second,
            num_pairs=len(difference),
            median_difference=float(np.median(difference)),
            wins=int((difference > 0).sum()),
            losses=int((difference < 0).sum()),
            p_value=p_value,
            p_adjusted=adjusted,
        )
        for (first, second, difference), p_value, adjusted in zip(
            compared, p_values, holm(p_values), strict=True
        )
    ]


def signed_rank(differences: Values) -> float:
    """Returns the two-sided p-value of Wilcoxon's test that differences are around 0."""
    # Here, not above: the module takes a second to load.
    from scipy.stats import wilcoxon

    different = differences[differences != 0]
    if len(different) == 0:
        return 1.0
    return float(wilcoxon(different).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """Returns p-values adjusted so that the chance of any false finding is kept (Holm 1979).

    The smallest of m is multiplied by m, the next by m - 1, and so on; none becomes smaller than
    the one before, or larger than 1.
    """
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, position in enumerate(np.argsort(p_values, kind="stable").tolist()):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[position]))
        adjusted[position] = highest
    return adjusted
