"""Projects, API keys, and the log of changes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update

from server.callers import Caller, Scope
from server.errors import (
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    PreconditionFailedError,
)
from server.ids import new_id
from server.store.base import Page, Transactions, clock, get, insert_new, newest_first
from server.store.quotas import ProjectUsage, usage_of
from server.tables import ApiKeyRow, ChangeRow, ProjectRow

LAST_USE_RESOLUTION = timedelta(minutes=1)


@dataclass(frozen=True)
class Quotas:
    """How much a project may have; None for any amount."""

    max_active_jobs: int | None = None
    max_running_jobs: int | None = None
    max_bytes: int | None = None


@dataclass(frozen=True)
class Change:
    """A request that was to change something; see `server.tables.ChangeRow`."""

    method: str
    route: str
    resource: str | None
    status: int
    request_id: str | None = None


class AccessStore(Transactions):
    """Queries about projects, keys and changes, of all projects: they are the operator's."""

    # --- projects ------------------------------------------------------------------------------

    def add_project(self, project_id: str, quotas: Quotas) -> ProjectRow:
        """Adds a project.

        Raises:
            ConflictError: there is one of that name.
        """
        with self._write() as session:
            values = {"id": project_id, **vars(quotas), "created_at": clock(session)}
            if insert_new(session, ProjectRow, [values]) == 0:
                raise ConflictError(f"there is a project {project_id!r} already")
            return get(session, ProjectRow, project_id)

    def get_project(self, project_id: str) -> tuple[ProjectRow, ProjectUsage]:
        """Returns a project and what it has.

        Raises:
            NotFoundError: there is none.
        """
        with self._read() as session:
            return get(session, ProjectRow, project_id), usage_of(session, project_id)

    def list_projects(self, limit: int, before: str | None = None) -> Page[ProjectRow]:
        """Returns projects in descending order of their names."""
        with self._read() as session:
            return newest_first(session, select(ProjectRow), ProjectRow.id, limit, before)

    def set_quotas(
        self,
        project_id: str,
        quotas: Mapping[str, int | None],
        is_expected: Callable[[ProjectRow, ProjectUsage], bool] = lambda _row, _usage: True,
    ) -> None:
        """Sets some of how much a project may have; what it has stays.

        Args:
            project_id: which.
            quotas: values of fields of `Quotas`; the others stay.
            is_expected: whether the project, as it is now, is what is to be changed.

        Raises:
            NotFoundError: there is no such project.
            PreconditionFailedError: it is not what was expected.
        """
        with self._write() as session:
            row = session.get(ProjectRow, project_id, with_for_update=True)
            if row is None:
                raise NotFoundError("project", project_id)
            if not is_expected(row, usage_of(session, project_id)):
                raise PreconditionFailedError(
                    f"If-Match must be the ETag of project {project_id} as it is now"
                )
            for name, value in quotas.items():
                assert name in Quotas.__dataclass_fields__, name
                setattr(row, name, value)

    # --- keys ----------------------------------------------------------------------------------

    def add_key(
        self,
        *,
        name: str,
        owner: str,
        project_id: str,
        scopes: Sequence[Scope],
        prefix: str,
        secret_sha256: str,
        expires_at: datetime | None,
    ) -> ApiKeyRow:
        """Adds a key.

        Args:
            name: for people.
            owner: whom it is for.
            project_id: what it opens.
            scopes: what it allows.
            prefix: the part of the key that is no secret.
            secret_sha256: see `server.api_keys.hash_of`.
            expires_at: when it ceases to be valid; None for never.

        Raises:
            NotFoundError: there is no such project.
            InvalidRequestError: it would have expired already.
        """
        with self._write() as session:
            now = clock(session)
            get(session, ProjectRow, project_id)
            if expires_at is not None and expires_at <= now:
                rule = f"must be after now, {now.isoformat(timespec='seconds')}"
                raise InvalidRequestError.single("/expires_at", rule, expires_at.isoformat())
            row = ApiKeyRow(
                id=new_id("key", now),
                name=name,
                owner=owner,
                project_id=project_id,
                scopes=list(scopes),
                prefix=prefix,
                secret_sha256=secret_sha256,
                created_at=now,
                expires_at=expires_at,
            )
            session.add(row)
            session.flush()
            return row

    def has_keys(self) -> bool:
        """Whether a key was ever made: from then on all requests need one."""
        with self._read() as session:
            return session.scalar(select(ApiKeyRow.id).limit(1)) is not None

    def has_valid_keys(self) -> bool:
        """Whether a key is valid now."""
        with self._read() as session:
            now = clock(session)
            lives = or_(ApiKeyRow.expires_at.is_(None), ApiKeyRow.expires_at > now)
            statement = select(ApiKeyRow.id).where(ApiKeyRow.revoked_at.is_(None), lives)
            return session.scalar(statement.limit(1)) is not None

    def find_key(self, prefix: str) -> tuple[ApiKeyRow | None, datetime]:
        """Returns the key of a prefix, if there is one, and the time by the database's clock."""
        with self._read() as session:
            row = session.scalar(select(ApiKeyRow).where(ApiKeyRow.prefix == prefix))
            return row, clock(session)

    def note_use(self, key_id: str) -> None:
        """Records that a key was used, unless that is on record for this minute."""
        with self._write() as session:
            now = clock(session)
            used = ApiKeyRow.last_used_at
            is_old = or_(used.is_(None), used < now - LAST_USE_RESOLUTION)
            session.execute(
                update(ApiKeyRow).where(ApiKeyRow.id == key_id, is_old).values(last_used_at=now)
            )

    def get_key(self, key_id: str) -> ApiKeyRow:
        """Returns a key.

        Raises:
            NotFoundError: there is none.
        """
        with self._read() as session:
            return get(session, ApiKeyRow, key_id)

    def list_keys(
        self, limit: int, before: str | None = None, *, project_id: str | None = None
    ) -> Page[ApiKeyRow]:
        """Returns keys, newest first, also those that are no longer valid."""
        statement = select(ApiKeyRow)
        if project_id is not None:
            statement = statement.where(ApiKeyRow.project_id == project_id)
        with self._read() as session:
            return newest_first(session, statement, ApiKeyRow.id, limit, before)

    def revoke_key(self, key_id: str) -> ApiKeyRow:
        """Makes a key invalid, for ever; again changes nothing.

        Raises:
            NotFoundError: there is none.
        """
        with self._write() as session:
            row = get(session, ApiKeyRow, key_id)
            if row.revoked_at is None:
                row.revoked_at = clock(session)
            return row

    # --- changes -------------------------------------------------------------------------------

    def record_change(self, caller: Caller, change: Change) -> ChangeRow:
        """Adds an entry to the audit log."""
        with self._write() as session:
            now = clock(session)
            row = ChangeRow(
                id=new_id("chg", now),
                key_id=caller.key_id,
                owner=caller.owner,
                project_id=caller.project_id,
                created_at=now,
                **vars(change),
            )
            session.add(row)
            session.flush()
            return row

    def list_changes(
        self,
        limit: int,
        before: str | None = None,
        *,
        project_id: str | None = None,
        key_id: str | None = None,
    ) -> Page[ChangeRow]:
        """Returns entries of the audit log, newest first."""
        statement = select(ChangeRow)
        if project_id is not None:
            statement = statement.where(ChangeRow.project_id == project_id)
        if key_id is not None:
            statement = statement.where(ChangeRow.key_id == key_id)
        with self._read() as session:
            return newest_first(session, statement, ChangeRow.id, limit, before)
