"""How fronts grew and how searches compare, through the API, the client and the command line."""

from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import structlog.testing
from command_line import Run
from examples import SPACE, add_search, claim, observe, trained_supernet
from live import Live

from searchers.protocol import Limit, Objective, Problem
from server.client import ApiError, Client
from server.errors import InvalidRequestError
from server.hypervolume_plots import RunCurve, plot_histories
from server.hypervolumes import common_reference, losses_of
from server.routes import comparisons
from server.routes.comparisons import check_work
from server.store import Observed, Store

OBJECTIVES = ("top1_percent", "latency_ms")
POINT = {"top1_percent": 90.0, "latency_ms": 1.0}


def observed(number: int, top1_percent: float, latency_ms: float, status: str) -> Observed:
    metrics = {"top1_percent": top1_percent, "latency_ms": latency_ms}
    return Observed(number, status, metrics, datetime(2026, 1, 1, tzinfo=UTC))


def two_searches(store: Store) -> list[str]:
    """Searches of one problem: a slow and accurate network at last, a fast one at once."""
    supernet = trained_supernet(store)
    found = []
    for seed, figures in enumerate([[(91.0, 0.9), (99.0, 3.0), (98.0, 0.5)], [(94.0, 0.25)]]):
        search = add_search(store, supernet, seed, OBJECTIVES, max_latency_ms=1.0)
        job = claim(store)
        observe(store, search, job, figures, seed)
        store.finish_search(job, search.id, {})
        found.append(search.id)
    return found


def test_only_what_is_feasible_counts() -> None:
    objectives = tuple(Objective(metric=metric) for metric in OBJECTIVES)
    problem = Problem(SPACE, objectives, (Limit(metric="latency_ms", upper=1.0),))
    losses = losses_of(
        problem,
        [
            observed(0, 90.0, 0.5, "measured"),
            observed(1, 99.0, 1.5, "measured"),
            observed(2, 99.0, 0.1, "failed"),
            observed(3, 80.0, 0.75, "measured"),
        ],
    )
    assert np.isfinite(losses).all(axis=1).tolist() == [True, False, False, True]
    # A tenth of the range beyond the worst: 80 - 1 % and 0.75 + 0.025 ms.
    assert common_reference(problem, [losses[:2], losses[2:]]) == pytest.approx(
        {"top1_percent": 79.0, "latency_ms": 0.775}
    )
    assert common_reference(problem, [losses[1:3]]) is None
    assert common_reference(problem, [losses[:1]]) == pytest.approx(
        {"top1_percent": 81.0, "latency_ms": 0.55}  # no range: a tenth of the value
    )


def test_the_history_of_a_search_says_what_made_its_front_better(sqlite_live: Live) -> None:
    first, _ = two_searches(sqlite_live.store)
    with Client(str(sqlite_live.client.base_url)) as client:
        history = client.hypervolume(first, POINT)
        assert (history.reference, history.reference_source) == (POINT, "given")
        assert [(item.evaluations, item.number) for item in history.items] == [(1, 0), (3, 2)]
        volumes = [item.hypervolume for item in history.items]
        assert volumes == pytest.approx([1.0 * 0.1, 8.0 * 0.5])
        assert (history.evaluations, history.hypervolume) == (3, volumes[-1])
        moving = client.hypervolume(first)
        # Feasible are (91, 0.9) and (98, 0.5): a tenth of 7 points and of 0.4 ms beyond.
        assert moving.reference == pytest.approx({"top1_percent": 90.3, "latency_ms": 0.94})
        assert moving.reference_source == "worst measured"


def test_searches_are_compared_by_the_volume_of_all_points_together(sqlite_live: Live) -> None:
    ids = two_searches(sqlite_live.store)
    with Client(str(sqlite_live.client.base_url)) as client:
        comparison = client.compare(ids, POINT)
        assert comparison.same_evaluator
        assert comparison.joint_hypervolume == pytest.approx(8 * 0.5 + 4 * 0.25)
        first, second = comparison.items
        assert (first.share_percent, second.share_percent) == pytest.approx((80.0, 60.0))
        assert (first.front_size, first.on_joint_front) == (1, 1)
        assert first.evaluations_to == {"90": None, "95": None, "99": None}
        alone = client.compare(ids[1:], POINT).items[0]
        assert alone.evaluations_to == {"90": 1, "95": 1, "99": 1}


def test_an_unchanged_comparison_is_not_sent_again(sqlite_live: Live) -> None:
    ids = two_searches(sqlite_live.store)
    for path in (f"/v1/searches/{ids[0]}/hypervolume", "/v1/comparisons", "/v1/comparisons.svg"):
        parameters = {"search": ids} if "comparisons" in path else {}
        first = sqlite_live.client.get(path, params=parameters)
        assert first.status_code == 200
        tag = {"If-None-Match": first.headers["etag"]}
        assert sqlite_live.client.get(path, params=parameters, headers=tag).status_code == 304


