"""A database after years of use: how long lists, fronts and histories take.

Fills a database with searches of 1,000 evaluations each (a million evaluations in all), spread over
two projects of which one is small, then asks the real service over HTTP for the first page of every
list, the front of one search and the history of its hypervolume. Baselines in the same run: the
front by comparing all pairs in Python, and a page that is reached by OFFSET.

    python benchmarks/large_database.py [--quick] [--json FILE] [--database-url URL]

`--database-url` names an empty PostgreSQL database; by default the database is a SQLite file.
"""

import json
import os
import secrets
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import uvicorn
from harness import Arguments, Figure, argument_parser, interleaved, report
from sqlalchemy import Engine, insert, text

from search_space.cnn import MobileNetV3Settings
from server import schema
from server.database import open_engine
from server.ids import new_id
from server.logs import configure_logs
from server.main import listen, open_service
from server.settings import Settings
from server.tables import (
    ArtifactRow,
    DataSetRow,
    EvaluationRow,
    JobEventRow,
    JobRow,
    ObservationRow,
    ProposalRow,
    SearchRow,
    SpaceRow,
    SupernetRow,
    Table,
)

SPACE_SETTINGS = MobileNetV3Settings.from_preset("imagenet")
SPACE = SPACE_SETTINGS.build()
PER_SEARCH = 1000
NUM_SEARCHES, QUICK_NUM_SEARCHES = 1000, 20
REPEATS, QUICK_REPEATS = 40, 10
SMALL_SHARE = 100
"""One search in so many belongs to the small project, the first ones, which are the oldest."""

GOAL = "<= 100"
LISTS = ("jobs", "searches", "evaluations", "supernets", "data-sets", "spaces", "exports")


