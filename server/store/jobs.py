"""Jobs: leases, fencing, events.

A job that runs belongs to one runner by a lease. `attempt` is the fencing token: each claim raises
it, and every write of a runner names the attempt it was made for, so that a runner that was thought
dead can do no harm when it comes back.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from server.callers import DEFAULT_PROJECT
from server.errors import (
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    StaleAttemptError,
)
from server.ids import new_id
from server.job_states import OWNED, TERMINAL, TRANSITIONS, JobStatus
from server.schemas.job_options import RetryPolicy
from server.store.base import Page, Transactions, get
from server.store.isolation import bind_project
from server.store.listing import NEWEST, Part, page_of, with_values
from server.store.quotas import check_jobs
from server.store.webhooks import announce
from server.tables import JobDependencyRow, JobEventRow, JobNeedRow, JobRow, Json
from workers.settings import ResourceSettings

OUTSIDE = "outside"
"""The kind of jobs whose work is done by clients: no runner ever claims or owns them."""

PREDICTION_QUALITY = "prediction_quality"
"""The type of events that say how well a search's predictors had ranked a batch. They are a result,
and are kept as long as the job is."""


STITCHES = "stitches"
"""The type of the event that says what every stitch of a supernet was worth before its training.
It is a result, likewise."""


@dataclass(frozen=True)
class ClaimedJob:
    """A job as the runner that owns it knows it; `attempt` and `owner` are its fence."""

    id: str
    kind: str
    spec: Json
    attempt: int
    owner: str
    project_id: str = DEFAULT_PROJECT


class JobStore(Transactions):
    """Queries about jobs and their events."""

    def get_job(self, job_id: str) -> JobRow:
        """Returns a job.

        Raises:
            NotFoundError: there is none.
        """
        with self._read() as session:
            return get(session, JobRow, job_id)

    def get_jobs(self, job_ids: Sequence[str]) -> dict[str, JobRow]:
        """Returns the jobs that exist of those asked for, by id."""
        with self._read() as session:
            rows = session.scalars(select(JobRow).where(JobRow.id.in_(job_ids)))
            return {row.id: row for row in rows}

    def list_jobs(
        self,
        limit: int,
        part: Part = NEWEST,
        *,
        status: str | None = None,
        kind: str | None = None,
    ) -> Page[JobRow]:
        """Returns jobs."""
        statement = with_values(select(JobRow), JobRow, {"status": status, "kind": kind})
        with self._read() as session:
            return page_of(session, statement, JobRow, limit, part, prefix="job")

    def job_events(self, job_id: str, after: int, limit: int) -> Sequence[JobEventRow]:
        """Returns the job's events with ids above `after`, in order.

        Raises:
            NotFoundError: there is no such job.
        """
        with self._read() as session:
            get(session, JobRow, job_id)
            statement = (
                select(JobEventRow)
                .where(JobEventRow.job_id == job_id, JobEventRow.id > after)
                .order_by(JobEventRow.id)
                .limit(limit)
            )
            return session.scalars(statement).all()

    def awaited_by(self, job_ids: Sequence[str]) -> dict[str, list[str]]:
        """Returns the ids of the jobs that each job waits for, or waited for, oldest first."""
        awaited: dict[str, list[str]] = {job_id: [] for job_id in job_ids}
        with self._read() as session:
            rows = session.scalars(
                select(JobDependencyRow)
                .where(JobDependencyRow.job_id.in_(job_ids))
                .order_by(JobDependencyRow.depends_on)
            )
            for row in rows:
                awaited[row.job_id].append(row.depends_on)
        return awaited


def submit_job(
    session: Session,
    kind: str,
    spec: Json,
    now: datetime,
    *,
    priority: int = 0,
    depends_on: Sequence[str] = (),
    deadline_at: datetime | None = None,
    retry: RetryPolicy | None = None,
) -> JobRow:
    """Adds a queued job of the caller's.

    Args:
        session: of the transaction.
        kind: what to do.
        spec: everything that the runner must know.
        now: by the database's clock.
        priority: the highest is claimed first.
        depends_on: ids of jobs that must have succeeded before.
        deadline_at: when it fails if it has not ended.
        retry: which failures are tried again; None for none.

    Raises:
        InvalidRequestError: the deadline has passed.
        NotFoundError: a job that it depends on does not exist.
        ConflictError: a job that it depends on has failed or was cancelled.
        JobQuotaError: the project has as many jobs as it may.
        StorageQuotaError: the project has as many bytes as it may.
    """
    if deadline_at is not None and deadline_at <= now:
        rule = f"must be after now, {now.isoformat(timespec='seconds')}"
        raise InvalidRequestError.single("/job/deadline_at", rule, deadline_at.isoformat())
    check_jobs(session)
    awaited = _lock_awaited(session, depends_on)
    caller = session.info["caller"]
    job = JobRow(
        id=new_id("job", now),
        kind=kind,
        spec=spec,
        status=JobStatus.QUEUED.value,
        attempt=0,
        priority=priority,
        lost_leases=0,
        submitted_by=caller.key_id if caller else None,
        deadline_at=deadline_at,
        retry=retry.model_dump(mode="json") if retry else None,
        created_at=now,
    )
    session.add(job)
    session.flush()
    session.add_all(JobDependencyRow(job_id=job.id, depends_on=other) for other in awaited)
    session.add_all(
        JobNeedRow(job_id=job.id, resource=resource, amount=amount)
        for resource, amount in needs_of(spec).items()
    )
    session.flush()
    add_event(session, job.id, 0, JobStatus.QUEUED.value, {}, now)
    return job


def _lock_awaited(session: Session, job_ids: Sequence[str]) -> list[str]:
    """Returns the ids, each once, with locks: none of these jobs ends in this transaction.

    One that failed after it was looked at would not fail a dependant that is not there yet.

    Raises:
        NotFoundError: one does not exist.
        ConflictError: one has failed or was cancelled.
    """
    unique = sorted(set(job_ids))
    for job_id in unique:
        statement = select(JobRow).where(JobRow.id == job_id).with_for_update(read=True)
        row = session.scalar(statement.execution_options(populate_existing=True))
        if row is None:
            raise NotFoundError("job", job_id)
        if row.state in TERMINAL and row.state is not JobStatus.SUCCEEDED:
            raise ConflictError(f"a job cannot wait for job {job_id}: that has {row.status}")
    return unique


def needs_of(spec: Mapping[str, Any]) -> dict[str, float]:
    """Returns how much of each resource of Ray the job of a spec holds at once, at most."""
    parts = [spec.get("resources"), (spec.get("standalone") or {}).get("resources")]
    needs: dict[str, float] = {}
    for part in parts:
        if part is not None:
            for name, amount in ResourceSettings.model_validate(part).total().items():
                needs[name] = max(needs.get(name, 0.0), amount)
    return needs


def succeed_job(session: Session, job: ClaimedJob, now: datetime, result: Json) -> None:
    """Ends the job as succeeded, in the transaction that records its result.

    Raises:
        StaleAttemptError: the job is no longer this attempt's.
    """
    change_status(session, fence(session, job), JobStatus.SUCCEEDED, now, result)


def move_outside_job(
    session: Session, job_id: str, to: JobStatus, now: datetime, data: Json, **values: Any
) -> None:
    """Moves a job whose work is done by clients; what they hold is fenced by leases of its own.

    Args:
        session: of the transaction.
        job_id: a job of kind `OUTSIDE`, whose row the caller has locked.
        to: a state that the transition table allows.
        now: by the database's clock.
        data: of the event.
        values: other columns to set.
    """
    job = locked(session, job_id)
    assert job.kind == OUTSIDE, job.kind
    change_status(session, job, to, now, data, **values)


def report_outside_progress(session: Session, job_id: str, progress: Json, now: datetime) -> JobRow:
    """Sets the progress of a job of kind `OUTSIDE`, under the lock that the caller holds.

    Returns:
        The job.
    """
    job = locked(session, job_id)
    job.progress = progress
    add_event(session, job.id, job.attempt, "progress", progress, now)
    return job


def fence(session: Session, job: ClaimedJob) -> JobRow:
    """Locks the job's row and returns it if this attempt still owns it.

    The rest of the transaction is within the job's project.

    Raises:
        StaleAttemptError: it does not, or the job has been deleted.
    """
    try:
        row = locked(session, job.id)
    except NotFoundError:
        raise StaleAttemptError(f"job {job.id} has been deleted") from None
    if row.state not in OWNED or row.attempt != job.attempt or row.lease_owner != job.owner:
        raise StaleAttemptError(
            f"job {job.id} is {row.status} in attempt {row.attempt} of {row.lease_owner}; "
            f"attempt {job.attempt} of {job.owner} is over"
        )
    bind_project(session, row.project_id)
    return row


def add_event(
    session: Session, job_id: str, attempt: int, kind: str, data: Json, now: datetime
) -> int:
    """Adds an event under the lock on the job's row that the caller holds; returns its id."""
    event = JobEventRow(job_id=job_id, attempt=attempt, type=kind, data=data, created_at=now)
    session.add(event)
    session.flush()
    return event.id


