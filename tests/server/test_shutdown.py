"""A server that is asked to end: in time, whoever is connected, and nothing is lost."""

import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from examples import add_supernet, claim
from live import serve_process
from postgres_server import free_port

from server.main import open_store
from server.settings import Settings
from server.store import Store

SHUTDOWN_S = 2
NUM_STREAMS = 12


@contextmanager
def server_of(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    """The service, once it answers; a variable of its environment is misspelt."""
    config = settings.home / "espalier.toml"
    config.write_text(f"shutdown_seconds = {SHUTDOWN_S}\n")
    variables = {"ESPALIER_CONFIG": str(config), "ESPALIER_SHUTDOWN_SECOND": "1"}
    with serve_process(settings.home, settings.port, **variables) as server:
        deadline = time.monotonic() + 60
        while True:
            try:
                httpx.get(f"http://127.0.0.1:{settings.port}/livez")
                break
            except httpx.TransportError:
                assert time.monotonic() < deadline
                assert server.poll() is None, (settings.home / "log").read_text()
                time.sleep(0.05)
        yield server


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, port=free_port())


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    store = open_store(settings)
    yield store
    store.close()


def test_open_streams_and_idle_clients_do_not_hold_up_the_end(
    settings: Settings, store: Store
) -> None:
    _, job = add_supernet(store)
    address = f"http://127.0.0.1:{settings.port}/v1/jobs/{job.id}/events/stream"
    with server_of(settings) as server, ExitStack() as stack:
        lines = []
        for _ in range(NUM_STREAMS):
            response = stack.enter_context(httpx.stream("GET", address, timeout=30))
            lines.append(response.iter_lines())
        assert {next(each) for each in lines} == {"event: queued"}
        stuck = stack.enter_context(socket.create_connection(("127.0.0.1", settings.port)))
        stuck.sendall(b"POST /v1/spaces HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{")
        claimed = claim(store)
        seen = store.record_progress(claimed, {"done": 1})
        server.send_signal(signal.SIGTERM)
        for each in lines:  # they end: nobody is left waiting
            list(each)
        assert server.wait(60) == 0
    log = [json.loads(line) for line in (settings.home / "log").read_text().splitlines()]
    assert all({"event", "level", "timestamp"} <= set(record) for record in log)
    (unknown,) = (record for record in log if record["event"] == "variable is no setting")
    assert unknown["nearest"] == "ESPALIER_SHUTDOWN_SECONDS"
    moments = [record["timestamp"] for record in log]
    assert moments == sorted(moments)
    assert any("Cancel" in str(record["event"]) for record in log)  # the request that never came
    with server_of(settings) as server:  # what was missed is there afterwards
        store.fail_job(claimed, {"type": "x", "message": "y"})
        rest = httpx.get(address, headers={"Last-Event-ID": str(seen - 1)}).text
        assert [line for line in rest.splitlines() if line.startswith("event")] == [
            "event: progress",
            "event: failed",
        ]
        server.send_signal(signal.SIGINT)
        assert server.wait(60) == 0
