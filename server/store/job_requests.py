"""What people ask of a job: to cancel, kill, pause, resume, hurry or forget it."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from server.errors import ConflictError, PreconditionFailedError
from server.job_states import IDLE, OWNED, TERMINAL, JobStatus
from server.store.base import Transactions, clock
from server.store.jobs import OUTSIDE, add_event, change_status, locked
from server.tables import (
    AssessmentRow,
    ExportRow,
    JobDependencyRow,
    JobEventRow,
    JobNeedRow,
    JobRow,
    RefinedNetworkRow,
    RefinementRow,
    SearchRow,
    SupernetRow,
)

_SUBJECTS: Mapping[str, Any] = {
    "train": SupernetRow,
    "search": SearchRow,
    OUTSIDE: SearchRow,
    "export": ExportRow,
    "refine": RefinementRow,
    "assess": AssessmentRow,
}


class JobRequestStore(Transactions):
    """Requests about jobs; a runner learns of those about its own from its next heartbeat."""

    def request_cancel(self, job_id: str) -> JobRow:
        """Cancels a job, or asks its runner to; asking twice changes nothing.

        Raises:
            NotFoundError: there is no such job.
            ConflictError: it has already succeeded or failed.
        """
        with self._write() as session:
            job = locked(session, job_id)
            if job.state in (JobStatus.CANCELLING, JobStatus.CANCELLED):
                return job
            _refuse_terminal(job, "cancelled")
            to = JobStatus.CANCELLING if job.state in OWNED else JobStatus.CANCELLED
            change_status(session, job, to, clock(session))
            if job.kind == OUTSIDE and to is JobStatus.CANCELLING:
                # No runner is at work that would have to let go.
                change_status(session, job, JobStatus.CANCELLED, clock(session))
            return job

    def kill_job(self, job_id: str) -> JobRow:
        """Ends a job at once, whoever works on it; asking twice changes nothing.

        Its runner learns of it from its next heartbeat; what it writes until then is refused.

        Raises:
            NotFoundError: there is no such job.
            ConflictError: it has already succeeded or failed.
        """
        with self._write() as session:
            job = locked(session, job_id)
            if job.state is JobStatus.CANCELLED:
                return job
            _refuse_terminal(job, "killed")
            change_status(session, job, JobStatus.CANCELLED, clock(session), {"killed": True})
            return job

    def request_pause(self, job_id: str) -> JobRow:
        """Pauses a job, or asks its runner to; asking twice changes nothing.

        Raises:
            NotFoundError: there is no such job.
            ConflictError: it has ended, or is being cancelled.
        """
        with self._write() as session:
            job = locked(session, job_id)
            if job.state is JobStatus.PAUSED or job.pause_requested:
                return job
            _refuse_terminal(job, "paused")
            now = clock(session)
            match job.state:
                case JobStatus.CANCELLING:
                    raise ConflictError(f"job {job_id} cannot be paused: it is being cancelled")
                case JobStatus.RUNNING if job.kind != OUTSIDE:
                    job.pause_requested = True
                    add_event(session, job.id, job.attempt, "pausing", {}, now)
                case _:
                    change_status(session, job, JobStatus.PAUSED, now)
            return job

    def resume_job(self, job_id: str) -> JobRow:
        """Queues a paused job again, or withdraws the request to pause a running one.

        A job that is neither stays as it is.

        Raises:
            NotFoundError: there is no such job.
            ConflictError: it has ended, or is being cancelled.
        """
        with self._write() as session:
            job = locked(session, job_id)
            _refuse_terminal(job, "resumed")
            now = clock(session)
            if job.state is JobStatus.CANCELLING:
                raise ConflictError(f"job {job_id} cannot be resumed: it is being cancelled")
            if job.state is JobStatus.PAUSED:
                change_status(session, job, JobStatus.QUEUED, now, {"resumed": True})
            elif job.pause_requested:
                job.pause_requested = False
                add_event(session, job.id, job.attempt, "pause_withdrawn", {}, now)
            return job

    def set_priority(
        self,
        job_id: str,
        priority: int,
        is_expected: Callable[[JobRow], bool] = lambda _row: True,
    ) -> JobRow:
        """Changes how urgent a job is that nobody works on.

        Args:
            job_id: whose.
            priority: the new one.
            is_expected: whether the job, as it is now, is what is to be changed.

        Raises:
            NotFoundError: there is no such job.
            PreconditionFailedError: it is not what was expected.
            ConflictError: it runs, or has ended.
        """
        with self._write() as session:
            job = locked(session, job_id)
            if not is_expected(job):
                raise PreconditionFailedError(
                    f"If-Match must be the ETag of job {job_id} as it is now: it is {job.status}, "
                    f"with priority {job.priority}"
                )
            if job.state not in IDLE:
                raise ConflictError(
                    f"the priority of job {job_id} cannot be changed any more: it is {job.status}"
                )
            if job.priority != priority:
                job.priority = priority
                data = {"priority": priority}
                add_event(session, job.id, job.attempt, "priority", data, clock(session))
            return job

    def delete_job(self, job_id: str) -> None:
        """Removes a job that came to nothing, with its events and what it was to make.

        Raises:
            NotFoundError: there is no such job.
            ConflictError: it has not ended, or something refers to it: its results, or a job that
                waited for it.
        """
        try:
            with self._write() as session:
                job = locked(session, job_id)
                if job.state not in TERMINAL:
                    raise ConflictError(
                        f"job {job_id} cannot be deleted: it is {job.status}; cancel it first"
                    )
                if job.state is JobStatus.SUCCEEDED:
                    raise ConflictError(
                        f"job {job_id} cannot be deleted: it has succeeded, and its results "
                        f"refer to it"
                    )
                _remove(session, job)
        except IntegrityError as error:
            raise ConflictError(
                f"job {job_id} cannot be deleted: something refers to it or to what it made"
            ) from error


def _remove(session: Session, job: JobRow) -> None:
    """Deletes a job and the row of what it was to make; the database refuses if more refers to it.

    Raises:
        IntegrityError: something does.
    """
    subject = _SUBJECTS[job.kind]
    if subject is RefinementRow:
        mine = select(RefinementRow.id).where(RefinementRow.job_id == job.id)
        session.execute(delete(RefinedNetworkRow).where(RefinedNetworkRow.refinement_id.in_(mine)))
    session.execute(delete(subject).where(subject.job_id == job.id))
    for table in (JobDependencyRow, JobNeedRow, JobEventRow):
        session.execute(delete(table).where(table.job_id == job.id))
    session.execute(delete(JobRow).where(JobRow.id == job.id))


def _refuse_terminal(job: JobRow, done: str) -> None:
    if job.state in TERMINAL:
        has = "was" if job.state is JobStatus.CANCELLED else "has"
        raise ConflictError(f"job {job.id} cannot be {done}: it {has} {job.status}")
