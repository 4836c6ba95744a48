"""What is known of occurrences: which are not done, their jobs and results, what they used up."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from server.campaigns.settings import CampaignSettings
from server.tables import (
    CampaignRow,
    ExportRow,
    JobRow,
    Json,
    ObservationRow,
    OccurrenceRow,
    OccurrenceSearchRow,
    SearchRow,
)

ACTIVE = ("queued", "running")
_S_PER_HOUR = 3600.0


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
    training, export = training_of(session, occurrence), export_of(session, occurrence)
    return [*jobs, *([training] if training else []), *([export[1]] if export else [])]


def training_of(session: Session, occurrence: OccurrenceRow) -> JobRow | None:
    """Returns the job of an occurrence's training; None if there is none, or none any more.

    What came to nothing may be deleted, also before the occurrence has learned of it.
    """
    job_id = occurrence.training_job_id
    return None if job_id is None else session.get(JobRow, job_id)


def export_of(session: Session, occurrence: OccurrenceRow) -> tuple[ExportRow, JobRow] | None:
    """Returns an occurrence's export with its job; None if there is none, or none any more."""
    if occurrence.export_id is None:
        return None
    statement = (
        select(ExportRow, JobRow)
        .join(JobRow, JobRow.id == ExportRow.job_id)
        .where(ExportRow.id == occurrence.export_id)
    )
    found = session.execute(statement).one_or_none()
    return None if found is None else (found[0], found[1])


def last_result(session: Session, campaign_id: str, place_digest: str) -> Json | None:
    """Returns what the last search in a place of the campaign's matrix gave; None if none did."""
    return session.scalar(
        select(OccurrenceSearchRow.result)
        .join(OccurrenceRow, OccurrenceRow.id == OccurrenceSearchRow.occurrence_id)
        .where(
            OccurrenceRow.campaign_id == campaign_id,
            OccurrenceSearchRow.place_digest == place_digest,
            OccurrenceSearchRow.hypervolume.is_not(None),
        )
        .order_by(OccurrenceRow.number.desc())
        .limit(1)
    )


def used_by(session: Session, occurrence: OccurrenceRow, now: datetime) -> tuple[int, float]:
    """Returns how many evaluations an occurrence's searches were told, and its worker-hours."""
    counted = session.scalar(
        select(func.count())
        .select_from(ObservationRow)
        .join(OccurrenceSearchRow, OccurrenceSearchRow.search_id == ObservationRow.search_id)
        .where(OccurrenceSearchRow.occurrence_id == occurrence.id)
    )
    return counted or 0, sum(_worker_hours(job, now) for job in jobs_of(session, occurrence))


def _worker_hours(job: JobRow, now: datetime) -> float:
    if job.started_at is None:
        return 0.0
    num_workers = (job.spec.get("resources") or {}).get("num_workers", 1)
    seconds = ((job.finished_at or now) - job.started_at).total_seconds()
    return float(num_workers * max(0.0, seconds) / _S_PER_HOUR)


def beyond_budget(
    session: Session,
    campaign: CampaignRow,
    settings: CampaignSettings,
    now: datetime,
    instead_of: Sequence[OccurrenceRow] = (),
) -> str | None:
    """Returns why the budget does not allow another occurrence; None if it does.

    Args:
        session: of the transaction.
        campaign: whose.
        settings: of the occurrence.
        now: by the database's clock.
        instead_of: occurrences that end now for it: of those counts what they have used.
    """
    budget, planned = settings.budget, settings.template.evaluations
    if budget.evaluations is None and budget.worker_hours is None:
        return None
    evaluations, hours = session.execute(
        select(
            func.coalesce(func.sum(OccurrenceRow.evaluations), 0),
            func.coalesce(func.sum(OccurrenceRow.worker_hours), 0.0),
        ).where(
            OccurrenceRow.campaign_id == campaign.id,
            OccurrenceRow.id.not_in([one.id for one in instead_of]),
        )
    ).one()
    for one in instead_of:
        used = used_by(session, one, now)
        evaluations, hours = evaluations + used[0], hours + used[1]
    if budget.evaluations is not None and evaluations + planned > budget.evaluations:
        return (
            f"the budget is {budget.evaluations} evaluations: {evaluations} were made, "
            f"another {planned} are more than is left"
        )
    if budget.worker_hours is not None and hours >= budget.worker_hours:
        return f"the budget is {budget.worker_hours:g} worker-hours: {hours:.3g} were used"
    return None
