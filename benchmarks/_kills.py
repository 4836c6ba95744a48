"""A service that is killed while it works, and what its database then holds."""

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx

from server.local_service import free_port, service_environment

POLL_S = 0.05
PATIENCE_S = 180.0
ENDED = ("succeeded", "failed", "cancelled")

Row = tuple[Any, ...]


class KilledService:
    """`espalier serve` on a data folder and SQLite; may be killed and started again."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._port = free_port()
        self._log = home.parent / f"{home.name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self._port}", timeout=30)

    def start(self) -> None:
        """Starts the service; returns when it answers."""
        environment = service_environment(os.environ, self.home, self._port)
        # Fifty kills are far more than a job has to survive in its life.
        environment |= {"ESPALIER_MAX_LOST_LEASES": "1000", "OMP_NUM_THREADS": "1"}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "server.cli", "serve"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(self._answers)

    def _answers(self) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return self.http.get("/livez").is_success
        return False

    def stop(self) -> None:
        """Ends the service as an operator would."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(60)
        self.http.close()

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Returns what was created."""
        response = self.http.post(path, json=body)
        assert response.is_success, f"{response.text}\n{self._tail()}"
        return dict(response.json())

    def get(self, path: str) -> dict[str, Any]:
        """Returns a document."""
        response = self.http.get(path)
        assert response.is_success, f"{response.text}\n{self._tail()}"
        return dict(response.json())

    def _tail(self) -> str:
        return "\n".join(self._log.read_text().splitlines()[-20:])

    def rows(self, statement: str) -> list[Row]:
        """Returns what the database's file holds, whatever runs."""
        address = f"file:{self.home / 'espalier.db'}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=30)) as connection:
            return connection.execute(statement).fetchall()

    def last_event(self, job_id: str) -> int:
        """Returns the id of the last event that a job's attempts have left."""
        (found,) = self.rows(
            f"SELECT max(id) FROM job_events WHERE job_id = '{job_id}' AND attempt > 0"
        )
        return int(found[0] or 0)

    def attempt(self, job_id: str) -> int:
        """Returns which attempt at a job is the last."""
        (found,) = self.rows(f"SELECT attempt FROM jobs WHERE id = '{job_id}'")
        return int(found[0])

    def has_ended(self, job_id: str) -> bool:
        """Whether a job has ended, which must be in success."""
        (found,) = self.rows(f"SELECT status, error FROM jobs WHERE id = '{job_id}'")
        assert found[0] not in ("failed", "cancelled"), f"{found}\n{self._tail()}"
        return found[0] in ENDED

    def kill(self, victim: str) -> bool:
        """Kills the `server`, the `runner` or a `worker` by SIGKILL; returns whether it was there.

        A server that was killed is started again at once, as whatever supervises it would.
        """
        assert self._process is not None
        if victim == "server":
            self._process.kill()
            self._process.wait()
            return True
        title = {"runner": "server.supervised", "worker": "ray::"}[victim]
        pids = [
            pid
            for pid, name in descendants(self._process.pid)
            if title in name and "IDLE" not in name and "Progress" not in name
        ]
        for pid in pids[-1:]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return bool(pids)


def wait_until(condition: Callable[[], bool]) -> float:
    """Returns after how many seconds it holds."""
    started_at = time.perf_counter()
    while not condition():
        elapsed = time.perf_counter() - started_at
        assert elapsed < PATIENCE_S, f"nothing has happened for {elapsed:.0f} s"
        time.sleep(POLL_S)
    return time.perf_counter() - started_at


def descendants(pid: int) -> Iterator[tuple[int, str]]:
    """Yields the ids and titles of all processes below one."""
    children: dict[int, list[int]] = {}
    titles: dict[int, str] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):  # it ended meanwhile
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                title = (folder / "cmdline").read_bytes().replace(b"\0", b" ")
                children.setdefault(int(fields[1]), []).append(int(folder.name))
                titles[int(folder.name)] = title.decode(errors="replace")
    waiting = [pid]
    while waiting:
        for child in children.get(waiting.pop(), []):
            yield child, titles[child]
            waiting.append(child)


def committed(service: KilledService) -> dict[str, Row]:
    """Returns all evaluations that are on record, by id."""
    rows = service.rows(
        "SELECT id, search_id, architecture_digest, status, metrics, created_at FROM evaluations"
    )
    return {row[0]: row for row in rows}


def num_recorded_twice(service: KilledService) -> int:
    """Counts evaluations, observations and successes that are there more than once."""
    queries = (
        "SELECT count(*) FROM evaluations GROUP BY space_id, architecture_digest, evaluator_digest",
        "SELECT count(*) FROM observations GROUP BY search_id, number",
        "SELECT count(*) FROM observations GROUP BY search_id, evaluation_id",
        "SELECT count(*) FROM job_events WHERE type = 'succeeded' GROUP BY job_id",
    )
    return sum(row[0] - 1 for query in queries for row in service.rows(query))


def told(service: KilledService, search_id: str) -> list[Row]:
    """Returns what a search was told, in the order in which it was."""
    rows = service.rows(
        "SELECT o.number, e.architecture_digest, e.status, e.metrics FROM observations o "
        "JOIN evaluations e ON e.id = o.evaluation_id "
        f"WHERE o.search_id = '{search_id}' ORDER BY o.told_order"
    )
    return [(*row[:3], json.dumps(json.loads(row[3]), sort_keys=True)) for row in rows]