def test_other_problems_and_broken_points_are_refused(sqlite_live: Live) -> None:
    first, second = two_searches(sqlite_live.store)
    supernet = sqlite_live.store.get_search(first).supernet_id
    other = add_search(sqlite_live.store, sqlite_live.store.get_supernet(supernet), 5).id
    with Client(str(sqlite_live.client.base_url)) as client:
        with pytest.raises(ApiError, match="search must have the objectives of search") as refused:
            client.compare([first, other])
        assert refused.value.status == 422
        with pytest.raises(ApiError, match=r"must also be given for \['latency_ms'\]"):
            client.compare([first, second], {"top1_percent": 1.0})
        for wrong in ("top1_percent:nan", "top1_percent", "size_bytes:3", ":"):
            answer = sqlite_live.client.get(
                "/v1/comparisons", params={"search": first, "reference": wrong}
            )
            assert answer.status_code == 422, wrong
            assert answer.json()["errors"][0]["value"] == wrong
        with pytest.raises(ApiError, match="there is no search 'sea_none'"):
            client.compare(["sea_none"])
        # One that has measured nothing yet has neither a point nor a volume.
        empty = client.hypervolume(other)
        assert (empty.reference, empty.hypervolume, empty.items) == (None, 0.0, [])
        assert client.comparison_picture([other], "png").startswith(b"\x89PNG")


def test_what_would_not_fit_into_memory_is_not_compared(
    sqlite_live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = two_searches(sqlite_live.store)
    together = sum(sqlite_live.store.get_search(one).evaluations for one in ids)
    with Client(str(sqlite_live.client.base_url)) as client:
        monkeypatch.setattr(comparisons, "MAX_TOGETHER", together)
        client.compare(ids)
        monkeypatch.setattr(comparisons, "MAX_TOGETHER", together - 1)
        with pytest.raises(ApiError, match=f"evaluations together, got {together}"):
            client.compare(ids)


def test_runs_that_differ_in_their_seed_are_drawn_as_one() -> None:
    runs = [
        RunCurve(f"run {seed}", {"kind": "random"}, np.arange(1.0, 5 + seed)) for seed in range(3)
    ]
    alone = RunCurve("$x^2$ < y", {"kind": "nsga2", "population": 4}, np.array([2.0]))
    drawing = plot_histories([*runs, alone], 6.0, "svg")
    assert ElementTree.fromstring(drawing).tag.endswith("svg")
    text = drawing.decode()
    assert "random, median of 3" in text
    assert "run 0" not in text


def test_all_evaluations_come_in_one_answer(sqlite_live: Live) -> None:
    first, second = two_searches(sqlite_live.store)
    lines = sqlite_live.client.get("/v1/evaluations.ndjson").text
    assert lines.endswith("\n")
    with Client(str(sqlite_live.client.base_url)) as client:
        everything = list(client.evaluations_in_bulk())
        assert everything == sorted(client.evaluations(), key=lambda one: one.id)
        assert len(everything) == lines.count("\n") == 4
        mine = list(client.evaluations_in_bulk(search_id=second))
        assert [one.metrics["top1_percent"] for one in mine] == [94.0]
        assert list(client.evaluations_in_bulk(space_id="0" * 16)) == []
        with pytest.raises(ApiError, match="there is no search 'sea_none'"):
            list(client.evaluations_in_bulk(search_id="sea_none"))
        told = list(client.observations(first))
        bulk = list(client.evaluations_in_bulk(search_id=first))
        assert [one.evaluation for one in told] == bulk


def test_batches_hold_every_row_once(store: Store) -> None:
    first, _ = two_searches(store)
    batches = list(store.evaluation_batches(2, search_id=first))
    assert [len(batch) for batch in batches] == [2, 1]
    ids = [row.id for batch in batches for row in batch]
    assert ids == sorted(set(ids))


def test_the_command_line_compares_and_draws(
    sqlite_live: Live, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ESPALIER_URL", str(sqlite_live.client.base_url))
    ids = two_searches(sqlite_live.store)
    with structlog.testing.capture_logs():  # they would be among what the commands print
        picture = tmp_path / "pictures" / "growth.svg"
        point = [f"--reference={metric}:{value}" for metric, value in POINT.items()]
        result = run("search", "compare", *ids, "--plot", str(picture), *point)
        assert result.code == 0, result.err
        assert "80.0" in result.out
        assert "measured from top1_percent 90, latency_ms 1 (given)" in " ".join(result.out.split())
        assert ElementTree.parse(picture).getroot().tag.endswith("svg")
        assert run("search", "compare", *ids, "--json").json["same_evaluator"] is True
        result = run("search", "compare", *ids, "--reference", "top1_percent")
        assert (result.code, "must be METRIC:NUMBER, got 'top1_percent'" in result.complaint) == (
            2,
            True,
        )
        file = tmp_path / "all.ndjson"
        assert run("search", "evaluations", ids[0], "--output", str(file)).code == 0
        assert file.read_text().count("\n") == 3
        assert run("search", "evaluations", ids[1]).out.count("\n") == 1


@pytest.mark.parametrize(
    ("num_points", "num_objectives"), [(1_000_000, 2), (1_000_000, 3), (1000, 4), (100, 5), (6, 10)]
)
def test_hypervolumes_that_take_too_long_are_refused(num_points: int, num_objectives: int) -> None:
    check_work(num_points, num_objectives)
    with pytest.raises(InvalidRequestError, match=f"points in {num_objectives} objectives"):
        check_work(num_points + 1, num_objectives)
