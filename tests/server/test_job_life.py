"""What may be asked of a job: urgency, dependencies, retries, deadlines, pauses, ends."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from examples import (
    KINDS,
    add_search,
    add_supernet,
    artifact,
    claim,
    observe,
    running_search,
    trained_supernet,
)
from sqlalchemy import Engine, text

from search_space.space import digest_of
from server.callers import Caller
from server.errors import (
    ConflictError,
    InvalidRequestError,
    LeaseLostError,
    NotFoundError,
    StaleAttemptError,
)
from server.job_states import JobStatus
from server.schemas.job_options import JobOptions, RetryPolicy
from server.store import ClaimLimits, StopRequest, Store
from server.tables import JobRow

FAILURE = {"type": "failed", "message": "loss is NaN at step 3"}


def train(store: Store, **options: Any) -> JobRow:
    """A training with options of its job."""
    base, _ = add_supernet(store)
    _, job = store.add_supernet(
        name="another",
        space_id=base.space_id,
        data_set_id=base.data_set_id,
        training={"epochs": 1},
        resources=options.pop("resources", {}),
        seed=1,
        options=JobOptions.model_validate(options),
    )
    store.kill_job(base.job_id)
    return job


def status(store: Store, job_id: str) -> str:
    return store.get_job(job_id).status


def last_event(store: Store, job_id: str) -> tuple[str, Any]:
    event = store.job_events(job_id, 0, 500)[-1]
    return event.type, event.data


def shift(engine: Engine, column: str, job_id: str, seconds: float) -> None:
    """Moves a time of a job, as if the database's clock had moved the other way."""
    sqlite = f"strftime('%Y-%m-%d %H:%M:%f000', {column}, '{seconds:+} seconds')"
    postgresql = f"{column} + interval '{seconds} seconds'"
    moved = sqlite if engine.dialect.name == "sqlite" else postgresql
    with engine.execution_options(writes=True).begin() as connection:
        connection.execute(
            text(f"UPDATE jobs SET {column} = {moved} WHERE id = :id"), {"id": job_id}
        )


# --- priorities and limits ---------------------------------------------------------------------


def test_the_most_urgent_job_is_claimed_first_also_after_a_change(store: Store) -> None:
    low, high, last = (train(store, priority=priority).id for priority in (0, 5, -3))
    store.set_priority(last, 9)
    assert last_event(store, last) == ("priority", {"priority": 9})
    assert [claim(store).id for _ in range(3)] == [last, high, low]
    with pytest.raises(ConflictError, match="it is running"):
        store.set_priority(low, 1)


def test_no_more_jobs_run_at_once_than_allowed(store: Store) -> None:
    jobs = [train(store) for _ in range(3)]
    limits = ClaimLimits(total=2)
    first = store.claim_job("one", 60.0, KINDS, limits=limits)
    second = store.claim_job("two", 0.01, KINDS, limits=limits)
    assert first is not None
    assert second is not None
    time.sleep(0.05)  # a dead runner's job holds nothing
    third = store.claim_job("three", 60.0, KINDS, limits=limits)
    assert third is not None
    assert store.claim_job("four", 60.0, KINDS, limits=limits) is None
    store.fail_job(first, FAILURE)
    assert store.claim_job("four", 60.0, KINDS, limits=limits) is not None
    assert {first.id, second.id, third.id} <= {job.id for job in jobs}


def test_a_key_takes_no_more_than_its_share(store: Store) -> None:
    limits = ClaimLimits(per_key=1)
    greedy, modest = (store.acting_for(Caller(key_id=key)) for key in ("key_a", "key_b"))
    first, second = train(greedy), train(greedy)
    other = train(modest)
    assert first.submitted_by == "key_a"
    claimed = [store.claim_job("me", 60.0, KINDS, limits=limits) for _ in range(3)]
    assert [job and job.id for job in claimed] == [first.id, other.id, None]
    assert status(store, second.id) == "queued"


