"""How occurrences of campaigns start and end; each function is part of an open transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy.orm import Session

from search_space.space import digest_of
from searchers.protocol import MAX_WARM_START
from server.campaigns.settings import CampaignSettings, MatrixPoint, Retraining, Template
from server.errors import ConflictError, ServerError
from server.job_states import TERMINAL, JobStatus
from server.store.base import get
from server.store.exports import ExportStore
from server.store.job_requests import JobRequestStore
from server.store.occurrence_rows import (
    active_occurrences,
    beyond_budget,
    jobs_of,
    last_result,
    used_by,
)
from server.store.resources import SCRATCH, ResourceStore, newest_version
from server.store.searches import SearchStore
from server.store.webhooks import announce
from server.tables import (
    CampaignRow,
    DataSetRow,
    JobRow,
    Json,
    OccurrenceRow,
    OccurrenceSearchRow,
    SupernetRow,
)


class OccurrenceStarts(JobRequestStore, ResourceStore, SearchStore, ExportStore):
    """Starts, cancels and finishes occurrences, under the lock on their campaign's row."""

    def _start_next(self, session: Session, campaign: CampaignRow, now: datetime) -> None:
        """Starts the oldest occurrence that waits, unless one is running or the campaign paused."""
        while True:
            active = active_occurrences(session, campaign.id)
            if any(one.status == "running" for one in active):
                return
            allowed = [one for one in active if one.trigger == "manual" or not campaign.is_paused]
            if not allowed:
                return
            self._start(session, campaign, allowed[0], now)

    def _start(
        self, session: Session, campaign: CampaignRow, occurrence: OccurrenceRow, now: datetime
    ) -> None:
        """Submits the first jobs of an occurrence; it is skipped or failed where that cannot be."""
        settings = CampaignSettings.model_validate(occurrence.settings)
        excess = beyond_budget(session, campaign, settings, now)
        if excess is not None:
            skip(session, occurrence, excess, now)
            return
        occurrence.status, occurrence.started_at = "running", now
        occurrence.number = campaign.num_started
        named = settings.template.search.supernet
        is_named_now = named == campaign.settings["template"]["search"]["supernet"]
        # What was trained since takes the place of what the template names, not of another.
        occurrence.supernet_id = campaign.supernet_id if is_named_now else named
        occurrence.evaluations = settings.template.evaluations
        campaign.num_started += 1
        session.flush()
        _announce(session, occurrence, now)
        joined = self._joining(session)
        try:
            # A savepoint: a template that cannot be submitted leaves nothing half-submitted.
            with session.begin_nested():
                if not joined._submit_training(campaign, occurrence, settings.template):
                    joined._submit_searches(campaign, occurrence, settings)
        except (ServerError, ValidationError) as error:
            reason = f"its jobs could not be submitted: {error}"
            _end(session, occurrence, "failed", reason, now)

    def _submit_training(
        self, campaign: CampaignRow, occurrence: OccurrenceRow, template: Template
    ) -> bool:
        """Submits a training if the data set has a newer version; returns whether it did."""
        retraining = template.retraining
        if retraining is None:
            return False
        with self._write() as session:
            supernet = get(session, SupernetRow, occurrence.supernet_id)
            old = get(session, DataSetRow, supernet.data_set_id)
            new = newest_version(session, old)
            if new.version == old.version:
                return False
            _check_same_images(old, new)
            trained, job = self.add_supernet(
                name=f"{campaign.name} {_count(occurrence)}",
                space_id=supernet.space_id,
                data_set_id=new.id,
                training=retraining.training.model_dump(mode="json"),
                resources=retraining.resources.model_dump(mode="json"),
                seed=retraining.seed,
                start=_start_of(retraining, supernet),
                options=template.search.job,
            )
            occurrence.stage, occurrence.supernet_id = "training", trained.id
            occurrence.training_job_id = job.id
            session.flush()
            return True

    def _submit_searches(
        self, campaign: CampaignRow, occurrence: OccurrenceRow, settings: CampaignSettings
    ) -> None:
        """Submits all searches of an occurrence, each warm if it shall be."""
        assert occurrence.number is not None
        assert occurrence.supernet_id is not None
        with self._write() as session:
            supernet = get(session, SupernetRow, occurrence.supernet_id)
            for position, point in enumerate(settings.template.points(occurrence.number)):
                arguments = _search_arguments(point)
                place_digest = digest_of([point.place, arguments["objectives"]])
                if settings.template.warm_start:
                    last = last_result(session, campaign.id, place_digest)
                    arguments = _search_arguments(_warmed(point, last, supernet.space_id))
                search, _ = self.add_search(
                    name=f"{campaign.name} {_count(occurrence)}.{position + 1}",
                    supernet_id=supernet.id,
                    **arguments,
                )
                session.add(
                    OccurrenceSearchRow(
                        occurrence_id=occurrence.id,
                        position=position,
                        search_id=search.id,
                        place=point.place,
                        place_digest=place_digest,
                    )
                )
            occurrence.stage = "searching"
            session.flush()

    # --- ending --------------------------------------------------------------------------------

    def _finish(
        self,
        session: Session,
        campaign: CampaignRow,
        occurrence: OccurrenceRow,
        status: str,
        reason: str | None,
        now: datetime,
    ) -> None:
        """Ends an occurrence, with what it has used up, and starts the next one that waits."""
        _end(session, occurrence, status, reason, now)
        self._start_next(session, campaign, now)

    def _cancel(
        self, session: Session, occurrence: OccurrenceRow, reason: str, now: datetime
    ) -> None:
        """Ends an occurrence and asks its jobs to end."""
        joined = self._joining(session)
        for job in jobs_of(session, occurrence):
            if job.state in TERMINAL:
                continue
            try:
                joined.request_cancel(job.id)
            except ConflictError:  # it has ended in this moment
                continue
        _end(session, occurrence, "cancelled", reason, now)


