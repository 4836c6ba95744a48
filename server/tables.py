"""The tables. Everything that was ever measured is a row here.

Rows that methods of the store return are detached: plain values, filled completely.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from search_space.outcomes import Failed, Infeasible, Measured, Outcome
from search_space.space import Architecture
from server.job_states import JobStatus

Json = dict[str, Any]


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time, always UTC; SQLite, which has no time zones, stores it without."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Returns the time in UTC; naive for SQLite.

        Raises:
            ValueError: the time is naive.
        """
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"times must be aware, got {value!r}")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Returns the stored time as an aware one."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


class Table(DeclarativeBase):
    """Base of all tables; constraints have predictable names so that migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    # JSON, not JSONB: the order of an architecture's choices is part of how it is shown.
    type_annotation_map = {datetime: UtcDateTime, Json: JSON, list[Any]: JSON, int: BigInteger}  # noqa: RUF012 -- SQLAlchemy reads it as it stands


def one_of(column: str, values: list[str]) -> CheckConstraint:
    """Returns the constraint that a column holds one of some words."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)


class ArtifactRow(Table):
    """A content-addressed file in the data folder."""

    __tablename__ = "artifacts"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    size_bytes: Mapped[int]
    media_type: Mapped[str]
    created_at: Mapped[datetime]


class DataSetRow(Table):
    """A registered data set; its version is the digest of its content and split.

    `report` is what was found when it was registered; null where an older version did that.
    """

    __tablename__ = "data_sets"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    source: Mapped[Json]
    version: Mapped[str] = mapped_column(ForeignKey("artifacts.sha256"))
    counts: Mapped[Json]
    shape: Mapped[list[Any]]
    num_classes: Mapped[int]
    report: Mapped[Json | None]
    created_at: Mapped[datetime]


class UploadRow(Table):
    """A file that is sent in parts; how much is there, the file itself says.

    `completed_at` is null until its size and digest have been found to be those announced.
    """

    __tablename__ = "uploads"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    size_bytes: Mapped[int]
    sha256: Mapped[str]
    created_at: Mapped[datetime]
    completed_at: Mapped[datetime | None]

    __table_args__ = (UniqueConstraint("sha256", "size_bytes", "name"),)


class SpaceRow(Table):
    """A search space; its id is its digest. `size` is a decimal string: it exceeds 64 bits."""

    __tablename__ = "spaces"

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    settings: Mapped[Json]
    size: Mapped[str]
    num_choices: Mapped[int]
    created_at: Mapped[datetime]


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


class SupernetRow(Table):
    """A trained network, or one in training (`version`, its file's digest, is then null)."""

    __tablename__ = "supernets"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    space_id: Mapped[str] = mapped_column(ForeignKey("spaces.id"))
    data_set_id: Mapped[str] = mapped_column(ForeignKey("data_sets.id"))
    training: Mapped[Json]
    start: Mapped[Json] = mapped_column(server_default='{"kind": "scratch"}')
    teacher: Mapped[Json | None]
    resources: Mapped[Json]
    seed: Mapped[int]
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), unique=True)
    version: Mapped[str | None] = mapped_column(ForeignKey("artifacts.sha256"))
    summary: Mapped[Json | None]
    created_at: Mapped[datetime]


class SearchRow(Table):
    """A search: its policy, its problem and its evaluator, each by value."""

    __tablename__ = "searches"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    supernet_id: Mapped[str] = mapped_column(ForeignKey("supernets.id"))
    space_id: Mapped[str] = mapped_column(ForeignKey("spaces.id"))
    searcher: Mapped[Json]
    objectives: Mapped[list[Any]]
    limits: Mapped[list[Any]]
    evaluations: Mapped[int]
    evaluator: Mapped[Json]
    evaluator_digest: Mapped[str]
    resources: Mapped[Json]
    seed: Mapped[int]
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), unique=True)
    result: Mapped[Json | None]
    created_at: Mapped[datetime]