def test_a_runner_leaves_what_its_cluster_cannot_do(store: Store) -> None:
    on_gpu = train(store, resources={"num_workers": 2, "gpus_per_worker": 1}, priority=5)
    phone = train(store, resources={"custom_per_worker": {"phone": 1}}, priority=4)
    small = train(store)
    offers: list[dict[str, float]] = [
        {"CPU": 8.0, "GPU": 1.0},
        {"CPU": 8.0, "GPU": 0.0, "phone": 2.0},
        {"CPU": 8.0, "GPU": 2.0},
    ]
    claimed = [store.claim_job("me", 60.0, KINDS, offered=offer) for offer in offers]
    assert [job and job.id for job in claimed] == [small.id, phone.id, on_gpu.id]


# --- dependencies ------------------------------------------------------------------------------


def test_a_job_waits_until_all_that_it_depends_on_have_succeeded(store: Store) -> None:
    supernet, training = add_supernet(store)
    other = train(store)
    waiting = train(store, after=[training.id, other.id, training.id], priority=100)
    assert store.awaited_by([waiting.id, other.id]) == {
        waiting.id: sorted([training.id, other.id]),
        other.id: [],
    }
    first, second = claim(store), claim(store)
    assert (first.id, second.id) == (training.id, other.id)
    store.finish_supernet(first, supernet.id, artifact("f"), {})
    assert store.claim_job("me", 60.0, KINDS) is None
    store.finish_supernet(second, second.spec["supernet_id"], artifact("e"), {})
    assert claim(store).id == waiting.id


@pytest.mark.parametrize("end", ["fail", "cancel", "kill", "lose"])
def test_a_job_that_ends_badly_fails_all_that_wait_for_it(store: Store, end: str) -> None:
    first = train(store)
    second = train(store, after=[first.id])
    third = train(store, after=[second.id])
    store.request_pause(third.id)
    both = train(store, after=[first.id, third.id])
    untouched = train(store)
    match end:
        case "fail":
            store.fail_job(claim(store), FAILURE)
        case "cancel":
            store.request_cancel(first.id)
        case "kill":
            claim(store)
            store.kill_job(first.id)
        case "lose":
            for _ in range(3):
                claim(store, lease_seconds=0.001)
                time.sleep(0.02)
            store.claim_job("me", 60.0, ["export"])
    for job in (second, third, both):
        row = store.get_job(job.id)
        assert row.state is JobStatus.FAILED
        assert row.error is not None
        assert (row.error["type"], row.error["job"]) == ("dependency-failed", first.id)
        assert len([e for e in store.job_events(job.id, 0, 99) if e.type == "failed"]) == 1
    assert status(store, untouched.id) == "queued"


def test_nothing_can_wait_for_what_has_failed_or_never_was(store: Store) -> None:
    failed = train(store)
    store.fail_job(claim(store), FAILURE)
    with pytest.raises(ConflictError, match=f"cannot wait for job {failed.id}: that has failed"):
        train(store, after=[failed.id])
    with pytest.raises(NotFoundError, match="there is no job 'job_none'"):
        train(store, after=["job_none"])


def test_a_search_of_a_supernet_in_training_gets_its_version_when_it_is_claimed(
    store: Store,
) -> None:
    supernet, training = add_supernet(store)
    search = add_search(store, supernet)
    assert (search.evaluator["supernet_version"], search.evaluator_digest) == (None, None)
    assert store.awaited_by([search.job_id]) == {search.job_id: [training.id]}
    store.finish_supernet(claim(store), supernet.id, artifact("f"), {})

    job = claim(store)

    assert job.id == search.job_id
    twin = add_search(store, store.get_supernet(supernet.id))
    twin_spec = store.get_job(twin.job_id).spec
    own = {"search_id": search.id}
    assert job.spec == {**twin_spec, **own}
    assert store.get_job(job.id).spec == job.spec
    row = store.get_search(search.id)
    assert (row.evaluator, row.evaluator_digest) == (twin.evaluator, twin.evaluator_digest)
    assert row.evaluator_digest == digest_of(row.evaluator)
    observe(store, row, job, [(90.0, 1.0)])


