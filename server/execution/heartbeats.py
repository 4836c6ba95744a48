"""How a runner keeps the lease of a job that is at work, and learns that the job shall stop."""

from collections.abc import Mapping

import structlog

from server.errors import DatabaseUnavailableError, LeaseLostError, NotFoundError
from server.execution.context import StopFlag, StopReason
from server.job_states import JobStatus
from server.store import ClaimedJob, StopRequest, Store

logger = structlog.get_logger(__name__)

_REASONS: Mapping[StopRequest, StopReason] = {
    StopRequest.CANCEL: StopReason.CANCEL,
    StopRequest.DEADLINE: StopReason.DEADLINE,
    StopRequest.PAUSE: StopReason.PAUSE,
}


def renew_lease(store: Store, job: ClaimedJob, stop: StopFlag, lease_seconds: float) -> bool:
    """Keeps a job for its runner; passes on that it shall stop, or is another's.

    While the database does not answer, the work goes on or waits for it: should another take the
    job over meanwhile, the fence refuses what comes late.

    Args:
        store: the database.
        job: as claimed.
        stop: of its thread.
        lease_seconds: from now.

    Returns:
        Whether the database answered.
    """
    try:
        reason = _beat(store, job, lease_seconds)
    except DatabaseUnavailableError as error:
        logger.warning("cannot renew the lease", job_id=job.id, error=str(error))
        return False
    if reason is not None:
        stop.set(reason)
    return True


def _beat(store: Store, job: ClaimedJob, lease_seconds: float) -> StopReason | None:
    """Renews a lease; returns why the job shall stop, if it shall."""
    try:
        request = store.heartbeat(job, lease_seconds)
    except LeaseLostError:
        return StopReason.KILL if _is_killed(store, job.id) else StopReason.LEASE_LOST
    return _REASONS[request] if request is not None else None


def _is_killed(store: Store, job_id: str) -> bool:
    try:
        return store.get_job(job_id).state is JobStatus.CANCELLED
    except NotFoundError:  # and then deleted
        return True
