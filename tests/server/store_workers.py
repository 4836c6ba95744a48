"""What many processes at once do to one database; each function is one process's part."""

import numpy as np
from examples import SPACE, add_search

from search_space.outcomes import Measured
from server.store import ClaimedJob, Store


def finish_all_searches(store: Store, number: int) -> list[str]:
    """Claims and finishes searches until there are none; returns their jobs' ids."""
    done = []
    while job := store.claim_job(f"runner{number}", 60.0, ["search"]):
        for progress in range(5):
            store.record_progress(job, {"done": progress})
        store.finish_search(job, job.spec["search_id"], {"by": number})
        done.append(job.id)
    return done


def record_results(store: Store, number: int, jobs: list[tuple[str, ClaimedJob]]) -> list[str]:
    """Records the same fifty results in an order of its own; returns the ids of the rows."""
    search_id, job = jobs[number]
    genes = SPACE.sample(50, np.random.default_rng(0))
    outcome = Measured({"top1_percent": float(number)})
    return [
        store.record_evaluation(job, search_id, SPACE.decode(row), outcome).id
        for row in np.random.default_rng(number).permutation(genes)
    ]


def submit_searches(store: Store, _number: int, supernet_id: str) -> list[str]:
    """Submits fifty searches; returns their ids."""
    supernet = store.get_supernet(supernet_id)
    return [add_search(store, supernet, seed).id for seed in range(50)]
