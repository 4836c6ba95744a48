"""How good predictions were: written down before a batch is used, and shown."""

from itertools import pairwise
from typing import Any

import pytest
from command_line import Run
from examples import add_search, claim, trained_supernet
from live import Live
from outside_examples import search_body
from pydantic import TypeAdapter
from runners import running, wait_for
from table_examples import table_search, write_table
from test_maintenance import DAY, age_all
from test_outside_api import lease, measured, ok, submit, tell

from searchers.protocol import PredictionQuality
from searchers.replay import Asked, Told
from searchers.settings import SearcherSettings
from server.cli.progress import note_of
from server.execution.context import JobContext, JobStopped, StopReason
from server.execution.search import run_search
from server.job_states import JobStatus
from server.maintenance.retention import pruner_of
from server.routes.jobs import event_view
from server.schemas.jobs import EventView
from server.search_problem import problem_of
from server.store import Store

LINAS = {
    "kind": "linas",
    "population_size": 10,
    "predictor": {"kind": "ridge"},
    "inner_population_size": 20,
    "inner_evaluations": 100,
}


def by_table(live: Live) -> dict[str, Any]:
    write_table(live.settings.data_folder)
    response = live.client.post("/v1/searches", json=table_search(searcher=LINAS, evaluations=45))
    assert response.status_code == 202, response.text
    return dict(response.json())


def predictions(live: Live, search_id: str) -> dict[str, Any]:
    return ok(live.client.get(f"/v1/searches/{search_id}/predictions"))


def events(store: Store, job_id: str) -> list[EventView]:
    return [event_view(row) for row in store.job_events(job_id, 0, 1000)]


def replayed(store: Store, search_id: str) -> list[dict[str, Any]]:
    """What the log says of the predictions: the searcher of the library, asked and told again."""
    row = store.get_search(search_id)
    problem = problem_of(row, store.get_space(row.space_id))
    settings = TypeAdapter[Any](SearcherSettings).validate_python(row.searcher)
    searcher = settings.build(problem, row.seed)
    for entry in store.search_log(search_id):
        match entry:
            case Asked(proposals):
                assert list(searcher.ask(len(proposals))) == list(proposals)
            case Told(observations):
                searcher.tell(observations)
    return [
        {"first_number": q.first_number, "count": q.count, "kendall": dict(q.kendall)}
        for q in searcher.prediction_quality()
    ]


def test_each_batch_of_a_search_is_reported_before_it_is_used(live: Live) -> None:
    search = by_table(live)
    assert predictions(live, search["id"])["items"] == []
    with running(live.store, live.settings, run_search, kind="search"):
        wait_for(live.store, search["job"], JobStatus.SUCCEEDED)
    shown = predictions(live, search["id"])
    assert (shown["search"], shown["status"]) == (search["id"], "succeeded")
    assert shown["items"] == replayed(live.store, search["id"])
    assert [item["first_number"] for item in shown["items"]] == [10, 20, 30, 40]
    assert shown["items"][-1]["count"] <= 5
    assert shown["items"][-2]["kendall"]["latency_ms"] > 0.5
    # Told, compared, and only then the next batch is evaluated.
    log = events(live.store, search["job"])
    kinds = [
        "evaluating" if event.data.get("evaluating") else event.type
        for event in log
        if event.type == "prediction_quality" or event.data.get("evaluating")
    ]
    assert kinds == ["evaluating"] + ["evaluating", "prediction_quality"] * 4
    # What was predicted is nowhere among what was measured.
    evaluations = ok(live.client.get(f"/v1/searches/{search['id']}/evaluations?limit=100"))
    for item in evaluations["items"]:
        assert item["evaluation"]["metrics"].keys() <= {"accuracy", "latency_ms"}


def test_a_search_that_died_before_it_reported_does_so_when_it_goes_on(sqlite_live: Live) -> None:
    search = by_table(sqlite_live)

    def dying(context: JobContext) -> None:
        def die(*_: object) -> None:
            context.stop.set(StopReason.SHUTDOWN)
            raise JobStopped

        if context.job.attempt == 1:
            context.store.record_prediction_quality = die  # type: ignore[method-assign]
        run_search(context)

    with running(sqlite_live.store, sqlite_live.settings, dying, kind="search"):
        wait_for(sqlite_live.store, search["job"], JobStatus.SUCCEEDED)
    assert sqlite_live.store.get_job(search["job"]).attempt == 2
    log = events(sqlite_live.store, search["job"])
    found = [event.data["first_number"] for event in log if event.type == "prediction_quality"]
    assert found == [10, 20, 30, 40]


@pytest.mark.parametrize("barrier", [False, True])
def test_searches_evaluated_outside_report_too(sqlite_live: Live, barrier: bool) -> None:
    evaluator = {**search_body()["evaluator"], "barrier": barrier}
    search = submit(sqlite_live, searcher=LINAS, evaluations=30, evaluator=evaluator)
    for _ in range(30):  # one by one
        (item,) = lease(sqlite_live, search)["items"]
        ok(tell(sqlite_live, search, measured(item)))
    shown = predictions(sqlite_live, search)
    assert shown["status"] == "succeeded"
    assert [(item["first_number"], item["count"]) for item in shown["items"]] == [
        (10, 10),
        (20, 10),
    ]
    job = ok(sqlite_live.client.get(f"/v1/searches/{search}"))["job"]
    numbers = [
        (event.data["first_number"], event.data["count"])
        for event in events(sqlite_live.store, job)
        if event.type == "prediction_quality"
    ]
    assert len(set(numbers)) == len(numbers)  # only what is news
    for (first, count), (next_first, next_count) in pairwise(numbers):
        assert (next_first, next_count) > (first, count)


def test_people_see_them(sqlite_live: Live, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ESPALIER_URL", str(sqlite_live.client.base_url))
    store = sqlite_live.store
    search = add_search(store, trained_supernet(store))
    job = claim(store)
    assert "Kendall" not in run("search", "show", search.id).out
    found = [
        PredictionQuality(20, 20, {"top1_percent": 0.725, "macs": None}),
        PredictionQuality(40, 20, {"top1_percent": 0.81, "macs": 0.995}),
    ]
    store.record_prediction_quality(job, found[:1])
    store.record_prediction_quality(job, found)  # of the first one nothing new
    shown = run("search", "show", search.id)
    for words in ("Kendall top1_percent", "0.72", "0.81", "0.99"):
        assert words in shown.out
    assert max(map(len, shown.out.splitlines())) <= 80
    assert run("search", "show", search.id, "--json").json["id"] == search.id
    notes = [
        note_of(event, is_outside=False)
        for event in events(store, job.id)
        if event.type == "prediction_quality"
    ]
    assert notes == [
        "predicted before measuring: Kendall 0.72 of top1_percent",
        "predicted before measuring: Kendall 0.81 of top1_percent, 0.99 of macs",
    ]

    # They are results: they stay when the job's other events are removed.
    store.record_progress(job, {"done": 1})
    store.finish_search(job, search.id, {})
    age_all(store)
    pruner_of(store, sqlite_live.settings).prune(DAY)
    assert store.prediction_quality(job.id) == found
    assert [event.type for event in events(store, job.id)] == [
        "prediction_quality",
        "prediction_quality",
        "succeeded",
    ]
