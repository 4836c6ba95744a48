"""From which top-1 on an architecture is of use to a search: what successive evaluation asks."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np

from search_space.costs import costs
from search_space.family import NetworkSettings
from search_space.outcomes import Measured
from search_space.space import Architecture
from searchers.front import pareto_front
from searchers.protocol import Observation, Problem

TOP1 = "top1_percent"


def floors(
    problem: Problem,
    network: NetworkSettings,
    observations: Sequence[Observation],
    architectures: Sequence[Architecture],
) -> dict[str, float]:
    """Returns the floors of those architectures that have one, by digest.

    The floor is the largest top-1 among the points of the front that are at least as good in all
    other objectives: a network below it is dominated. All but the top-1 is known on paper before
    anything is evaluated.

    A floor is a function of what the searcher was told, so that a search that is replayed finds it
    again. It never falls while a search goes on: what was dropped would be dropped again.

    Args:
        problem: with top-1 as an objective to maximize, and all else that it is about computed.
        network: settings of the family.
        observations: all that the searcher was told, dropped networks included: their accuracy was
            below the top-1 of a point that dominates them, so that they are never on the front.
        architectures: of the space, not evaluated yet.
    """
    known = [o.outcome.metrics for o in observations if isinstance(o.outcome, Measured)]
    front = pareto_front(problem, known)
    if not front.points:
        return {}
    points = [known[position] for position in front.points]
    others = [objective.metric != TOP1 for objective in problem.objectives]
    point_losses = problem.loss_matrix(points)[:, others]
    top1_percent = np.array([metrics[TOP1] for metrics in points])
    found = {}
    for architecture in architectures:
        on_paper = asdict(costs(network.lower(architecture)))
        losses = problem.losses({**on_paper, TOP1: 0.0})[others]
        at_least_as_good = (point_losses <= losses).all(axis=1)
        if at_least_as_good.any():
            found[architecture.digest] = float(top1_percent[at_least_as_good].max())
    return found
