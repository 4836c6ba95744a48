"""The store's contract for jobs: leases, fencing, events; on both dialects."""

import time
from collections.abc import Callable
from datetime import UTC, timedelta
from typing import Any

import pytest
from examples import KINDS, add_search, add_supernet, artifact, claim, trained_supernet

from server.errors import (
    ConflictError,
    LeaseLostError,
    NotFoundError,
    StaleAttemptError,
)
from server.job_states import CLAIMABLE, OWNED, TERMINAL, TRANSITIONS, JobStatus
from server.store import ClaimedJob, Finalist, Part, StopRequest, Store


def event_types(store: Store, job_id: str) -> list[str]:
    return [event.type for event in store.job_events(job_id, 0, 100)]


def test_a_submitted_job_is_queued_and_claimed_once(store: Store) -> None:
    supernet, job = add_supernet(store)
    assert job.state is JobStatus.QUEUED
    assert job.spec["supernet_id"] == supernet.id

    claimed = store.claim_job("me", 60.0, KINDS)

    assert claimed == ClaimedJob(job.id, "train", job.spec, 1, "me")
    assert store.claim_job("you", 60.0, KINDS) is None
    row = store.get_job(job.id)
    assert row.state is JobStatus.RUNNING
    assert row.started_at is not None
    assert row.started_at.tzinfo is UTC
    assert row.lease_expires_at is not None
    assert row.lease_expires_at - row.started_at == timedelta(seconds=60)
    assert event_types(store, job.id) == ["queued", "running"]


def test_only_kinds_that_the_runner_can_do_are_claimed(store: Store) -> None:
    add_supernet(store)
    assert store.claim_job("me", 60.0, ("search", "export")) is None


def test_jobs_are_claimed_oldest_first(store: Store) -> None:
    supernet = trained_supernet(store)
    first = add_search(store, supernet, seed=1)
    time.sleep(0.002)  # ids sort by milliseconds
    second = add_search(store, supernet, seed=2)
    assert [claim(store).id, claim(store).id] == [first.job_id, second.job_id]


def test_an_expired_lease_is_taken_over_and_the_old_attempt_is_fenced(store: Store) -> None:
    supernet, job = add_supernet(store)
    old = claim(store, "old", lease_seconds=0.01)
    time.sleep(0.05)

    new = claim(store, "new")

    assert (new.id, new.attempt) == (job.id, 2)
    assert store.get_job(job.id).lost_leases == 1
    with pytest.raises(LeaseLostError, match="attempt 1 of old is over"):
        store.heartbeat(old, 60.0)
    assert store.heartbeat(new, 60.0) is None
    store.finish_supernet(new, supernet.id, artifact("f"), {})
    with pytest.raises(StaleAttemptError, match="is succeeded"):
        store.finish_supernet(old, supernet.id, artifact("e"), {})
    assert store.get_supernet(supernet.id).version == "f" * 64


LATE_WRITES: dict[str, Callable[[Store, ClaimedJob], Any]] = {
    "event": lambda store, job: store.record_event(job, "log", {}),
    "progress": lambda store, job: store.record_progress(job, {"done": 1}),
    "fail": lambda store, job: store.fail_job(job, {"type": "x", "message": "y"}),
    "cancel": lambda store, job: store.cancel_job(job),
    "preempt": lambda store, job: store.preempt_job(job, "shutdown"),
    "proposals": lambda store, job: store.record_proposals(job, "none", []),
    "observations": lambda store, job: store.record_observations(job, "none", []),
    "measurements": lambda store, job: store.record_measurements(
        job, "none", [Finalist("0" * 16, {}, {})]
    ),
    "search": lambda store, job: store.finish_search(job, "none", {}),
    "export": lambda store, job: store.record_export(job, "none", [], {}, None),
    "reading": lambda store, job: store.record_test_reading(job, "none", "none", "0", {}),
}


@pytest.mark.parametrize("write", LATE_WRITES.values(), ids=LATE_WRITES.keys())
def test_every_late_write_is_refused_and_changes_nothing(
    store: Store, write: Callable[[Store, ClaimedJob], Any]
) -> None:
    _, job = add_supernet(store)
    old = claim(store, "old", lease_seconds=0.01)
    time.sleep(0.05)
    claim(store, "new")
    before = event_types(store, job.id)
    with pytest.raises(StaleAttemptError):
        write(store, old)
    assert event_types(store, job.id) == before
    assert store.get_job(job.id).attempt == 2


def test_a_heartbeat_keeps_the_lease(store: Store) -> None:
    add_supernet(store)
    job = claim(store, lease_seconds=0.2)
    for _ in range(3):
        time.sleep(0.1)
        store.heartbeat(job, 0.2)
    assert store.claim_job("you", 60.0, KINDS) is None


def test_a_job_lost_too_often_fails(store: Store) -> None:
    _, job = add_supernet(store)
    for _ in range(3):  # the store's limit is two
        claim(store, lease_seconds=0.001)
        time.sleep(0.02)
    assert store.claim_job("me", 60.0, KINDS) is None
    row = store.get_job(job.id)
    assert row.state is JobStatus.FAILED
    assert row.error == {
        "type": "lost-too-often",
        "message": "its runner died 3 times while at work on it",
    }


