"""Names, descriptions and labels: what people write on rows and change."""

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from server.errors import ConflictError, PreconditionFailedError
from server.store.base import Transactions, get
from server.tables import DataSetRow, SearchRow, SupernetRow

DescribedRow = TypeVar("DescribedRow", DataSetRow, SupernetRow, SearchRow)


class DescriptionStore(Transactions):
    """Changes of what people write on rows."""

    def describe(
        self,
        table: type[DescribedRow],
        row_id: str,
        changes: Mapping[str, Any],
        revisions: Collection[int] | None = None,
    ) -> DescribedRow:
        """Changes what is written on a row; returns the row.

        Args:
            table: whose row.
            row_id: which.
            changes: new values of `name`, `description`, `labels`; others stay.
            revisions: the row must have one of these; None for any.

        Raises:
            NotFoundError: there is no such row.
            PreconditionFailedError: somebody else has changed it meanwhile.
            ConflictError: the name is another one's and must be unique.
        """
        with self._write() as session:
            statement = select(table).where(table.id == row_id).with_for_update()
            row = session.scalar(statement.execution_options(populate_existing=True))
            if row is None:
                return get(session, table, row_id)
            if revisions is not None and row.revision not in revisions:
                raise PreconditionFailedError(
                    f"{row_id} has been changed meanwhile: it is now in revision {row.revision}"
                )
            for name, value in changes.items():
                setattr(row, name, value)
            row.revision += 1
            try:
                session.flush()
            except IntegrityError as error:
                taken = changes.get("name")
                raise ConflictError(f"there is another one with the name {taken!r}") from error
            return row
