"""How occurrences of campaigns start and end; each function is part of an open transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from search_space.space import digest_of
from server.campaigns.settings import CampaignSettings, MatrixPoint, Retraining
from server.errors import ConflictError, ServerError
from server.job_states import TERMINAL, JobStatus
from server.store.base import get
from server.store.exports import ExportStore
from server.store.job_requests import JobRequestStore
from server.store.resources import SCRATCH, ResourceStore, newest_version
from server.store.searches import SearchStore
from server.store.webhooks import announce
from server.tables import (
    CampaignRow,
    DataSetRow,
    ExportRow,
    JobRow,
    Json,
    ObservationRow,
    OccurrenceRow,
    OccurrenceSearchRow,
    SearchRow,
    SupernetRow,
)

ACTIVE = ("queued", "running")
_S_PER_HOUR = 3600.0


class OccurrenceStarts(JobRequestStore, ResourceStore, SearchStore, ExportStore):
    """Starts, cancels and finishes occurrences, under the lock on their campaign's row."""

    def _start_next(self, session: Session, campaign: CampaignRow, now: datetime) -> None:
        """Starts the oldest occurrence that waits, unless one is running or the campaign paused."""
        while True:
            active = active_occurrences(session, campaign.id)
            if not active or active[0].status == "running":
                return
            if campaign.is_paused and active[0].trigger == "schedule":
                return
            self._start(session, campaign, active[0], now)

    def _start(
        self, session: Session, campaign: CampaignRow, occurrence: OccurrenceRow, now: datetime
    ) -> None:
        """Submits the first jobs of an occurrence; it is skipped or failed where that cannot be."""
        settings = CampaignSettings.model_validate(occurrence.settings)
        excess = _beyond_budget(session, campaign, settings)
        if excess is not None:
            skip(session, occurrence, excess, now)
            return
        occurrence.status, occurrence.started_at = "running", now
        occurrence.number = campaign.num_started
        occurrence.supernet_id = campaign.supernet_id
        occurrence.evaluations = settings.template.evaluations
        campaign.num_started += 1
        session.flush()
        _announce(session, occurrence, now)
        joined = self._joining(session)
        try:
            # A savepoint: a template that cannot be submitted leaves nothing half-submitted.
            with session.begin_nested():
                if not joined._submit_training(campaign, occurrence, settings):
                    joined._submit_searches(campaign, occurrence, settings)
        except (ServerError, ValidationError) as error:
            reason = f"its jobs could not be submitted: {error}"
            _end(session, occurrence, "failed", reason, now)

    def _submit_training(
        self, campaign: CampaignRow, occurrence: OccurrenceRow, settings: CampaignSettings
    ) -> bool:
        """Submits a training if the data set has a newer version; returns whether it did."""
        retraining = settings.template.retraining
        if retraining is None:
            return False
        with self._write() as session:
            supernet = get(session, SupernetRow, campaign.supernet_id)
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
                options=settings.template.search.job,
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


def active_occurrences(session: Session, campaign_id: str) -> Sequence[OccurrenceRow]:
    """Returns the occurrences that are not done: the running one first, then in their order."""
    statement = (
        select(OccurrenceRow)
        .where(OccurrenceRow.campaign_id == campaign_id, OccurrenceRow.status.in_(ACTIVE))
        .order_by(OccurrenceRow.status.desc(), OccurrenceRow.fire_at)
    )
    return session.scalars(statement).all()


def searches_of(
    session: Session, occurrence_id: str
) -> list[tuple[OccurrenceSearchRow, SearchRow, JobRow]]:
    """Returns the searches of an occurrence in their order, each with its job."""
    statement = (
        select(OccurrenceSearchRow, SearchRow, JobRow)
        .join(SearchRow, SearchRow.id == OccurrenceSearchRow.search_id)
        .join(JobRow, JobRow.id == SearchRow.job_id)
        .where(OccurrenceSearchRow.occurrence_id == occurrence_id)
        .order_by(OccurrenceSearchRow.position)
        .execution_options(populate_existing=True)
    )
    return [(row, search, job) for row, search, job in session.execute(statement)]


