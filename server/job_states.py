"""The states of a job and the moves between them.

            +-----------d-----------+
            v                       |
    +--> queued --------a-------> running ----------b---------> succeeded
    |       |                      | |  |
    k       j                      | |  +-----------c---------> failed <-----l----- (waiting)
    |       v                      | |  |
    +--- paused <---------j--------+ |  +-----------i---------> cancelled <--h----- (waiting)
            ^                      | f                              ^
            j                      e |                              |
            |                      v +--> cancelling -------g-------+
            +-------------- preempted         |
                                 |            +-----b, c------> succeeded, failed
                                 +--a--> running

    (waiting): queued, preempted or paused

`ARROWS` is the one table of these moves; docs/jobs.md shows it.

The job of a search that is evaluated outside (kind `outside`) makes the same moves without a
runner: a with the first proposal that is leased, b or c with the last outcome that is told; f and g
in one step, and j at once, since there is nobody who would have to let go.
"""

from collections.abc import Mapping
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Arrow:
    """A move that a job may make.

    Attributes:
        letter: in the diagram.
        origins: the states that it leaves.
        to: the state that it leads to.
        when: what makes the job move.
    """

    letter: str
    origins: tuple[JobStatus, ...]
    to: JobStatus
    when: str


ARROWS = (
    Arrow(
        "a",
        (_S.QUEUED, _S.PREEMPTED),
        _S.RUNNING,
        "a runner claims it; the attempt grows by one",
    ),
    Arrow(
        "b",
        (_S.RUNNING, _S.CANCELLING),
        _S.SUCCEEDED,
        "the work is done, perhaps before it was noticed that it should stop",
    ),
    Arrow(
        "c",
        (_S.RUNNING, _S.CANCELLING),
        _S.FAILED,
        "the work cannot be done, the deadline has passed, or it was lost with its runner too "
        "often",
    ),
    Arrow(
        "d",
        (_S.RUNNING,),
        _S.QUEUED,
        "the attempt failed, and the retry policy grants another",
    ),
    Arrow(
        "e",
        (_S.RUNNING,),
        _S.PREEMPTED,
        "the runner gave it back, died, or lost its cluster; that is no failure",
    ),
    Arrow(
        "f",
        (_S.RUNNING,),
        _S.CANCELLING,
        "somebody cancels it; the runner learns that from its next heartbeat",
    ),
    Arrow(
        "g",
        (_S.CANCELLING,),
        _S.CANCELLED,
        "the runner let go or died, or somebody kills it",
    ),
    Arrow(
        "h",
        (_S.QUEUED, _S.PREEMPTED, _S.PAUSED),
        _S.CANCELLED,
        "somebody cancels or kills it while nobody works on it",
    ),
    Arrow(
        "i",
        (_S.RUNNING,),
        _S.CANCELLED,
        "somebody kills it: at once, and whatever its runner still writes is refused",
    ),
    Arrow(
        "j",
        (_S.QUEUED, _S.PREEMPTED, _S.RUNNING),
        _S.PAUSED,
        "somebody pauses it; a running one once its runner let go or died",
    ),
    Arrow(
        "k",
        (_S.PAUSED,),
        _S.QUEUED,
        "somebody resumes it",
    ),
    Arrow(
        "l",
        (_S.QUEUED, _S.PREEMPTED, _S.PAUSED),
        _S.FAILED,
        "its deadline passes, or a job that it waits for fails or is cancelled",
    ),
)
"""Every move that there is: the only table of this kind."""

TRANSITIONS: Mapping[JobStatus, frozenset[JobStatus]] = {
    status: frozenset(arrow.to for arrow in ARROWS if status in arrow.origins)
    for status in JobStatus
}
"""The states that may follow each state."""

TERMINAL = frozenset(status for status, following in TRANSITIONS.items() if not following)
"""States that a job never leaves."""

OWNED = frozenset({JobStatus.RUNNING, JobStatus.CANCELLING})
"""States in which a runner holds the job's lease."""

CLAIMABLE = frozenset({JobStatus.QUEUED, JobStatus.PREEMPTED})
"""States in which the job waits for a runner."""

IDLE = CLAIMABLE | {JobStatus.PAUSED}
"""States in which nobody works on the job, but may later."""
