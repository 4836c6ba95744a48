"""Clocks of processes that are wrong: what counts is the database's."""

import ast
import os
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

from examples import add_supernet
from sqlalchemy import Engine, select

import server
from server.database import DatabaseNow
from server.settings import Settings
from server.store import Store

WALL_CLOCKS = {
    ("time", "time"),
    ("time", "time_ns"),
    ("time", "localtime"),
    ("time", "gmtime"),
    ("datetime", "now"),
    ("datetime", "utcnow"),
    ("datetime", "today"),
    ("date", "today"),
}
ALLOWED = {
    "cli/jobs.py",  # ages in a table
    "cli/database.py",  # the date in a backup's list of contents
    "cli/access.py",  # ages in a table, and the end of a new key, which is shown with it
    "rate_limits.py",  # how long a caller of this process shall wait: a minute at most
}


def test_a_runner_with_a_wrong_clock_keeps_its_lease_and_writes_true_times(
    store: Store, engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    _, job = add_supernet(store)
    days = -400 if settings.is_sqlite else 400
    before = clock(engine)
    runner = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("odd_clock.py"), str(days), tmp_path],
        env={**os.environ, **settings.environment()},
    )
    try:
        wait_for_file(tmp_path / "at work", runner)
        running = store.get_job(job.id)
        assert running.lease_expires_at is not None
        left = running.lease_expires_at - clock(engine)
        assert timedelta(0) < left <= timedelta(seconds=settings.lease_seconds)
        assert store.claim_job("another", 60, ["train"]) is None
        (tmp_path / "go on").touch()
        assert runner.wait(30) == 0
    finally:
        runner.kill()
        runner.wait()
    ended = store.get_job(job.id)
    assert (ended.status, ended.attempt) == ("failed", 1)
    times = [ended.started_at, ended.finished_at]
    times += [event.created_at for event in store.job_events(job.id, 0, 100) if event.attempt]
    assert len(times) >= 4
    assert all(moment is not None and before <= moment <= clock(engine) for moment in times)


def test_no_decision_of_the_service_reads_a_process_clock() -> None:
    """Whatever needs the time takes it as an argument, or asks the database."""
    folder = Path(server.__file__).parent
    found = {
        (path.relative_to(folder).as_posix(), f"{owner}.{name}")
        for path in folder.rglob("*.py")
        for owner, name in clocks_read(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert {path for path, _ in found} == ALLOWED, found


def clocks_read(tree: ast.AST) -> set[tuple[str, str]]:
    calls = {
        (node.value.attr if isinstance(node.value, ast.Attribute) else node.value.id, node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute)
    }
    imported = {
        (node.module or "", alias.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    return (calls | imported) & WALL_CLOCKS


def clock(engine: Engine) -> datetime:
    with engine.connect() as connection:
        now = connection.scalar(select(DatabaseNow()))
    assert isinstance(now, datetime)
    return now


def wait_for_file(path: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 30
    while not path.exists():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
