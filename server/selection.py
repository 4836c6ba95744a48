"""Which points of a front are taken for refinement, and why."""

from typing import Any

from searchers.protocol import Problem
from server.errors import ConflictError
from server.fronts import ReportedFront
from server.store import Chosen


def best_of_front(
    problem: Problem, front: ReportedFront, count: int
) -> tuple[list[Chosen], dict[str, Any]]:
    """Returns the first points of a front by its first objective, and how they were chosen.

    A front has no best point: it is ordered by the first objective, because whoever names an
    objective first has named what matters most.

    Args:
        problem: the search's.
        front: in its order, by the first objective from its best.
        count: how many are wanted; all of them where the front has fewer.

    Raises:
        ConflictError: nothing measured keeps all limits, so there is no front.
    """
    if not front.points:
        raise ConflictError(
            "the search has no front to refine: "
            f"none of {front.num_measured} measured architectures keeps all limits"
        )
    taken = front.points[:count]
    chosen = [
        Chosen(
            candidate.architecture_digest,
            candidate.architecture,
            {
                "metrics": dict(candidate.metrics),
                "intervals": candidate.intervals,
                "provenance": dict(candidate.provenance),
            },
        )
        for candidate in taken
    ]
    first = problem.objectives[0]
    selection = {
        "rule": f"the first {len(taken)} of {len(front.points)} points on the front, by "
        f"{first.metric} from its best",
        "asked": count,
        "on_front": len(front.points),
        "metric": first.metric,
        "goal": first.goal,
        "numbers": [candidate.number for candidate in taken],
    }
    return chosen, selection
