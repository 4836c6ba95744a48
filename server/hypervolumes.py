"""How good the fronts of searches were after each evaluation, so that they can be compared.

The first front is that of what a search was told; finalists that were measured again change the
front that is reported (`server.fronts`), not its history.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from searchers.history import hypervolume_history
from searchers.pareto import Losses
from searchers.protocol import Problem
from server.store import Observed

MARGIN = 0.1
"""How far beyond the worst value a reference lies, as a part of the range of values."""


def losses_of(problem: Problem, observed: Sequence[Observed]) -> Losses:
    """Returns the losses of observations, shape (count, num_objectives), in their order.

    What was not measured or breaks a limit is infinite: it is on no front.
    """
    losses = np.full((len(observed), len(problem.objectives)), np.inf)
    feasible = [
        position
        for position, one in enumerate(observed)
        if one.status == "measured" and problem.violation(one.metrics) == 0
    ]
    losses[feasible] = problem.loss_matrix([observed[position].metrics for position in feasible])
    return losses


def common_reference(problem: Problem, runs: Sequence[Losses]) -> dict[str, float] | None:
    """Returns a reference point for some runs in natural units, by metric.

    Each coordinate is the worst value of a feasible network in any of the runs, moved away from the
    best by a tenth of their range, so that the extremes of the front count too.

    Returns:
        None if nothing feasible was measured.
    """
    rows = np.concatenate(runs) if runs else np.empty((0, len(problem.objectives)))
    rows = rows[np.isfinite(rows).all(axis=1)]
    if len(rows) == 0:
        return None
    best, worst = rows.min(axis=0), rows.max(axis=0)
    span = np.where(worst > best, worst - best, np.where(worst == 0, 1.0, np.abs(worst)))
    return to_metrics(problem, worst + MARGIN * span)


def to_metrics(problem: Problem, losses: Losses) -> dict[str, float]:
    """Returns losses in natural units, by metric."""
    return {
        objective.metric: float(-loss if objective.goal == "maximize" else loss)
        for objective, loss in zip(problem.objectives, losses, strict=True)
    }


def history(problem: Problem, losses: Losses, reference: Mapping[str, float]) -> Losses:
    """Returns the hypervolume after each evaluation, in the product of the objectives' units."""
    return hypervolume_history(losses, problem.losses(reference))


@dataclass(frozen=True)
class Improvement:
    """An evaluation that made the front better.

    Attributes:
        evaluations: how many the search had been told by then, this one included.
        observed: what it was.
        hypervolume: of the front from then on.
    """

    evaluations: int
    observed: Observed
    hypervolume: float


def improvements(observed: Sequence[Observed], volumes: Losses) -> list[Improvement]:
    """Returns the evaluations after which the hypervolume was greater than before."""
    before = np.concatenate([[0.0], volumes[:-1]]) if len(volumes) else volumes
    return [
        Improvement(position + 1, observed[position], float(volumes[position]))
        for position in np.flatnonzero(volumes > before).tolist()
    ]
