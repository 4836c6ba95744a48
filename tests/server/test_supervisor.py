"""The runner that `espalier serve` keeps: restarted when it dies, ended with the server."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from examples import add_supernet
from postgres_server import free_port

from server.main import open_store
from server.settings import Settings
from server.supervisor import RunnerSupervisor

# Stands for a runner: notes its process id, ends when its input does.
OBEDIENT = (
    "import os, sys; "
    "print(os.getpid(), file=open(os.environ['ESPALIER_HOME'] + '/pids', 'a'), flush=True); "
    "sys.stdin.read()"
)
STUBBORN = OBEDIENT + "; import signal, time; signal.signal(15, lambda *_: 0); time.sleep(600)"


def wait_until(condition: Callable[[], object], timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def pids(home: Path) -> list[int]:
    file = home / "pids"
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_dead_runner_is_replaced_and_the_last_one_is_ended(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    supervisor = RunnerSupervisor(settings, [sys.executable, "-c", OBEDIENT])
    supervisor.start()
    wait_until(lambda: len(pids(tmp_path)) == 1)
    assert supervisor.state == "running"
    os.kill(pids(tmp_path)[0], signal.SIGKILL)
    wait_until(lambda: supervisor.state == "restarting")
    wait_until(lambda: len(pids(tmp_path)) == 2)
    supervisor.stop(10)
    assert [is_alive(pid) for pid in pids(tmp_path)] == [False, False]
    assert len(pids(tmp_path)) == 2


def test_a_runner_that_does_not_end_is_killed(tmp_path: Path) -> None:
    supervisor = RunnerSupervisor(Settings(home=tmp_path), [sys.executable, "-c", STUBBORN])
    supervisor.start()
    wait_until(lambda: len(pids(tmp_path)) == 1)
    supervisor.stop(0.3)
    assert not is_alive(pids(tmp_path)[0])


# Leaves a process behind that knows nothing of its end, as a Ray does that is broken off.
LITTERING = """
import subprocess, sys
left = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
home = __import__("os").environ["ESPALIER_HOME"]
print(left.pid, file=open(home + "/pids", "a"), flush=True)
sys.stdin.read()
"""


def test_what_a_runner_leaves_behind_is_ended(tmp_path: Path) -> None:
    supervisor = RunnerSupervisor(Settings(home=tmp_path), [sys.executable, "-c", LITTERING])
    supervisor.start()
    wait_until(lambda: len(pids(tmp_path)) == 1)
    supervisor.stop(10)
    # Nobody's child any more: it is gone once the system has collected it.
    wait_until(lambda: not is_alive(pids(tmp_path)[0]))


def test_a_runner_that_starts_while_it_is_stopped_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server is told to end between the decision to start a runner and the runner."""
    start = subprocess.Popen
    starting = threading.Event()

    def start_late(*arguments: Any, **options: Any) -> Any:
        starting.set()
        time.sleep(0.5)
        return start(*arguments, **options)

    supervisor = RunnerSupervisor(Settings(home=tmp_path), [sys.executable, "-c", OBEDIENT])
    monkeypatch.setattr(subprocess, "Popen", start_late)
    supervisor.start()
    assert starting.wait(10)
    stopping = threading.Thread(target=supervisor.stop, args=(10,), daemon=True)
    stopping.start()
    stopping.join(20)
    assert not stopping.is_alive()
    assert not any(is_alive(pid) for pid in pids(tmp_path))


def test_a_runner_that_cannot_be_started_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = subprocess.Popen
    failures = iter([OSError("no memory")])

    def start_second(*arguments: Any, **options: Any) -> Any:
        for error in failures:
            raise error
        return start(*arguments, **options)

    monkeypatch.setattr(subprocess, "Popen", start_second)
    supervisor = RunnerSupervisor(Settings(home=tmp_path), [sys.executable, "-c", OBEDIENT])
    supervisor.start()
    wait_until(lambda: len(pids(tmp_path)) == 1)
    supervisor.stop(10)


SERVER = """
import sys
from server import supervisor
supervisor.RunnerSupervisor.__init__.__defaults__ = ((sys.executable, "-c", sys.argv[1]),)
from server.main import serve
from server.settings import Settings
serve(Settings())
"""


def start_server(settings: Settings) -> subprocess.Popen[bytes]:
    """Starts a server in a process of its own, with a stand-in for the runner."""
    with (settings.home / "log").open("ab") as log:
        server = subprocess.Popen(
            [sys.executable, "-c", SERVER, OBEDIENT],
            env={**os.environ, **settings.environment()},
            stderr=log,
        )
    # One client: to make one costs more than the wait between two looks.
    with httpx.Client(base_url=f"http://127.0.0.1:{settings.port}") as client:
        wait_until(lambda: answers(client) and pids(settings.home))
    return server


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def test_the_server_ends_in_time_with_a_stream_open(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, port=free_port(), shutdown_seconds=5)
    store = open_store(settings)
    _, job = add_supernet(store)
    store.close()
    server = start_server(settings)
    address = f"http://127.0.0.1:{settings.port}/v1/jobs/{job.id}/events/stream"
    with httpx.stream("GET", address) as response:
        lines = response.iter_lines()
        assert next(lines) == "event: queued"
        started = time.monotonic()
        server.send_signal(signal.SIGTERM)
        assert not any(line.startswith("event") for line in lines)
    assert server.wait(20) == 0
    assert time.monotonic() - started < 10
    assert not is_alive(pids(tmp_path)[0])


def test_a_killed_server_takes_its_runner_along(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, port=free_port())
    server = start_server(settings)
    server.kill()
    server.wait()
    wait_until(lambda: not is_alive(pids(tmp_path)[0]))


def test_a_second_server_on_the_port_is_refused(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, port=free_port())
    server = start_server(settings)
    second = subprocess.run(
        [sys.executable, "-c", SERVER, OBEDIENT],
        env={**os.environ, **settings.environment()},
        capture_output=True,
        timeout=60,
    )
    assert second.returncode == 1
    assert b"Address already in use" in second.stderr
    server.terminate()
    assert server.wait(20) == 0
