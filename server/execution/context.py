"""What a running job is given: its row, its fence, its folder, and how it is asked to stop."""

import threading
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from server.artifacts import ArtifactStore
from server.settings import Settings
from server.store import ClaimedJob, Store


class StopReason(Enum):
    """Why a job is asked to stop before it is done."""

    CANCEL = "somebody asked to cancel it"
    KILL = "somebody killed it"
    PAUSE = "somebody asked to pause it"
    DEADLINE = "its deadline has passed"
    SHUTDOWN = "its runner is shutting down"
    LEASE_LOST = "another attempt owns it"


class JobStopped(Exception):  # noqa: N818 - an end that was asked for, not an error
    """The job stopped because it was asked to; what it had done is stored."""


class JobFailedError(Exception):
    """The job cannot succeed as it was submitted; the message is for whoever submitted it."""


class JobSetBackError(Exception):
    """The job cannot go on at present, by no fault of its own; says why, for people."""


class StopFlag:
    """Set by the runner's main thread, polled by the job's.

    The first reason stands, unless somebody loses patience and kills the job.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self.reason: StopReason | None = None

    def set(self, reason: StopReason) -> None:
        """Asks the job to stop."""
        if self.reason is None or reason is StopReason.KILL:
            self.reason = reason
        self._event.set()

    def is_set(self) -> bool:
        """Whether the job shall stop."""
        return self._event.is_set()


@dataclass(frozen=True)
class JobContext:
    """All that an executor may use. Every write goes through the fence of the job's attempt.

    Attributes:
        job: the claimed job: id, kind, spec, attempt.
        store: the database.
        artifacts: content-addressed files.
        settings: the service's.
        stop: polled between steps.
    """

    job: ClaimedJob
    store: Store
    artifacts: ArtifactStore
    settings: Settings
    stop: StopFlag

    def check_stop(self) -> None:
        """Returns if the job may go on.

        Raises:
            JobStopped: it may not.
        """
        if self.stop.is_set():
            raise JobStopped

    def event(self, kind: str, **data: Any) -> None:
        """Records an event that clients may follow."""
        self.store.record_event(self.job, kind, data)

    def progress(self, done: float, total: float, unit: str, **data: Any) -> None:
        """Records how far the job is, as its state and as an event."""
        self.store.record_progress(self.job, {"done": done, "total": total, "unit": unit, **data})

    @property
    def work_folder(self) -> Path:
        """A folder of the job's own, kept over its attempts and removed when it ends."""
        folder = self.settings.work_folder / self.job.id
        folder.mkdir(parents=True, exist_ok=True)
        return folder
