"""Campaigns from the store's side: what fires, what is skipped and why, who is told.

On SQLite; `test_campaigns_postgresql.py` does what depends on the dialect again.
"""

import time
from datetime import timedelta
from typing import Any

import pytest
from campaign_examples import (
    MINUTE,
    PROMOTION,
    START,
    add,
    at,
    campaign,
    done,
    finish_export,
    finish_search,
    finish_searches,
    history,
    next_job,
    occurrences,
    search_template,
)
from examples import add_supernet, artifact, claim, trained_supernet
from sqlalchemy import Engine, text
from test_runner import running

from server.callers import Caller
from server.campaigns.duty import advance_campaigns
from server.errors import ConflictError, InvalidRequestError, NotFoundError, PreconditionFailedError
from server.execution.context import JobContext
from server.job_states import JobStatus
from server.runner import duties_of
from server.settings import Settings
from server.store import Store

pytestmark = pytest.mark.parametrize("settings", ["sqlite"], indirect=True)


@pytest.fixture
def supernet_id(store: Store) -> str:
    return trained_supernet(store).id


def test_each_time_fires_once_however_often_it_is_looked_at(store: Store, supernet_id: str) -> None:
    add(store, supernet_id)
    for minutes in (1, 9.99, 10, 10, 10.5, 19.9):
        advance_campaigns(store, at(minutes))
    assert history(store) == [(10, "running")]
    (row,) = occurrences(store)
    (search,) = store.occurrence_searches(row.id)
    assert search.search.name == "nightly #1.1"
    assert "kind" not in search.search.evaluator  # as in a search that somebody submits
    assert search.job.state is JobStatus.QUEUED
    done(store, 11)
    advance_campaigns(store, at(20.2))
    assert history(store) == [(10, "succeeded"), (20, "running")]
    assert len(store.list_jobs(100, kind="search").rows) == 2


def test_a_matrix_submits_every_combination_with_seeds_of_its_own(
    store: Store, supernet_id: str
) -> None:
    matrix = {
        "devices": [{"threads": 1}, {"threads": 2}],
        "limits": [[{"metric": "latency_ms", "upper": 1.0}], []],
        "searchers": [{"kind": "random"}, {"kind": "nsga2", "population_size": 4}],
        "seeds": [3, 5],
    }
    template = {"search": search_template(supernet_id), "matrix": matrix}
    add(store, supernet_id, template=template)
    for minutes in (10, 20):
        advance_campaigns(store, at(minutes))
        done(store, minutes + 1)
    for number, row in enumerate(occurrences(store)):
        searches = [one.search for one in store.occurrence_searches(row.id)]
        points = {
            (s.evaluator["latency"]["threads"], len(s.limits), s.searcher["kind"], s.seed)
            for s in searches
        }
        assert len(points) == len(searches) == 16
        # The span of the seeds is 3: so far they are moved, and none comes twice.
        assert {point[3] for point in points} == {3 + 3 * number, 5 + 3 * number}


def test_the_next_search_begins_with_the_front_of_the_last_one_in_its_place(
    store: Store, supernet_id: str
) -> None:
    matrix = {"seeds": [0, 1]}
    add(store, supernet_id, template={"search": search_template(supernet_id), "matrix": matrix})
    advance_campaigns(store, at(10))
    for draw in (0, 1):
        finish_search(store, next_job(store), draw=draw)
    advance_campaigns(store, at(11))
    advance_campaigns(store, at(20))
    first, second = occurrences(store)
    for before, after in zip(
        store.occurrence_searches(first.id), store.occurrence_searches(second.id), strict=True
    ):
        assert before.search.searcher["warm_start"] == []
        front = [point["architecture"] for point in before.row.result["front"]]
        assert len(front) == 3
        assert after.search.searcher["warm_start"] == front
        assert store.get_job(after.search.job_id).spec["searcher"]["warm_start"] == front


