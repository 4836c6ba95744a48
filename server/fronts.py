"""The front of a search as it is reported: only what was measured, with what cannot be told apart.

Where finalists were measured again, side by side, the front is theirs alone: latencies of different
occasions are not comparable.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from search_space.outcomes import Measured
from searchers.front import pareto_front
from searchers.protocol import Limit, Problem
from server.schemas.searches import ExcessView, InfeasiblePointView, PointView
from server.search_problem import problem_of
from server.store import Point, Store
from server.tables import MeasurementRow, SearchRow

Interval = tuple[float, float]


def intervals_of(provenance: Mapping[str, Any]) -> dict[str, Interval]:
    """Returns the spread of each metric whose provenance tells one, by metric."""
    found = {}
    for metric, how in provenance.items():
        match how:
            case {"interval_percent": [low, high]}:
                found[metric] = (low, high)
            case {"p10_ms": low, "p90_ms": high}:
                found[metric] = (low, high)
            case {"interval": [low, high]}:  # from outside; ours says in words which kind it is
                found[metric] = (low, high)
    return found


@dataclass(frozen=True)
class Candidate:
    """A measured architecture with the figures that count for the front."""

    number: int
    architecture_digest: str
    architecture: Mapping[str, Any]
    metrics: Mapping[str, float]
    provenance: Mapping[str, Any]

    @property
    def intervals(self) -> dict[str, Interval]:
        """The spread of each metric that has one, by metric."""
        return intervals_of(self.provenance)


@dataclass(frozen=True)
class ReportedFront:
    """A front, and all that was measured.

    Attributes:
        candidates: everything measured, finalists with their new figures.
        points: the front.
        least_violating: what comes nearest to the limits, where nothing keeps them.
        num_measured: how many were measured.
        remeasured: whether the front is of finalists that were measured again.
    """

    candidates: Sequence[Candidate]
    points: Sequence[Candidate]
    least_violating: Sequence[Candidate]
    num_measured: int
    remeasured: bool


def report_front(
    problem: Problem, points: Sequence[Point], measurements: Mapping[str, MeasurementRow]
) -> ReportedFront:
    """Returns the front of what a search observed.

    Args:
        problem: the search's.
        points: its observations.
        measurements: of finalists, by architecture digest; empty if there are none.
    """
    measured = [point for point in points if isinstance(point.evaluation.outcome, Measured)]
    candidates = [
        _candidate(point, measurements.get(point.evaluation.architecture_digest))
        for point in measured
    ]
    finalists = [c for c in candidates if not measurements or c.architecture_digest in measurements]
    front = pareto_front(problem, [finalist.metrics for finalist in finalists])
    return ReportedFront(
        candidates=candidates,
        points=[finalists[position] for position in front.points],
        least_violating=[finalists[position] for position in front.least_violating],
        num_measured=len(measured),
        remeasured=bool(measurements),
    )


def front_of(store: Store, search: SearchRow) -> tuple[Problem, ReportedFront]:
    """Returns the problem that a search solves, and its front so far."""
    problem = problem_of(search, store.get_space(search.space_id))
    points, measurements = store.search_points(search.id), store.last_measurements(search.id)
    return problem, report_front(problem, points, measurements)


def _candidate(point: Point, again: MeasurementRow | None) -> Candidate:
    row = point.evaluation
    return Candidate(
        point.number,
        row.architecture_digest,
        row.architecture,
        {**row.metrics, **(again.metrics if again else {})},
        {**row.provenance, **(again.provenance if again else {})},
    )


def point_views(problem: Problem, candidates: Sequence[Candidate]) -> list[PointView]:
    """Returns the points of a front, each compared with the next."""
    views = []
    for position, candidate in enumerate(candidates):
        following = candidates[position + 1 : position + 2]
        tied_on = [
            objective.metric
            for objective in problem.objectives
            for other in following
            if _overlap(candidate, other, objective.metric)
        ]
        views.append(PointView(**_fields(candidate, tied_on)))
    return views


def infeasible_views(
    problem: Problem, candidates: Sequence[Candidate]
) -> list[InfeasiblePointView]:
    """Returns the least violating points with the limits that they break."""
    return [
        InfeasiblePointView(
            **_fields(candidate, []),
            violation=problem.violation(candidate.metrics),
            violated=[
                _excess(limit, candidate.metrics[limit.metric])
                for limit in problem.limits
                if limit.violation(candidate.metrics[limit.metric]) > 0
            ],
        )
        for candidate in candidates
    ]


def _fields(candidate: Candidate, tied_on: list[str]) -> dict[str, Any]:
    return {
        "number": candidate.number,
        "architecture_digest": candidate.architecture_digest,
        "architecture": candidate.architecture,
        "metrics": candidate.metrics,
        "intervals": candidate.intervals,
        "provenance": candidate.provenance,
        "tied_with_next": bool(tied_on),
        "tied_on": tied_on,
    }


def _overlap(first: Candidate, second: Candidate, metric: str) -> bool:
    """Whether both have a spread of the metric and they overlap."""
    a, b = first.intervals.get(metric), second.intervals.get(metric)
    return a is not None and b is not None and a[0] <= b[1] and b[0] <= a[1]


def _excess(limit: Limit, value: float) -> ExcessView:
    above = limit.upper is not None and value > limit.upper
    side = limit.upper if above else limit.lower
    assert side is not None
    return ExcessView(
        metric=limit.metric,
        upper=limit.upper,
        lower=limit.lower,
        value=value,
        excess=abs(value - side),
    )
