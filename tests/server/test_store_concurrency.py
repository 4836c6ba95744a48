"""Eight processes on one database, of both dialects: nothing is lost, nothing is done twice."""

import multiprocessing
from collections import Counter
from collections.abc import Callable
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from typing import Any

from examples import SPACE, add_search, claim, trained_supernet
from store_workers import finish_all_searches, record_results, submit_searches

from server.main import open_store
from server.settings import Settings
from server.store import Store

NUM_PROCESSES = 8

# Processes are forked from one that has imported everything, but has no threads or connections.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["store_workers", "server.main"])


def run_part(
    part: Callable[..., list[str]],
    settings: Settings,
    number: int,
    start: Barrier,
    results: "Queue[list[str]]",
    arguments: tuple[Any, ...],
) -> None:
    store = open_store(settings)
    start.wait(60)
    results.put(part(store, number, *arguments))
    store.close()


def run_together(
    part: Callable[..., list[str]], settings: Settings, *arguments: Any
) -> list[list[str]]:
    """Runs a part in eight processes at once; returns what each returned."""
    start = PROCESSES.Barrier(NUM_PROCESSES)
    results: Queue[list[str]] = PROCESSES.Queue()
    workers = [
        PROCESSES.Process(target=run_part, args=(part, settings, number, start, results, arguments))
        for number in range(NUM_PROCESSES)
    ]
    for worker in workers:
        worker.start()
    returned = [results.get(timeout=120) for _ in workers]
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * NUM_PROCESSES
    results.close()
    return returned


def test_each_job_is_claimed_by_one_process(settings: Settings, store: Store) -> None:
    supernet = trained_supernet(store)
    job_ids = [add_search(store, supernet, seed).job_id for seed in range(60)]

    claimed = run_together(finish_all_searches, settings)

    counts = Counter(job_id for done in claimed for job_id in done)
    assert counts == dict.fromkeys(job_ids, 1)
    for job_id in job_ids:
        job = store.get_job(job_id)
        assert (job.status, job.attempt) == ("succeeded", 1)
        events = [event.type for event in store.job_events(job_id, 0, 100)]
        assert events == ["queued", "running", *["progress"] * 5, "succeeded"]


def test_each_result_is_recorded_by_one_process(settings: Settings, store: Store) -> None:
    supernet = trained_supernet(store)
    jobs = [(add_search(store, supernet, seed).id, claim(store)) for seed in range(NUM_PROCESSES)]

    recorded = run_together(record_results, settings, jobs)

    rows = store.list_evaluations(100, space_id=SPACE.digest).rows
    assert len({row.architecture_digest for row in rows}) == 50
    for ids in recorded:  # every search was given the one row of each architecture
        assert sorted(ids) == sorted(row.id for row in rows)


def test_submissions_of_all_processes_are_kept(settings: Settings, store: Store) -> None:
    supernet = trained_supernet(store)
    submitted = run_together(submit_searches, settings, supernet.id)
    ids = [search_id for submitted_ids in submitted for search_id in submitted_ids]
    assert len(set(ids)) == 50 * NUM_PROCESSES
    assert {row.id for row in store.list_searches(1000).rows} == set(ids)
