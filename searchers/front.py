"""The result of a search: the Pareto front of what was measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from searchers.pareto import non_dominated
from searchers.protocol import Problem


@dataclass(frozen=True)
class Front:
    """Positions in the measurements that a front was made of.

    Attributes:
        points: the feasible measurements that no other feasible one dominates, by ascending loss
            of the first objective, then of the next ones; never an infeasible one.
        least_violating: the infeasible measurements with the smallest violations, ascending, where
            nothing is feasible; empty otherwise.
    """

    points: tuple[int, ...]
    least_violating: tuple[int, ...]

    @property
    def feasible(self) -> bool:
        """Whether anything keeps all limits."""
        return bool(self.points)


def pareto_front(
    problem: Problem,
    measurements: Sequence[Mapping[str, float]],
    *,
    num_least_violating: int = 5,
) -> Front:
    """Returns the front of measurements of a problem.

    Args:
        problem: whose objectives and limits count.
        measurements: metrics in natural units, each of another architecture.
        num_least_violating: how many to name where nothing is feasible.

    Raises:
        MissingMetricError: a measurement lacks a metric of the problem.
    """
    violations = np.array([problem.violation(metrics) for metrics in measurements])
    losses = problem.loss_matrix(measurements)
    feasible = np.flatnonzero(violations == 0)
    if len(feasible) == 0:
        ascending = np.argsort(violations, kind="stable")[:num_least_violating]
        return Front((), tuple(ascending.tolist()))
    points = feasible[non_dominated(losses[feasible])]
    order = np.lexsort(losses[points].T[::-1])
    return Front(tuple(points[order].tolist()), ())
