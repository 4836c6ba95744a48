"""The tables of refinements: the best of a front, fine-tuned."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from server.tables.base import Json, ProjectOwned, Table


class RefinementRow(ProjectOwned, Table):
    """A refinement of the best architectures of a search's front.

    `selection` says which were taken and why; `result` is null until the job has succeeded.
    """

    __tablename__ = "refinements"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    search_id: Mapped[str] = mapped_column(ForeignKey("searches.id"))
    count: Mapped[int]
    selection: Mapped[Json]
    training: Mapped[Json]
    distillation: Mapped[float]
    runs: Mapped[int]
    evaluator: Mapped[Json]
    resources: Mapped[Json]
    export: Mapped[bool]
    report_test: Mapped[bool]
    seed: Mapped[int]
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), unique=True)
    result: Mapped[Json | None]
    created_at: Mapped[datetime]

    __table_args__ = (
        Index(None, "project_id", "id"),
        Index(None, "project_id", "name", "id"),
        Index(None, "project_id", "search_id", "id"),
    )


class RefinedNetworkRow(ProjectOwned, Table):
    """One architecture of a refinement, and how far it has come.

    Attributes:
        position: in the order in which the architectures were taken, from 0.
        found: metrics, intervals and provenance by which the search's front showed it.
        version: the file of its final weights; null until its runs are done.
        soup: which runs are in it; null as long.
        before: metrics, intervals and provenance with the supernet's weights.
        after: the same with the final ones; both are null until they were measured side by side.
        files: of its export: a list of {name, size_bytes, sha256, media_type}.
        card: all that is needed to make the network again.
    """

    __tablename__ = "refined_networks"

    refinement_id: Mapped[str] = mapped_column(ForeignKey("refinements.id"), primary_key=True)
    architecture_digest: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]
    architecture: Mapped[Json]
    found: Mapped[Json]
    version: Mapped[str | None] = mapped_column(ForeignKey("artifacts.sha256"))
    soup: Mapped[Json | None]
    before: Mapped[Json | None]
    after: Mapped[Json | None]
    files: Mapped[list[Any]]
    card: Mapped[Json | None]
    created_at: Mapped[datetime]


class FineTuningRow(ProjectOwned, Table):
    """A finished fine-tuning: one run of one architecture, its weights and their accuracy."""

    __tablename__ = "fine_tunings"

    refinement_id: Mapped[str] = mapped_column(primary_key=True)
    architecture_digest: Mapped[str] = mapped_column(primary_key=True)
    run: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    seed: Mapped[int]
    version: Mapped[str] = mapped_column(ForeignKey("artifacts.sha256"))
    accuracy: Mapped[Json]
    created_at: Mapped[datetime]

    __table_args__ = (
        ForeignKeyConstraint(
            ["refinement_id", "architecture_digest"],
            ["refined_networks.refinement_id", "refined_networks.architecture_digest"],
        ),
    )
