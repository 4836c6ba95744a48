"""How the runner heeds requests about its jobs, tries again, and works on several at once."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray
from examples import add_supernet, artifact
from runners import running, wait_for
from sqlalchemy import Engine, text
from test_runner import until_stopped

from server import schema
from server.database import open_engine
from server.execution.context import JobContext, JobFailedError, JobSetBackError
from server.job_states import JobStatus
from server.runner import EXIT_HARD_STOP
from server.schemas.job_options import JobOptions
from server.settings import Settings
from server.store import Store
from server.tables import JobRow
from workers import cluster
from workers.cluster import ClusterResources
from workers.protocol import PoolError
from workers.settings import ClusterSettings


def submit(store: Store, **options: object) -> JobRow:
    supernet, _ = add_supernet(store)
    store.kill_job(supernet.job_id)
    _, job = store.add_supernet(
        name="x",
        space_id=supernet.space_id,
        data_set_id=supernet.data_set_id,
        training={},
        resources={},
        seed=0,
        options=JobOptions.model_validate(options),
    )
    return job


def succeed(context: JobContext) -> None:
    supernet_id = context.job.spec["supernet_id"]
    context.store.finish_supernet(context.job, supernet_id, artifact("f"), {})


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Over SQLite: the runner makes no difference between the dialects."""
    settings = Settings(home=tmp_path / "home", poll_seconds=0.05)
    engine = open_engine(settings)
    schema.upgrade(engine)
    engine.dispose()
    return settings


def test_a_paused_job_frees_its_runner_and_goes_on_where_it_was(
    store: Store, settings: Settings
) -> None:
    first, second = submit(store, priority=1), submit(store)
    may_end = threading.Event()

    def executor(context: JobContext) -> None:
        steps = context.work_folder / "steps"
        with steps.open("a") as file:
            file.write(f"{context.job.attempt} ")
        while not may_end.is_set():
            context.check_stop()
            time.sleep(0.02)
        succeed(context)

    with running(store, settings, executor):
        wait_for(store, first.id, JobStatus.RUNNING)
        store.request_pause(first.id)
        wait_for(store, second.id, JobStatus.RUNNING)
        assert store.get_job(first.id).state is JobStatus.PAUSED
        steps = settings.work_folder / first.id / "steps"
        assert steps.read_text() == "1 "
        store.request_pause(second.id)
        wait_for(store, second.id, JobStatus.PAUSED)
        store.resume_job(first.id)
        wait_for(store, first.id, JobStatus.RUNNING)
        while steps.read_text() != "1 2 ":
            time.sleep(0.02)
        may_end.set()
        wait_for(store, first.id, JobStatus.SUCCEEDED)
    assert store.get_job(second.id).state is JobStatus.PAUSED


def test_a_job_past_its_deadline_is_stopped(
    store: Store, settings: Settings, engine: Engine
) -> None:
    job = submit(store, deadline_seconds=3600)
    with running(store, settings, until_stopped):
        wait_for(store, job.id, JobStatus.RUNNING)
        with engine.execution_options(writes=True).begin() as connection:
            connection.execute(text("UPDATE jobs SET deadline_at = '2020-01-01 00:00:00.000000'"))
        wait_for(store, job.id, JobStatus.FAILED)
    error = store.get_job(job.id).error
    assert error is not None
    assert error["type"] == "deadline-exceeded"


def test_a_killed_job_is_let_go_and_what_it_writes_is_refused(
    store: Store, settings: Settings
) -> None:
    job, other = submit(store, priority=1), submit(store)
    stopped = threading.Event()

    def executor(context: JobContext) -> None:
        if context.job.id == other.id:
            return succeed(context)
        assert context.work_folder.is_dir()
        while not context.stop.is_set():
            time.sleep(0.02)
        stopped.set()
        return succeed(context)  # too late

    with running(store, settings, executor):
        wait_for(store, job.id, JobStatus.RUNNING)
        store.kill_job(job.id)
        assert stopped.wait(20)
        wait_for(store, other.id, JobStatus.SUCCEEDED)
    row = store.get_job(job.id)
    assert (row.state, row.attempt) == (JobStatus.CANCELLED, 1)
    assert store.get_supernet(row.spec["supernet_id"]).version is None
    assert not (settings.work_folder / job.id).exists()


