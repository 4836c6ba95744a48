"""One attempt at a job: runs what does it, and settles how it ended."""

import shutil
from collections.abc import Callable

import structlog

from server.errors import (
    DatabaseUnavailableError,
    DiskFullError,
    NotFoundError,
    StaleAttemptError,
    StorageUnavailableError,
)
from server.execution.context import (
    JobContext,
    JobFailedError,
    JobSetBackError,
    JobStopped,
    StopReason,
)
from server.job_states import JobStatus
from server.store import Store
from workers import cluster
from workers.cluster import came_from_ray
from workers.failures import ran_out_of_memory

logger = structlog.get_logger(__name__)

MAX_MESSAGE = 20_000
"""Characters of an error's message that are kept: it may name whole architectures."""

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
    try:
        try:
            _run(context, executor, store)
        except StaleAttemptError as error:
            logger.warning("late result refused", error=str(error))
        _tidy(context, store)
    except DatabaseUnavailableError as error:
        # Its lease runs out, and the next attempt goes on from what is stored.
        logger.error("job given up: the database does not answer", error=str(error))


def _run(context: JobContext, executor: Executor, store: Store) -> None:
    try:
        executor(context)
        logger.info("job succeeded")
    except JobStopped:
        _settle_stopped(context, store)
    except JobSetBackError as error:
        _set_back(context, store, str(error))
    except (StaleAttemptError, DatabaseUnavailableError):
        raise
    except Exception as error:
        # Whoever waits for the storage gives up when the job is to stop.
        waited = isinstance(error, (DiskFullError, StorageUnavailableError))
        if waited and context.stop.is_set():
            _settle_stopped(context, store)
        else:
            _settle_failed(context, store, error)


def _settle_stopped(context: JobContext, store: Store) -> None:
    job, reason = context.job, context.stop.reason
    logger.info("job stopped", reason=reason and reason.value)
    match reason:
        case StopReason.CANCEL:
            store.cancel_job(job)
        case StopReason.DEADLINE:
            store.fail_overdue_job(job)
        case StopReason.PAUSE | StopReason.SHUTDOWN:
            store.preempt_job(job, reason.value)


def _settle_failed(context: JobContext, store: Store, error: Exception) -> None:
    """Fails the job, unless it was the cluster that failed: then it waits for another."""
    is_expected = isinstance(error, JobFailedError)
    if is_expected:
        logger.warning("job failed", error=str(error))
    else:
        logger.exception("job raised")
    # What is expected may well come from the data; all else is Ray's if that is gone.
    may_be_rays = came_from_ray(error) if is_expected else True
    if may_be_rays and not cluster.is_alive():
        _set_back(context, store, "Ray was lost")
    elif is_expected:
        store.fail_job(context.job, _failure(error, "failed", str(error)))
    else:
        message = f"{type(error).__name__}: {error}"
        store.fail_job(context.job, _failure(error, "internal", message))


def _set_back(context: JobContext, store: Store, reason: str) -> None:
    logger.warning("job set back", reason=reason)
    store.preempt_job(context.job, reason, is_setback=True)


def _tidy(context: JobContext, store: Store) -> None:
    """Removes the job's folder once nothing will come back to it; a failed one's is kept."""
    try:
        is_over = store.get_job(context.job.id).state in (JobStatus.SUCCEEDED, JobStatus.CANCELLED)
    except NotFoundError:  # somebody has deleted it
        is_over = True
    if is_over:
        shutil.rmtree(context.work_folder, ignore_errors=True)


def _failure(error: Exception, kind: str, message: str) -> dict[str, str]:
    """Returns the error that a job is failed with; `kind` gives way to memory that ran out."""
    # A name of a file need not be text that a database holds.
    text = message[:MAX_MESSAGE].encode("utf-8", "replace").decode().replace("\0", "?")
    return {"type": "out-of-memory" if ran_out_of_memory(error) else kind, "message": text}
