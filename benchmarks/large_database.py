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
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import uvicorn
from _filling import PER_SEARCH, Filler
from harness import Arguments, Figure, argument_parser, interleaved, report
from sqlalchemy import Engine, text

from server import schema
from server.database import open_engine
from server.logs import configure_logs
from server.main import listen, open_service
from server.settings import Settings

NUM_SEARCHES, QUICK_NUM_SEARCHES = 1000, 20
REPEATS, QUICK_REPEATS = 40, 10
GOAL = "<= 100"
LISTS = ("jobs", "searches", "evaluations", "supernets", "data-sets", "spaces", "exports")


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
    count = PER_SEARCH * filler.num_searches
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
