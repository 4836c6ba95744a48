"""Evaluating from outside: the client's loop, the command, the example; against a real service."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from command_line import Run
from live import Live
from outside_examples import metrics_of, search_body

from search_space.outcomes import Outcome
from server.cli.evaluating import run_command
from server.client import ApiError, Client, Failed, Infeasible, Measured

ROOT = Path(__file__).parents[2]


@pytest.fixture
def client(sqlite_live: Live) -> Iterator[Client]:
    with Client(str(sqlite_live.client.base_url), patience_s=20) as client:
        yield client


def submit(client: Client, **changes: Any) -> str:
    return client.create_search(search_body(evaluations=12, **changes)).id


def test_a_function_evaluates_a_search(client: Client) -> None:
    search = submit(client)
    seen: list[tuple[int, Outcome]] = []

    def evaluate(architecture: Mapping[str, Any]) -> Mapping[str, float] | Outcome:
        match architecture["a"]:
            case 0:
                return Infeasible("too small")
            case 1:
                return Failed("no power")
            case 2:
                return Measured(metrics_of(architecture), {"joules": {"interval": [0, 9]}})
            case _:
                return metrics_of(architecture)

    client.evaluate(
        search,
        evaluate,
        batch=5,
        on_told=lambda lease, outcome: seen.append((lease.number, outcome)),
    )
    shown = client.search(search)
    assert shown.status == "succeeded"
    assert sorted(number for number, _ in seen) == list(range(12))
    kinds = [type(outcome).__name__.lower() for _, outcome in seen]
    assert shown.counts == {
        kind: kinds.count(kind) for kind in ("measured", "infeasible", "failed")
    }
    assert min(shown.counts.values()) > 0


def test_threads_share_the_work(client: Client) -> None:
    search = submit(client)
    together = threading.Barrier(3)
    first = threading.Semaphore(3)

    def evaluate(architecture: Mapping[str, Any]) -> Mapping[str, float]:
        if first.acquire(blocking=False):
            together.wait(30)  # would break if they did not run at once
        return metrics_of(architecture)

    client.evaluate(search, evaluate, threads=3)
    assert client.search(search).counts["measured"] == 12


def test_leases_are_kept_while_an_evaluation_takes_long(client: Client) -> None:
    search = submit(client, evaluator={"kind": "outside", "lease_seconds": 1})
    stolen = []

    def evaluate(architecture: Mapping[str, Any]) -> Mapping[str, float]:
        if not stolen:
            time.sleep(1.5)
            answer = client.lease_proposals(search, 12)
            stolen.append([lease.number for lease in answer.items])
            client.release_leases(search, answer.items)
        return metrics_of(architecture)

    client.evaluate(search, evaluate, batch=2)
    # Neither the one at work nor the one that waited had expired.
    assert stolen == [list(range(2, 12))]


def test_what_the_function_raises_ends_it_and_gives_the_leases_back(client: Client) -> None:
    search = submit(client)

    def broken(_architecture: Mapping[str, Any]) -> Mapping[str, float]:
        raise RuntimeError("the bug of the user")

    for threads in (1, 3):
        with pytest.raises(RuntimeError, match="the bug of the user"):
            client.evaluate(search, broken, batch=4, threads=threads)
        leases = client.lease_proposals(search, 12).items
        assert sorted(lease.number for lease in leases) == list(range(12))
        client.release_leases(search, leases)
    with pytest.raises(ValueError, match="joules must be finite"):
        client.evaluate(search, lambda _: {"joules": float("nan")})
    with pytest.raises(ApiError, match=r"items\[0\].metrics.top1_percent must be given"):
        client.evaluate(search, lambda _: {"joules": 1.0})
    assert client.search(search).counts == {"measured": 0, "infeasible": 0, "failed": 0}


class Cable(httpx.HTTPTransport):
    """The network, until it is pulled out."""

    is_out = False

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self.is_out:
            raise httpx.ConnectError("no network")
        return super().handle_request(request)


def test_an_interrupt_does_not_wait_for_a_service_that_is_away(client: Client) -> None:
    search = submit(client, evaluator={"kind": "outside", "lease_seconds": 1})
    cable = Cable()

    def evaluate(_architecture: Mapping[str, Any]) -> Mapping[str, float]:
        cable.is_out = True
        time.sleep(0.5)  # so that leases are being renewed, too
        raise KeyboardInterrupt

    with Client(client.base_url, patience_s=3600, transport=cable) as mine:
        mine.create_space({"kind": "mobilenetv3", "preset": "tiny"})  # the service was reached
        with pytest.raises(KeyboardInterrupt):
            mine.evaluate(search, evaluate)


def test_a_cancelled_search_ends_the_loop(client: Client) -> None:
    search = submit(client)
    told = []

    def evaluate(architecture: Mapping[str, Any]) -> Mapping[str, float]:
        client.cancel(client.search(search).job)
        return metrics_of(architecture)

    client.evaluate(search, evaluate, batch=3, on_told=lambda *told_: told.append(told_))
    assert told == []
    assert client.search(search).status == "cancelled"


# --- the command -------------------------------------------------------------------------------


def script(folder: Path, text: str) -> list[str]:
    path = folder / "measure.py"
    path.write_text(f"import json, sys\narchitecture = json.load(sys.stdin)\n{text}\n")
    return [sys.executable, str(path)]


def test_a_command_evaluates_a_search(client: Client, tmp_path: Path, run: Run) -> None:
    search = submit(client)
    total = 'print(json.dumps({"joules": sum(architecture.values()), "top1_percent": 90}))'
    command = " ".join(script(tmp_path, total))
    result = run(
        "search",
        "evaluate",
        search,
        "--command",
        command,
        "--threads",
        "2",
        "--url",
        client.base_url,
    )
    assert (result.code, result.err) == (0, "the search has succeeded\n")
    # The service of this test runs in this process and logs to the same place.
    lines = [line for line in result.out.splitlines() if "joules " in line]
    assert sorted(int(line.split()[0]) for line in lines) == list(range(12))
    assert all("top1_percent 90" in line for line in lines)
    assert client.front(search).num_measured == 12


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("print('{\"joules\": 1}')", Measured({"joules": 1.0})),
        ('print(\'{"infeasible": "too large"}\')', Infeasible("too large")),
        ('sys.exit("no power")', Failed("the command ended with status 1: no power")),
        ("import time; time.sleep(60)", Failed("the command took longer than 0.9 s")),
        ("print('{}')", "it must be an object with a number for each metric; it printed '{}'"),
        ("print('[1]')", "it must be an object"),
        ("print('{\"joules\": NaN}')", "metric joules must be finite, got nan"),
        ('print(\'{"joules": "x"}\')', "could not convert string to float"),
        ("pass", "Expecting value"),
    ],
)
def test_what_commands_say(tmp_path: Path, text: str, expected: Outcome | str) -> None:
    timeout_s = 0.9 if "sleep" in text else 60
    outcome = run_command(script(tmp_path, text), {"a": 1}, timeout_s)
    if isinstance(expected, str):
        assert isinstance(outcome, Failed)
        assert expected in outcome.reason
    else:
        assert outcome == expected


def test_a_command_that_cannot_be_started_is_nobodys_failure(client: Client, run: Run) -> None:
    search = submit(client)
    arguments = ("search", "evaluate", search, "--url", client.base_url, "--command")
    result = run(*arguments, "/no/such/program")
    assert result.code == 1
    assert "/no/such/program" in result.err
    assert client.search(search).counts["failed"] == 0
    for command in ("", "'"):
        assert run(*arguments, command).code == 2


# --- what the documentation shows ----------------------------------------------------------------


def test_the_example_runs(client: Client) -> None:
    result = subprocess.run(
        [
            *(sys.executable, "examples/outside_evaluator.py"),
            *("--url", client.base_url, "--evaluations", "40"),
        ],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "on the front" in result.stdout
    assert client.search(result.stdout.split()[1]).status == "succeeded"


def test_the_documented_program_runs(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "outside-evaluators.md").read_text(encoding="utf-8")
    (program,) = [
        block.split("```", 1)[0] for block in page.split("```python\n")[1:] if "Client(" in block
    ]
    lines = [line for line in program.splitlines() if line.strip()]
    exec(compile(program.replace("http://127.0.0.1:8000", client.base_url), "docs", "exec"), {})
    assert "uJ" in capsys.readouterr().out
    assert len(lines) < 30
