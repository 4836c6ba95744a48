"""The runner's decisions, on a real database, with executors made for the occasion."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import structlog
from examples import add_supernet, artifact
from runners import running, wait_for

from server.execution.context import JobContext, JobFailedError
from server.job_states import JobStatus
from server.locks import FileLock, RunnerLockedError
from server.runner import EXIT_HARD_STOP, runner_lock
from server.settings import Settings
from server.store import Store
from workers.cluster import ClusterError


def until_stopped(context: JobContext) -> None:
    while True:
        context.check_stop()
        time.sleep(0.05)


def test_a_job_that_records_its_result_has_succeeded(store: Store, settings: Settings) -> None:
    supernet, job = add_supernet(store)

    def executor(context: JobContext) -> None:
        (context.work_folder / "checkpoint").write_text("kept until the job ends")
        context.progress(1, 2, "epochs")
        store.finish_supernet(context.job, supernet.id, artifact("f"), {})

    with running(store, settings, executor):
        wait_for(store, job.id, JobStatus.SUCCEEDED)
    assert store.get_supernet(supernet.id).version == artifact("f").sha256
    assert not (settings.work_folder / job.id).exists()


def test_whatever_is_logged_in_a_job_names_it(store: Store, settings: Settings) -> None:
    _, job = add_supernet(store)
    bound: list[dict[str, object]] = []

    def executor(_context: JobContext) -> None:
        bound.append(structlog.contextvars.get_contextvars())
        raise JobFailedError("enough")

    with running(store, settings, executor):
        wait_for(store, job.id, JobStatus.FAILED)
    assert bound == [{"job_id": job.id, "kind": "train", "attempt": 1}]


def test_a_job_that_cannot_succeed_fails_with_its_message_and_keeps_its_folder(
    store: Store, settings: Settings
) -> None:
    _, job = add_supernet(store)

    def executor(context: JobContext) -> None:
        (context.work_folder / "checkpoint").write_text("the last good one")
        raise JobFailedError("loss is nan at step 7")

    with running(store, settings, executor):
        wait_for(store, job.id, JobStatus.FAILED)
    assert store.get_job(job.id).error == {"type": "failed", "message": "loss is nan at step 7"}
    assert (settings.work_folder / job.id / "checkpoint").exists()


def test_a_cancelled_job_stops_and_is_cancelled(store: Store, settings: Settings) -> None:
    _, job = add_supernet(store)
    with running(store, settings, until_stopped):
        wait_for(store, job.id, JobStatus.RUNNING)
        store.request_cancel(job.id)
        wait_for(store, job.id, JobStatus.CANCELLED)


def test_a_runner_that_shuts_down_leaves_its_job_to_the_next(
    store: Store, settings: Settings
) -> None:
    supernet, job = add_supernet(store)
    with running(store, settings, until_stopped):
        wait_for(store, job.id, JobStatus.RUNNING)
    assert store.get_job(job.id).state is JobStatus.PREEMPTED

    def executor(context: JobContext) -> None:
        store.finish_supernet(context.job, supernet.id, artifact("f"), {})

    with running(store, settings, executor):
        wait_for(store, job.id, JobStatus.SUCCEEDED)
    assert store.get_job(job.id).attempt == 2


def test_the_sole_runner_takes_the_jobs_of_a_dead_one_at_once(
    store: Store, settings: Settings
) -> None:
    supernet, job = add_supernet(store)
    assert store.claim_job("a dead runner", 3600, ["train"]) is not None

    def executor(context: JobContext) -> None:
        store.finish_supernet(context.job, supernet.id, artifact("f"), {})

    with running(store, settings, executor, sole=True):
        wait_for(store, job.id, JobStatus.SUCCEEDED)


def test_one_of_several_runners_leaves_a_living_lease_alone(
    store: Store, settings: Settings
) -> None:
    _, job = add_supernet(store)
    claimed = store.claim_job("another runner", 3600, ["train"])
    assert claimed is not None
    with running(store, settings, until_stopped, sole=False):
        time.sleep(1.5)
        assert store.heartbeat(claimed, 3600) is None
    assert store.get_job(job.id).attempt == 1


def test_the_result_of_an_attempt_that_lost_its_job_is_refused(
    store: Store, settings: Settings
) -> None:
    supernet, job = add_supernet(store)
    proceed = threading.Event()

    def executor(context: JobContext) -> None:
        proceed.wait(20)
        store.finish_supernet(context.job, supernet.id, artifact("a"), {})

    with running(store, settings, executor):
        wait_for(store, job.id, JobStatus.RUNNING)
        store.release_orphans("another runner")
        claimed = store.claim_job("another runner", 3600, ["train"])
        assert claimed is not None
        proceed.set()
        time.sleep(1.5)
        assert store.get_supernet(supernet.id).version is None
        store.finish_supernet(claimed, supernet.id, artifact("b"), {})
    assert store.get_supernet(supernet.id).version == artifact("b").sha256


def test_jobs_wait_while_there_is_no_cluster(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.runner.RETRY_S", 0.2)
    supernet, job = add_supernet(store)
    is_there = threading.Event()

    def connect() -> None:
        if not is_there.is_set():
            raise ClusterError("no Ray cluster can be used")

    def executor(context: JobContext) -> None:
        store.finish_supernet(context.job, supernet.id, artifact("f"), {})

    with running(store, settings, executor, connect=connect):
        time.sleep(0.5)
        assert store.get_job(job.id).state is JobStatus.QUEUED
        is_there.set()
        wait_for(store, job.id, JobStatus.SUCCEEDED)
    assert store.get_job(job.id).attempt == 1


def test_a_runner_that_is_asked_to_end_while_it_connects_takes_no_job(
    store: Store, settings: Settings
) -> None:
    _, job = add_supernet(store)
    is_connecting, proceed = threading.Event(), threading.Event()

    def connect() -> None:
        is_connecting.set()
        assert proceed.wait(20)

    with running(store, settings, until_stopped, connect=connect) as runner:
        assert is_connecting.wait(20)
        assert runner.is_connecting
        runner.stop()
        proceed.set()
    assert not runner.is_connecting
    assert store.get_job(job.id).state is JobStatus.QUEUED


CONNECTING = """
import sys, time
from server import runner, supervised