def test_a_job_that_is_killed_and_deleted_at_once_harms_no_other(
    store: Store, settings: Settings
) -> None:
    settings = settings.model_copy(update={"max_running_jobs": 2})
    job, other = submit(store, priority=1), submit(store)
    may_end, has_stopped = threading.Event(), threading.Event()

    def executor(context: JobContext) -> None:
        if context.job.id == other.id:
            may_end.wait(20)
            return succeed(context)
        while not context.stop.is_set():
            time.sleep(0.02)
        has_stopped.set()
        return context.progress(1, 1, "epochs")

    with running(store, settings, executor):
        wait_for(store, other.id, JobStatus.RUNNING)
        store.kill_job(job.id)
        store.delete_job(job.id)
        assert has_stopped.wait(20)
        may_end.set()
        wait_for(store, other.id, JobStatus.SUCCEEDED)
    assert store.get_job(other.id).attempt == 1
    assert not (settings.work_folder / job.id).exists()


@pytest.fixture
def no_ray() -> Iterator[None]:
    """Takes this process off the Ray cluster that other tests of the session may have put it on."""
    was_connected = cluster.is_alive()
    cluster.disconnect()
    yield
    if was_connected:
        cluster.connect(ClusterSettings(num_cpus=4, num_gpus=0))


@pytest.mark.usefixtures("no_ray")
@pytest.mark.parametrize("is_expected", [True, False])
def test_a_job_that_fails_for_want_of_ray_is_given_back_and_waits(
    store: Store, settings: Settings, is_expected: bool
) -> None:
    job, other = submit(store, priority=1), submit(store)

    def executor(context: JobContext) -> None:
        if context.job.id == other.id:
            return succeed(context)
        try:
            raise ray.exceptions.RaySystemError("Ray is gone")
        except ray.exceptions.RaySystemError as error:
            lost = PoolError("workers died 4 times while they started")
            lost.__cause__ = error
        if is_expected:
            raise JobFailedError("no evaluators can be started") from lost
        raise lost

    with running(store, settings, executor):
        wait_for(store, other.id, JobStatus.SUCCEEDED)
        for _ in range(200):
            if store.get_job(job.id).attempt >= 2:
                break
            time.sleep(0.05)
    row = store.get_job(job.id)
    assert (row.state, row.error, row.failed_attempts) == (JobStatus.PREEMPTED, None, 0)
    moves = [event for event in store.job_events(job.id, 0, 99) if event.type == "preempted"]
    assert [event.data["setbacks"] for event in moves] == list(range(1, len(moves) + 1))
    # The pauses bound the attempts; nothing else does.
    assert 2 <= row.attempt <= 5
    assert {event.data["reason"] for event in moves[:2]} == {"Ray was lost"}


def test_what_the_cluster_lacks_at_present_sets_a_job_back(
    store: Store, settings: Settings
) -> None:
    job = submit(store)

    def executor(_context: JobContext) -> None:
        raise JobSetBackError("others hold the cores")

    with running(store, settings, executor):
        wait_for(store, job.id, JobStatus.PREEMPTED)
    (move,) = [e for e in store.job_events(job.id, 0, 99) if e.type == "preempted"][:1]
    assert (move.data["reason"], move.data["setbacks"]) == ("others hold the cores", 1)


def test_an_error_that_no_database_can_hold_is_told_as_far_as_it_goes(
    store: Store, settings: Settings
) -> None:
    job = submit(store)

    def executor(_context: JobContext) -> None:
        raise JobFailedError("no file 'a\udcff\0'" + 50_000 * ".")

    with running(store, settings, executor):
        wait_for(store, job.id, JobStatus.FAILED)
    error = store.get_job(job.id).error
    assert error is not None
    assert error["message"].startswith("no file 'a??'...")
    assert len(error["message"]) == 20_000


def test_a_failed_attempt_is_tried_again_as_the_policy_says(
    store: Store, settings: Settings
) -> None:
    job = submit(store, retry={"max_attempts": 3, "delay_seconds": 0.1})

    def executor(context: JobContext) -> None:
        if context.job.attempt == 1:
            raise JobFailedError("loss is nan at step 7")
        if context.job.attempt == 2:
            raise ZeroDivisionError("a bug")
        succeed(context)

    with (
        pytest.MonkeyPatch.context() as patch,
        running(store, settings, executor),
    ):
        patch.setattr("workers.cluster.is_alive", lambda: True)  # no Ray is needed for this
        wait_for(store, job.id, JobStatus.SUCCEEDED)
    row = store.get_job(job.id)
    assert (row.attempt, row.failed_attempts) == (3, 2)
    reasons = [
        event.data["error"]["type"]
        for event in store.job_events(job.id, 0, 99)
        if "error" in event.data
    ]
    assert reasons == ["failed", "internal"]