class Filler:
    """Writes rows as the service would have written them, many at once.

    Args:
        engine: of a database whose schema is current.
        num_searches: each with `PER_SEARCH` evaluations.
    """

    def __init__(self, engine: Engine, num_searches: int) -> None:
        self._engine = engine
        self._num_searches = num_searches
        self._rng = np.random.default_rng(0)
        self._start = datetime(2024, 1, 1, tzinfo=UTC)
        self.searches: list[str] = []

    def fill(self) -> None:
        """Writes everything."""
        now = self._start
        self._add(
            ArtifactRow,
            [{"sha256": "a" * 64, "size_bytes": 1, "media_type": "x/y", "created_at": now}],
        )
        self._add(
            SpaceRow,
            [
                {
                    "id": SPACE.digest,
                    "kind": "mobilenetv3",
                    "settings": SPACE_SETTINGS.model_dump(mode="json"),
                    "size": str(SPACE.size),
                    "num_choices": len(SPACE.choices),
                    "created_at": now,
                }
            ],
        )
        for project in ("small", "default"):
            self._add_supernet(project, now)
        for number in range(self._num_searches):
            project = "small" if number % SMALL_SHARE == 0 and number < 500 else "default"
            self._add_search(number, project, now + timedelta(minutes=30 * number))

    def _add_supernet(self, project: str, now: datetime) -> None:
        job = f"job_{project}"
        self._add(
            JobRow, [self._job(job, "train", {"supernet_id": f"net_{project}"}, project, now)]
        )
        data_set = {
            "id": f"dat_{project}",
            "name": "digits",
            "source": {"kind": "digits"},
            "version": "a" * 64,
            "counts": {"train": 1000},
            "shape": [1, 8, 8],
            "num_classes": 10,
            "report": None,
            "created_at": now,
            "project_id": project,
        }
        self._add(DataSetRow, [data_set])
        supernet = {
            "id": f"net_{project}",
            "name": "first",
            "space_id": SPACE.digest,
            "data_set_id": f"dat_{project}",
            "training": {"epochs": 1},
            "start": {"kind": "scratch"},
            "resources": {},
            "seed": 0,
            "job_id": job,
            "version": "a" * 64,
            "summary": {},
            "created_at": now,
            "project_id": project,
        }
        self._add(SupernetRow, [supernet])

    def _job(
        self, job_id: str, kind: str, spec: Any, project: str, now: datetime
    ) -> dict[str, Any]:
        return {
            "id": job_id,
            "kind": kind,
            "spec": spec,
            "status": "succeeded",
            "attempt": 1,
            "priority": 0,
            "lost_leases": 0,
            "created_at": now,
            "started_at": now,
            "finished_at": now,
            "project_id": project,
        }

    def _add_search(self, number: int, project: str, now: datetime) -> None:
        search, job = new_id("sea", now), new_id("job", now)
        if project == "default":
            self.searches.append(search)
        objectives = [
            {"metric": "top1_percent", "goal": "maximize"},
            {"metric": "latency_ms", "goal": "minimize"},
        ]
        self._add(JobRow, [self._job(job, "search", {"search_id": search}, project, now)])
        values = {
            "id": search,
            "name": f"search {number}",
            "supernet_id": f"net_{project}",
            "space_id": SPACE.digest,
            "searcher": {"kind": "random"},
            "objectives": objectives,
            "limits": [],
            "evaluations": PER_SEARCH,
            "evaluator": {"kind": "supernet", "accuracy": {}, "latency": None},
            "evaluator_digest": secrets.token_hex(8),
            "resources": {},
            "seed": number,
            "job_id": job,
            "result": {"counts": {"measured": PER_SEARCH, "infeasible": 0, "failed": 0}},
            "created_at": now,
            "project_id": project,
        }
        self._add(SearchRow, [values])
        self._add_log(search, job, values["evaluator_digest"], project, now)

    def _add_log(
        self, search: str, job: str, evaluator_digest: str, project: str, now: datetime
    ) -> None:
        cost = self._rng.random(PER_SEARCH)
        top1 = 60 + 20 * cost**0.5 + self._rng.normal(0, 2, PER_SEARCH)
        evaluations, proposals, observations = [], [], []
        for number, architecture in enumerate(_architectures(self._rng)):
            evaluation, digest = new_id("eva", now), secrets.token_hex(8)
            shared = {"created_at": now, "project_id": project}
            evaluations.append(
                {
                    "id": evaluation,
                    "space_id": SPACE.digest,
                    "architecture_digest": digest,
                    "evaluator_digest": evaluator_digest,
                    "architecture": architecture,
                    "status": "measured",
                    "metrics": {
                        "top1_percent": float(top1[number]),
                        "latency_ms": float(1 + 9 * cost[number]),
                    },
                    "provenance": {"top1_percent": {"num_images": 400}},
                    "reason": None,
                    "search_id": search,
                    **shared,
                }
            )
            at = {"search_id": search, "number": number}
            proposals.append(
                {
                    **at,
                    "step": 2 * (number // 20),
                    "architecture_digest": digest,
                    "architecture": architecture,
                    **shared,
                }
            )
            observations.append(
                {
                    **at,
                    "evaluation_id": evaluation,
                    "step": 2 * (number // 20) + 1,
                    "told_order": number,
                    **shared,
                }
            )
        self._add(EvaluationRow, evaluations)
        self._add(ProposalRow, proposals)
        self._add(ObservationRow, observations)
        events = [
            {
                "job_id": job,
                "attempt": 1,
                "type": "progress",
                "data": {"done": done, "total": PER_SEARCH, "unit": "evaluations"},
                "created_at": now,
                "project_id": project,
            }
            for done in range(20, PER_SEARCH, 20)
        ]
        self._add(JobEventRow, events)

    def _add(self, table: type[Table], values: list[dict[str, Any]]) -> None:
        with self._engine.execution_options(writes=True).begin() as connection:
            connection.execute(insert(table.__table__), values)


def _architectures(rng: np.random.Generator) -> list[dict[str, Any]]:
    """Twenty different ones over and over: their making is not what is measured."""
    some = [dict(SPACE.decode(row)) for row in SPACE.sample(20, rng)]
    return [some[number % len(some)] for number in range(PER_SEARCH)]


@contextmanager
def served(settings: Settings) -> Iterator[httpx.Client]:
    """Gives a client of the real application on a free port."""
    stopping = threading.Event()
    with open_service(settings, stopping=stopping) as app:
        config = uvicorn.Config(app, port=0, log_config=None, access_log=False)
        server = uvicorn.Server(config)
        with listen("127.0.0.1", 0) as socket:
            thread = threading.Thread(target=server.run, args=([socket],))
            thread.start()
            while not server.started:
                time.sleep(0.01)
            url = f"http://127.0.0.1:{socket.getsockname()[1]}"
            with httpx.Client(base_url=url, timeout=300) as client:
                yield client
            stopping.set()
            server.should_exit = True
            thread.join()


def front_by_pairs(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The front as it is often computed: each point against each other, in Python."""
    return [
        (top1, latency)
        for top1, latency in points
        if not any(a >= top1 and b <= latency and (a, b) != (top1, latency) for a, b in points)
    ]


def size_bytes(engine: Engine, settings: Settings) -> int:
    """Returns what the database takes on disk."""
    if settings.is_sqlite:
        return sum(file.stat().st_size for file in settings.home.glob("espalier.db*"))
    with engine.connect() as connection:
        return int(connection.scalar(text("SELECT pg_database_size(current_database())")) or 0)


def measure(client: httpx.Client, filler: Filler, repeats: int) -> list[Figure]:
    """Returns how long each question takes, in milliseconds at the median."""
    search = filler.searches[len(filler.searches) // 2]
    questions = {f"first page of {name}": f"/v1/{name}" for name in LISTS}
    questions |= {
        "first page of a search's evaluations": f"/v1/searches/{search}/evaluations",
        "evaluations of one architecture": "/v1/evaluations?architecture_digest=0123456789abcdef",
        "front of one search": f"/v1/searches/{search}/front",
        "hypervolume history": f"/v1/searches/{search}/hypervolume",
        "comparison of ten searches": "/v1/comparisons?"
        + "&".join(f"search={one}" for one in filler.searches[:10]),
    }

    def ask(path: str) -> None:
        client.get(path).raise_for_status()

    timings = interleaved(
        {name: lambda path=path: ask(path) for name, path in questions.items()},  # type: ignore[misc]
        repeats=repeats,
    )
    return [
        Figure(name, timing.median_s * 1000, "ms", None if "comparison" in name else GOAL)
        for name, timing in timings.items()
    ]


def baselines(client: httpx.Client, engine: Engine, filler: Filler) -> list[Figure]:
    """Returns what the naive ways take beside ours."""
    search = filler.searches[0]
    lines = client.get(f"/v1/evaluations.ndjson?search={search}").text.splitlines()
    metrics = [json.loads(line)["metrics"] for line in lines]
    points = [(one["top1_percent"], one["latency_ms"]) for one in metrics]
    started = time.perf_counter()
    expected = front_by_pairs(points)
    pairs_ms = (time.perf_counter() - started) * 1000
    front = client.get(f"/v1/searches/{search}/front").json()["points"]
    assert len(front) == len(expected), (len(front), len(expected))

    def page(path: str) -> str:
        return str(client.get(path).raise_for_status().json()["next"])

    # Ten pages down by cursor, and as deep as the list goes by OFFSET.
    path = "/v1/evaluations?limit=100"
    for _ in range(10):
        path = page(path)
    started = time.perf_counter()
    page(path)
    cursor_ms = (time.perf_counter() - started) * 1000
    count = PER_SEARCH * len(filler.searches)
    seconds = []
    with engine.connect() as connection:
        for _ in range(3):
            started = time.perf_counter()
            statement = text("SELECT * FROM evaluations ORDER BY id DESC LIMIT 100 OFFSET :skipped")
            connection.execute(statement, {"skipped": count - 100}).all()
            seconds.append(time.perf_counter() - started)
    return [
        Figure("baseline: front of one search by pairs, computing alone", pairs_ms, "ms"),
        Figure("eleventh page of evaluations by cursor", cursor_ms, "ms", GOAL),
        Figure(
            "baseline: last page by OFFSET, the query alone",
            statistics.median(seconds) * 1000,
            "ms",
        ),
    ]


def run(arguments: Arguments, database_url: str, home: Path) -> list[Figure]:
    """Fills a database and measures it."""
    settings = Settings(home=home, database_url=database_url)
    home.mkdir(parents=True, exist_ok=True)
    engine = open_engine(settings)
    schema.upgrade(engine)
    filler = Filler(engine, QUICK_NUM_SEARCHES if arguments.quick else NUM_SEARCHES)
    started = time.perf_counter()
    filler.fill()
    filling_s = time.perf_counter() - started
    if not settings.is_sqlite:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("ANALYZE"))
    count = PER_SEARCH * filler._num_searches
    figures = [
        Figure("evaluations", count, ""),
        Figure("filling", filling_s, "s"),
        Figure("size", size_bytes(engine, settings) / 2**20, "MiB"),
        Figure("size of an evaluation with its log", size_bytes(engine, settings) / count, "bytes"),
    ]
    with served(settings) as client:
        figures += measure(client, filler, QUICK_REPEATS if arguments.quick else REPEATS)
        figures += baselines(client, engine, filler)
    engine.dispose()
    return figures


def main() -> None:
    """Runs the benchmark."""
    parser = argument_parser(__doc__)
    parser.add_argument("--database-url", default="", metavar="URL")
    given = parser.parse_args()
    arguments = Arguments(quick=given.quick, json_path=given.json)
    os.environ.pop("ESPALIER_DATABASE_URL", None)
    configure_logs("error", "json")
    with tempfile.TemporaryDirectory() as folder:
        figures = run(arguments, given.database_url, Path(folder) / "home")
    kind = "PostgreSQL" if given.database_url else "SQLite"
    report(f"A database of many searches, {kind}", figures, arguments)


if __name__ == "__main__":
    main()
