"""The demo and the service that it starts for itself."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
import pytest
from rich.console import Console

from server.client import Client
from server.demo import choose, latency_limit, run_demo
from server.local_service import LocalService, ServiceDiedError, complaint_of, service_environment
from server.schemas.searches import FrontView
from supernet.settings import TrainingSettings


def processes_of(home: Path) -> dict[int, str]:
    """The command lines of all processes that work on a data folder, by their ids."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes()
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:  # it has ended, or is not ours
            continue
        if f"ESPALIER_HOME={home}".encode() in environment.split(b"\0") and command:
            found[int(folder.name)] = command
    return found


def wait_for_no_process(home: Path, timeout_s: float) -> None:
    give_up_at = time.monotonic() + timeout_s
    while left := processes_of(home):
        assert time.monotonic() < give_up_at, left
        time.sleep(0.1)


def test_the_service_comes_up_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ESPALIER_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    home = tmp_path / "new" / "home"
    with LocalService(home, tmp_path / "new" / "service.log") as service:
        with Client(service.url) as client:
            service.wait_until_ready(client)
            assert client.ready().runner == "running"
        assert len(processes_of(home)) >= 2
        service.check_alive()
    assert processes_of(home) == {}
    assert (home / "espalier.db").is_file()


def test_the_runner_of_a_killed_service_is_killed_too(tmp_path: Path) -> None:
    with LocalService(tmp_path, tmp_path / "log") as service, Client(service.url) as client:
        service.wait_until_ready(client)
        commands = {command: pid for pid, command in processes_of(tmp_path).items()}
        (server,) = [pid for command, pid in commands.items() if "server.cli serve" in command]
        os.kill(server, signal.SIGKILL)
        time.sleep(0.5)
        with pytest.raises(ServiceDiedError, match="has ended with exit code -9"):
            service.wait_until_ready(client)
    wait_for_no_process(tmp_path, 5)


def test_a_service_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "espalier.db").write_bytes(b"this is no database, however long it may be" * 100)
    with LocalService(tmp_path, tmp_path / "log") as service, Client(service.url) as client:
        with pytest.raises(ServiceDiedError, match="exit code 1"):
            service.wait_until_ready(client)
        assert any("file is not a database" in line for line in service.complaints(5))


def test_complaints_are_told_from_chatter() -> None:
    line = {"level": "error", "event": "runner died", "error": "no memory", "pid": 3}
    assert complaint_of(json.dumps(line)) == "error: runner died: no memory"
    assert complaint_of(json.dumps({**line, "level": "info"})) is None
    assert complaint_of("Segmentation fault") == "Segmentation fault"
    assert complaint_of("[1]") == "[1]"


@pytest.mark.parametrize(
    ("fastest", "slowest", "limit"),
    [(0.05, 0.2, 0.1), (1.0, 3.0, 1.7), (120.0, 480.0, 240.0), (0.025, 0.146, 0.06)],
)
def test_the_limit_lies_between_the_extremes(fastest: float, slowest: float, limit: float) -> None:
    assert latency_limit(fastest, slowest) == limit


def front_of(*figures: tuple[float, float]) -> FrontView:
    points = [
        {
            "number": number,
            "architecture_digest": f"{number:016x}",
            "architecture": {},
            "metrics": {"top1_percent": top1_percent, "latency_ms": latency_ms},
            "intervals": {"top1_percent": (top1_percent - 1.0, top1_percent + 0.6)},
            "provenance": {},
            "tied_with_next": False,
            "tied_on": [],
        }
        for number, (top1_percent, latency_ms) in enumerate(figures)
    ]
    return FrontView.model_validate(
        {
            "search": "sea_1",
            "status": "succeeded",
            "objectives": [],
            "limits": [],
            "num_measured": len(points),
            "remeasured": True,
            "feasible": True,
            "points": points,
            "least_violating": [],
        }
    )


def test_the_most_accurate_network_is_chosen() -> None:
    assert choose(front_of((99.0, 0.3), (97.0, 0.2), (90.0, 0.1))).number == 0
    assert choose(front_of((99.0, 0.3))).number == 0


@pytest.mark.slow
@pytest.mark.ray
def test_the_demo_goes_from_nothing_to_a_tested_network(tmp_path: Path) -> None:
    # To standard output, which pytest shows should the demo fail.
    console = Console(record=True, force_terminal=False, width=80)
    run_demo(
        tmp_path,
        tmp_path / "home",
        console,
        training=TrainingSettings(epochs=1, batch_size=200),
        num_evaluations=16,  # so many that one keeps the limit, however the latencies scatter
    )
    wait_for_no_process(tmp_path / "home", 15)
    told = console.export_text()
    for step in range(1, 7):
        assert f"{step}/6 " in told
    assert "training: 1/1 epochs" in told
    assert "search: 16/16 evaluations" in told
    assert re.search(r"test top-1 \d+\.\d % \(95 % interval .*, 400 images\)", told)
    assert "Done in " in told
    assert max(map(len, told.splitlines())) <= 80
    assert (tmp_path / "pareto.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (tmp_path / "pareto.svg").read_text()
    network = tmp_path / "network"
    names = {path.name for path in network.iterdir()}
    assert names == {"network.onnx", "network.safetensors", "card.json"}
    onnx.checker.check_model(onnx.load(network / "network.onnx"))


@contextmanager
def demo_process(output: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-u", "-m", "server.cli", "demo", "--output", str(output)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # A shell lets what runs in its background ignore Ctrl-C, and that is inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.parametrize(
    ("number", "code", "at"),
    [
        (signal.SIGINT, 130, "training: waits for a runner"),
        (signal.SIGKILL, -9, "2/6"),
    ],
)
def test_an_interrupted_demo_leaves_nothing_behind(
    tmp_path: Path, number: signal.Signals, code: int, at: str
) -> None:
    with demo_process(tmp_path) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if at in line:
                break
        process.send_signal(number)
        assert process.wait(60) == code
    wait_for_no_process(tmp_path / "home", 60)


def test_the_services_own_settings_count_alone() -> None:
    outside = {"PATH": "/bin", "ESPALIER_URL": "http://x", "ESPALIER_DATABASE_URL": "sqlite://"}
    inside = service_environment(outside, Path("/data"), 8001)
    assert inside == {"PATH": "/bin", "ESPALIER_HOME": "/data", "ESPALIER_PORT": "8001"}