def connect(_stop):
    print("connecting", flush=True)
    time.sleep(3600)

runner.connect_cluster = connect
sys.exit(supervised.main())
"""


@pytest.mark.parametrize("at", ["connecting", "loading"])
def test_a_supervised_runner_ends_with_its_parent_also_where_it_cannot_heed(
    tmp_path: Path, at: str
) -> None:
    from server import schema
    from server.database import open_engine

    settings = Settings(home=tmp_path)
    engine = open_engine(settings)
    schema.upgrade(engine)
    engine.dispose()
    process = subprocess.Popen(
        [sys.executable, "-c", CONNECTING],
        env={**os.environ, **settings.environment()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    with process:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            if at == "connecting":
                # The log comes first.
                assert b"connecting\n" in iter(process.stdout.readline, b"")
            process.stdin.close()
            assert process.wait(30) == -signal.SIGKILL
        finally:
            process.kill()


DEAF = """
import sys, time
from pathlib import Path
from server import runner
from server.database import open_engine
from server.settings import Settings
from server.store import Store

settings = Settings()
runner.EXECUTORS = {"train": lambda context: time.sleep(3600)}
runner.connect_cluster = lambda stop: None
sys.exit(runner.main())
"""


def test_a_job_that_does_not_heed_a_cancellation_takes_its_runner_down(tmp_path: Path) -> None:
    from server import schema
    from server.database import open_engine

    settings = Settings(home=tmp_path, stop_grace_seconds=1.0)
    engine = open_engine(settings)
    schema.upgrade(engine)
    store = Store(engine)
    _, job = add_supernet(store)
    environment = {**os.environ, **settings.environment()}
    process = subprocess.Popen([sys.executable, "-c", DEAF], env=environment)
    try:
        wait_for(store, job.id, JobStatus.RUNNING)
        store.request_cancel(job.id)
        assert process.wait(30) == EXIT_HARD_STOP
    finally:
        process.kill()
        process.wait()
    # The next runner finds the job in the state of being cancelled and settles it.
    store.release_orphans("the next runner")
    assert store.get_job(job.id).state is JobStatus.CANCELLED
    engine.dispose()


def test_two_data_folders_of_one_sqlite_file_take_one_runner(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "shared.db")
    urls = [f"sqlite:///{tmp_path / name}" for name in ("shared.db", "link", "other.db")]
    first, second, other = (
        runner_lock(Settings(home=tmp_path / str(number), database_url=url))
        for number, url in enumerate(urls)
    )
    refused = pytest.raises(RunnerLockedError, match="a SQLite database takes one runner")
    with FileLock(first), FileLock(other), refused:
        FileLock(second)
    assert runner_lock(Settings(home=tmp_path)).parent == tmp_path


def test_a_file_lock_names_its_holder_and_ends_with_it(tmp_path: Path) -> None:
    path = tmp_path / "runner.lock"
    code = f"""
from pathlib import Path
from server.locks import FileLock
lock = FileLock(Path({str(path)!r}))
print("locked", flush=True)
input()
"""
    holder = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        with pytest.raises(RunnerLockedError, match=f"held by process {holder.pid}"):
            FileLock(path)
        holder.kill()
        holder.wait()
    FileLock(path).close()