def jobs_of(session: Session, occurrence: OccurrenceRow) -> list[JobRow]:
    """Returns all jobs that an occurrence has submitted."""
    jobs = [job for _, _, job in searches_of(session, occurrence.id)]
    if occurrence.training_job_id is not None:
        jobs.append(get(session, JobRow, occurrence.training_job_id))
    if occurrence.export_id is not None:
        export = get(session, ExportRow, occurrence.export_id)
        jobs.append(get(session, JobRow, export.job_id))
    return jobs


def last_result(session: Session, campaign_id: str, place_digest: str) -> Json | None:
    """Returns what the last search in a place of the campaign's matrix gave; None if none did."""
    return session.scalar(
        select(OccurrenceSearchRow.result)
        .join(OccurrenceRow, OccurrenceRow.id == OccurrenceSearchRow.occurrence_id)
        .where(
            OccurrenceRow.campaign_id == campaign_id,
            OccurrenceRow.status == "succeeded",
            OccurrenceSearchRow.place_digest == place_digest,
            OccurrenceSearchRow.hypervolume.is_not(None),
        )
        .order_by(OccurrenceRow.number.desc())
        .limit(1)
    )


def ending(jobs: Sequence[JobRow]) -> str:
    """Returns how an occurrence ends none of whose jobs has succeeded."""
    cancelled = all(job.state is JobStatus.CANCELLED for job in jobs)
    return "cancelled" if cancelled else "failed"


def ended(job: JobRow) -> str:
    """Returns how a job has ended, for people."""
    message = (job.error or {}).get("message")
    return f"{job.status}: {message}" if message else job.status


def _end(
    session: Session, occurrence: OccurrenceRow, status: str, reason: str | None, now: datetime
) -> None:
    occurrence.status, occurrence.reason, occurrence.finished_at = status, reason, now
    if occurrence.started_at is not None:
        occurrence.evaluations = _observed(session, occurrence.id)
        jobs = jobs_of(session, occurrence)
        occurrence.worker_hours = sum(_worker_hours(job, now) for job in jobs)
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


def _observed(session: Session, occurrence_id: str) -> int:
    """Returns how many evaluations the searches of an occurrence were told."""
    counted = session.scalar(
        select(func.count())
        .select_from(ObservationRow)
        .join(OccurrenceSearchRow, OccurrenceSearchRow.search_id == ObservationRow.search_id)
        .where(OccurrenceSearchRow.occurrence_id == occurrence_id)
    )
    return counted or 0


def _worker_hours(job: JobRow, now: datetime) -> float:
    if job.started_at is None:
        return 0.0
    num_workers = (job.spec.get("resources") or {}).get("num_workers", 1)
    seconds = ((job.finished_at or now) - job.started_at).total_seconds()
    return float(num_workers * max(0.0, seconds) / _S_PER_HOUR)


def _beyond_budget(
    session: Session, campaign: CampaignRow, settings: CampaignSettings
) -> str | None:
    """Returns why the budget does not allow another occurrence; None if it does."""
    budget, planned = settings.budget, settings.template.evaluations
    evaluations, hours = session.execute(
        select(
            func.coalesce(func.sum(OccurrenceRow.evaluations), 0),
            func.coalesce(func.sum(OccurrenceRow.worker_hours), 0.0),
        ).where(OccurrenceRow.campaign_id == campaign.id)
    ).one()
    if budget.evaluations is not None and evaluations + planned > budget.evaluations:
        return (
            f"the budget is {budget.evaluations} evaluations: {evaluations} were made, "
            f"another {planned} are more than is left"
        )
    if budget.worker_hours is not None and hours >= budget.worker_hours:
        return f"the budget is {budget.worker_hours:g} worker-hours: {hours:.3g} were used"
    return None


def _warmed(point: MatrixPoint, last: Json | None, space_id: str) -> MatrixPoint:
    """Returns a search that begins with the last front; at most half of it is spent on that."""
    body = point.search
    if last is None or last["space"] != space_id:
        return point
    front = [one["architecture"] for one in last["front"]]
    most = body.evaluations // 2
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
    if supernet.version is None:
        raise ConflictError(f"supernet {supernet.id} must be trained before it is trained anew")
    return {"kind": "supernet", "supernet": supernet.id, "version": supernet.version}


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
