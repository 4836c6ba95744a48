"""The tables of what searches are made from: files, data sets, spaces, supernets."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from server.tables.base import Described, Json, ProjectOwned, Table


class ArtifactRow(Table):
    """A content-addressed file in the data folder."""

    __tablename__ = "artifacts"

    sha256: Mapped[str] = mapped_column(primary_key=True)
    size_bytes: Mapped[int]
    media_type: Mapped[str]
    created_at: Mapped[datetime]


class DataSetRow(ProjectOwned, Described, Table):
    """A registered data set; its version is the digest of its content and split.

    `report` is what was found when it was registered; null where an older version did that.
    `supersedes_id` is of the data set that it is a newer version of, if it is one.
    """

    __tablename__ = "data_sets"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    source: Mapped[Json]
    version: Mapped[str] = mapped_column(ForeignKey("artifacts.sha256"))
    counts: Mapped[Json]
    shape: Mapped[list[Any]]
    num_classes: Mapped[int]
    report: Mapped[Json | None]
    supersedes_id: Mapped[str | None] = mapped_column(index=True)
    created_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("project_id", "name"), Index(None, "project_id", "id"))


class UploadRow(ProjectOwned, Table):
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

    __table_args__ = (
        UniqueConstraint("project_id", "sha256", "size_bytes", "name"),
        Index(None, "project_id", "id"),
        Index(None, "project_id", "name", "id"),
    )


class SpaceRow(Table):
    """A search space; its id is its digest. `size` is a decimal string: it exceeds 64 bits."""

    __tablename__ = "spaces"

    id: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    settings: Mapped[Json]
    size: Mapped[str]
    num_choices: Mapped[int]
    created_at: Mapped[datetime]

    __table_args__ = (Index(None, "created_at", "id"), Index(None, "kind", "created_at", "id"))


class SupernetRow(ProjectOwned, Described, Table):
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

    __table_args__ = (
        Index(None, "project_id", "id"),
        Index(None, "project_id", "name", "id"),
        Index(None, "project_id", "space_id", "id"),
        Index(None, "project_id", "data_set_id", "id"),
    )
