"""How good a supernet is, and how far its shared weights can be trusted to rank architectures."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
Ranks = npt.NDArray[np.int64]
Kind = Literal["kendall", "spearman"]

CONFIDENCE_PERCENT = 95
NUM_RESAMPLES = 2000
MIN_PAIRS = 3


def mean_pareto_accuracy(costs: npt.ArrayLike, accuracies: npt.ArrayLike) -> float:
    """Returns the mean accuracy of the best network within a budget, over all budgets.

    The best accuracy that can be had within a budget is a staircase over the costs: the Pareto
    front. This is its mean height between the smallest and the largest cost of the sample, which is
    what a mean over evenly spaced budgets tends to as their number grows. A mean over the points of
    the front, which is the other thing that the words could mean, would also depend on how many
    points a sample happens to have where.

    DepS (Annavajjala et al. 2024, arXiv 2407.06167) compares supernets by their "mean Pareto"
    accuracy (75.81 % for its ImageNet supernet); how it weighs the points we have not checked, so
    compare figures of this function with each other only.

    Args:
        costs: of networks, such as multiply-accumulates; shape (count,), one or more.
        accuracies: of the same networks.

    Raises:
        ValueError: there are none, or the shapes differ.
    """
    cost, accuracy = _paired(costs, accuracies, at_least=1)
    order = np.lexsort((-accuracy, cost))
    cost, best = cost[order], np.maximum.accumulate(accuracy[order])
    widths = np.diff(cost)
    if widths.sum() == 0:
        return float(best[-1])
    return float(np.sum(best[:-1] * widths) / widths.sum())


@dataclass(frozen=True)
class Correlation:
    """A rank correlation.

    Attributes:
        value: from -1 to 1; None where it is not defined: fewer than two pairs, or all are tied.
        interval: of 95 %, by the bootstrap; None with fewer than three pairs.
        num_pairs: what it was found from.
    """

    value: float | None
    interval: tuple[float, float] | None
    num_pairs: int


def kendall_tau_b(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Returns Kendall's tau-b, which allows for ties (Kendall 1945, Biometrika 33:239-251).

    In memory that grows with the number of values, not of pairs (after Knight 1966, Journal of the
    American Statistical Association 61:436-439): there may be many thousands.

    Returns:
        From -1 to 1; NaN where it is not defined: a side is all ties, or a value is no number.
    """
    first, second = _paired(x, y)
    if np.isnan(first).any() or np.isnan(second).any():
        return float("nan")
    rank_x, rank_y = (np.unique(side, return_inverse=True)[1] for side in (first, second))
    both = rank_x * (int(rank_y.max(initial=0)) + 1) + rank_y
    num_pairs = len(first) * (len(first) - 1) // 2
    untied_x, untied_y = num_pairs - _num_tied(rank_x), num_pairs - _num_tied(rank_y)
    untied = untied_x + untied_y - (num_pairs - _num_tied(both))  # in both
    # In the order of x, then of y, what is tied in x is in order.
    discordant = _num_inversions(rank_y[np.argsort(both)])
    scale = np.sqrt(np.array([float(untied_x) * float(untied_y)]))
    return float(_ratio(np.array([float(untied - 2 * discordant)]), scale)[0])


