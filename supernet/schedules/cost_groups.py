"""Groups of networks of about the same cost, from which a schedule draws evenly over costs.

The resource-constrained sampling of stitchable networks (SN-Netv2, Pan et al. 2023, arXiv
2307.00154). Where networks crowd at some costs, drawing them uniformly trains those costs most.
"""

import numpy as np
import numpy.typing as npt

DEFAULT_GAP_SHARE = 1 / 13
"""Of the range of costs: the published gap, 1 GMAC, between DeiT3-S (4.6) and DeiT3-B (17.6)."""


def cost_groups(costs: npt.NDArray[np.int64], gap: float) -> tuple[npt.NDArray[np.int64], ...]:
    """Returns the positions of networks, in groups of ascending cost.

    In ascending order of cost a new group starts where a cost exceeds that of the group's first
    network by more than the gap. (The released code compares the first group with 0 instead, which
    is the same wherever the cheapest network costs more than the gap.)

    Args:
        costs: of the networks, of shape (count,), count at least 1.
        gap: at least 0; 0 makes a group of every cost.
    """
    order = np.argsort(costs, kind="stable")
    starts, first = [], costs[order[0]]
    for position, cost in enumerate(costs[order]):
        if cost - first > gap:
            starts.append(position)
            first = cost
    return tuple(np.split(order, starts))


def default_gap(costs: npt.NDArray[np.int64]) -> float:
    """Returns the gap for networks of these costs where none is given."""
    return float(np.ptp(costs)) * DEFAULT_GAP_SHARE


def group_probabilities(num_groups: int, tilt: float | None) -> npt.NDArray[np.float64]:
    """Returns how often each of n groups is drawn: uniformly, or larger costs more often.

    Args:
        num_groups: n, at least 1.
        tilt: k in p_i proportional to i / k + 1 / n with i = 0, ..., n - 1 (the released code's
            `flops_sampling_k`; a smaller k tilts more); None for uniformly.

    Returns:
        Of shape (num_groups,), with sum 1.
    """
    if tilt is None:
        return np.full(num_groups, 1 / num_groups)
    weights: npt.NDArray[np.float64] = np.arange(num_groups) / tilt + 1 / num_groups
    return weights / float(weights.sum())
