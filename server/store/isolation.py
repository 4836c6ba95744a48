"""Projects kept apart: what every session does so that no query can forget to.

A session that acts for a caller, or within a project, sees and changes that project's rows only,
and what it adds becomes that project's. One that does neither is the service's own: it sees all,
and what it adds for something belongs to the project of that thing.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

from sqlalchemy import Insert, select
from sqlalchemy.event import listens_for
from sqlalchemy.orm import (
    LoaderCriteriaOption,
    ORMExecuteState,
    Session,
    UOWTransaction,
    with_loader_criteria,
)

from server.callers import DEFAULT_PROJECT
from server.tables import ProjectOwned, Table

_PROJECT = "project_id"
_OWNED: dict[str, type[Any]] = {
    mapper.local_table.description: mapper.class_
    for mapper in Table.registry.mappers
    if issubclass(mapper.class_, ProjectOwned)
}


class ProjectSession(Session):
    """A session that keeps to the project in its `info`, or to none if that is None."""


def bind_project(session: Session, project_id: str) -> None:
    """Makes the rest of a transaction one of a project; a transaction has one at most."""
    bound = project_of(session)
    assert bound in (None, project_id), f"the transaction is {bound}'s, not {project_id}'s"
    session.info[_PROJECT] = project_id


def project_of(session: Session) -> str | None:
    """Returns the project that the session keeps to; None for the service itself."""
    project_id: str | None = session.info.get(_PROJECT)
    return project_id


@listens_for(ProjectSession, "do_orm_execute")
def _keep_to_project(state: ORMExecuteState) -> None:
    if state.is_insert:
        _fill_insert(state)
        return
    project_id = project_of(state.session)
    reads_or_changes = state.is_select or state.is_update or state.is_delete
    # What is refreshed (`is_column_load`) was seen before.
    if project_id is None or not reads_or_changes or state.is_column_load:
        return
    state.statement = state.statement.options(_only_of(project_id))


@lru_cache(maxsize=256)  # to make it takes a good part of a short query's time
def _only_of(project_id: str) -> LoaderCriteriaOption:
    return with_loader_criteria(
        ProjectOwned, lambda table: table.project_id == project_id, include_aliases=True
    )


@listens_for(ProjectSession, "before_flush")
def _fill_new_rows(session: Session, _context: UOWTransaction, _instances: object) -> None:
    for row in session.new:
        if isinstance(row, ProjectOwned):
            row.project_id = _project_for(session, type(row), partial(getattr, row))


def _fill_insert(state: ORMExecuteState) -> None:
    mapper = state.bind_mapper
    if mapper is None or not issubclass(mapper.class_, ProjectOwned):
        return
    session, table, statement = state.session, mapper.class_, state.statement
    assert isinstance(statement, Insert)
    if state.parameters:
        rows = [state.parameters] if isinstance(state.parameters, dict) else state.parameters
        for values in rows:
            assert isinstance(values, dict)
            values[_PROJECT] = _project_for(session, table, values.get)
        return
    project_id = project_of(session)
    if project_id is None:
        values = statement.compile(dialect=session.get_bind().dialect).params
        project_id = _project_for(session, table, values.get)
    state.statement = statement.values({_PROJECT: project_id})


def _project_for(session: Session, table: type[Any], value_of: Callable[[str], Any | None]) -> str:
    """Returns the project of a new row: the session's, its own, or that of what it refers to."""
    bound, project_id = project_of(session), value_of(_PROJECT)
    assert bound is None or project_id in (None, bound), f"a row of {project_id} in {bound}"
    if bound is not None or project_id is not None:
        return bound or str(project_id)
    for key in table.__table__.foreign_keys:
        parent, value = _OWNED.get(key.column.table.name), value_of(key.parent.name)
        if parent is None or value is None:
            continue
        for row in session.new:
            if isinstance(row, parent) and getattr(row, key.column.name) == value:
                project_id = row.project_id
        project_id = project_id or session.scalar(
            select(parent.project_id).where(key.column == value).limit(1)
        )
        if project_id is not None:
            return str(project_id)
    return DEFAULT_PROJECT
