"""The tables of access: projects, the keys to them, and the log of who changed what."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from server.tables.base import ProjectOwned, Table


class ProjectRow(Table):
    """A project: what belongs to it is not there for the keys of any other.

    Attributes:
        id: its name, which never changes.
        max_active_jobs: how many may wait and run together; null for any number.
        max_running_jobs: how many may run at once; null for any number.
        max_bytes: of its uploads and of the files of its rows; null for any number.
    """

    __tablename__ = "projects"

    id: Mapped[str] = mapped_column(primary_key=True)
    max_active_jobs: Mapped[int | None]
    max_running_jobs: Mapped[int | None]
    max_bytes: Mapped[int | None]
    created_at: Mapped[datetime]


class ProjectArtifactRow(ProjectOwned, Table):
    """A file that a row of the project refers to, or did. It counts in each project that has it."""

    __tablename__ = "project_artifacts"

    project_id: Mapped[str] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(
        ForeignKey("artifacts.sha256", ondelete="CASCADE"), primary_key=True
    )

    __table_args__ = (Index(None, "sha256"),)


class ApiKeyRow(Table):
    """A key, without its secret. Rows stay when keys are revoked: the audit log names them.

    Attributes:
        name: for people.
        owner: whom it was made for.
        scopes: what it allows: a list of read, submit and admin.
        prefix: the beginning of the key, by which it is found.
        secret_sha256: of the whole key, in hexadecimal.
        last_used_at: to the minute; null if never.
    """

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    owner: Mapped[str]
    project_id: Mapped[str] = mapped_column(ForeignKey("projects.id"))
    scopes: Mapped[list[Any]]
    prefix: Mapped[str] = mapped_column(unique=True)
    secret_sha256: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class ChangeRow(Table):
    """An entry of the audit log: a request that was to change something, and what came of it.

    Attributes:
        key_id: of the key; null where there are none.
        owner: of the key; who ran the command for changes by the command line.
        project_id: in which it acted.
        request_id: finds the request in the logs; null for commands.
        method: of HTTP, or CLI.
        route: the path as the documentation has it, or the command.
        resource: id of what was changed or made, where there is one.
        status: of the response.
    """

    __tablename__ = "audit_log"

    id: Mapped[str] = mapped_column(primary_key=True)
    key_id: Mapped[str | None]
    owner: Mapped[str]
    project_id: Mapped[str]
    request_id: Mapped[str | None]
    method: Mapped[str]
    route: Mapped[str]
    resource: Mapped[str | None]
    status: Mapped[int]
    created_at: Mapped[datetime]

    __table_args__ = (Index(None, "project_id", "id"), Index(None, "key_id", "id"))
