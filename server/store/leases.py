"""Leases: what runners do with jobs.

A job that runs belongs to one runner by a lease, which ends by the database's clock. Whatever a
runner writes goes through the fence of its attempt (see `server.store.jobs`).
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from server.errors import LeaseLostError, StaleAttemptError
from server.job_states import IDLE, OWNED, JobStatus
from server.schemas.job_options import RetryPolicy
from server.store.awaited import CannotStartError, fill_in
from server.store.base import Transactions, clock
from server.store.claims import NO_LIMITS, ClaimLimits, next_job
from server.store.jobs import ClaimedJob, add_event, change_status, fence
from server.tables import JobEventRow, JobRow, Json

FIRST_SETBACK_S = 1.0
LONGEST_SETBACK_S = 60.0
STEADY_S = 300.0
"""After an attempt that lasted so long, the next setback is a first one again."""

MAX_SETTLED = 100
"""Jobs that are settled at once: whoever does it has something else to do, too."""


class StopRequest(StrEnum):
    """Why a runner shall stop a job that it still owns."""

    CANCEL = "cancel"
    DEADLINE = "deadline"
    PAUSE = "pause"


class LeaseStore(Transactions):
    """The runners' side of jobs."""

    def claim_job(
        self,
        owner: str,
        lease_seconds: float,
        kinds: Sequence[str],
        *,
        limits: ClaimLimits = NO_LIMITS,
        offered: Mapping[str, float] | None = None,
    ) -> ClaimedJob | None:
        """Gives the most urgent job that may run to `owner`; of equal priority, the oldest.

        Before that, what `settle_jobs` finds is settled. What the job needs by value of the jobs
        that it waited for is filled in.

        Args:
            owner: names the runner, uniquely among all that ever lived.
            lease_seconds: how long the job is the owner's without a heartbeat.
            kinds: the kinds of jobs that the runner can do.
            limits: on what runs at once on all runners.
            offered: how much the runner's cluster has of each resource of Ray; a job that needs
                more is left to others. None takes any job.

        Returns:
            The job, or None if there is nothing to do.
        """
        self.settle_jobs()
        while True:
            with self._write() as session:
                now = clock(session)
                job = next_job(session, now, kinds, limits, offered)
                if job is None:
                    return None
                try:
                    fill_in(session, job)
                except CannotStartError as error:
                    failure = {"type": "failed", "message": str(error)}
                    data = {"error": failure}
                    change_status(session, job, JobStatus.FAILED, now, data, error=failure)
                    continue
                lease = {
                    "attempt": job.attempt + 1,
                    "lease_owner": owner,
                    "lease_expires_at": now + timedelta(seconds=lease_seconds),
                    "not_before": None,
                    "started_at": job.started_at or now,
                }
                change_status(session, job, JobStatus.RUNNING, now, {"owner": owner}, **lease)
                return ClaimedJob(job.id, job.kind, job.spec, job.attempt, owner, job.project_id)

    def release_orphans(self, owner: str) -> list[str]:
        """Ends all leases but `owner`'s, which must be known to be those of dead runners.

        On SQLite the file lock of the one runner proves that; there is then no need to wait for the
        leases to expire.

        Returns:
            The ids of the jobs that were released.
        """
        with self._write() as session:
            now = clock(session)
            orphans = session.scalars(
                select(JobRow)
                .where(JobRow.status.in_(OWNED), JobRow.lease_owner != owner)
                .order_by(JobRow.id)
                .with_for_update()
            ).all()
            for job in orphans:
                self._settle_lost(session, job, now, "its runner died")
            return [job.id for job in orphans]

    def settle_jobs(self, *, leases: bool = True) -> int:
        """Settles jobs whose leases have expired, and those that waited past their deadlines.

        Each is a transaction of its own. What somebody has locked is left for the next time: a
        heartbeat may be under way.

        Args:
            leases: whether expired leases are looked for; else, only deadlines.

        Returns:
            How many it were, `MAX_SETTLED` at most.
        """
        with self._read() as session:
            now = clock(session)
            conditions = [_waits_too_long(now), *([_is_lost(now)] if leases else [])]
            found = [
                job_id
                for condition in conditions
                for job_id in session.scalars(select(JobRow.id).where(condition))
            ]
        return sum(self._settle(job_id, leases=leases) for job_id in sorted(found)[:MAX_SETTLED])

    def _settle(self, job_id: str, *, leases: bool) -> bool:
        """Settles a job if that is still due; returns whether it did."""
        with self._write() as session:
            now = clock(session)
            is_due = or_(_waits_too_long(now), _is_lost(now)) if leases else _waits_too_long(now)
            job = session.scalar(
                select(JobRow).where(JobRow.id == job_id, is_due).with_for_update(skip_locked=True)
            )
            if job is None:
                return False
            if job.state in OWNED:
                self._settle_lost(session, job, now, "its lease expired")
            else:
                _fail(session, job, now, overdue_error(job))
            return True

    def _settle_lost(self, session: Session, job: JobRow, now: datetime, reason: str) -> None:
        """Decides what becomes of a job whose runner is dead."""
        if job.state is JobStatus.CANCELLING:
            change_status(session, job, JobStatus.CANCELLED, now)
            return
        lost_leases = job.lost_leases + 1
        values = {"lost_leases": lost_leases}
        if _is_overdue(job, now):
            _fail(session, job, now, overdue_error(job), **values)
        elif lost_leases > self._max_lost_leases:
            message = f"its runner died {lost_leases} times while at work on it"
            _fail(session, job, now, {"type": "lost-too-often", "message": message}, **values)
        else:
            _give_back(session, job, now, {"reason": reason}, **values)

    def heartbeat(self, job: ClaimedJob, lease_seconds: float) -> StopRequest | None:
        """Renews the lease; returns why the job shall stop, if it shall.

        Raises:
            LeaseLostError: the job is no longer this attempt's.
        """
        with self._write() as session:
            try:
                row = fence(session, job)
            except StaleAttemptError as error:
                raise LeaseLostError(str(error)) from None
            now = clock(session)
            row.lease_expires_at = now + timedelta(seconds=lease_seconds)
            if row.state is JobStatus.CANCELLING:
                return StopRequest.CANCEL
            if _is_overdue(row, now):
                return StopRequest.DEADLINE
            return StopRequest.PAUSE if row.pause_requested else None

    def record_event(self, job: ClaimedJob, kind: str, data: Json) -> int:
        """Adds an event; returns its id.

        Raises:
            StaleAttemptError: the job is no longer this attempt's.
        """
        with self._write() as session:
            fence(session, job)
            return add_event(session, job.id, job.attempt, kind, data, clock(session))

    def record_progress(self, job: ClaimedJob, progress: Json) -> int:
        """Sets the job's progress and adds it as an event of type `progress`; returns its id.

        Raises:
            StaleAttemptError: the job is no longer this attempt's.
        """
        with self._write() as session:
            fence(session, job).progress = progress
            return add_event(session, job.id, job.attempt, "progress", progress, clock(session))

    def fail_job(self, job: ClaimedJob, error: Json) -> None:
        """Ends the attempt as failed, and the job with it unless its policy grants another.

        A job that was to be paused is paused instead of being tried again at once.

        Args:
            job: as claimed.
            error: `type` and `message`, and whatever else helps.

        Raises:
            StaleAttemptError: the job is no longer this attempt's.
        """
        with self._write() as session:
            row = fence(session, job)
            now = clock(session)
            failed_attempts = row.failed_attempts + 1
            values: dict[str, Any] = {"failed_attempts": failed_attempts}
            not_before = _next_attempt_at(row, error, failed_attempts, now)
            if not_before is None:
                _fail(session, row, now, error, **values)
                return
            data = {
                "error": error,
                "failed_attempts": failed_attempts,
                "not_before": not_before.isoformat(),
            }
            to = JobStatus.PAUSED if row.pause_requested else JobStatus.QUEUED
            change_status(session, row, to, now, data, not_before=not_before, **values)

    def fail_overdue_job(self, job: ClaimedJob) -> None:
        """Ends a job whose deadline has passed, as failed.

        Raises:
            StaleAttemptError: the job is no longer this attempt's.
        """
        with self._write() as session:
            row = fence(session, job)
            _fail(session, row, clock(session), overdue_error(row))

    def cancel_job(self, job: ClaimedJob) -> None:
        """Ends a job that is being cancelled.

        Raises:
            StaleAttemptError: the job is no longer this attempt's.
        """
        with self._write() as session:
            change_status(session, fence(session, job), JobStatus.CANCELLED, clock(session))

    def preempt_job(self, job: ClaimedJob, reason: str, *, is_setback: bool = False) -> None:
        """Gives an unfinished job back: to be claimed again, or as paused if that was asked for.

        A job that is being cancelled is cancelled instead. This is no failure of the job.

        Args:
            job: as claimed.
            reason: for people.
            is_setback: whether it could not go on: then nobody claims it for a second, and for
                twice as long each time that this happens again, up to a minute.

        Raises:
            StaleAttemptError: the job is no longer this attempt's.
        """
        with self._write() as session:
            row = fence(session, job)
            now = clock(session)
            if row.state is JobStatus.CANCELLING:
                change_status(session, row, JobStatus.CANCELLED, now, {"reason": reason})
            elif is_setback:
                _set_back(session, row, now, reason)
            else:
                _give_back(session, row, now, {"reason": reason})


