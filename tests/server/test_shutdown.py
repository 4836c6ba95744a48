"""A server that is asked to end: in time, whoever is connected, and nothing is lost."""

import json
import signal
import socket
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
from examples import add_supernet
from live import serve_process
from postgres_server import free_port

from server.main import open_store
from server.settings import Settings

SHUTDOWN_S = 2
NUM_STREAMS = 12


def wait_for_answer(
    client: httpx.Client, server: subprocess.Popen[bytes], settings: Settings
) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            client.get("/livez")
            return
        except httpx.TransportError:
            assert time.monotonic() < deadline
            assert server.poll() is None, (settings.home / "log").read_text()
            time.sleep(0.05)


def test_open_streams_and_idle_clients_do_not_hold_up_the_end(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, port=free_port())
    store = open_store(settings)
    _, job = add_supernet(store)
    store.close()
    config = tmp_path / "espalier.toml"
    config.write_text(f"shutdown_seconds = {SHUTDOWN_S}\n")
    variables = {"ESPALIER_CONFIG": str(config), "ESPALIER_SHUTDOWN_SECOND": "1"}  # misspelt
    with (
        serve_process(tmp_path, settings.port, **variables) as server,
        httpx.Client(base_url=f"http://127.0.0.1:{settings.port}", timeout=30) as client,
        ExitStack() as stack,
    ):
        wait_for_answer(client, server, settings)
        lines = []
        for _ in range(NUM_STREAMS):
            stream = client.stream("GET", f"/v1/jobs/{job.id}/events/stream")
            lines.append(stack.enter_context(stream).iter_lines())
        assert {next(each) for each in lines} == {"event: queued"}
        stuck = stack.enter_context(socket.create_connection(("127.0.0.1", settings.port)))
        stuck.sendall(b"POST /v1/spaces HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{")
        server.send_signal(signal.SIGTERM)
        for each in lines:  # they end: nobody is left waiting
            list(each)
        assert server.wait(60) == 0
    log = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert all({"event", "level", "timestamp"} <= set(record) for record in log)
    (unknown,) = (record for record in log if record["event"] == "variable is no setting")
    assert unknown["nearest"] == "ESPALIER_SHUTDOWN_SECONDS"
    assert any("Cancel" in str(record["event"]) for record in log)  # the request that never came
