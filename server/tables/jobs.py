"""The tables of jobs and of what happens to them."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, Integer
from sqlalchemy.orm import Mapped, mapped_column

from server.job_states import JobStatus
from server.tables.base import Json, Table, one_of


class JobRow(Table):
    """A unit of work: everything that a runner must know is in `spec`."""

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    spec: Mapped[Json]
    status: Mapped[str]
    attempt: Mapped[int] = mapped_column(default=0)
    priority: Mapped[int] = mapped_column(default=0)
    lost_leases: Mapped[int] = mapped_column(default=0)
    lease_owner: Mapped[str | None]
    lease_expires_at: Mapped[datetime | None]
    progress: Mapped[Json | None]
    error: Mapped[Json | None]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        one_of("kind", ["train", "search", "export", "refine", "assess"]),
        one_of("status", [status.value for status in JobStatus]),
        # The order in which waiting jobs are claimed.
        Index(None, "status", "priority", "id"),
        Index(None, "kind", "id"),
        Index(None, "status", "id"),
        Index(None, "kind", "status", "id"),
    )

    @property
    def state(self) -> JobStatus:
        """The status as an enumerator."""
        return JobStatus(self.status)


class JobEventRow(Table):
    """Something that happened to a job.

    Events of one job are committed in the order of their ids (each is written under a lock on the
    job's row), so a reader that asks for those after the last one it saw misses none.
    """

    __tablename__ = "job_events"

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"))
    attempt: Mapped[int]
    type: Mapped[str]
    data: Mapped[Json]
    created_at: Mapped[datetime]

    __table_args__ = (Index(None, "job_id", "id"), {"sqlite_autoincrement": True})