def test_an_assessment_of_a_supernet_in_training_waits_too(store: Store) -> None:
    supernet, _ = add_supernet(store)
    assessment, job = store.add_assessment(
        supernet_id=supernet.id,
        samples=3,
        strata=1,
        accuracy={},
        standalone=None,
        resources={},
        seed=0,
    )
    assert assessment.supernet_version is None
    store.finish_supernet(claim(store), supernet.id, artifact("f"), {})
    claimed = claim(store)
    assert (claimed.id, claimed.spec["supernet"]["version"]) == (job.id, "f" * 64)
    assert store.get_assessment(assessment.id).supernet_version == "f" * 64


# --- retries and deadlines ---------------------------------------------------------------------


def test_delays_grow_and_end(engine: Engine, store: Store) -> None:
    retry = {"max_attempts": 3, "delay_seconds": 100, "backoff": 3}
    job = train(store, retry=retry)
    for failures, delay_s in ((1, 100), (2, 300)):
        store.fail_job(claim(store), FAILURE)
        row = store.get_job(job.id)
        assert (row.state, row.failed_attempts) == (JobStatus.QUEUED, failures)
        kind, data = last_event(store, job.id)
        assert row.not_before is not None
        assert (kind, data) == (
            "queued",
            {
                "error": FAILURE,
                "failed_attempts": failures,
                "not_before": row.not_before.isoformat(),
            },
        )
        event = store.job_events(job.id, 0, 99)[-1]
        assert (row.not_before - event.created_at).total_seconds() == delay_s
        assert store.claim_job("me", 60.0, KINDS) is None
        shift(engine, "not_before", job.id, -delay_s)
    store.fail_job(claim(store), FAILURE)
    row = store.get_job(job.id)
    assert (row.state, row.error, row.attempt) == (JobStatus.FAILED, FAILURE, 3)


def test_a_preempted_or_lost_attempt_uses_none_up(store: Store) -> None:
    job = train(store, retry={"max_attempts": 2, "delay_seconds": 0})
    for _ in range(4):
        store.preempt_job(claim(store), "shutdown")
    claim(store, lease_seconds=0.001)
    time.sleep(0.02)
    store.fail_job(claim(store), FAILURE)
    assert store.get_job(job.id).failed_attempts == 1
    store.fail_job(claim(store), FAILURE)
    assert status(store, job.id) == "failed"


def setback(store: Store, job_id: str) -> tuple[int, float]:
    """Claims a job, sets it back; returns how often in a row that was, and the pause."""
    claimed = claim(store)
    assert claimed.id == job_id
    store.preempt_job(claimed, "Ray was lost", is_setback=True)
    row = store.get_job(job_id)
    event = store.job_events(job_id, 0, 500)[-1]
    assert (row.status, event.type, row.lost_leases) == ("preempted", "preempted", 0)
    assert row.not_before is not None
    assert event.data["not_before"] == row.not_before.isoformat()
    return event.data["setbacks"], (row.not_before - event.created_at).total_seconds()


def test_a_job_that_is_set_back_waits_ever_longer_and_holds_up_no_other(
    engine: Engine, store: Store
) -> None:
    job = train(store, priority=1)
    found = []
    for _ in range(9):
        found.append(setback(store, job.id))
        shift(engine, "not_before", job.id, 100)  # longer than a busy machine takes to look
        assert store.claim_job("me", 60.0, KINDS) is None
        shift(engine, "not_before", job.id, -200)
    assert found == list(zip(range(1, 10), [1, 2, 4, 8, 16, 32, 60, 60, 60], strict=True))
    other = train(store)
    setback(store, job.id)
    assert claim(store).id == other.id