@pytest.mark.parametrize(
    ("catch_up", "overlap", "expected"),
    [
        ({"kind": "skip"}, "skip", [(40, "skipped", 4)]),
        ({"kind": "run_once"}, "skip", [(30, "skipped", 3), (40, "running", 1)]),
        (
            {"kind": "run_all", "max_age_seconds": 1200},
            "queue",
            [(20, "skipped", 2), (30, "running", 1), (40, "queued", 1)],
        ),
    ],
)
def test_times_that_passed_while_no_runner_was_up(
    store: Store, supernet_id: str, catch_up: Any, overlap: str, expected: Any
) -> None:
    add(store, supernet_id, catch_up=catch_up, overlap=overlap)
    advance_campaigns(store, at(44))
    rows = store.list_occurrences(store.find_campaign("nightly").id, 10).rows[::-1]
    found = [((row.fire_at - START) / MINUTE, row.status, row.firings) for row in rows]
    assert found == expected
    assert rows[0].first_at == at(10)
    assert "no runner was up" in (rows[0].reason or "")
    advance_campaigns(store, at(50))
    assert history(store)[-1][0] == 50


def test_a_time_that_is_noticed_within_the_grace_was_not_missed(
    store: Store, supernet_id: str
) -> None:
    add(store, supernet_id, catch_up={"kind": "skip"}, grace_seconds=120)
    advance_campaigns(store, at(12))
    assert history(store) == [(10, "running")]


def test_overlap_skip_says_what_was_in_the_way(store: Store, supernet_id: str) -> None:
    add(store, supernet_id)
    advance_campaigns(store, at(10))
    advance_campaigns(store, at(20))
    running, skipped = occurrences(store)
    assert skipped.reason == f"occurrence {running.id} is not done yet, and overlap is skip"


def test_overlap_queue_runs_them_one_after_the_other(store: Store, supernet_id: str) -> None:
    add(store, supernet_id, overlap="queue")
    for minutes in (10, 20, 30):
        advance_campaigns(store, at(minutes))
    assert history(store) == [(10, "running"), (20, "queued"), (30, "queued")]
    assert len(store.list_jobs(10, kind="search").rows) == 1
    done(store, 31)
    assert history(store) == [(10, "succeeded"), (20, "running"), (30, "queued")]
    done(store, 32)
    done(store, 33)
    assert {status for _, status in history(store)} == {"succeeded"}


def test_overlap_cancel_old_cancels_its_jobs(store: Store, supernet_id: str) -> None:
    matrix = {"seeds": [0, 1]}
    template = {"search": search_template(supernet_id), "matrix": matrix}
    add(store, supernet_id, overlap="cancel_old", template=template)
    advance_campaigns(store, at(10))
    next_job(store)
    advance_campaigns(store, at(20))
    assert history(store) == [(10, "cancelled"), (20, "running")]
    old, new = occurrences(store)
    assert old.reason == f"occurrence {new.id} took its place"
    states = [one.job.state for one in store.occurrence_searches(old.id)]
    assert states == [JobStatus.CANCELLING, JobStatus.CANCELLED]


def test_nothing_is_cancelled_for_one_that_the_budget_does_not_allow(
    store: Store, supernet_id: str
) -> None:
    add(store, supernet_id, overlap="cancel_old", budget={"evaluations": 13})
    advance_campaigns(store, at(10))
    finish_searches(store)  # 4 of 10 planned, before the duty sees it: 4 + 10 > 13
    assert store.run_campaign("nightly", at(11)).status == "skipped"
    advance_campaigns(store, at(12))
    assert history(store) == [(10, "succeeded"), (11, "skipped")]


def test_what_waits_in_a_pause_is_no_hindrance(store: Store, supernet_id: str) -> None:
    add(store, supernet_id, overlap="queue")
    advance_campaigns(store, at(10))
    advance_campaigns(store, at(20))
    store.pause_campaign("nightly", at(21))
    store.run_campaign("nightly", at(22))
    done(store, 23)
    assert history(store) == [(10, "succeeded"), (20, "queued"), (22, "running")]
    with pytest.raises(ConflictError, match="is running"):
        store.delete_campaign("nightly")
    done(store, 24)
    store.delete_campaign("nightly")
    assert store.list_campaigns(10).rows == []


