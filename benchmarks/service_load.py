"""What the service takes from 100 clients at once, on a SQLite file and on PostgreSQL.

A round trip is what an outside evaluator does: lease one proposal of a search (random searcher,
the `digits` space) and tell what came of it; here the evaluation itself takes no time. A submission
is the POST of a search of a trained supernet: it writes a search, its job and an event. Each client
has one connection and asks again as soon as it is answered.

The service is one process, `espalier serve --no-runner`; the clients are one other process on the
same machine, and PostgreSQL, where it is installed, runs there too, with its own settings.
Afterwards the database is compared with what the clients were told: a row that was acknowledged and
is not there is lost, a proposal that was given to two clients or told twice is a duplicate. Peer,
on two cores with the same shape of load: Vizier 27 round trips per second on a SQLite file.
"""

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from _load_client import LoadClient
from _postgres import find_programs, postgres_server
from harness import Figure, parse_arguments, report
from sqlalchemy import func, select, text

from search_space.cnn import MobileNetV3Settings
from server.client import Client
from server.database import open_engine
from server.local_service import free_port, service_environment
from server.main import open_database
from server.settings import Settings
from server.store import Artifact, Store
from server.tables import EvaluationRow, ObservationRow, ProposalRow, SearchRow

NUM_CLIENTS = 100
QUICK_S, FULL_S = 5.0, 30.0
SPACE = {"kind": "mobilenetv3", "preset": "digits"}


@dataclass
class Load:
    """What the clients saw.

    Attributes:
        seconds: each answered unit of work took.
        acknowledged: what names each.
        errors: answers that were no success.
        wall_s: from the first request to the last answer.
        cpu_s: what the service's process worked meanwhile, whatever else the machine did.
    """

    seconds: list[float] = field(default_factory=list)
    acknowledged: list[Any] = field(default_factory=list)
    errors: list[Any] = field(default_factory=list)
    wall_s: float = 0.0
    cpu_s: float = 0.0


@dataclass(frozen=True)
class Server:
    """The service: its port and its process."""

    port: int
    process_id: int


Work = Callable[[LoadClient, Load], Awaitable[None]]


async def _client(port: int, work: Work, load: Load, until: float) -> None:
    client = LoadClient(port)
    await client.connect()
    while time.perf_counter() < until:
        started = time.perf_counter()
        num_errors = len(load.errors)
        await work(client, load)
        if len(load.errors) == num_errors:
            load.seconds.append(time.perf_counter() - started)
    await client.close()


def cpu_seconds(process_id: int) -> float:
    """Returns how long a process has worked, from the tables of Linux; 0 elsewhere."""
    path = Path(f"/proc/{process_id}/stat")
    if not path.exists():
        return 0.0
    fields = path.read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def drive(server: Server, work: Work, duration_s: float) -> Load:
    """Returns what 100 clients saw that did some work over and over."""
    load = Load()
    cpu_s = cpu_seconds(server.process_id)

    async def all_clients() -> None:
        started = time.perf_counter()
        until = started + duration_s
        clients = (_client(server.port, work, load, until) for _ in range(NUM_CLIENTS))
        await asyncio.gather(*clients)
        load.wall_s = time.perf_counter() - started

    asyncio.run(all_clients())
    load.cpu_s = cpu_seconds(server.process_id) - cpu_s
    return load


def round_trips(search_id: str) -> Work:
    """Returns the work of an outside evaluator of a search."""
    path = f"/v1/searches/{search_id}"

    async def work(client: LoadClient, load: Load) -> None:
        status, leased = await client.post(f"{path}/proposals", {"count": 1})
        if status != 200 or len(leased["items"]) != 1:
            load.errors.append((status, leased))
            return
        (item,) = leased["items"]
        values = {"top1_percent": 90.0 + item["number"] % 100 / 10, "joules": float(item["number"])}
        outcome = {"number": item["number"], "lease": item["lease"], "status": "measured"}
        body = {"items": [outcome | {"metrics": values}]}
        status, told = await client.post(f"{path}/observations", body)
        if status != 200 or told["recorded"] != 1:
            load.errors.append((status, told))
            return
        load.acknowledged.append((item["number"], item["architecture_digest"]))

    return work


def submissions(supernet_id: str) -> Work:
    """Returns the work of somebody who submits searches of a supernet."""
    body = {
        "name": "load",
        "supernet": supernet_id,
        "objectives": [{"metric": "top1_percent"}, {"metric": "macs"}],
        "evaluations": 60,
    }

    async def work(client: LoadClient, load: Load) -> None:
        status, search = await client.post("/v1/searches", body)
        if status != 202:
            load.errors.append((status, search))
            return
        load.acknowledged.append((search["id"], search["job"]))

    return work


