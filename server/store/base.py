"""Transactions and keyset pages: what all parts of the store share."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Self, TypeVar

from sqlalchemy import Engine, Select, literal, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import InstrumentedAttribute, Session, sessionmaker

from server.callers import DEFAULT_PROJECT, Caller
from server.database import DatabaseNow
from server.errors import DatabaseUnavailableError, NotFoundError
from server.store.isolation import ProjectSession, project_of
from server.tables import ArtifactRow, ProjectArtifactRow, Table

Row = TypeVar("Row")
TableRow = TypeVar("TableRow", bound=Table)

_NAMES = {
    "api_keys": "API key",
    "artifacts": "artifact",
    "data_sets": "data set",
    "uploads": "upload",
    "webhooks": "webhook",
    "deliveries": "delivery",
    "spaces": "space",
    "jobs": "job",
    "projects": "project",
    "supernets": "supernet",
    "searches": "search",
    "evaluations": "evaluation",
    "exports": "export",
    "refinements": "refinement",
    "refined_networks": "network of the refinement",
    "assessments": "assessment",
    "idempotency_answers": "answer",
    "assessed_architectures": "sample of the assessment",
    "campaigns": "campaign",
    "occurrences": "occurrence",
}


PATIENCE_S = 0.5
"""How long a patient store waits before it knocks again."""


@dataclass(frozen=True)
class Page(Generic[Row]):
    """Some rows of a list, and the key after which the next page begins (None on the last)."""

    rows: Sequence[Row]
    next: str | None


@dataclass(frozen=True)
class Artifact:
    """A content-addressed file as it is recorded beside the rows that refer to it."""

    sha256: str
    size_bytes: int
    media_type: str


class Unit:
    """A transaction that several methods of one store share; it begins with the first write.

    Args:
        on_begin: the first thing that is done in it.

    Attributes:
        session: of the transaction; None until it has begun.
    """

    def __init__(self, on_begin: Callable[[Session], None]) -> None:
        self.on_begin = on_begin
        self.session: Session | None = None


class Transactions:
    """Runs reading and writing transactions; only this class commits.

    Args:
        engine: from `server.database.open_engine`.
        max_lost_leases: a job that was lost with its runner more often than this has failed.
    """

    def __init__(self, engine: Engine, *, max_lost_leases: int = 20) -> None:
        self._engine = engine
        self._new_session = sessionmaker(engine, class_=ProjectSession, expire_on_commit=False)
        writer = engine.execution_options(writes=True)
        self._new_write_session = sessionmaker(
            writer, class_=ProjectSession, expire_on_commit=False
        )
        self._max_lost_leases = max_lost_leases
        self._info: dict[str, Any] = {"caller": None, "project_id": None}
        self._gives_up: Callable[[], bool] = lambda: True
        self._unit: Unit | None = None

    def _joining(self, session: Session) -> Self:
        """Returns a store whose methods take part in an open transaction, each in a savepoint.

        What a method of several steps is made of: it commits once, or not at all.
        """
        unit = Unit(lambda _session: None)
        unit.session = session
        return self._within(unit)

    def acting_for(self, caller: Caller) -> Self:
        """Returns a store over the same engine that acts for somebody, within their project.

        In its transactions `session.info["caller"]` is the caller; for the service itself, None.
        """
        return self._with_info(caller=caller, project_id=caller.project_id)

    def within(self, project_id: str) -> Self:
        """Returns a store over the same engine by which the service itself works in a project."""
        return self._with_info(caller=None, project_id=project_id)

    def patient(self, gives_up: Callable[[], bool]) -> Self:
        """Returns a store that waits while the database cannot be reached.

        Only the beginning of a transaction waits: what may have been carried out is never sent
        twice. So `DatabaseUnavailableError` remains, for a database that dies in the middle.

        Args:
            gives_up: asked now and then; if it says so, waiting ends with that error.
        """
        other = copy(self)
        other._gives_up = gives_up
        return other

    @property
    def project_id(self) -> str | None:
        """The project whose rows it sees; None for the service itself, which sees all."""
        project_id: str | None = self._info["project_id"]
        return project_id

    def _with_info(self, **info: Any) -> Self:
        other = copy(self)
        other._info = info
        return other

    def _within(self, unit: Unit) -> Self:
        """Returns a store that acts for the same caller, in one transaction."""
        other = copy(self)
        other._unit = unit
        return other

    @contextmanager
    def _committing(self, unit: Unit) -> Iterator[None]:
        """Commits a shared transaction at the end; rolls it back if anything is raised.

        Raises:
            DatabaseUnavailableError: the database cannot be reached or is too busy.
        """
        try:
            yield
            if unit.session is not None:
                with _unavailable():
                    unit.session.commit()
        finally:
            if unit.session is not None:
                unit.session.close()

    @contextmanager
    def _read(self) -> Iterator[Session]:
        """A transaction that only reads.

        Raises:
            DatabaseUnavailableError: the database cannot be reached or is too busy.
        """
        shared = None if self._unit is None else self._unit.session
        if shared is not None:
            with _unavailable():
                yield shared
            return
        with _unavailable(), self._new_session(info=self._info) as session:
            self._begin(session)
            yield session

    @contextmanager
    def _write(self) -> Iterator[Session]:
        """A transaction that writes; commits at the end, rolls back if anything is raised.

        Within a unit it is a part of that transaction, all or nothing as well.

        Raises:
            DatabaseUnavailableError: the database cannot be reached or is too busy.
        """
        if self._unit is not None:
            with _unavailable():
                shared = self._unit_session()
                with shared.begin_nested():
                    yield shared
            return
        with (
            _unavailable(),
            self._new_write_session(info=self._info) as session,
            session.begin(),
        ):
            self._begin(session)
            yield session

    def _unit_session(self) -> Session:
        """Returns the session of the unit's transaction, which begins with its first write."""
        unit = self._unit
        assert unit is not None
        if unit.session is None:
            session = self._new_write_session(info=self._info)
            try:
                self._begin(session)
                unit.on_begin(session)
            except BaseException:
                session.close()
                raise
            unit.session = session
        return unit.session

    def _begin(self, session: Session) -> None:
        """Gets the session a connection, and SQLite's write lock, before anything is sent."""
        while True:
            try:
                session.connection()
                return
            except (OperationalError, InterfaceError, PoolTimeoutError):
                if self._gives_up():
                    raise
            time.sleep(PATIENCE_S)

    def ping(self) -> None:
        """Returns if the database answers.

        Raises:
            DatabaseUnavailableError: it does not.
        """
        with self._read() as session:
            clock(session)

    def now(self) -> datetime:
        """Returns the time by the database's clock."""
        with self._read() as session:
            return clock(session)

    def close(self) -> None:
        """Closes all connections."""
        self._engine.dispose()


@contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        raise DatabaseUnavailableError(f"the database does not answer: {error.orig}") from error
    except PoolTimeoutError as error:
        raise DatabaseUnavailableError("all connections to the database are in use") from error


def clock(session: Session) -> datetime:
    """Returns the time by the database's clock."""
    now = session.scalar(select(DatabaseNow()))
    assert isinstance(now, datetime)
    return now


def get(session: Session, table: type[TableRow], key: Any) -> TableRow:
    """Returns a row by its primary key.

    Raises:
        NotFoundError: there is none.
    """
    row = session.get(table, key)
    if row is None:
        raise NotFoundError(_NAMES[table.__tablename__], str(key))
    return row


def newest_first(
    session: Session,
    statement: Select[TableRow],
    key: InstrumentedAttribute[str],
    limit: int,
    before: str | None,
) -> Page[TableRow]:
    """Returns the rows with the `limit` greatest keys below `before`."""
    if before is not None:
        statement = statement.where(key < before)
    rows = session.scalars(statement.order_by(key.desc()).limit(limit + 1)).all()
    more = len(rows) > limit
    return Page(rows[:limit], getattr(rows[limit - 1], key.key) if more else None)


def insert_new(session: Session, table: type[Table], values: Sequence[dict[str, Any]]) -> int:
    """Inserts the rows that break no UNIQUE constraint; returns how many those are."""
    dialect = session.get_bind().dialect.name
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    inserted = 0
    for row in values:
        statement = insert(table).values(**row).on_conflict_do_nothing()
        inserted += len(session.execute(statement.returning(literal(1))).all())
    return inserted


def add_artifact(session: Session, artifact: Artifact, now: datetime) -> None:
    """Records a file, once, and that a row of the session's project refers to it."""
    values = {
        "sha256": artifact.sha256,
        "size_bytes": artifact.size_bytes,
        "media_type": artifact.media_type,
        "created_at": now,
    }
    insert_new(session, ArtifactRow, [values])
    project_id = project_of(session) or DEFAULT_PROJECT
    insert_new(session, ProjectArtifactRow, [{"project_id": project_id, "sha256": artifact.sha256}])