def fail_for_memory(_context: JobContext) -> None:
    try:
        raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB")
    except RuntimeError as error:
        raise JobFailedError("the training failed") from error


def test_memory_that_ran_out_is_not_tried_again_blindly(store: Store, settings: Settings) -> None:
    job = submit(store, retry={"max_attempts": 3, "delay_seconds": 0})
    with running(store, settings, fail_for_memory):
        wait_for(store, job.id, JobStatus.FAILED)
    row = store.get_job(job.id)
    assert row.error == {"type": "out-of-memory", "message": "the training failed"}
    assert row.attempt == 1


def test_a_runner_may_work_on_several_jobs(store: Store, settings: Settings) -> None:
    settings = settings.model_copy(update={"max_running_jobs": 2})
    jobs = [submit(store) for _ in range(3)]
    with running(store, settings, until_stopped):
        for _ in range(200):
            states = sorted(store.get_job(job.id).status for job in jobs)
            if states.count("running") == 2:
                break
            time.sleep(0.05)
        assert states == ["queued", "running", "running"]
        victim = next(job for job in jobs if store.get_job(job.id).state is JobStatus.RUNNING)
        (waiting,) = (job for job in jobs if store.get_job(job.id).attempt == 0)
        store.request_cancel(victim.id)
        wait_for(store, victim.id, JobStatus.CANCELLED)
        wait_for(store, waiting.id, JobStatus.RUNNING)
    assert sorted(store.get_job(job.id).status for job in jobs) == [
        "cancelled",
        "preempted",
        "preempted",
    ]


def test_the_limit_on_all_runners_is_the_settings(store: Store, settings: Settings) -> None:
    limits = {"max_running_jobs": 3, "max_running_jobs_total": 1}
    settings = settings.model_copy(update=limits)
    jobs = [submit(store) for _ in range(3)]
    with running(store, settings, until_stopped):
        wait_for(store, jobs[0].id, JobStatus.RUNNING)
        time.sleep(0.5)  # many polls
        assert [store.get_job(job.id).attempt for job in jobs] == [1, 0, 0]


def test_a_runner_says_what_it_has_while_it_lives(store: Store, settings: Settings) -> None:
    offer = ClusterResources(8, 1, {"phone": 2.0})
    settings = settings.model_copy(update={"lease_seconds": 0.6})
    with running(store, settings, until_stopped, connect=lambda: offer):
        while not store.runners(60.0):
            time.sleep(0.02)
        ((row, is_alive),) = store.runners(60.0)
        assert is_alive
        store.remove_runner(row.id)  # as a restored backup would
        while not store.runners(60.0):
            time.sleep(0.02)
        ((row, is_alive),) = store.runners(60.0)
        assert is_alive
        assert (row.num_cpus, row.num_gpus, row.custom) == (8, 1, {"phone": 2})
    assert store.runners(60.0) == []


DEAF = """
import sys, time
from server import runner

runner.EXECUTORS = {"train": lambda context: time.sleep(3600)}
runner.connect_cluster = lambda stop: None
runner.KILL_GRACE_S = 0.5
sys.exit(runner.main())
"""


def test_a_killed_job_that_does_not_stop_takes_its_runner_down_but_no_other_job(
    tmp_path: Path,
) -> None:
    settings = Settings(home=tmp_path, stop_grace_seconds=3600, max_running_jobs=2)
    engine = open_engine(settings)
    schema.upgrade(engine)
    store = Store(engine)
    killed, other = submit(store), submit(store)
    environment = {**os.environ, **settings.environment()}
    process = subprocess.Popen([sys.executable, "-c", DEAF], env=environment)
    try:
        wait_for(store, killed.id, JobStatus.RUNNING)
        wait_for(store, other.id, JobStatus.RUNNING)
        store.kill_job(killed.id)
        assert process.wait(30) == EXIT_HARD_STOP
    finally:
        process.kill()
        process.wait()
    row = store.get_job(other.id)
    assert (row.state, row.lost_leases) == (JobStatus.PREEMPTED, 0)
    assert store.get_job(killed.id).state is JobStatus.CANCELLED
    engine.dispose()