@contextlib.contextmanager
def service(settings: Settings) -> Iterator[Server]:
    """Runs the service in a process of its own, without a runner, until the end of the block."""
    command = [sys.executable, "-m", "server.cli", "serve", "--no-runner"]
    port = free_port()
    environment = service_environment(os.environ, settings.home, port)
    environment |= {"ESPALIER_DATABASE_URL": settings.database_url}
    with (settings.home / "log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        with Client(f"http://127.0.0.1:{port}") as client:
            while True:
                with contextlib.suppress(Exception):
                    client.ready()
                    break
                assert process.poll() is None, (settings.home / "log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield Server(port, process.pid)
    finally:
        process.terminate()
        process.wait(60)


def trained_supernet(store: Store) -> str:
    """Returns the id of a supernet that is on record as trained."""
    settings = MobileNetV3Settings.from_preset("digits")
    space, _ = store.add_space(settings, settings.build())
    counts = {"train": 1000, "validation": 397, "test": 400}
    content = Artifact("d" * 64, 1, "application/octet-stream")
    data_set, _ = store.add_data_set("digits", {"kind": "digits"}, content, counts, (1, 8, 8), 10)
    supernet, _ = store.add_supernet(
        name="load",
        space_id=space.id,
        data_set_id=data_set.id,
        training={},
        resources={},
        seed=0,
    )
    job = store.claim_job("benchmark", 60.0, ["train"])
    assert job is not None
    store.finish_supernet(job, supernet.id, Artifact("f" * 64, 1, "x"), {})
    return supernet.id


def faults_of_round_trips(settings: Settings, search_id: str, load: Load) -> tuple[int, int]:
    """Returns how many acknowledged round trips are lost, and how many things there are twice."""
    engine = open_engine(settings)
    with engine.connect() as connection:
        rows = connection.execute(
            select(ObservationRow.number, EvaluationRow.architecture_digest)
            .join(EvaluationRow, EvaluationRow.id == ObservationRow.evaluation_id)
            .where(ObservationRow.search_id == search_id)
        ).all()
        proposed = connection.scalars(
            select(ProposalRow.architecture_digest).where(ProposalRow.search_id == search_id)
        ).all()
        num_evaluations = connection.scalar(
            select(func.count()).where(EvaluationRow.search_id == search_id)
        )
    engine.dispose()
    stored = [tuple(row) for row in rows]
    lost = len(set(load.acknowledged) - set(stored))
    twice = sum(
        len(values) - len(set(values)) for values in (load.acknowledged, stored, list(proposed))
    )
    return lost, twice + abs(int(num_evaluations or 0) - len(stored))


def faults_of_submissions(settings: Settings, load: Load) -> tuple[int, int]:
    """Returns how many acknowledged searches are lost, and how many were made twice."""
    engine = open_engine(settings)
    with engine.connect() as connection:
        rows = connection.execute(
            select(SearchRow.id, SearchRow.job_id).where(SearchRow.name == "load")
        ).all()
        num_jobs = connection.scalar(text("SELECT count(*) FROM jobs WHERE kind = 'search'"))
    engine.dispose()
    stored = {(search_id, job_id) for search_id, job_id in rows}
    lost = len(set(load.acknowledged) - stored)
    # Every request was answered, so there must not be more searches or jobs than answers.
    return lost, len(rows) - len(load.acknowledged) + abs(int(num_jobs or 0) - len(rows))


def figures_of(
    name: str, load: Load, lost: int, twice: int, *, rate_goal: str | None, p99_goal: str | None
) -> list[Figure]:
    """Returns the figures of one load."""
    p50, p99 = np.percentile(load.seconds, [50, 99]) * 1000
    return [
        Figure(f"{name}", len(load.seconds) / load.wall_s, "1/s", rate_goal),
        Figure(f"{name}, p50", float(p50), "ms"),
        Figure(f"{name}, p99", float(p99), "ms", p99_goal),
        Figure(f"{name}, the service's CPU each", load.cpu_s / len(load.seconds) * 1000, "ms"),
        Figure(f"{name}, errors", len(load.errors), "", "<= 0"),
        Figure(f"{name}, lost", lost, "", "<= 0"),
        Figure(f"{name}, duplicates", twice, "", "<= 0"),
    ]


def measure(label: str, home: Path, database_url: str, duration_s: float) -> list[Figure]:
    """Returns the figures of one database."""
    settings = Settings(home=home, database_url=database_url)
    if not settings.is_sqlite:
        from server import schema

        engine = open_engine(settings)
        schema.upgrade(engine)
        engine.dispose()
    store = Store(open_database(settings))
    supernet_id = trained_supernet(store)
    store.close()
    with service(settings) as server:
        with Client(f"http://127.0.0.1:{server.port}") as client:
            search = client.create_search(
                {
                    "name": "evaluated outside",
                    "space": SPACE,
                    "searcher": {"kind": "random"},
                    "objectives": [
                        {"metric": "top1_percent"},
                        {"metric": "joules", "goal": "minimize"},
                    ],
                    "evaluations": 100_000,
                    "evaluator": {"kind": "outside", "lease_seconds": 3600},
                }
            )
        drive(server, round_trips(search.id), 1.0)  # warm up
        told = drive(server, round_trips(search.id), duration_s)
        submitted = drive(server, submissions(supernet_id), duration_s)
    for load in (told, submitted):
        for error in load.errors[:3]:
            print(f"{label}: {error}")
    return [
        *figures_of(
            f"{label}: round trips",
            told,
            *faults_of_round_trips(settings, search.id, told),
            rate_goal=">= 270",
            p99_goal="<= 300",
        ),
        *figures_of(
            f"{label}: submissions",
            submitted,
            *faults_of_submissions(settings, submitted),
            rate_goal=None,
            p99_goal=None,
        ),
    ]


def main() -> None:
    """Measures and reports."""
    arguments = parse_arguments(__doc__)
    duration_s = QUICK_S if arguments.quick else FULL_S
    with tempfile.TemporaryDirectory(prefix="espalier-load-") as folder:
        home = Path(folder) / "sqlite"
        home.mkdir()
        figures = measure("SQLite", home, "", duration_s)
        programs = find_programs()
        if programs is None:
            print("PostgreSQL is not installed here: left out")
        else:
            home = Path(folder) / "postgresql"
            home.mkdir()
            with postgres_server(programs) as url:
                figures += measure("PostgreSQL", home, url, duration_s)
    report(f"{NUM_CLIENTS} clients of the service at once", figures, arguments)


if __name__ == "__main__":
    main()
