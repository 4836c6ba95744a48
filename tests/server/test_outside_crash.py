"""The service is killed at any moment while clients evaluate: it goes on as if nothing was."""

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from live import serve_process
from outside_examples import add_outside_search, metrics_of
from postgres_server import free_port

from search_space.outcomes import Measured
from searchers.replay import Asked
from server.client import Client
from server.main import open_store
from server.outside.desk import Desk
from server.outside.orders import Leased, LeaseOrder, Report, ReportOrder
from server.settings import Settings
from server.store import Store

NSGA2 = {"kind": "nsga2", "population_size": 6}
EVALUATIONS = 30
NUM_KILLS = 1


def undisturbed(store: Store) -> list[tuple[int, str]]:
    """What the same search proposes that is evaluated one by one in this process."""
    search, _ = add_outside_search(store, searcher=NSGA2, evaluations=EVALUATIONS)
    desk: Desk | None = None
    while True:
        desk, (leased,) = store.work_at_desk(search.id, desk, [LeaseOrder(1, None)])
        assert isinstance(leased, Leased)
        if not leased.leases:
            return proposed(store, search.id)
        (lease,) = leased.leases
        report = Report(lease.number, lease.token, Measured(metrics_of(lease.architecture)))
        desk, _ = store.work_at_desk(search.id, desk, [ReportOrder((report,))])


def proposed(store: Store, search_id: str) -> list[tuple[int, str]]:
    log = store.search_log(search_id)
    asked = [proposal for entry in log if isinstance(entry, Asked) for proposal in entry.proposals]
    return [(proposal.number, proposal.architecture.digest) for proposal in asked]


@pytest.mark.slow
def test_a_killed_server_loses_and_repeats_nothing(tmp_path: Path) -> None:
    store = open_store(Settings(home=tmp_path))
    port = free_port()
    over = threading.Event()
    num_kills = 0

    def keep_killing() -> None:
        nonlocal num_kills
        while not over.is_set():
            with serve_process(tmp_path, port):  # ends with SIGKILL
                wait_until_up()
                over.wait(0.4 if num_kills < NUM_KILLS else 300)
                num_kills += not over.is_set()

    def wait_until_up() -> None:
        with Client(f"http://127.0.0.1:{port}") as probe:
            while not over.is_set():
                try:
                    probe.version()
                    return
                except Exception:
                    time.sleep(0.05)

    def evaluate(architecture: Mapping[str, Any]) -> dict[str, float]:
        time.sleep(0.05)
        return metrics_of(architecture)

    killer = threading.Thread(target=keep_killing)
    killer.start()
    try:
        with Client(f"http://127.0.0.1:{port}", patience_s=60) as client:
            wait_until_up()
            # Not by the client: the reply of a submission may be lost with the server.
            search, _ = add_outside_search(
                store, searcher=NSGA2, evaluations=EVALUATIONS, lease_seconds=1
            )
            told: list[int] = []
            client.evaluate(
                search.id, evaluate, on_told=lambda lease, _outcome: told.append(lease.number)
            )
    finally:
        over.set()
        killer.join()
    assert num_kills >= NUM_KILLS
    assert sorted(told) == list(range(EVALUATIONS))
    assert store.get_job(search.job_id).status == "succeeded"
    assert store.search_counts([search])[search.id]["measured"] == EVALUATIONS
    assert proposed(store, search.id) == undisturbed(store)
    store.close()
