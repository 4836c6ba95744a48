"""A disk that is full while the service writes: it says so, leaves nothing half, and goes on."""

import resource
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from examples import add_supernet
from live import Live
from test_runner import running, wait_for

from server.artifacts import local
from server.execution.context import JobContext
from server.job_states import JobStatus
from server.settings import Settings
from server.store import Store

LIMIT_BYTES = 1_500_000


@contextmanager
def full_disk() -> Iterator[None]:
    """The operating system lets no file of this process grow further."""
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT_BYTES, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def finish(context: JobContext) -> None:
    """A job that stores a file of two megabytes and is done."""
    artifact = context.artifacts.add_bytes(b"x" * 2_000_000, "application/octet-stream")
    context.store.finish_supernet(context.job, context.job.spec["supernet_id"], artifact, {})


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set once somebody has waited for the storage."""
    has_waited = threading.Event()
    monkeypatch.setattr(local, "PATIENCE_S", 0.05)
    monkeypatch.setattr(local.logger, "warning", lambda *_, **__: has_waited.set())
    return has_waited


def test_a_job_waits_for_room_and_goes_on_in_the_same_attempt(
    store: Store, settings: Settings, waiting: threading.Event
) -> None:
    supernet, job = add_supernet(store)
    with running(store, settings, finish):
        with full_disk():
            assert waiting.wait(30)
        wait_for(store, job.id, JobStatus.SUCCEEDED)
    assert store.get_job(job.id).attempt == 1
    version = store.get_supernet(supernet.id).version
    assert files(settings.artifacts_folder) == [version]


def test_a_job_that_waits_for_room_heeds_a_cancellation(
    store: Store, settings: Settings, waiting: threading.Event
) -> None:
    _, job = add_supernet(store)
    with running(store, settings, finish), full_disk():
        assert waiting.wait(30)
        store.request_cancel(job.id)
        wait_for(store, job.id, JobStatus.CANCELLED)
    assert files(settings.artifacts_folder) == []


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_a_data_set_that_does_not_fit_is_told_and_leaves_nothing(sqlite_live: Live) -> None:
    folder = sqlite_live.settings.data_folder
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (700, 32, 32, 3), dtype=np.uint8)
    np.savez(folder / "large.npz", train_images=images, train_labels=np.arange(700) % 10)
    body = {"name": "large", "source": {"kind": "arrays", "path": "large.npz"}}
    home = sqlite_live.settings.home
    before = files(home)
    with full_disk():
        refused = sqlite_live.client.post("/v1/data-sets", json=body)
        assert sqlite_live.client.get("/readyz").status_code == 200
    assert refused.status_code == 503, refused.text
    assert "the disk has no room for the data set" in refused.json()["detail"]
    assert int(refused.headers["Retry-After"]) > 0
    assert files(home) == before
    assert sqlite_live.client.get("/v1/data-sets").json()["items"] == []
    assert sqlite_live.client.post("/v1/data-sets", json=body).status_code == 201
