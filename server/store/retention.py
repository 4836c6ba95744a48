"""What is removed when it is old: never results, nor anything that something refers to."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, select
from sqlalchemy.orm import InstrumentedAttribute

from server.job_states import TERMINAL
from server.store.base import Transactions, clock
from server.store.jobs import PREDICTION_QUALITY, STITCHES
from server.tables import (
    AnswerRow,
    ChangeRow,
    DataSetRow,
    DeliveryRow,
    JobEventRow,
    JobRow,
    SupernetRow,
    UploadRow,
)

ROWS_PER_TRANSACTION = 5_000
"""SQLite's write lock is held for some tens of milliseconds then."""

_ENDED = tuple(status.value for status in TERMINAL)


@dataclass(frozen=True)
class OldRows:
    """Rows of one table that may go.

    Attributes:
        key: the table's primary key.
        condition: what is true of them.
    """

    key: InstrumentedAttribute[Any]
    condition: ColumnElement[bool]


def _old_events(cutoff: datetime) -> OldRows:
    """Returns the events of jobs that ended before, but for those that are results.

    Those tell how the jobs ended, how good predictions were, and what stitches were at first.
    """
    ended = select(JobRow.id).where(JobRow.status.in_(_ENDED), JobRow.finished_at < cutoff)
    kept = [*_ENDED, PREDICTION_QUALITY, STITCHES]
    return OldRows(
        JobEventRow.id, and_(JobEventRow.job_id.in_(ended), JobEventRow.type.not_in(kept))
    )


def _old_deliveries(cutoff: datetime) -> OldRows:
    """Returns what webhooks were told before, or could not be."""
    settled = and_(DeliveryRow.status != "waiting", DeliveryRow.created_at < cutoff)
    return OldRows(DeliveryRow.id, settled)


def _old_answers(cutoff: datetime) -> OldRows:
    """Returns the answers to requests with an idempotency key that are not repeated any more."""
    return OldRows(AnswerRow.id, AnswerRow.expires_at < cutoff)


def _old_changes(cutoff: datetime) -> OldRows:
    """Returns the entries of the audit log from before."""
    return OldRows(ChangeRow.id, ChangeRow.created_at < cutoff)


AUDIT = "audit"
OLD_ROWS: Mapping[str, Callable[[datetime], OldRows]] = MappingProxyType(
    {
        "events": _old_events,
        "deliveries": _old_deliveries,
        "answers": _old_answers,
        AUDIT: _old_changes,
    }
)
"""What may go, given the moment before which it must have happened, by what it is called."""


class RetentionStore(Transactions):
    """Queries about what is old. Ages are counted by the database's clock."""

    def count_old(self, kind: str, age: timedelta) -> int:
        """Returns how many rows of a kind `delete_old` would delete in all.

        Args:
            kind: a key of `OLD_ROWS`.
            age: how old they must be.
        """
        with self._read() as session:
            old = OLD_ROWS[kind](clock(session) - age)
            return session.scalar(select(func.count(old.key)).where(old.condition)) or 0

    def delete_old(self, kind: str, age: timedelta) -> int:
        """Deletes some old rows of a kind, so many at once that others need not wait.

        Args:
            kind: a key of `OLD_ROWS`.
            age: how old they must be.

        Returns:
            How many it were; call again until there are none.
        """
        with self._write() as session:
            old = OLD_ROWS[kind](clock(session) - age)
            some = select(old.key).where(old.condition).limit(ROWS_PER_TRANSACTION)
            gone = session.execute(
                delete(old.key.class_).where(old.key.in_(some)).returning(old.key)
            )
            return len(gone.all())

    def ended_jobs(
        self, job_ids: Collection[str], age: timedelta
    ) -> tuple[set[str], set[str], datetime]:
        """Returns those of some jobs that ended so long ago, those that do not exist, and the time.

        Args:
            job_ids: of which jobs.
            age: how long ago they must have ended.
        """
        with self._read() as session:
            now = clock(session)
            rows = session.execute(
                select(JobRow.id, JobRow.status, JobRow.finished_at).where(JobRow.id.in_(job_ids))
            ).all()
            ended = {
                job_id
                for job_id, status, finished_at in rows
                if status in _ENDED and finished_at is not None and finished_at < now - age
            }
            return ended, set(job_ids) - {job_id for job_id, *_ in rows}, now

    def old_uploads(self, age: timedelta) -> Sequence[UploadRow]:
        """Returns the uploads that were announced so long ago and that nothing names.

        Data sets name the upload that they were read from, supernets the one that they start from.
        """
        with self._read() as session:
            cutoff = clock(session) - age
            named = {
                part.get("upload")
                for column in (DataSetRow.source, SupernetRow.start)
                for source in session.scalars(select(column))
                for part in (source, *source.get("anchors", ()))
            }
            statement = select(UploadRow).where(UploadRow.created_at < cutoff)
            rows = session.scalars(statement.order_by(UploadRow.id))
            return [row for row in rows if row.id not in named]
