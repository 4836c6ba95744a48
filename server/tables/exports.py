"""The tables of exported networks and of readings of the test split."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from server.tables.base import Json, ProjectOwned, Table


class ExportRow(ProjectOwned, Table):
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

    __table_args__ = (
        Index(None, "project_id", "id"),
        Index(None, "project_id", "architecture_digest", "id"),
        Index(None, "project_id", "search_id", "id"),
    )


class ReadingRow(ProjectOwned, Table):
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
