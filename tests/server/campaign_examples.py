"""Campaigns to test with, and a runner's part in them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from examples import KINDS, SPACE, artifact, provenance

from search_space.outcomes import Measured
from searchers.protocol import Proposal
from server.campaigns.duty import advance_campaigns
from server.campaigns.settings import CampaignSettings
from server.job_states import JobStatus
from server.store import ClaimedJob, ExportFile, Store
from server.tables import OccurrenceRow

START = datetime(2026, 3, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
PROMOTION = {"rule": {"kind": "objective", "metric": "top1_percent", "margin": 0.5}}
FIGURES = ((97.0, 0.5), (96.0, 0.25), (94.0, 0.2), (93.0, 0.6))


def at(minutes: float) -> datetime:
    """A time so many minutes after the start."""
    return START + minutes * MINUTE


def search_template(supernet_id: str, **changes: Any) -> dict[str, Any]:
    body = {
        "name": "x",
        "supernet": supernet_id,
        "searcher": {"kind": "random"},
        "objectives": [{"metric": "top1_percent"}, {"metric": "latency_ms"}],
        "evaluator": {"latency": {}},
        "evaluations": 10,
    }
    return body | changes


def campaign_body(supernet_id: str, **changes: Any) -> dict[str, Any]:
    body: dict[str, Any] = {
        "name": "nightly",
        "schedule": {"kind": "interval", "every_seconds": 600, "anchor": START.isoformat()},
        "template": {"search": search_template(supernet_id)},
    }
    return body | changes


def campaign(supernet_id: str, **changes: Any) -> CampaignSettings:
    """A campaign that fires every ten minutes."""
    return CampaignSettings.model_validate(campaign_body(supernet_id, **changes))


def history(store: Store, name: str = "nightly") -> list[tuple[float, str]]:
    """The minutes at which a campaign fired and what became of each, in their order."""
    rows = occurrences(store, name)
    return [((row.fire_at - START) / MINUTE, row.status) for row in rows]


def occurrences(store: Store, name: str = "nightly") -> list[OccurrenceRow]:
    rows = store.list_occurrences(store.find_campaign(name).id, 500).rows
    return sorted(rows, key=lambda row: row.fire_at)


def next_job(store: Store, owner: str = "runner") -> ClaimedJob:
    job = store.claim_job(owner, 60.0, KINDS)
    assert job is not None
    return job


def finish_searches(
    store: Store, figures: Sequence[tuple[float, float]] = FIGURES, draw: int = 0
) -> list[str]:
    """Does all searches that wait: each measures these figures; returns the searches' ids."""
    done = []
    while job := store.claim_job("runner", 60.0, ["search"]):
        finish_search(store, job, figures, draw)
        done.append(job.spec["search_id"])
    return done


def finish_search(
    store: Store, job: ClaimedJob, figures: Sequence[tuple[float, float]] = FIGURES, draw: int = 0
) -> None:
    search = store.get_search(job.spec["search_id"])
    genes = SPACE.sample(len(figures), np.random.default_rng(draw))
    proposals = [Proposal(number, SPACE.decode(row)) for number, row in enumerate(genes)]
    store.record_proposals(job, search.id, proposals)
    observed = []
    for proposal, (top1_percent, latency_ms) in zip(proposals, figures, strict=True):
        metrics = {"top1_percent": top1_percent, "latency_ms": latency_ms}
        outcome = Measured(metrics, provenance(top1_percent, latency_ms))
        row = store.record_evaluation(job, search.id, proposal.architecture, outcome)
        observed.append((proposal.number, row.id))
    store.record_observations(job, search.id, observed)
    store.finish_search(job, search.id, {})


def finish_export(store: Store) -> str:
    """Does the export that waits; returns its id."""
    job = store.claim_job("runner", 60.0, ["export"])
    assert job is not None
    export_id: str = job.spec["export_id"]
    store.record_export(job, export_id, [ExportFile("model.onnx", artifact("e"))], {}, None)
    return export_id


def is_running(store: Store, row: OccurrenceRow) -> bool:
    jobs = [one.job.state for one in store.occurrence_searches(row.id)]
    return any(state is JobStatus.QUEUED for state in jobs)


def add(store: Store, supernet_id: str, minutes: float = 1, **changes: Any) -> None:
    """Adds a campaign that fires every ten minutes, some minutes after the start."""
    store.add_campaign(campaign(supernet_id, **changes), at(minutes))


def done(store: Store, minutes: float, **how: Any) -> None:
    """Lets a runner do all searches that wait, and the duty see it."""
    finish_searches(store, **how)
    advance_campaigns(store, at(minutes))
