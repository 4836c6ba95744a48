"""Runners in a thread of the test, on a real database, with executors made for the occasion."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from server.artifacts import ArtifactStore
from server.duties import Duty
from server.execution.attempt import Executor
from server.job_states import JobStatus
from server.runner import Runner
from server.settings import Settings
from server.store import Store
from workers.cluster import ClusterResources


@contextmanager
def running(
    store: Store,
    settings: Settings,
    executor: Executor,
    *,
    kind: str = "train",
    connect: Callable[[], ClusterResources | None] = lambda: None,
    sole: bool = True,
    duties: Sequence[Duty] = (),
) -> Iterator[Runner]:
    artifacts = ArtifactStore(settings.artifacts_folder)
    runner = Runner(store, artifacts, settings, {kind: executor}, connect, sole=sole, duties=duties)
    thread = threading.Thread(target=runner.run)
    thread.start()
    try:
        yield runner
    finally:
        runner.stop()
        thread.join(20)
        assert not thread.is_alive()


def wait_for(store: Store, job_id: str, *statuses: JobStatus) -> None:
    deadline = time.monotonic() + 60
    while (state := store.get_job(job_id).state) not in statuses:
        assert time.monotonic() < deadline, f"job is {state}, not {statuses}"
        time.sleep(0.05)
