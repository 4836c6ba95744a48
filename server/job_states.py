r"""The states of a job and the moves between them.

    queued ----a----> running ----c----> succeeded, failed
      |  \              |  |
      e   g             b  +------f----> preempted ----a----> running
      v    v            v
    cancelled        cancelling ----d--> cancelled, succeeded, failed
           paused ----h----> queued

a  claimed by a runner; the attempt grows by one. A running job whose lease has expired is claimed
   in the same way and stays running.
b  somebody asked to cancel; the runner learns it from its next heartbeat.
c  the work ended, or it was lost with its runner too often.
d  the runner let go, or the work ended before it noticed, or its lease expired.
e  cancelled while nobody works on it (queued, paused or preempted): at once.
f  the runner gave it back unfinished, or died; that is no failure.
g  paused, from queued, running or preempted.
h  resumed.

The job of a search that is evaluated outside (kind `outside`) makes the same moves without a
runner: a with the first proposal that is leased, c with the last outcome that is told, and b and d
in one step, since there is nobody who would have to let go.
"""

from collections.abc import Mapping
from enum import StrEnum


class JobStatus(StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    PREEMPTED = "preempted"


_S = JobStatus

TRANSITIONS: Mapping[JobStatus, frozenset[JobStatus]] = {
    _S.QUEUED: frozenset({_S.RUNNING, _S.PAUSED, _S.CANCELLED}),
    _S.RUNNING: frozenset(
        {_S.RUNNING, _S.PAUSED, _S.CANCELLING, _S.SUCCEEDED, _S.FAILED, _S.PREEMPTED}
    ),
    _S.PAUSED: frozenset({_S.QUEUED, _S.CANCELLED}),
    _S.CANCELLING: frozenset({_S.CANCELLED, _S.SUCCEEDED, _S.FAILED}),
    _S.PREEMPTED: frozenset({_S.RUNNING, _S.PAUSED, _S.CANCELLED}),
    _S.SUCCEEDED: frozenset(),
    _S.FAILED: frozenset(),
    _S.CANCELLED: frozenset(),
}
"""The states that may follow each state: the only table of this kind."""

TERMINAL = frozenset(status for status, following in TRANSITIONS.items() if not following)
"""States that a job never leaves."""

OWNED = frozenset({JobStatus.RUNNING, JobStatus.CANCELLING})
"""States in which a runner holds the job's lease."""

CLAIMABLE = frozenset({JobStatus.QUEUED, JobStatus.PREEMPTED})
"""States in which the job waits for a runner."""
