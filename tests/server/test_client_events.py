"""The client's streams of events: to the end, whatever happens to the service meanwhile."""

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from examples import add_search, add_supernet, claim, trained_supernet
from live import Live, serve_process, serving, sqlite_settings

from server.client import Client
from server.local_service import free_port
from server.main import open_store
from server.schemas.jobs import EventView
from server.settings import Settings


@pytest.fixture
def client(sqlite_live: Live) -> Iterator[Client]:
    with Client(str(sqlite_live.client.base_url), patience_s=1.0) as client:
        yield client


def test_events_end_with_the_job(sqlite_live: Live, client: Client) -> None:
    _, job = add_supernet(sqlite_live.store)
    claimed = claim(sqlite_live.store)
    sqlite_live.store.record_progress(claimed, {"done": 1, "total": 2})
    sqlite_live.store.fail_job(claimed, {"type": "x", "message": "y"})
    events = list(client.events(job.id))
    assert [event.type for event in events] == ["queued", "running", "progress", "failed"]
    assert list(client.events(job.id, after=events[1].id)) == events[2:]
    assert list(client.events(job.id, after=events[-1].id)) == []


def test_events_are_asked_for_where_there_is_no_stream_to_be_had(
    sqlite_template: Path, tmp_path: Path
) -> None:
    settings = sqlite_settings(sqlite_template, tmp_path / "home")
    store = open_store(settings)
    _, job = add_supernet(store)
    few = settings.model_copy(update={"max_event_streams": 1})
    with serving(few, store) as live, Client(str(live.client.base_url), patience_s=0.5) as client:
        first, second = client.events(job.id), client.events(job.id)
        assert next(first).type == next(second).type == "queued"
        claimed = claim(store)
        store.fail_job(claimed, {"type": "x", "message": "y"})
        for events in (second, first):
            assert [event.type for event in events] == ["running", "failed"]
    store.close()


def test_waiting_tells_of_every_event(sqlite_live: Live, client: Client) -> None:
    search = add_search(sqlite_live.store, trained_supernet(sqlite_live.store))
    seen: list[EventView] = []

    def work() -> None:
        claimed = claim(sqlite_live.store)
        for done in range(3):
            sqlite_live.store.record_progress(claimed, {"done": done, "total": 3})
            time.sleep(0.1)
        sqlite_live.store.finish_search(claimed, search.id, {})

    runner = threading.Thread(target=work)
    runner.start()
    job = client.wait(search.job_id, on_event=seen.append)
    runner.join()
    assert job.status == "succeeded"
    types = ["queued", "running", "progress", "progress", "progress", "succeeded"]
    assert [event.type for event in seen] == types


def test_events_outlive_the_server(tmp_path: Path) -> None:
    store = open_store(Settings(home=tmp_path))
    _, job = add_supernet(store)
    claimed = claim(store)
    port = free_port()
    seen: list[EventView] = []
    arrived = threading.Semaphore(0)

    def follow() -> None:
        with Client(f"http://127.0.0.1:{port}", patience_s=30) as client:
            for event in client.events(job.id):
                seen.append(event)
                arrived.release()

    follower = threading.Thread(target=follow)
    with serve_process(tmp_path, port) as process:
        follower.start()
        for _ in range(2):
            assert arrived.acquire(timeout=30)
        store.record_progress(claimed, {"done": 1})
        assert arrived.acquire(timeout=30)
        process.send_signal(signal.SIGKILL)
        process.wait()
        store.record_progress(claimed, {"done": 2})  # while nobody serves
    with serve_process(tmp_path, port) as process:
        assert arrived.acquire(timeout=30)
        process.send_signal(signal.SIGTERM)  # the stream ends in order this time
        process.wait()
    with serve_process(tmp_path, port):
        store.fail_job(claimed, {"type": "x", "message": "y"})
        follower.join(30)
    store.close()
    assert not follower.is_alive()
    types = ["queued", "running", "progress", "progress", "failed"]
    assert [event.type for event in seen] == types
    assert len({event.id for event in seen}) == len(seen)
