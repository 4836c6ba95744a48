"""Rows to test with, made through the store as the service makes them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from search_space.cnn import MobileNetV3Settings
from search_space.outcomes import Measured
from search_space.space import Architecture, SearchSpace
from searchers.protocol import Limit, Objective, Proposal
from server.assessment_summary import summarize
from server.store import Artifact, Assessed, ClaimedJob, Store
from server.tables import DataSetRow, ExportRow, JobRow, SearchRow, SpaceRow, SupernetRow

SPACE_SETTINGS = MobileNetV3Settings.from_preset("digits")
SPACE: SearchSpace = SPACE_SETTINGS.build()
KINDS = ("train", "search", "export", "refine", "assess")


def artifact(letter: str) -> Artifact:
    return Artifact(letter * 64, 100, "application/octet-stream")


def add_data_set(store: Store, name: str = "digits", letter: str = "d") -> DataSetRow:
    counts = {"train": 1000, "validation": 397, "test": 400}
    row, _ = store.add_data_set(name, {"kind": "digits"}, artifact(letter), counts, (1, 8, 8), 10)
    return row


def add_space(store: Store) -> SpaceRow:
    row, _ = store.add_space(SPACE_SETTINGS, SPACE)
    return row


def add_supernet(store: Store) -> tuple[SupernetRow, JobRow]:
    return store.add_supernet(
        name="first",
        space_id=add_space(store).id,
        data_set_id=add_data_set(store).id,
        training={"epochs": 1, "label_smoothing": 0.25, "schedule": {"kind": "sandwich"}},
        resources={"num_workers": 1},
        seed=1,
    )


def claim(store: Store, owner: str = "runner", lease_seconds: float = 60.0) -> ClaimedJob:
    job = store.claim_job(owner, lease_seconds, KINDS)
    assert job is not None
    return job


def trained_supernet(store: Store) -> SupernetRow:
    supernet, _ = add_supernet(store)
    store.finish_supernet(claim(store), supernet.id, artifact("f"), {"top1_percent": 98.0})
    return store.get_supernet(supernet.id)


def add_search(
    store: Store,
    supernet: SupernetRow,
    seed: int = 0,
    objectives: Sequence[str] = ("top1_percent",),
    max_latency_ms: float | None = None,
) -> SearchRow:
    limits = [Limit(metric="latency_ms", upper=max_latency_ms)] if max_latency_ms else []
    search, _ = store.add_search(
        name="fast",
        supernet_id=supernet.id,
        searcher={"kind": "random"},
        objectives=[Objective(metric=metric).model_dump(mode="json") for metric in objectives],
        limits=[limit.model_dump(mode="json") for limit in limits],
        evaluations=10,
        evaluator={"accuracy": {}, "latency": None},
        resources={},
        seed=seed,
    )
    return search


def running_search(store: Store) -> tuple[SearchRow, ClaimedJob]:
    search = add_search(store, trained_supernet(store))
    return search, claim(store)


def add_export(store: Store, search: SearchRow, digest: str) -> ExportRow:
    export, _ = store.add_export(search.id, digest, report_test=True)
    return export


def provenance(top1_percent: float, latency_ms: float) -> dict[str, Any]:
    """How an evaluation of 400 images and 30 repeats says that it got its figures."""
    return {
        "top1_percent": {
            "split": "validation",
            "num_images": 400,
            "interval_percent": [top1_percent - 0.5, top1_percent + 0.5],
        },
        "latency_ms": {
            "settings": {"statistic": "p10"},
            "p10_ms": 0.9 * latency_ms,
            "p90_ms": 1.1 * latency_ms,
            "reference_baseline_ms": 1.0,
        },
    }


def assessed(store: Store, supernet_id: str) -> str:
    """The id of a finished assessment of three architectures, all of them trained alone."""
    assessment, _ = store.add_assessment(
        supernet_id=supernet_id,
        samples=3,
        strata=1,
        accuracy={},
        standalone={"count": 3},
        resources={},
        seed=0,
    )
    job = claim(store)
    macs = (1e5, 2e5, 4e5)
    rows = sorted(SPACE.sample(3, np.random.default_rng(5)).tolist())
    batch = [
        Assessed(number, SPACE.decode(np.array(row)), assessed_outcome(macs[number], 90.0 + number))
        for number, row in enumerate(rows)
    ]
    store.record_assessed(job, assessment.id, batch)
    for number, top1_percent in enumerate((91.0, 94.0, 93.0)):
        store.record_standalone(job, assessment.id, number, trained_alone(top1_percent))
    summary = summarize(store.assessed(assessment.id), num_sampled=3, seed=0)
    store.finish_assessment(job, assessment.id, summary)
    return assessment.id


def assessed_outcome(macs: float, top1_percent: float) -> Measured:
    how = {
        "split": "validation",
        "num_images": 397,
        "interval_percent": [top1_percent - 2, top1_percent + 2],
    }
    return Measured({"top1_percent": top1_percent, "macs": macs}, {"top1_percent": how})


def trained_alone(top1_percent: float, status: str = "trained") -> dict[str, Any]:
    return {
        "status": status,
        "epochs": 2,
        "history": [50.0, top1_percent],
        "top1_percent": top1_percent,
        "provenance": {"interval_percent": [top1_percent - 2, top1_percent + 2]},
        "reason": None,
    }


def observe(
    store: Store,
    search: SearchRow,
    job: ClaimedJob,
    figures: Sequence[tuple[float, float]],
    seed: int = 0,
) -> list[Architecture]:
    """Lets a search observe architectures with these accuracies and latencies."""
    genes = SPACE.sample(len(figures), np.random.default_rng(seed))
    architectures = [SPACE.decode(row) for row in genes]
    proposals = [Proposal(number, a) for number, a in enumerate(architectures)]
    store.record_proposals(job, search.id, proposals)
    observed = []
    for proposal, (top1_percent, latency_ms) in zip(proposals, figures, strict=True):
        metrics = {"top1_percent": top1_percent, "latency_ms": latency_ms}
        outcome = Measured(metrics, provenance(top1_percent, latency_ms))
        row = store.record_evaluation(job, search.id, proposal.architecture, outcome)
        observed.append((proposal.number, row.id))
    store.record_observations(job, search.id, observed)
    return architectures


def search_with_a_front(store: Store, max_latency_ms: float = 1.0) -> tuple[SearchRow, list[str]]:
    """A search that has ended, and its architectures' digests: the first three are on its front."""
    objectives = ("top1_percent", "latency_ms")
    search = add_search(store, trained_supernet(store), 0, objectives, max_latency_ms)
    job = claim(store)
    figures = [(97.0, 0.5), (96.0, 0.25), (94.0, 0.2), (93.0, 0.6)]
    architectures = observe(store, search, job, figures)
    store.finish_search(job, search.id, {})
    return search, [architecture.digest for architecture in architectures]
