"""The table of projects, which separate teams from each other."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from server.tables.base import Table


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