def skip(session: Session, occurrence: OccurrenceRow, reason: str, now: datetime) -> None:
    """Ends an occurrence that was not started."""
    occurrence.status, occurrence.reason, occurrence.finished_at = "skipped", reason, now
    session.flush()
    _announce(session, occurrence, now)


def ending(jobs: Sequence[JobRow]) -> str:
    """Returns how an occurrence ends none of whose jobs has succeeded."""
    cancelled = all(job.state is JobStatus.CANCELLED for job in jobs)
    return "cancelled" if cancelled else "failed"


def ended(job: JobRow) -> str:
    """Returns how a job has ended, for people: "has failed: no worker", "was cancelled"."""
    has = "was" if job.state is JobStatus.CANCELLED else "has"
    message = (job.error or {}).get("message")
    return f"{has} {job.status}: {message}" if message else f"{has} {job.status}"


def _end(
    session: Session, occurrence: OccurrenceRow, status: str, reason: str | None, now: datetime
) -> None:
    occurrence.status, occurrence.reason, occurrence.finished_at = status, reason, now
    if occurrence.started_at is not None:
        occurrence.evaluations, occurrence.worker_hours = used_by(session, occurrence, now)
    session.flush()
    _announce(session, occurrence, now)


def _announce(session: Session, occurrence: OccurrenceRow, now: datetime) -> None:
    """Tells webhooks that an occurrence has started, was skipped or has ended."""
    data = {
        "campaign": get(session, CampaignRow, occurrence.campaign_id).name,
        "occurrence": occurrence.id,
        "fire_at": occurrence.fire_at.isoformat(),
        "status": occurrence.status,
        "reason": occurrence.reason,
    }
    announce(session, occurrence.project_id, "campaign.occurrence", data, now)


def _warmed(point: MatrixPoint, last: Json | None, space_id: str) -> MatrixPoint:
    """Returns a search that begins with the last front; at most half of it is spent on that."""
    body = point.search
    if last is None or last["space"] != space_id:
        return point
    front = [one["architecture"] for one in last["front"]]
    most = max(0, min(body.evaluations // 2, MAX_WARM_START - len(body.searcher.warm_start)))
    if len(front) > most:  # evenly over the front, its ends included
        step = (len(front) - 1) / max(1, most - 1)
        front = [front[round(position * step)] for position in range(most)]
    warm_start = (*body.searcher.warm_start, *front)
    searcher = body.searcher.model_copy(update={"warm_start": warm_start})
    return point.model_copy(update={"search": body.model_copy(update={"searcher": searcher})})


def _search_arguments(point: MatrixPoint) -> dict[str, Any]:
    """Returns a search as the store takes it, but for its name and supernet."""
    body = point.search
    return {
        "searcher": body.searcher.model_dump(mode="json"),
        "objectives": [objective.model_dump(mode="json") for objective in body.objectives],
        "limits": [limit.model_dump(mode="json") for limit in body.limits],
        "evaluations": body.evaluations,
        # Without its kind, as in every search: equal evaluators have equal digests.
        "evaluator": body.evaluator.model_dump(mode="json", exclude={"kind"}),
        "resources": body.resources.model_dump(mode="json"),
        "seed": body.seed,
        "options": body.job,
    }


def _start_of(retraining: Retraining, supernet: SupernetRow) -> Mapping[str, Any]:
    if retraining.start == "scratch":
        return SCRATCH
    return {"kind": "supernet", "supernet": supernet.id}


def _check_same_images(old: DataSetRow, new: DataSetRow) -> None:
    """Returns if networks for one data set take the images and labels of the other.

    Raises:
        ConflictError: they do not.
    """
    if old.shape[0] != new.shape[0] or old.num_classes != new.num_classes:
        raise ConflictError(
            f"data set {new.id} must have {old.shape[0]} channels and {old.num_classes} classes "
            f"like {old.id} before it, got {new.shape[0]} and {new.num_classes}"
        )


def _count(occurrence: OccurrenceRow) -> str:
    assert occurrence.number is not None
    return f"#{occurrence.number + 1}"
