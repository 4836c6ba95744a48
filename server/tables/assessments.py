"""The tables of assessments: whether a supernet can be trusted."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from server.tables.base import Json, ProjectOwned, Table, one_of


class AssessmentRow(ProjectOwned, Table):
    """An assessment of one supernet version; `summary` is null until the job has succeeded.

    `standalone` says how some of the architectures are trained alone; null where none is. While the
    supernet is in training, `supernet_version` is null.
    """

    __tablename__ = "assessments"

    id: Mapped[str] = mapped_column(primary_key=True)
    supernet_id: Mapped[str] = mapped_column(ForeignKey("supernets.id"))
    supernet_version: Mapped[str | None] = mapped_column(ForeignKey("artifacts.sha256"))
    samples: Mapped[int]
    strata: Mapped[int]
    accuracy: Mapped[Json]
    standalone: Mapped[Json | None]
    resources: Mapped[Json]
    seed: Mapped[int]
    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id"), unique=True)
    summary: Mapped[Json | None]
    created_at: Mapped[datetime]

    __table_args__ = (
        Index(None, "supernet_id", "id"),
        Index(None, "project_id", "id"),
        Index(None, "project_id", "supernet_id", "id"),
    )


class AssessedRow(ProjectOwned, Table):
    """A sampled architecture with the accuracy that it has as a part of the supernet.

    Not an evaluation, which is a search's and is reused by searches: an assessment belongs to no
    search, and must not find its figures in one.

    Attributes:
        number: by ascending multiply-accumulates, from 0.
        standalone: what came of training it alone: `status` (trained, stopped or failed),
            `top1_percent` and `provenance`, or `reason`, and `history`, the validation accuracy
            after each epoch; null where it was not (yet).
    """

    __tablename__ = "assessed_architectures"

    assessment_id: Mapped[str] = mapped_column(ForeignKey("assessments.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    architecture_digest: Mapped[str]
    architecture: Mapped[Json]
    status: Mapped[str]
    metrics: Mapped[Json]
    provenance: Mapped[Json]
    reason: Mapped[str | None]
    standalone: Mapped[Json | None]
    created_at: Mapped[datetime]

    __table_args__ = (one_of("status", ["measured", "infeasible", "failed"]),)