def spearman_rho(x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Returns Spearman's rank correlation: Pearson's of the ranks, ties sharing their mean rank.

    Returns:
        From -1 to 1; NaN where it is not defined.
    """
    first, second = _paired(x, y)
    return float(_rho(first[None], second[None])[0])


def rank_correlation(
    kind: Kind, x: npt.ArrayLike, y: npt.ArrayLike, rng: np.random.Generator
) -> Correlation:
    """Returns a correlation with the percentile interval of resampled pairs (Efron 1979).

    Resamples in which all of one side are tied define no correlation and are left out. With few
    pairs the interval is too narrow: resampling cannot know what it has not seen.

    Args:
        kind: `kendall` for tau-b, `spearman` for rho.
        x: shape (count,).
        y: what belongs to each of them.
        rng: draws the resamples.
    """
    statistic = {"kendall": _tau_b, "spearman": _rho}[kind]
    first, second = _paired(x, y)
    value = float(statistic(first[None], second[None])[0])
    if np.isnan(value):
        return Correlation(None, None, len(first))
    drawn = rng.integers(0, len(first), (NUM_RESAMPLES, len(first)))
    values = statistic(first[drawn], second[drawn])
    values = values[~np.isnan(values)]
    if len(first) < MIN_PAIRS or len(values) == 0:
        return Correlation(value, None, len(first))
    tail = (100 - CONFIDENCE_PERCENT) / 2
    low, high = np.percentile(values, (tail, 100 - tail))
    return Correlation(value, (float(low), float(high)), len(first))


def _paired(x: npt.ArrayLike, y: npt.ArrayLike, at_least: int = 0) -> tuple[Values, Values]:
    first, second = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if first.ndim != 1 or first.shape != second.shape or len(first) < at_least:
        raise ValueError(
            f"both sides must have one shape (count,) with count at least {at_least}, "
            f"got {first.shape} and {second.shape}"
        )
    return first, second


def _num_tied(ranks: Ranks) -> int:
    """Returns how many pairs have the same rank."""
    counts = np.unique(ranks, return_counts=True)[1]
    return int(np.sum(counts * (counts - 1) // 2))


def _num_inversions(ranks: Ranks) -> int:
    """Returns in how many pairs the first has the larger rank.

    The highest bit in which the two differ says which is larger. So for each bit what has the same
    higher bits is looked at by itself, and for each 0 the ones before it are counted.

    Args:
        ranks: shape (count,), at least 0.
    """
    inversions = 0
    for bit in range(int(ranks.max(initial=0)).bit_length()):
        higher = ranks >> (bit + 1)
        order = np.argsort(higher, kind="stable")
        is_one = (ranks[order] >> bit) & 1
        before = np.cumsum(is_one) - is_one
        begins = np.searchsorted(higher[order], higher[order])  # where its group does
        inversions += int(np.sum((before - before[begins])[is_one == 0]))
    return inversions


def _tau_b(x_RN: Values, y_RN: Values) -> Values:
    """Returns tau-b of each row: (concordant - discordant) / sqrt(untied in x * untied in y).

    For many rows of few values: it compares all pairs of all rows at once.
    """
    count = x_RN.shape[1]
    i, j = np.triu_indices(count, 1)
    sign_x, sign_y = _order(x_RN[:, i], x_RN[:, j]), _order(y_RN[:, i], y_RN[:, j])
    scale = np.sqrt(np.sum(sign_x**2, axis=1) * np.sum(sign_y**2, axis=1))
    return _ratio(np.sum(sign_x * sign_y, axis=1), scale)


def _order(first: Values, second: Values) -> Values:
    """Returns 1 where the first is larger, -1 where the second is, else 0.

    No difference is taken: those of huge numbers overflow.
    """
    return (first > second).astype(np.float64) - (first < second)


def _rho(x_RN: Values, y_RN: Values) -> Values:
    """Returns Pearson's correlation of the ranks of each row."""
    ranks_x, ranks_y = _ranks(x_RN), _ranks(y_RN)
    products = np.sum(ranks_x * ranks_y, axis=1)
    return _ratio(products, np.sqrt(np.sum(ranks_x**2, axis=1) * np.sum(ranks_y**2, axis=1)))


def _ranks(values_RN: Values) -> Values:
    """Returns the mean ranks of each row, minus their mean."""
    below = np.sum(values_RN[:, :, None] > values_RN[:, None, :], axis=2)
    equal = np.sum(values_RN[:, :, None] == values_RN[:, None, :], axis=2)
    ranks: Values = below + (equal - 1) / 2 - (values_RN.shape[1] - 1) / 2
    return ranks


def _ratio(numerator: Values, denominator: Values) -> Values:
    result = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=result, where=denominator > 0)
    return result
