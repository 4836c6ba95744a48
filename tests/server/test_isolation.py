"""No query, however it is written, reaches another project's rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from examples import (
    SPACE,
    add_data_set,
    add_export,
    add_supernet,
    artifact,
    assessed,
    claim,
    search_with_a_front,
)
from sqlalchemy import delete, func, insert, literal, select, update
from sqlalchemy.orm import Session, aliased

from search_space.outcomes import Measured
from server.callers import DEFAULT_PROJECT, Caller
from server.errors import NotFoundError
from server.ids import new_id
from server.store import Store
from server.store.base import clock, insert_new
from server.tables import (
    DataSetRow,
    EvaluationRow,
    JobEventRow,
    JobRow,
    ObservationRow,
    ProjectOwned,
    SearchRow,
    Table,
    UploadRow,
)

SHARED = {"artifacts", "spaces"}
"""Plain values, named by their content."""

TABLES = [mapper.class_ for mapper in Table.registry.mappers]
OWNED = [table for table in TABLES if issubclass(table, ProjectOwned)]


@dataclass
class Team:
    """A project with a row of most kinds, and a store that acts for somebody in it."""

    store: Store
    search_id: str
    digests: list[str]


def team(store: Store, project_id: str) -> Team:
    """Fills a project as its people and the runner do: the runner's store is nobody's."""
    theirs = store.acting_for(Caller(project_id=project_id))
    both: Any = _TheirsAndRunners(theirs, store)
    search, digests = search_with_a_front(both)
    assessed(both, search.supernet_id)
    export = add_export(theirs, search, digests[0])
    store.record_test_reading(
        claim(store), export.id, theirs.get_supernet(search.supernet_id).data_set_id, "n" * 64, {}
    )
    theirs.add_upload("images", 1, "e" * 64)
    return Team(theirs, search.id, digests)


class _TheirsAndRunners:
    """A runner's methods of its store, everybody else's of theirs."""

    def __init__(self, theirs: Store, runners: Store) -> None:
        self._theirs = theirs
        self._runners = runners

    def __getattr__(self, name: str) -> Any:
        is_runners = name.startswith(("claim_", "record_", "finish_"))
        return getattr(self._runners if is_runners else self._theirs, name)


@pytest.fixture
def teams(store: Store) -> tuple[Team, Team]:
    return team(store, "ours"), team(store, "theirs")


def test_all_tables_are_owned_but_those_of_plain_values() -> None:
    others = {table.__tablename__ for table in TABLES if table not in OWNED}
    assert others == SHARED | {
        "projects",
        "api_keys",
        "audit_log",
        "runners",
        "idempotency_answers",
    }


def test_what_runners_record_is_of_the_job_s_project(store: Store, teams: object) -> None:
    num_filled = 0
    with store._read() as session:
        for table in OWNED:
            found = dict(
                session.execute(
                    select(table.project_id, func.count()).group_by(table.project_id)
                ).all()
            )
            assert DEFAULT_PROJECT not in found, table
            assert found.get("ours") == found.get("theirs"), table
            num_filled += bool(found)
    assert num_filled >= 13


def test_lists_and_subqueries_and_joins_are_kept_to_the_project(
    teams: tuple[Team, Team],
) -> None:
    ours, theirs = teams
    other = aliased(EvaluationRow)
    with ours.store._read() as session:
        for table in OWNED:
            rows = session.scalars(select(table)).all()
            assert {row.project_id for row in rows} <= {"ours"}, table
            assert session.scalar(select(func.count()).select_from(table)) == len(rows)
        num_observed = session.scalar(select(func.count()).select_from(ObservationRow))
        joined = (
            select(func.count())
            .select_from(EvaluationRow)
            .join(other, other.architecture_digest == EvaluationRow.architecture_digest)
        )
        assert session.scalar(joined) == num_observed
        newest = select(func.max(SearchRow.id)).scalar_subquery()
        assert session.scalar(select(newest)) == ours.search_id
        there = select(SearchRow.id).where(SearchRow.id == theirs.search_id)
        assert session.scalar(select(literal(1)).where(there.exists())) is None
        nested = select(literal(1)).where(there.exists()).exists()
        assert session.scalars(select(JobRow.id).where(nested)).all() == []
        either = select(SearchRow.id).union(select(SearchRow.id))
        assert session.scalars(either).all() == [ours.search_id]


def test_a_foreign_id_is_not_found(teams: tuple[Team, Team]) -> None:
    ours, theirs = teams
    for mine, foreign in ((ours, theirs), (theirs, ours)):
        assert mine.store.get_search(mine.search_id).id == mine.search_id
        with pytest.raises(NotFoundError):
            mine.store.get_search(foreign.search_id)
        job_id = foreign.store.get_search(foreign.search_id).job_id
        with pytest.raises(NotFoundError):
            mine.store.request_cancel(job_id)
        assert mine.store.search_points(foreign.search_id) == []
        assert mine.store.search_log(foreign.search_id) == []
        assert mine.store.get_jobs([job_id]) == {}


def test_nothing_foreign_is_changed_or_deleted(teams: tuple[Team, Team]) -> None:
    ours, theirs = teams
    with ours.store._write() as session:
        session.execute(update(SearchRow).values(name="taken"))
        session.execute(delete(UploadRow))
    assert theirs.store.get_search(theirs.search_id).name == "fast"
    assert ours.store.get_search(ours.search_id).name == "taken"
    assert len(theirs.store.list_uploads(10).rows) == 1
    assert ours.store.list_uploads(10).rows == []


def test_names_and_files_and_results_are_unique_in_their_project_only(
    store: Store, teams: tuple[Team, Team]
) -> None:
    ours, theirs = teams
    sets = [one.store.list_data_sets(10).rows for one in teams]
    assert [[row.name for row in rows] for rows in sets] == [["digits"], ["digits"]]
    assert sets[0][0].id != sets[1][0].id
    spaces = [[row.id for row in one.store.list_spaces(10).rows] for one in teams]
    assert spaces[0] == spaces[1] != []
    found = [
        one.store.list_evaluations(10, architecture_digest=one.digests[0]).rows for one in teams
    ]
    assert [[row.search_id for row in rows] for rows in found] == [
        [ours.search_id],
        [theirs.search_id],
    ]
    # A runner that reads within the job's project reuses that project's results alone.
    known = store.within("ours").find_evaluations(ours.search_id, ours.digests)
    assert {row.search_id for row in known.values()} == {ours.search_id}


def test_all_ways_to_insert_fill_the_project(store: Store) -> None:
    theirs = store.acting_for(Caller(project_id="theirs"))

    def values(session: Session, letter: str) -> dict[str, Any]:
        now = clock(session)
        name = {"id": new_id("upl", now), "name": letter, "size_bytes": 1, "sha256": letter * 64}
        return name | {"created_at": now}

    with theirs._write() as session:
        session.add(UploadRow(**values(session, "a")))
        session.flush()
        insert_new(session, UploadRow, [values(session, "b")])
        session.execute(insert(UploadRow), [values(session, "c"), values(session, "d")])
        session.execute(insert(UploadRow), values(session, "e"))
        session.execute(insert(UploadRow).values(**values(session, "f")))
    assert {row.name for row in theirs.list_uploads(10).rows} == set("abcdef")


def test_the_service_s_own_rows_follow_what_they_are_for(store: Store) -> None:
    theirs = store.acting_for(Caller(project_id="theirs"))
    _, job = add_supernet(theirs)
    with store._write() as session:
        now = clock(session)
        event = {"job_id": job.id, "attempt": 0, "type": "x", "data": {}, "created_at": now}
        session.add(JobEventRow(**event))
        insert_new(session, JobEventRow, [event])
        session.execute(insert(JobEventRow), [event])
        upload = {"size_bytes": 1, "sha256": "u", "created_at": now, "project_id": "ours"}
        session.add(UploadRow(id="u", name="u", **upload))
        insert_new(session, UploadRow, [{"id": "v", "name": "v", **upload}])
    with store._read() as session:
        assert {*session.scalars(select(JobEventRow.project_id))} == {"theirs"}
        assert {*session.scalars(select(UploadRow.project_id))} == {"ours"}


def test_a_row_cannot_be_slipped_into_another_project(store: Store) -> None:
    theirs = store.acting_for(Caller(project_id="theirs"))
    row = DataSetRow(id="d", name="d", project_id="ours")
    with theirs._write() as session:
        session.add(row)
        with pytest.raises(AssertionError, match="ours in theirs"):
            session.flush()
        session.expunge(row)


def test_a_runner_s_late_result_does_not_leave_its_project(store: Store) -> None:
    ours, theirs = team(store, "ours"), store.acting_for(Caller(project_id="theirs"))
    add_supernet(theirs)
    job = claim(store)
    architecture = SPACE.decode(SPACE.sample(1, np.random.default_rng(3))[0])
    with pytest.raises(NotFoundError):
        store.record_evaluation(job, ours.search_id, architecture, Measured({}, {}))


def test_a_data_set_of_equal_content_is_registered_in_each_project(store: Store) -> None:
    ours, theirs = (store.acting_for(Caller(project_id=name)) for name in ("ours", "theirs"))
    first, again, other = add_data_set(ours), add_data_set(ours), add_data_set(theirs)
    assert first.id == again.id
    assert first.id != other.id
    assert first.version == other.version == artifact("d").sha256
