"""The tables of jobs and of what happens to them."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, false
from sqlalchemy.orm import Mapped, mapped_column

from server.job_states import JobStatus
from server.tables.base import Json, ProjectOwned, Table, one_of


class JobRow(ProjectOwned, Table):
    """A unit of work: everything that a runner must know is in `spec`.

    `submitted_by` is the id of the API key that it was submitted with; null where there are no
    keys. Nobody claims the job before `not_before`. `retry` is a `RetryPolicy`; null where nothing
    is tried again. `failed_attempts` counts the failures that were; `lost_leases` the attempts that
    died with their runner, which are no failures of the job.
    """

    __tablename__ = "jobs"

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    spec: Mapped[Json]
    status: Mapped[str]
    attempt: Mapped[int] = mapped_column(default=0)
    priority: Mapped[int] = mapped_column(default=0)
    lost_leases: Mapped[int] = mapped_column(default=0)
    submitted_by: Mapped[str | None]
    deadline_at: Mapped[datetime | None]
    not_before: Mapped[datetime | None]
    retry: Mapped[Json | None]
    failed_attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    pause_requested: Mapped[bool] = mapped_column(default=False, server_default=false())
    lease_owner: Mapped[str | None]
    lease_expires_at: Mapped[datetime | None]
    progress: Mapped[Json | None]
    error: Mapped[Json | None]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        one_of("kind", ["train", "search", "outside", "export", "refine", "assess"]),
        one_of("status", [status.value for status in JobStatus]),
        # The order in which waiting jobs are claimed.
        Index(None, "status", "priority", "id"),
        Index(None, "kind", "id"),
        # Each list is of one project.
        Index(None, "project_id", "id"),
        Index(None, "project_id", "kind", "id"),
        Index(None, "project_id", "status", "id"),
        Index(None, "project_id", "kind", "status", "id"),
    )

    @property
    def state(self) -> JobStatus:
        """The status as an enumerator."""
        return JobStatus(self.status)


class JobEventRow(ProjectOwned, Table):
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


class JobDependencyRow(ProjectOwned, Table):
    """A job that is not claimed before another, older one has succeeded."""

    __tablename__ = "job_dependencies"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    depends_on: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)

    __table_args__ = (Index(None, "depends_on"),)


class JobNeedRow(ProjectOwned, Table):
    """How much of a resource of Ray ("CPU", "GPU" or a custom one) a job holds at once."""

    __tablename__ = "job_needs"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), primary_key=True)
    resource: Mapped[str] = mapped_column(primary_key=True)
    amount: Mapped[float]


class RunnerRow(Table):
    """A runner and what its cluster offers; it lives while `seen_at` is recent."""

    __tablename__ = "runners"

    id: Mapped[str] = mapped_column(primary_key=True)
    host: Mapped[str]
    num_cpus: Mapped[float]
    num_gpus: Mapped[float]
    custom: Mapped[Json]
    version: Mapped[str]
    started_at: Mapped[datetime]
    seen_at: Mapped[datetime]
