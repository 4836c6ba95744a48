"""What a front reports, and its picture."""

from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest
from examples import SPACE, provenance

from searchers.protocol import Limit, Objective, Problem
from server.fronts import (
    Candidate,
    ReportedFront,
    infeasible_views,
    intervals_of,
    point_views,
    report_front,
)
from server.plots import Format, plot_front
from server.store import Point
from server.tables import EvaluationRow, MeasurementRow

PROBLEM = Problem(SPACE, (Objective(metric="top1_percent"), Objective(metric="latency_ms")))
LIMITED = Problem(SPACE, PROBLEM.objectives, (Limit(metric="latency_ms", upper=2.0),))


def point(number: int, top1_percent: float, latency_ms: float, status: str = "measured") -> Point:
    row = EvaluationRow(
        id=f"eva{number}",
        space_id=SPACE.digest,
        architecture_digest=f"{number:016}",
        evaluator_digest="0" * 16,
        architecture={"number": number},
        status=status,
        metrics={"top1_percent": top1_percent, "latency_ms": latency_ms},
        provenance=provenance(top1_percent, latency_ms),
        reason=None if status == "measured" else "does not fit",
        search_id="s",
    )
    return Point(number, row)


def numbers(candidates: "list[Candidate] | object") -> list[int]:
    assert isinstance(candidates, list)
    return [candidate.number for candidate in candidates]


def test_only_measured_points_that_keep_all_limits_are_on_the_front() -> None:
    points = [
        point(0, 99.0, 3.0),
        point(1, 95.0, 2.0),
        point(2, 90.0, 1.0),
        point(3, 89.0, 1.5),
        point(4, 100.0, 0.1, status="infeasible"),
        point(5, 100.0, 0.1, status="failed"),
    ]
    assert numbers(report_front(PROBLEM, points, {}).points) == [0, 1, 2]
    front = report_front(LIMITED, points, {})
    assert numbers(front.points) == [1, 2]
    assert (front.num_measured, front.least_violating) == (4, [])


def test_neighbours_that_cannot_be_told_apart_are_flagged() -> None:
    # Intervals are +- 0.5 points of accuracy and +- 10 % of latency.
    points = [
        point(0, 97.0, 4.0),
        point(1, 96.2, 2.0),
        point(2, 94.0, 1.9),
        point(3, 90.0, 1.0),
    ]
    views = point_views(PROBLEM, report_front(PROBLEM, points, {}).points)
    assert [view.tied_on for view in views] == [["top1_percent"], ["latency_ms"], [], []]
    assert [view.tied_with_next for view in views] == [True, True, False, False]
    assert views[1].intervals["top1_percent"] == (95.7, 96.7)


def test_spreads_are_read_from_each_kind_of_provenance() -> None:
    assert intervals_of(
        {
            "top1_percent": {"interval": "wilson 95 %", "interval_percent": [90.0, 92.0]},
            "latency_ms": {"p10_ms": 1.0, "p90_ms": 1.5},
            "joules": {"interval": [0.25, 0.5]},
            "macs": {"how": "counted"},
            "kind": "supernet",
        }
    ) == {"top1_percent": (90.0, 92.0), "latency_ms": (1.0, 1.5), "joules": (0.25, 0.5)}


def test_a_metric_without_a_spread_ties_nothing() -> None:
    problem = Problem(SPACE, (Objective(metric="latency_ms"), Objective(metric="macs")))
    candidates = [
        Candidate(0, "a", {}, {"latency_ms": 1.0, "macs": 5.0}, {}),
        Candidate(1, "b", {}, {"latency_ms": 1.0, "macs": 5.0}, {}),
    ]
    assert [view.tied_with_next for view in point_views(problem, candidates)] == [False, False]


def test_least_violating_points_say_what_they_break() -> None:
    problem = Problem(
        SPACE,
        PROBLEM.objectives,
        (Limit(metric="latency_ms", upper=0.5), Limit(metric="top1_percent", lower=99.0)),
    )
    front = report_front(problem, [point(0, 90.0, 1.0), point(1, 99.5, 0.6)], {})
    assert front.points == []
    views = infeasible_views(problem, front.least_violating)
    assert [view.number for view in views] == [1, 0]
    assert [[excess.metric for excess in view.violated] for view in views] == [
        ["latency_ms"],
        ["latency_ms", "top1_percent"],
    ]
    assert views[1].violated[1].excess == 9.0
    assert views[0].violation == pytest.approx(0.2)


def test_finalists_replace_what_was_measured_during_the_search() -> None:
    points = [point(0, 95.0, 2.0), point(1, 90.0, 1.0), point(2, 80.0, 0.5)]
    again = {
        f"{number:016}": MeasurementRow(
            id="m",
            search_id="s",
            occasion=1,
            architecture_digest=f"{number:016}",
            metrics={"latency_ms": latency_ms},
            provenance={"latency_ms": {"p10_ms": latency_ms, "p90_ms": latency_ms}},
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
        )
        for number, latency_ms in ((0, 1.5), (1, 0.9))
    }
    front = report_front(PROBLEM, points, again)
    assert front.remeasured
    assert [candidate.metrics["latency_ms"] for candidate in front.points] == [1.5, 0.9]
    assert front.points[0].intervals == {
        "top1_percent": (94.5, 95.5),
        "latency_ms": (1.5, 1.5),
    }
    assert numbers(front.points) == [0, 1]
    assert numbers(front.candidates) == [0, 1, 2]


FRONTS = {
    "full": report_front(LIMITED, [point(i, 90.0 + i, 0.5 + i) for i in range(5)], {}),
    "infeasible": report_front(LIMITED, [point(0, 90.0, 5.0)], {}),
    "empty": report_front(LIMITED, [], {}),
}


@pytest.mark.parametrize("front", FRONTS.values(), ids=FRONTS.keys())
@pytest.mark.parametrize("image_format", ["png", "svg"])
def test_every_front_has_a_picture(front: ReportedFront, image_format: Format) -> None:
    title = "a $title\\mathbf <with> & odd ünïcödé"
    picture = plot_front(LIMITED, front, title, image_format)
    if image_format == "png":
        assert picture.startswith(b"\x89PNG\r\n\x1a\n")
        assert len(picture) > 5000
    else:
        assert ElementTree.fromstring(picture).tag.endswith("svg")


@pytest.mark.parametrize("metrics", [["macs"], ["num_params", "top1_percent", "latency_ms"]])
def test_one_and_three_objectives_have_a_picture(metrics: list[str]) -> None:
    problem = Problem(SPACE, tuple(Objective(metric=metric) for metric in metrics))
    candidates = [Candidate(i, str(i), {}, dict.fromkeys(metrics, float(i)), {}) for i in range(3)]
    front = ReportedFront(candidates, candidates, [], 3, remeasured=False)
    assert plot_front(problem, front, "x", "png").startswith(b"\x89PNG")