def locked(session: Session, job_id: str) -> JobRow:
    """Returns the job with a lock on its row (SQLite's write transactions lock everything).

    Raises:
        NotFoundError: there is no such job.
    """
    statement = select(JobRow).where(JobRow.id == job_id).with_for_update()
    row = session.scalar(statement.execution_options(populate_existing=True))
    return row if row is not None else get(session, JobRow, job_id)


def change_status(
    session: Session,
    job: JobRow,
    to: JobStatus,
    now: datetime,
    data: Json | None = None,
    **values: Any,
) -> None:
    """Moves a job to another state, and fails those that waited for it in vain.

    The row was read in this transaction under a lock. The guard in the WHERE clause holds all the
    same, should a lock ever be forgotten.

    Args:
        session: of the transaction.
        job: as read; holds the new values afterwards.
        to: a state that the transition table allows.
        now: by the database's clock.
        data: of the event, whose type is the new state.
        values: other columns to set.

    Raises:
        StaleAttemptError: somebody else changed the row's state or attempt.
    """
    _move(session, job, to, now, data, **values)
    if to in (JobStatus.FAILED, JobStatus.CANCELLED):
        _fail_dependants(session, job, now)


def _move(
    session: Session,
    job: JobRow,
    to: JobStatus,
    now: datetime,
    data: Json | None = None,
    **values: Any,
) -> None:
    """Changes a status and records that: the only place that does."""
    expected, attempt = job.state, job.attempt
    assert to in TRANSITIONS[expected], f"a job cannot go from {expected} to {to}"
    values |= {"status": to.value, "pause_requested": False}
    if to not in OWNED:
        values |= {"lease_owner": None, "lease_expires_at": None}
    if to in TERMINAL:
        values |= {"finished_at": now}
    session.flush()
    result = session.execute(
        update(JobRow)
        .where(JobRow.id == job.id, JobRow.status == expected.value, JobRow.attempt == attempt)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    if result.rowcount != 1:  # type: ignore[attr-defined]  # of every UPDATE's result
        raise StaleAttemptError(f"job {job.id} is no longer {expected} in attempt {attempt}")
    session.refresh(job)
    add_event(session, job.id, job.attempt, to.value, data or {}, now)
    if to in TERMINAL:
        told = {"job": job.id, "kind": job.kind}
        announce(session, job.project_id, f"job.{to.value}", told, now)


def _fail_dependants(session: Session, root: JobRow, now: datetime) -> None:
    """Fails all jobs that wait for one that will never succeed, directly or through others."""
    dependants: dict[str, JobRow] = {}
    # Until their rows are locked, more jobs may come to wait for them. Locks are taken from old to
    # new, as everywhere.
    while new := _dependants(session, root.id) - dependants.keys():
        rows = session.scalars(
            select(JobRow)
            .where(JobRow.id.in_(new))
            .order_by(JobRow.id)
            .with_for_update()
            .execution_options(populate_existing=True)
        )
        dependants |= {row.id: row for row in rows}
    has = "was" if root.state is JobStatus.CANCELLED else "has"
    message = f"it waited for job {root.id}, which {has} {root.status}"
    error = {"type": "dependency-failed", "message": message, "job": root.id}
    for job in dependants.values():
        if job.state not in TERMINAL:
            _move(session, job, JobStatus.FAILED, now, {"error": error}, error=error)


def _dependants(session: Session, job_id: str) -> set[str]:
    """Returns the ids of the jobs that wait for a job, directly or through others."""
    direct = (
        select(JobDependencyRow.job_id)
        .where(JobDependencyRow.depends_on == job_id)
        .cte("dependants", recursive=True)
    )
    further = select(JobDependencyRow.job_id).join(
        direct, JobDependencyRow.depends_on == direct.c.job_id
    )
    return set(session.scalars(select(direct.union(further).c.job_id)))
