"""Many runners on one PostgreSQL claim at once: limits hold, and nothing is claimed twice."""

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from examples import add_search, trained_supernet
from postgres_server import PostgresServer
from sqlalchemy import Engine, text

from server.callers import Caller
from server.database import open_engine
from server.settings import Settings
from server.store import ClaimedJob, ClaimLimits, Store

pytestmark = pytest.mark.postgres

NUM_RUNNERS = 8
KEYS = ("key_a", "key_b", "key_c")
LIMITS = ClaimLimits(total=5, per_key=3)


@pytest.fixture
def engine(postgres: PostgresServer, postgres_template: str, tmp_path: Path) -> Iterator[Engine]:
    url = postgres.new_database(postgres_template)
    engine = open_engine(Settings(home=tmp_path, database_url=url))
    yield engine
    engine.dispose()


def most_running(engine: Engine, stopped: threading.Event) -> tuple[int, int]:
    """The most jobs that were ever seen to run: in all, and with one key."""
    most = (0, 0)
    while not stopped.is_set():
        with engine.connect() as connection:
            counts = connection.execute(
                text("SELECT submitted_by, count(*) FROM jobs WHERE status = 'running' GROUP BY 1")
            ).all()
        numbers = [count for _, count in counts]
        most = (max(most[0], sum(numbers)), max(most[1], *numbers, 0))
    return most


def test_limits_hold_while_many_runners_claim(engine: Engine) -> None:
    store = Store(engine)
    supernet = trained_supernet(store)
    for key in KEYS:
        for seed in range(12):
            add_search(store.acting_for(Caller(key_id=key)), supernet, seed)
    start, done = threading.Barrier(NUM_RUNNERS), threading.Event()

    def work(number: int) -> list[ClaimedJob]:
        start.wait(30)
        claimed: list[ClaimedJob] = []
        while store.list_jobs(1, status="queued").rows:
            job = store.claim_job(f"runner{number}", 60.0, ["search"], limits=LIMITS)
            if job is not None:
                claimed.append(job)
                store.finish_search(job, job.spec["search_id"], {})
        return claimed

    with ThreadPoolExecutor(NUM_RUNNERS + 1) as pool:
        watched = pool.submit(most_running, engine, done)
        claimed = list(pool.map(work, range(NUM_RUNNERS)))
        done.set()
        in_all, with_one_key = watched.result()
    counts = Counter(job.id for jobs in claimed for job in jobs)
    assert len(counts) == len(KEYS) * 12
    assert set(counts.values()) == {1}
    assert 1 < in_all <= 5
    assert with_one_key <= 3


def test_nobody_waits_for_a_row_that_another_holds(engine: Engine) -> None:
    store = Store(engine)
    supernet = trained_supernet(store)
    first, second = add_search(store, supernet, 1), add_search(store, supernet, 2)
    store.set_priority(first.job_id, 5)
    with engine.begin() as connection:
        held = text("SELECT id FROM jobs WHERE id = :id FOR UPDATE")
        connection.execute(held, {"id": first.job_id})
        claimed = store.claim_job("me", 60.0, ["search"])
        assert claimed is not None
        assert claimed.id == second.job_id