def test_what_waits_searches_what_it_was_fired_for(store: Store, supernet_id: str) -> None:
    add(store, supernet_id, overlap="queue")
    for minutes in (10, 20):
        advance_campaigns(store, at(minutes))
    old = store.get_supernet(supernet_id)
    other, _ = store.add_supernet(
        name="second",
        space_id=old.space_id,
        data_set_id=old.data_set_id,
        training={},
        resources={},
        seed=0,
    )
    row = store.find_campaign("nightly")
    store.change_campaign(row.id, campaign(other.id, overlap="queue"), row.revision, at(21))
    advance_campaigns(store, at(30))
    for minutes in (31, 32):
        done(store, minutes)
    assert [row.supernet_id for row in occurrences(store)] == [old.id, old.id, other.id]


def test_a_pause_skips_times_and_lets_what_runs_go_on(store: Store, supernet_id: str) -> None:
    add(store, supernet_id)
    advance_campaigns(store, at(10))
    for _ in range(2):
        assert store.pause_campaign("nightly", at(15)).is_paused
    done(store, 21)
    advance_campaigns(store, at(31))
    assert history(store) == [(10, "succeeded")]
    for _ in range(2):
        assert not store.resume_campaign("nightly", at(35)).is_paused
    advance_campaigns(store, at(40))
    assert history(store) == [(10, "succeeded"), (30, "skipped"), (40, "running")]
    paused = occurrences(store)[1]
    assert (paused.firings, paused.first_at, paused.reason) == (
        2,
        at(20),
        "the campaign was paused",
    )


def test_run_now_is_an_occurrence_beside_the_schedule(store: Store, supernet_id: str) -> None:
    add(store, supernet_id)
    assert store.run_campaign("nightly", at(3)).status == "running"
    assert store.run_campaign("nightly", at(4)).status == "skipped"
    with pytest.raises(ConflictError, match="at this moment already"):
        store.run_campaign("nightly", at(4))
    done(store, 5)
    store.pause_campaign("nightly", at(6))
    assert store.run_campaign("nightly", at(7)).status == "running"
    assert [row.trigger for row in occurrences(store)] == ["manual"] * 3


def test_a_campaign_that_fires_once_is_finished_then(store: Store, supernet_id: str) -> None:
    schedule = {"kind": "once", "at": at(5).isoformat()}
    add(store, supernet_id, schedule=schedule)
    advance_campaigns(store, at(5.5))
    advance_campaigns(store, at(500))
    assert history(store) == [(5, "running")]
    assert store.find_campaign("nightly").next_at is None
    with pytest.raises(InvalidRequestError, match="/schedule/at must be after now"):
        add(store, supernet_id, minutes=6, name="late", schedule=schedule)


def test_nothing_is_fired_beyond_the_budget(store: Store, supernet_id: str) -> None:
    add(store, supernet_id, budget={"evaluations": 25})
    for minutes in (10, 20, 30, 40):
        advance_campaigns(store, at(minutes))
        done(store, minutes + 1)
    # Each plans 10 and makes 4 of them: 4 + 4 + 4 + 10 <= 25 < 4 + 4 + 4 + 4 + 10.
    assert [status for _, status in history(store)] == ["succeeded"] * 4
    advance_campaigns(store, at(50))
    assert history(store)[-1] == (50, "skipped")
    assert occurrences(store)[-1].reason == (
        "the budget is 25 evaluations: 16 were made, another 10 are more than is left"
    )


def test_worker_hours_are_counted_and_end_a_campaign(
    store: Store, supernet_id: str, engine: Engine
) -> None:
    search = search_template(supernet_id, resources={"num_workers": 4})
    add(store, supernet_id, template={"search": search}, budget={"worker_hours": 1.5})
    advance_campaigns(store, at(10))
    job = next_job(store)
    finish_search(store, job)
    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(
            text("UPDATE jobs SET started_at = :begun, finished_at = :ended WHERE id = :id"),
            {
                "id": job.id,
                "begun": at(10).replace(tzinfo=None),
                "ended": at(40).replace(tzinfo=None),
            },
        )
    advance_campaigns(store, at(15))
    assert occurrences(store)[0].worker_hours == 2.0
    advance_campaigns(store, at(20))
    assert occurrences(store)[1].reason == "the budget is 1.5 worker-hours: 2 were used"