def test_setbacks_are_counted_anew_after_an_attempt_that_lasted_or_ended_otherwise(
    engine: Engine, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = train(store)

    def again() -> int:
        shift(engine, "not_before", job.id, -100)
        return setback(store, job.id)[0]

    assert [setback(store, job.id)[0], again()] == [1, 2]
    shift(engine, "not_before", job.id, -100)
    store.preempt_job(claim(store), "shutdown")
    assert [setback(store, job.id)[0], again()] == [1, 2]
    monkeypatch.setattr("server.store.leases.STEADY_S", 0.0)
    assert again() == 1


def test_a_setback_of_a_job_that_was_to_stop_pauses_or_cancels_it(store: Store) -> None:
    job = train(store)
    claimed = claim(store)
    store.request_pause(job.id)
    store.preempt_job(claimed, "Ray was lost", is_setback=True)
    assert status(store, job.id) == "paused"
    store.kill_job(job.id)
    other = train(store)
    claimed = claim(store)
    store.request_cancel(other.id)
    store.preempt_job(claimed, "Ray was lost", is_setback=True)
    assert status(store, other.id) == "cancelled"


@pytest.mark.parametrize(
    ("retry", "error", "again"),
    [
        (None, "failed", False),
        ({"max_attempts": 1}, "failed", False),
        ({}, "failed", True),
        ({}, "internal", True),
        ({}, "out-of-memory", False),
        ({"retry_on": ["out-of-memory"]}, "out-of-memory", True),
        ({"retry_on": ["out-of-memory"]}, "failed", False),
    ],
)
def test_only_what_the_policy_names_is_tried_again(
    store: Store, retry: Any, error: str, again: bool
) -> None:
    job = train(store, retry=retry)
    store.fail_job(claim(store), {"type": error, "message": "m"})
    assert status(store, job.id) == ("queued" if again else "failed")


def test_no_attempt_is_granted_after_the_deadline_or_a_cancel(store: Store) -> None:
    late = train(store, retry={"delay_seconds": 100}, deadline_seconds=50)
    store.fail_job(claim(store), FAILURE)
    assert store.get_job(late.id).error == FAILURE
    cancelled = train(store, retry={})
    claimed = claim(store)
    store.request_cancel(cancelled.id)
    store.fail_job(claimed, FAILURE)
    assert status(store, cancelled.id) == "failed"


def test_the_longest_policy_has_a_delay() -> None:
    policy = RetryPolicy(max_attempts=100, delay_seconds=86_400, backoff=10)
    delay = policy.delay_after("failed", 99)
    assert delay is not None
    assert delay.total_seconds() == 86_400


@pytest.mark.parametrize("leave", ["queued", "preempted", "paused"])
def test_a_waiting_job_fails_at_its_deadline(engine: Engine, store: Store, leave: str) -> None:
    job = train(store, deadline_seconds=1000)
    if leave != "queued":
        store.preempt_job(claim(store), "shutdown")
    if leave == "paused":
        store.request_pause(job.id)
    waiting = train(store, after=[job.id])
    assert status(store, job.id) == leave
    shift(engine, "deadline_at", job.id, -2000)
    assert store.claim_job("me", 60.0, KINDS) is None
    row = store.get_job(job.id)
    assert row.state is JobStatus.FAILED
    assert row.error is not None
    assert row.error["type"] == "deadline-exceeded"
    assert status(store, waiting.id) == "failed"


def test_jobs_are_settled_without_a_claim_some_at_a_time(
    engine: Engine, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.store.leases.MAX_SETTLED", 2)
    lost = train(store)
    claim(store, lease_seconds=0.001)
    late = [train(store, deadline_seconds=1000) for _ in range(3)]
    for job in late:
        shift(engine, "deadline_at", job.id, -2000)
    time.sleep(0.02)
    assert [store.settle_jobs(leases=False) for _ in range(3)] == [2, 1, 0]
    assert [status(store, job.id) for job in late] == ["failed"] * 3
    assert status(store, lost.id) == "running"
    assert [store.settle_jobs() for _ in range(2)] == [1, 0]
    assert status(store, lost.id) == "preempted"


def test_a_running_job_is_told_of_its_deadline(engine: Engine, store: Store) -> None:
    job = train(store, deadline_seconds=1000, retry={})
    claimed = claim(store)
    assert store.heartbeat(claimed, 60.0) is None
    shift(engine, "deadline_at", job.id, -2000)
    assert store.heartbeat(claimed, 60.0) is StopRequest.DEADLINE
    store.fail_overdue_job(claimed)
    row = store.get_job(job.id)
    assert row.error is not None
    assert (row.status, row.error["type"]) == ("failed", "deadline-exceeded")


def test_an_overdue_job_of_a_dead_runner_fails(engine: Engine, store: Store) -> None:
    job = train(store, deadline_seconds=1000)
    claim(store, lease_seconds=0.001)
    shift(engine, "deadline_at", job.id, -2000)
    assert store.claim_job("me", 60.0, KINDS) is None
    row = store.get_job(job.id)
    assert row.error is not None
    assert (row.status, row.error["type"]) == ("failed", "deadline-exceeded")


def test_a_deadline_lies_ahead(store: Store) -> None:
    with pytest.raises(InvalidRequestError, match="/job/deadline_at must be after now"):
        train(store, deadline_at="2020-01-01T00:00:00Z")


# --- pause, resume, kill -----------------------------------------------------------------------


def test_a_waiting_job_is_paused_at_once_and_resumed(store: Store) -> None:
    job = train(store)
    assert store.request_pause(job.id).state is JobStatus.PAUSED
    assert store.request_pause(job.id).state is JobStatus.PAUSED
    assert store.claim_job("me", 60.0, KINDS) is None
    assert store.resume_job(job.id).state is JobStatus.QUEUED
    assert store.resume_job(job.id).state is JobStatus.QUEUED
    assert claim(store).id == job.id
    kinds = [event.type for event in store.job_events(job.id, 0, 99)]
    assert kinds == ["queued", "paused", "queued", "running"]


def test_a_running_job_is_paused_when_its_runner_lets_go(store: Store) -> None:
    job = train(store)
    claimed = claim(store)
    assert store.request_pause(job.id).state is JobStatus.RUNNING
    assert store.request_pause(job.id).pause_requested
    assert store.heartbeat(claimed, 60.0) is StopRequest.PAUSE
    store.preempt_job(claimed, "asked to pause")
    row = store.get_job(job.id)
    assert (row.status, row.pause_requested, row.lease_owner) == ("paused", False, None)
    store.resume_job(job.id)
    assert claim(store).attempt == 2
    kinds = [event.type for event in store.job_events(job.id, 0, 99)]
    assert kinds == ["queued", "running", "pausing", "paused", "queued", "running"]


def test_a_pause_can_be_withdrawn_while_the_job_still_runs(store: Store) -> None:
    job = train(store)
    claimed = claim(store)
    store.request_pause(job.id)
    assert store.resume_job(job.id).state is JobStatus.RUNNING
    assert store.heartbeat(claimed, 60.0) is None
    store.preempt_job(claimed, "asked to pause")  # it had already begun to stop
    assert status(store, job.id) == "preempted"


def test_a_pause_outlives_the_runner_and_a_failed_attempt(store: Store) -> None:
    job = train(store, retry={"delay_seconds": 0})
    claim(store, lease_seconds=0.001)
    store.request_pause(job.id)
    time.sleep(0.02)
    assert store.claim_job("me", 60.0, KINDS) is None
    assert status(store, job.id) == "paused"
    store.resume_job(job.id)
    claimed = claim(store)
    store.request_pause(job.id)
    store.fail_job(claimed, FAILURE)
    row = store.get_job(job.id)
    assert (row.status, row.failed_attempts) == ("paused", 1)


def test_a_cancel_overrides_a_pause(store: Store) -> None:
    job = train(store)
    claimed = claim(store)
    store.request_pause(job.id)
    store.request_cancel(job.id)
    assert store.heartbeat(claimed, 60.0) is StopRequest.CANCEL
    for request in (store.request_pause, store.resume_job):
        with pytest.raises(ConflictError, match="it is being cancelled"):
            request(job.id)
    store.preempt_job(claimed, "asked to pause")
    assert status(store, job.id) == "cancelled"


def test_a_killed_job_has_ended_and_its_runner_is_fenced(store: Store) -> None:
    supernet, job = add_supernet(store)
    claimed = claim(store)
    assert store.kill_job(job.id).state is JobStatus.CANCELLED
    assert store.kill_job(job.id).state is JobStatus.CANCELLED
    assert last_event(store, job.id) == ("cancelled", {"killed": True})
    with pytest.raises(LeaseLostError, match="is cancelled"):
        store.heartbeat(claimed, 60.0)
    with pytest.raises(StaleAttemptError):
        store.finish_supernet(claimed, supernet.id, artifact("f"), {})
    assert store.get_supernet(supernet.id).version is None


def test_whoever_still_works_on_a_deleted_job_is_fenced(store: Store) -> None:
    job = train(store)
    claimed = claim(store)
    store.kill_job(job.id)
    store.delete_job(job.id)
    with pytest.raises(LeaseLostError, match="has been deleted"):
        store.heartbeat(claimed, 60.0)
    with pytest.raises(StaleAttemptError, match="has been deleted"):
        store.record_progress(claimed, {"done": 1})


def test_a_cancelling_job_of_a_deaf_runner_is_killed(store: Store) -> None:
    job = train(store)
    claim(store, lease_seconds=3600)
    store.request_cancel(job.id)
    assert store.kill_job(job.id).state is JobStatus.CANCELLED


REQUESTS: dict[str, Callable[[Store, str], Any]] = {
    "cancelled": Store.request_cancel,
    "killed": Store.kill_job,
    "paused": Store.request_pause,
    "resumed": Store.resume_job,
}


@pytest.mark.parametrize("done", REQUESTS)
def test_an_ended_job_takes_no_requests(store: Store, done: str) -> None:
    supernet, job = add_supernet(store)
    store.finish_supernet(claim(store), supernet.id, artifact("f"), {})
    with pytest.raises(ConflictError, match=f"cannot be {done}: it has succeeded"):
        REQUESTS[done](store, job.id)
    with pytest.raises(NotFoundError):
        REQUESTS[done](store, "job_none")


# --- deletion ----------------------------------------------------------------------------------


def test_a_job_that_came_to_nothing_is_deleted_with_what_it_was_to_make(store: Store) -> None:
    search = add_search(store, trained_supernet(store))
    store.request_cancel(search.job_id)
    store.delete_job(search.job_id)
    for read, key in ((store.get_job, search.job_id), (store.get_search, search.id)):
        with pytest.raises(NotFoundError):
            read(key)


def test_a_job_that_others_need_is_not_deleted(store: Store) -> None:
    search, claimed = running_search(store)
    with pytest.raises(ConflictError, match="it is running; cancel it first"):
        store.delete_job(search.job_id)
    observe(store, search, claimed, [(90.0, 1.0)])
    store.fail_job(claimed, FAILURE)
    with pytest.raises(ConflictError, match="something refers to it"):
        store.delete_job(search.job_id)
    assert store.get_job(search.job_id).state is JobStatus.FAILED
    training = store.get_supernet(search.supernet_id).job_id
    with pytest.raises(ConflictError, match="its results refer to it"):
        store.delete_job(training)
    first = train(store)
    waiting = train(store, after=[first.id])
    store.request_cancel(first.id)
    with pytest.raises(ConflictError, match="something refers to it"):
        store.delete_job(first.id)
    store.delete_job(waiting.id)
    store.delete_job(first.id)
