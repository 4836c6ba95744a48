"""One attempt at a job: runs what does it, and settles how it ended."""

import shutil
from collections.abc import Callable

import structlog

from server.errors import (
    DatabaseUnavailableError,
    DiskFullError,
    StaleAttemptError,
    StorageUnavailableError,
)
from server.execution.context import JobContext, JobFailedError, JobStopped, StopReason
from server.job_states import JobStatus
from server.store import Store
from workers import cluster
from workers.failures import ran_out_of_memory

logger = structlog.get_logger(__name__)

Executor = Callable[[JobContext], None]
"""Does a job and records its result, which ends it as succeeded."""


def run_attempt(context: JobContext, executor: Executor, store: Store) -> None:
    """Runs a job's executor and settles how the attempt ended.

    Args:
        context: of the attempt.
        executor: does the job.
        store: records the end; unlike the context's it does not wait for a database that is away.
    """
    job = context.job
    # For all that is logged in this thread, by whomever.
    structlog.contextvars.bind_contextvars(job_id=job.id, kind=job.kind, attempt=job.attempt)
    log = logger.bind(job_id=job.id, kind=job.kind, attempt=job.attempt)
    try:
        try:
            executor(context)
            log.info("job succeeded")
        except JobStopped:
            _settle_stopped(context, store)
        except JobFailedError as error:
            log.warning("job failed", error=str(error))
            store.fail_job(job, _failure(error, "failed", str(error)))
        except (StaleAttemptError, DatabaseUnavailableError):
            raise
        except Exception as error:
            # Whoever waits for the storage gives up when the job is to stop.
            waited = isinstance(error, (DiskFullError, StorageUnavailableError))
            if waited and context.stop.is_set():
                _settle_stopped(context, store)
            else:
                _settle_unexpected(context, store, error)
        _tidy(context, store)
    except StaleAttemptError as error:
        log.warning("late result refused", error=str(error))
    except DatabaseUnavailableError as error:
        # Its lease runs out, and the next attempt goes on from what is stored.
        log.error("job given up: the database does not answer", error=str(error))


def _settle_stopped(context: JobContext, store: Store) -> None:
    job, reason = context.job, context.stop.reason
    logger.info("job stopped", job_id=job.id, reason=reason and reason.value)
    match reason:
        case StopReason.CANCEL:
            store.cancel_job(job)
        case StopReason.DEADLINE:
            store.fail_overdue_job(job)
        case StopReason.PAUSE | StopReason.SHUTDOWN:
            store.preempt_job(job, reason.value)


def _settle_unexpected(context: JobContext, store: Store, error: Exception) -> None:
    """Fails the job, unless it was the cluster that failed: then it waits for another."""
    job = context.job
    logger.exception("job raised", job_id=job.id, kind=job.kind, attempt=job.attempt)
    if cluster.is_alive():
        message = f"{type(error).__name__}: {error}"
        store.fail_job(job, _failure(error, "internal", message))
    else:
        store.preempt_job(job, "Ray was lost")


def _tidy(context: JobContext, store: Store) -> None:
    """Removes the job's folder once nothing will come back to it; a failed one's is kept."""
    status = store.get_job(context.job.id).state
    if status in (JobStatus.SUCCEEDED, JobStatus.CANCELLED):
        shutil.rmtree(context.work_folder, ignore_errors=True)


def _failure(error: Exception, kind: str, message: str) -> dict[str, str]:
    """Returns the error that a job is failed with; `kind` gives way to memory that ran out."""
    return {"type": "out-of-memory" if ran_out_of_memory(error) else kind, "message": message}