def overdue_error(job: JobRow) -> Json:
    """Returns the error of a job whose deadline has passed."""
    assert job.deadline_at is not None
    deadline = job.deadline_at.isoformat(timespec="seconds")
    return {"type": "deadline-exceeded", "message": f"it had not ended by its deadline, {deadline}"}


def _is_overdue(job: JobRow, now: datetime) -> bool:
    return job.deadline_at is not None and job.deadline_at < now


def _is_lost(now: datetime) -> ColumnElement[bool]:
    return and_(JobRow.status.in_(OWNED), JobRow.lease_expires_at < now)


def _waits_too_long(now: datetime) -> ColumnElement[bool]:
    return and_(JobRow.status.in_(IDLE), JobRow.deadline_at < now)


def _fail(session: Session, job: JobRow, now: datetime, error: Json, **values: Any) -> None:
    data = {"error": error}
    change_status(session, job, JobStatus.FAILED, now, data, error=error, **values)


def _give_back(session: Session, job: JobRow, now: datetime, data: Json, **values: Any) -> None:
    to = JobStatus.PAUSED if job.pause_requested else JobStatus.PREEMPTED
    change_status(session, job, to, now, data, **values)


def _set_back(session: Session, job: JobRow, now: datetime, reason: str) -> None:
    """Gives a job back that nobody shall claim for a while; the event says how often in a row."""
    setbacks = 1 + _setbacks_before(session, job, now)
    pause_s = min(FIRST_SETBACK_S * 2.0 ** min(setbacks - 1, 16), LONGEST_SETBACK_S)
    not_before = now + timedelta(seconds=pause_s)
    data = {"reason": reason, "setbacks": setbacks, "not_before": not_before.isoformat()}
    _give_back(session, job, now, data, not_before=not_before)


def _setbacks_before(session: Session, job: JobRow, now: datetime) -> int:
    """Returns how many setbacks the attempt follows, one upon the other; 0 if it lasted."""
    moves = (JobStatus.RUNNING.value, JobStatus.PREEMPTED.value)
    began, *before = session.scalars(
        select(JobEventRow)
        .where(JobEventRow.job_id == job.id, JobEventRow.type.in_(moves))
        .order_by(JobEventRow.id.desc())
        .limit(2)
    )
    if not before or now - began.created_at >= timedelta(seconds=STEADY_S):
        return 0
    return int(before[0].data.get("setbacks", 0))


def _next_attempt_at(
    job: JobRow, error: Json, failed_attempts: int, now: datetime
) -> datetime | None:
    """Returns when the job may be tried again; None if it may not."""
    if job.retry is None or job.state is not JobStatus.RUNNING:
        return None
    policy = RetryPolicy.model_validate(job.retry)
    delay = policy.delay_after(error["type"], failed_attempts)
    if delay is None or (job.deadline_at is not None and now + delay >= job.deadline_at):
        return None
    return now + delay