class ProposalRow(Table):
    """What a searcher asked for; `step` is the position of that ask in the search's log."""

    __tablename__ = "proposals"

    search_id: Mapped[str] = mapped_column(ForeignKey("searches.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    step: Mapped[int]
    architecture_digest: Mapped[str]
    architecture: Mapped[Json]
    created_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("search_id", "architecture_digest"),)


class EvaluationRow(Table):
    """What came of evaluating one architecture, reusable by every search with equal settings.

    A failure is no property of the architecture: it is kept, but only the search that met it goes
    by it, so the constraint that makes results unique leaves failures out.
    """

    __tablename__ = "evaluations"

    id: Mapped[str] = mapped_column(primary_key=True)
    space_id: Mapped[str] = mapped_column(ForeignKey("spaces.id"))
    architecture_digest: Mapped[str]
    evaluator_digest: Mapped[str]
    architecture: Mapped[Json]
    status: Mapped[str]
    metrics: Mapped[Json]
    provenance: Mapped[Json]
    reason: Mapped[str | None]
    search_id: Mapped[str] = mapped_column(ForeignKey("searches.id"))
    created_at: Mapped[datetime]

    __table_args__ = (
        one_of("status", ["measured", "infeasible", "failed"]),
        Index(
            "uq_evaluations_result",
            "space_id",
            "architecture_digest",
            "evaluator_digest",
            unique=True,
            sqlite_where=text("status <> 'failed'"),
            postgresql_where=text("status <> 'failed'"),
        ),
        Index(
            "uq_evaluations_failure",
            "search_id",
            "architecture_digest",
            unique=True,
            sqlite_where=text("status = 'failed'"),
            postgresql_where=text("status = 'failed'"),
        ),
        Index(None, "architecture_digest", "id"),
        Index(None, "evaluator_digest", "id"),
        Index(None, "space_id", "id"),
    )

    @property
    def outcome(self) -> Outcome:
        """The row as the value that searchers are told."""
        if self.status == "measured":
            return Measured(self.metrics, self.provenance)
        reason = self.reason or ""
        return Infeasible(reason) if self.status == "infeasible" else Failed(reason)


class ObservationRow(Table):
    """What a searcher was told; `step` is the position of that tell in the search's log."""

    __tablename__ = "observations"

    search_id: Mapped[str] = mapped_column(ForeignKey("searches.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    evaluation_id: Mapped[str] = mapped_column(ForeignKey("evaluations.id"))
    step: Mapped[int]
    told_order: Mapped[int]
    created_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("search_id", "told_order"),)


class MeasurementRow(Table):
    """Metrics of a finalist that was measured again, together with the others of its occasion."""

    __tablename__ = "measurements"

    id: Mapped[str] = mapped_column(primary_key=True)
    search_id: Mapped[str] = mapped_column(ForeignKey("searches.id"))
    occasion: Mapped[int]
    architecture_digest: Mapped[str]
    metrics: Mapped[Json]
    provenance: Mapped[Json]
    created_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("search_id", "occasion", "architecture_digest"),)


class ExportRow(Table):
    """A network in files; `files` is a list of {name, size_bytes, sha256, media_type}."""

    __tablename__ = "exports"

    id: Mapped[str] = mapped_column(primary_key=True)
    search_id: Mapped[str] = mapped_column(ForeignKey("searches.id"))
    architecture_digest: Mapped[str]
    architecture: Mapped[Json]
    report_test: Mapped[bool]
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), unique=True)
    files: Mapped[list[Any]]
    card: Mapped[Json | None]
    test_report: Mapped[Json | None]
    created_at: Mapped[datetime]

    __table_args__ = (Index(None, "architecture_digest", "id"),)


class ReadingRow(Table):
    """One reading of a data set's test split: the split is spent a little by each.

    It was made for an export or for a refinement.
    """

    __tablename__ = "test_readings"

    id: Mapped[str] = mapped_column(primary_key=True)
    export_id: Mapped[str | None] = mapped_column(ForeignKey("exports.id"), unique=True)
    refinement_id: Mapped[str | None] = mapped_column(ForeignKey("refinements.id"), unique=True)
    data_set_id: Mapped[str] = mapped_column(ForeignKey("data_sets.id"))
    network_digest: Mapped[str] = mapped_column(index=True)
    result: Mapped[Json]
    created_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("(export_id IS NULL) <> (refinement_id IS NULL)", name="subject"),
    )


def architecture_of(row: ProposalRow | EvaluationRow | ExportRow) -> Architecture:
    """Returns the row's architecture as a value."""
    return Architecture(row.architecture)
