"""What all tables share: times in UTC, names of constraints, JSON columns."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, CheckConstraint, DateTime, Dialect, MetaData
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

from server.callers import DEFAULT_PROJECT

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


class Described:
    """What people may write on a row, and change.

    Attributes:
        description: free text.
        labels: free words by name.
        revision: raised by each change, so that nobody overwrites what they have not seen.
    """

    description: Mapped[str | None]
    labels: Mapped[Json] = mapped_column(server_default="{}", default=dict)
    revision: Mapped[int] = mapped_column(server_default="0", default=0)


class ProjectOwned:
    """What every row has that belongs to a project: all but those that hold plain values.

    `server.store.isolation` fills the column and lets nobody see another project's rows. It refers
    to no table: SQLite could not add such a column to a table with rows; and projects stay.
    """

    project_id: Mapped[str] = mapped_column(server_default=DEFAULT_PROJECT, sort_order=1)


def one_of(column: str, values: list[str]) -> CheckConstraint:
    """Returns the constraint that a column holds one of some words."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=column)
