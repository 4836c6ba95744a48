"""The tables of searches: what was proposed, what came of it, what was told."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from search_space.outcomes import Failed, Infeasible, Measured, Outcome
from server.tables.base import Described, Json, ProjectOwned, Table, one_of


class SearchRow(ProjectOwned, Described, Table):
    """A search: its policy, its problem and its evaluator, each by value.

    While its supernet is in training, the evaluator's `supernet_version` and the digest are null.
    One that is evaluated outside has no supernet. Its log has `log_length` entries, counted under
    the lock on this row; where the search's runner writes the log, that is null.
    """

    __tablename__ = "searches"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    supernet_id: Mapped[str | None] = mapped_column(ForeignKey("supernets.id"))
    space_id: Mapped[str] = mapped_column(ForeignKey("spaces.id"))
    searcher: Mapped[Json]
    objectives: Mapped[list[Any]]
    limits: Mapped[list[Any]]
    evaluations: Mapped[int]
    evaluator: Mapped[Json]
    evaluator_digest: Mapped[str | None]
    resources: Mapped[Json]
    seed: Mapped[int]
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), unique=True)
    result: Mapped[Json | None]
    log_length: Mapped[int | None]
    created_at: Mapped[datetime]

    __table_args__ = (
        Index(None, "project_id", "id"),
        Index(None, "project_id", "name", "id"),
        Index(None, "project_id", "supernet_id", "id"),
        Index(None, "project_id", "space_id", "id"),
    )


class ProposalRow(ProjectOwned, Table):
    """What a searcher asked for; `step` is the position of that ask in the search's log."""

    __tablename__ = "proposals"

    search_id: Mapped[str] = mapped_column(ForeignKey("searches.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    step: Mapped[int]
    architecture_digest: Mapped[str]
    architecture: Mapped[Json]
    created_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("search_id", "architecture_digest"),)


class LeaseRow(ProjectOwned, Table):
    """Who evaluates a proposal outside, and until when; of its leases the last one.

    `fence` counts the leases of the proposal from 1. `step` is the position in the search's log of
    the last change of this row.
    """

    __tablename__ = "proposal_leases"

    search_id: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    token: Mapped[str]
    fence: Mapped[int]
    worker: Mapped[str | None]
    expires_at: Mapped[datetime]
    step: Mapped[int]

    __table_args__ = (
        ForeignKeyConstraint(["search_id", "number"], ["proposals.search_id", "proposals.number"]),
        Index(None, "search_id", "step"),
    )


class EvaluationRow(ProjectOwned, Table):
    """What came of evaluating one architecture, for every search of the project with its settings.

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
            "project_id",
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
        # Each list is of one project.
        Index(None, "project_id", "id"),
        Index(None, "project_id", "architecture_digest", "id"),
        Index(None, "project_id", "evaluator_digest", "id"),
        Index(None, "project_id", "space_id", "id"),
        Index(None, "project_id", "search_id", "id"),
        Index(None, "project_id", "status", "id"),
        # For counting: a monitor asks every few seconds.
        Index(None, "status"),
    )

    @property
    def outcome(self) -> Outcome:
        """The row as the value that searchers are told."""
        if self.status == "measured":
            return Measured(self.metrics, self.provenance)
        reason = self.reason or ""
        return Infeasible(reason) if self.status == "infeasible" else Failed(reason)


class ObservationRow(ProjectOwned, Table):
    """What a searcher was told; `step` is the position of that tell in the search's log."""

    __tablename__ = "observations"

    search_id: Mapped[str] = mapped_column(ForeignKey("searches.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    evaluation_id: Mapped[str] = mapped_column(ForeignKey("evaluations.id"))
    step: Mapped[int]
    told_order: Mapped[int]
    created_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("search_id", "told_order"),)


class MeasurementRow(ProjectOwned, Table):
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
