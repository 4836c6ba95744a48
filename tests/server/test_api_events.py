"""Events of jobs, by polling and as server-sent events."""

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from examples import add_supernet, claim
from live import Live

from server.store import StopRequest

Event = dict[str, Any]


def parsed(response: httpx.Response) -> Iterator[Event]:
    """The events of a stream as they arrive; comments have only a `comment`."""
    event: Event = {}
    for line in response.iter_lines():
        if not line:
            yield event
            event = {}
            continue
        name, _, value = line.partition(":")
        event[name or "comment"] = value.removeprefix(" ")


def read_stream(live: Live, job_id: str, headers: dict[str, str] | None = None) -> list[Event]:
    with live.client.stream("GET", f"/v1/jobs/{job_id}/events/stream", headers=headers) as response:
        assert response.status_code == 200
        assert response.headers["Content-Type"].startswith("text/event-stream")
        return list(parsed(response))


def test_events_are_polled_to_the_end(live: Live) -> None:
    supernet, job = add_supernet(live.store)
    claimed = claim(live.store)
    for done in range(3):
        live.store.record_progress(claimed, {"done": done, "total": 3})
    address = f"/v1/jobs/{job.id}/events"
    first = live.client.get(address, params={"limit": 2}).json()
    assert [event["type"] for event in first["items"]] == ["queued", "running"]
    assert first["ended"] is False
    rest = live.client.get(address, params={"after": first["last"]}).json()
    assert [event["data"]["done"] for event in rest["items"]] == [0, 1, 2]
    assert rest["last"] == rest["items"][-1]["id"]
    live.store.fail_job(claimed, {"type": "x", "message": "y"})
    end = live.client.get(address, params={"after": rest["last"]}).json()
    assert [event["type"] for event in end["items"]] == ["failed"]
    assert end["ended"] is True
    again = live.client.get(address, params={"after": end["last"]}).json()
    assert (again["items"], again["last"], again["ended"]) == ([], end["last"], True)
    assert live.client.get(f"/v1/supernets/{supernet.id}").json()["status"] == "failed"


def test_a_stream_follows_a_job_to_its_end(live: Live) -> None:
    _, job = add_supernet(live.store)
    events: list[Event] = []
    reader = threading.Thread(target=lambda: events.extend(read_stream(live, job.id)))
    reader.start()
    claimed = claim(live.store)
    for done in range(3):
        live.store.record_progress(claimed, {"done": done, "total": 3})
        time.sleep(0.1)
    live.store.fail_job(claimed, {"type": "x", "message": "y"})
    reader.join(10)
    assert not reader.is_alive()
    types = ["queued", "running", "progress", "progress", "progress", "failed"]
    assert [event["event"] for event in events] == types
    polled = live.client.get(f"/v1/jobs/{job.id}/events").json()["items"]
    assert [int(event["id"]) for event in events] == [item["id"] for item in polled]
    assert [json.loads(event["data"]) for event in events] == polled


def test_a_stream_is_resumed_after_the_last_event_seen(sqlite_live: Live) -> None:
    _, job = add_supernet(sqlite_live.store)
    claimed = claim(sqlite_live.store)
    seen = sqlite_live.store.record_progress(claimed, {"done": 1})
    sqlite_live.store.fail_job(claimed, {"type": "x", "message": "y"})
    rest = read_stream(sqlite_live, job.id, {"Last-Event-ID": str(seen)})
    assert [event["event"] for event in rest] == ["failed"]
    after = f"/v1/jobs/{job.id}/events/stream?after={seen}"
    assert sqlite_live.client.get(after).text.startswith("event: failed\n")
    refused = sqlite_live.client.get(after, headers={"Last-Event-ID": "yesterday"})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["value"] == "yesterday"


def test_a_quiet_stream_is_kept_alive(sqlite_live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastapi.sse._PING_INTERVAL", 0.05)
    monkeypatch.setattr("fastapi.routing._PING_INTERVAL", 0.05)
    _, job = add_supernet(sqlite_live.store)
    address = f"/v1/jobs/{job.id}/events/stream"
    with sqlite_live.client.stream("GET", address) as response:
        events = parsed(response)
        # On a busy machine the first read takes longer than the pause before a comment.
        assert next(event for event in events if "event" in event)["event"] == "queued"
        assert next(events) == {"comment": "ping"}


def test_a_client_that_vanishes_leaves_nothing_behind(sqlite_live: Live) -> None:
    _, job = add_supernet(sqlite_live.store)
    address = f"/v1/jobs/{job.id}/events/stream"
    before = threading.active_count()
    for _ in range(60):  # more than the threads that answer requests
        with sqlite_live.client.stream("GET", address) as response:
            next(response.iter_lines())
    assert sqlite_live.client.get(f"/v1/jobs/{job.id}").status_code == 200
    assert threading.active_count() <= before + 45


def test_streams_end_when_the_server_stops(sqlite_live: Live) -> None:
    _, job = add_supernet(sqlite_live.store)
    with sqlite_live.client.stream("GET", f"/v1/jobs/{job.id}/events/stream") as response:
        events = parsed(response)
        assert next(events)["event"] == "queued"
        sqlite_live.stopping.set()
        started = time.monotonic()
        assert list(events) == []
        assert time.monotonic() - started < 5


def test_cancelling_is_idempotent(sqlite_live: Live) -> None:
    client, store = sqlite_live.client, sqlite_live.store
    _, job = add_supernet(store)
    claimed = claim(store)
    for _ in range(2):
        response = client.post(f"/v1/jobs/{job.id}/cancel")
        assert (response.status_code, response.json()["status"]) == (202, "cancelling")
    assert store.heartbeat(claimed, 60.0) is StopRequest.CANCEL
    store.cancel_job(claimed)
    response = client.post(f"/v1/jobs/{job.id}/cancel")
    assert (response.status_code, response.json()["status"]) == (202, "cancelled")
    types = [event["type"] for event in client.get(f"/v1/jobs/{job.id}/events").json()["items"]]
    assert types == ["queued", "running", "cancelling", "cancelled"]