def test_a_template_that_refers_to_what_is_gone_stops_no_other(
    store: Store, supernet_id: str, engine: Engine
) -> None:
    add(store, supernet_id, name="broken")
    add(store, supernet_id, name="sound")
    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(text("UPDATE campaigns SET supernet_id = 'net_x' WHERE name = 'broken'"))
    advance_campaigns(store, at(10))
    (broken,) = occurrences(store, "broken")
    assert broken.status == "failed"
    assert broken.reason == "its jobs could not be submitted: there is no supernet 'net_x'"
    assert history(store, "sound") == [(10, "running")]
    advance_campaigns(store, at(20))
    assert history(store, "broken") == [(10, "failed"), (20, "failed")]


def test_a_template_that_fails_half_way_leaves_nothing_submitted(
    store: Store, supernet_id: str
) -> None:
    matrix = {"searchers": [{"kind": "random"}, {"kind": "random", "batch_size": 3}]}
    template = {"search": search_template(supernet_id), "matrix": matrix}
    add(store, supernet_id, template=template)
    untrained, training = store.add_supernet(
        name="second",
        space_id=store.get_supernet(supernet_id).space_id,
        data_set_id=store.get_supernet(supernet_id).data_set_id,
        training={},
        resources={},
        seed=0,
    )
    store.request_cancel(training.id)
    settings = campaign(
        untrained.id, template={**template, "search": search_template(untrained.id)}
    )
    row = store.find_campaign("nightly")
    store.change_campaign(row.id, settings, row.revision, at(2))
    advance_campaigns(store, at(10))
    (occurrence,) = occurrences(store)
    assert occurrence.status == "failed"
    assert "must be trained before it is searched" in (occurrence.reason or "")
    assert store.occurrence_searches(occurrence.id) == []
    assert store.list_jobs(10, kind="search").rows == []


def test_searches_that_fail_are_told_and_the_others_count(store: Store, supernet_id: str) -> None:
    template = {"search": search_template(supernet_id), "matrix": {"seeds": [0, 1]}}
    add(store, supernet_id, template=template)
    advance_campaigns(store, at(10))
    failed = next_job(store)
    store.fail_job(failed, {"type": "failed", "message": "no worker"})
    done(store, 11)
    (row,) = occurrences(store)
    search_id = failed.spec["search_id"]
    assert (row.status, row.reason) == (
        "succeeded",
        f"1 of 2 searches: {search_id} has failed: no worker",
    )
    advance_campaigns(store, at(20))
    for _ in range(2):
        store.fail_job(next_job(store), {"type": "failed", "message": "no worker"})
    advance_campaigns(store, at(21))
    advance_campaigns(store, at(30))
    for one in store.list_jobs(2, kind="search").rows:
        store.request_cancel(one.id)
    advance_campaigns(store, at(31))
    assert [status for _, status in history(store)] == ["succeeded", "failed", "cancelled"]


def test_a_change_keeps_what_was_due_and_is_refused_over_another(
    store: Store, supernet_id: str
) -> None:
    add(store, supernet_id)
    row = store.find_campaign("nightly")
    hourly = {"kind": "interval", "every_seconds": 3600, "anchor": START.isoformat()}
    changed = campaign(supernet_id, schedule=hourly, name="hourly")
    assert store.change_campaign(row.id, changed, 1, at(10.5)).revision == 2
    assert history(store, "hourly") == [(10, "running")]
    assert store.find_campaign("hourly").next_at == at(60)
    with pytest.raises(PreconditionFailedError, match="must be at revision 1, it is at 2"):
        store.change_campaign(row.id, campaign(supernet_id), 1, at(11))
    assert store.change_campaign(row.id, changed, 2, at(12)).revision == 2


def test_names_are_unique_and_ids_serve_as_well(store: Store, supernet_id: str) -> None:
    add(store, supernet_id)
    add(store, supernet_id, name="second")
    row = store.find_campaign("nightly")
    assert store.find_campaign(row.id).name == "nightly"
    with pytest.raises(ConflictError, match="there is a campaign 'nightly' already"):
        add(store, supernet_id)
    with pytest.raises(ConflictError, match="there is a campaign 'second' already"):
        store.change_campaign(row.id, campaign(supernet_id, name="second"), 1, at(2))
    assert store.find_campaign("nightly").revision == 1