def test_preemption_gives_the_job_back_and_is_no_loss(store: Store) -> None:
    _, job = add_supernet(store)
    for attempt in range(1, 6):
        claimed = claim(store)
        assert claimed.attempt == attempt
        store.preempt_job(claimed, "shutdown")
        row = store.get_job(job.id)
        assert (row.status, row.lost_leases, row.lease_owner) == ("preempted", 0, None)


def test_orphans_are_released_at_once(store: Store) -> None:
    supernet = trained_supernet(store)
    searches = [add_search(store, supernet, seed) for seed in range(3)]
    for _ in searches:
        claim(store, "dead", lease_seconds=3600)
    store.request_cancel(searches[1].job_id)

    released = store.release_orphans("alive")

    assert released == sorted(search.job_id for search in searches)
    states = [store.get_job(search.job_id).status for search in searches]
    assert states == ["preempted", "cancelled", "preempted"]
    assert store.release_orphans("alive") == []
    assert claim(store, "alive").attempt == 2


def test_cancelling_a_waiting_job_ends_it(store: Store) -> None:
    _, job = add_supernet(store)
    assert store.request_cancel(job.id).state is JobStatus.CANCELLED
    assert store.request_cancel(job.id).state is JobStatus.CANCELLED
    assert store.claim_job("me", 60.0, KINDS) is None
    assert event_types(store, job.id) == ["queued", "cancelled"]


def test_cancelling_a_running_job_is_told_by_the_heartbeat(store: Store) -> None:
    _, job = add_supernet(store)
    claimed = claim(store)
    assert store.heartbeat(claimed, 60.0) is None
    assert store.request_cancel(job.id).state is JobStatus.CANCELLING
    assert store.request_cancel(job.id).state is JobStatus.CANCELLING
    assert store.heartbeat(claimed, 60.0) is StopRequest.CANCEL
    store.cancel_job(claimed)
    row = store.get_job(job.id)
    assert row.state is JobStatus.CANCELLED
    assert row.finished_at is not None
    assert event_types(store, job.id) == ["queued", "running", "cancelling", "cancelled"]


def test_a_job_that_ends_before_it_notices_the_cancel_has_succeeded(store: Store) -> None:
    supernet, job = add_supernet(store)
    claimed = claim(store)
    store.request_cancel(job.id)
    store.finish_supernet(claimed, supernet.id, artifact("f"), {})
    assert store.get_job(job.id).state is JobStatus.SUCCEEDED
    with pytest.raises(ConflictError, match="it has succeeded"):
        store.request_cancel(job.id)


def test_a_cancelled_job_whose_runner_died_is_cancelled(store: Store) -> None:
    _, job = add_supernet(store)
    claim(store, lease_seconds=0.01)
    store.request_cancel(job.id)
    time.sleep(0.05)
    assert store.claim_job("you", 60.0, KINDS) is None
    assert store.get_job(job.id).state is JobStatus.CANCELLED


def test_a_failed_job_says_why(store: Store) -> None:
    _, job = add_supernet(store)
    store.fail_job(claim(store), {"type": "diverged", "message": "loss is NaN at step 3"})
    row = store.get_job(job.id)
    assert row.state is JobStatus.FAILED
    assert row.error == {"type": "diverged", "message": "loss is NaN at step 3"}
    last = store.job_events(job.id, 0, 100)[-1]
    assert (last.type, last.data["error"]["type"]) == ("failed", "diverged")


def test_events_are_numbered_and_resumed(store: Store) -> None:
    _, job = add_supernet(store)
    claimed = claim(store)
    ids = [store.record_progress(claimed, {"done": done, "total": 3}) for done in range(3)]
    assert ids == sorted(set(ids))
    later = store.job_events(job.id, ids[0], 100)
    assert [event.id for event in later] == ids[1:]
    assert [event.data["done"] for event in later] == [1, 2]
    assert len(store.job_events(job.id, 0, 2)) == 2
    assert store.get_job(job.id).progress == {"done": 2, "total": 3}
    with pytest.raises(NotFoundError, match="there is no job 'job_none'"):
        store.job_events("job_none", 0, 1)


def test_lists_are_read_page_by_page(store: Store) -> None:
    supernet = trained_supernet(store)
    ids = [supernet.job_id] + [add_search(store, supernet, seed).job_id for seed in range(4)]
    seen: list[str] = []
    before = None
    while True:
        page = store.list_jobs(2, Part(after=before))
        seen += [job.id for job in page.rows]
        before = page.next
        if before is None:
            break
    assert seen == sorted(ids, reverse=True)
    assert len(store.list_jobs(10, status="queued").rows) == 4
    assert [job.id for job in store.list_jobs(10, kind="train").rows] == [supernet.job_id]


def test_nothing_leaves_a_terminal_state_and_every_state_can_end() -> None:
    assert {"succeeded", "failed", "cancelled"} == TERMINAL
    assert set(JobStatus) == set(TRANSITIONS)
    assert not OWNED & CLAIMABLE
    for status in JobStatus:
        reached, front = {status}, {status}
        while front:
            front = {to for at in front for to in TRANSITIONS[at]} - reached
            reached |= front
        assert reached & TERMINAL
