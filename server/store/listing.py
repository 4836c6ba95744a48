"""Parts of lists: in which order, between which times, and where the page before ended."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeVar

from sqlalchemy import Select, literal, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from server.errors import InvalidRequestError
from server.ids import first_id
from server.store.base import Page
from server.tables import JobRow, Table

TableRow = TypeVar("TableRow", bound=Table)
SortField = Literal["created_at", "name"]


@dataclass(frozen=True)
class Part:
    """Which part of a list is asked for.

    Attributes:
        sort: what the list is ordered by; equal names by age.
        descending: whether the greatest, which are the newest, come first.
        after: `next` of the page before.
        created_after: only what was made then or later.
        created_before: only what was made earlier.
    """

    sort: SortField = "created_at"
    descending: bool = True
    after: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


NEWEST = Part()
"""The beginning of a list, newest first."""


def with_values(
    statement: Select[TableRow], table: type[Table], given: Mapping[str, str | None]
) -> Select[TableRow]:
    """Returns the statement for rows that hold these values; those that are None say nothing."""
    for name, value in given.items():
        if value is not None:
            statement = statement.where(getattr(table, name) == value)
    return statement


def with_job_status(
    statement: Select[TableRow], table: Any, status: str | None
) -> Select[TableRow]:
    """Returns the statement for rows whose job is in a state; any if None."""
    if status is None:
        return statement
    return statement.join(JobRow, JobRow.id == table.job_id).where(JobRow.status == status)


def page_of(
    session: Session,
    statement: Select[TableRow],
    table: Any,
    limit: int,
    part: Part,
    *,
    prefix: str | None = None,
) -> Page[TableRow]:
    """Returns a part of a list, read along an index.

    Args:
        session: of the transaction.
        statement: selects the list's rows.
        table: whose rows they are; has `id`, `created_at` and what is sorted by.
        limit: how many rows.
        part: which.
        prefix: of the table's ids, which then sort by the time of their making; None where they say
            nothing of it.

    Raises:
        InvalidRequestError: `part.after` is not of a page of this list.
    """
    columns = _columns(table, part.sort, ids_are_dated=prefix is not None)
    if part.after is not None:
        place = tuple_(*_position(columns, part.after))
        here = tuple_(*columns)
        statement = statement.where(here < place if part.descending else here > place)
    for moment, is_lower in ((part.created_after, True), (part.created_before, False)):
        if moment is None:
            continue
        later = table.created_at >= moment
        statement = statement.where(later if is_lower else ~later)
        if prefix is not None:
            # Says the same of the ids, which the index is of; a millisecond may be cut in two.
            bound = first_id(prefix, moment, round_up=not is_lower)
            statement = statement.where(table.id >= bound if is_lower else table.id < bound)
    order = [column.desc() if part.descending else column.asc() for column in columns]
    rows = session.scalars(statement.order_by(*order).limit(limit + 1)).all()
    if len(rows) <= limit:
        return Page(rows, None)
    return Page(rows[:limit], _after(columns, rows[limit - 1]))


def _columns(
    table: Any, sort: SortField, *, ids_are_dated: bool
) -> list[InstrumentedAttribute[Any]]:
    if sort == "name":
        return [table.name, table.id]
    return [table.id] if ids_are_dated else [table.created_at, table.id]


def _after(columns: Sequence[InstrumentedAttribute[Any]], row: Table) -> str:
    values = [getattr(row, column.key) for column in columns]
    return json.dumps([v.isoformat() if isinstance(v, datetime) else v for v in values])


def _position(columns: Sequence[InstrumentedAttribute[Any]], after: str) -> list[Any]:
    fault = InvalidRequestError.single("cursor", "must come from the next of a page", after)
    try:
        values = json.loads(after)
    except (ValueError, RecursionError):
        raise fault from None
    if not isinstance(values, list) or len(values) != len(columns):
        raise fault
    found = []
    for column, value in zip(columns, values, strict=True):
        try:
            if not isinstance(value, str) or "\0" in value:
                raise ValueError
            value.encode()  # no lone surrogates: no database holds them
            given = datetime.fromisoformat(value) if column.key == "created_at" else value
            if isinstance(given, datetime) and given.tzinfo is None:
                raise ValueError
        except ValueError:
            raise fault from None
        found.append(literal(given, column.type))
    return found