def test_a_campaign_is_deleted_with_its_history_when_it_is_idle(
    store: Store, supernet_id: str
) -> None:
    add(store, supernet_id, promotion=PROMOTION)
    advance_campaigns(store, at(10))
    done(store, 11)
    with pytest.raises(ConflictError, match="is running"):
        store.delete_campaign("nightly")
    export_id = finish_export(store)
    advance_campaigns(store, at(12))
    store.delete_campaign("nightly")
    with pytest.raises(NotFoundError):
        store.find_campaign("nightly")
    assert store.get_export(export_id).files
    add(store, supernet_id, minutes=20)
    assert history(store) == []


def test_a_long_absence_is_dealt_with_in_parts(store: Store, supernet_id: str) -> None:
    schedule = {"kind": "cron", "expression": "* * * * *"}
    add(store, supernet_id, schedule=schedule)
    advance_campaigns(store, START + timedelta(days=5))
    rows = occurrences(store)
    assert sum(row.firings for row in rows) == 5 * 24 * 60 - 1
    # The last one missed, and those within the grace, of which it is in the way.
    assert [row.status for row in rows] == ["skipped"] * 4 + ["running"] + ["skipped"] * 2


def test_a_supernet_whose_training_failed_is_told(store: Store) -> None:
    supernet, _ = add_supernet(store)
    store.fail_job(claim(store), {"type": "failed", "message": "diverged"})
    add(store, supernet.id)
    advance_campaigns(store, at(10))
    assert "must be trained" in (occurrences(store)[0].reason or "")


def test_projects_have_campaigns_of_their_own_and_one_duty_does_them_all(store: Store) -> None:
    teams = {name: store.acting_for(Caller(project_id=name)) for name in ("red", "blue")}
    for theirs in teams.values():
        supernet, _ = add_supernet(theirs)
        store.finish_supernet(claim(store), supernet.id, artifact("f"), {})
        add(theirs, supernet.id)
    advance_campaigns(store, at(10))
    finish_searches(store)
    advance_campaigns(store, at(11))
    red, blue = (theirs.find_campaign("nightly") for theirs in teams.values())
    assert red.id != blue.id
    with pytest.raises(NotFoundError):
        teams["red"].find_campaign(blue.id)
    with pytest.raises(NotFoundError):
        teams["red"].get_occurrence(blue.id, occurrences(teams["blue"])[0].id)
    for name, theirs in teams.items():
        assert history(theirs) == [(10, "succeeded")]
        (job,) = theirs.list_jobs(10, kind="search").rows
        assert job.project_id == name


def test_every_runner_does_the_duty_of_campaigns(
    store: Store, settings: Settings, supernet_id: str
) -> None:
    schedule = {"kind": "once", "at": (store.now() + timedelta(seconds=2)).isoformat()}
    store.add_campaign(campaign(supernet_id, schedule=schedule))

    def no_trainings(_context: JobContext) -> None:
        raise AssertionError

    deadline = time.monotonic() + 30
    with running(store, settings, no_trainings, duties=duties_of(settings)):
        while not occurrences(store):
            assert time.monotonic() < deadline
            time.sleep(0.1)
    (row,) = occurrences(store)
    assert row.status == "running"
    assert row.started_at is not None
    assert row.started_at >= row.fire_at


def test_webhooks_are_told_of_occurrences_and_promotions(store: Store, supernet_id: str) -> None:
    events = ["campaign.occurrence", "campaign.promoted"]
    webhook = store.add_webhook("me", "https://example.org", events)
    add(store, supernet_id, promotion=PROMOTION)
    advance_campaigns(store, at(10))
    advance_campaigns(store, at(20))
    done(store, 21)
    export_id = finish_export(store)
    advance_campaigns(store, at(22))
    told = [(row.type, row.data) for row in store.list_deliveries(webhook.id, 10).rows][::-1]
    assert [(kind, data.get("status")) for kind, data in told] == [
        ("campaign.occurrence", "running"),
        ("campaign.occurrence", "skipped"),
        ("campaign.promoted", None),
        ("campaign.occurrence", "succeeded"),
    ]
    assert "overlap is skip" in told[1][1]["reason"]
    assert told[2][1]["export"] == export_id
    assert {data["campaign"] for _, data in told} == {"nightly"}
