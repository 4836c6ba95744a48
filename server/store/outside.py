"""Searches that are evaluated outside: one transaction for a group of orders at their desk."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Unpack

from pydantic import TypeAdapter
from sqlalchemy import select
from sqlalchemy.orm import Session, load_only

from searchers.protocol import Searcher
from searchers.settings import SearcherSettings
from server.database import DatabaseNow
from server.errors import ConflictError, ServerError
from server.ids import new_id
from server.job_states import CLAIMABLE, JobStatus
from server.outside.desk import Desk
from server.outside.log import Changes
from server.outside.orders import Answer, Order, OutsideTerms
from server.search_problem import problem_of
from server.store.base import Transactions, clock, get
from server.store.evaluations import own_evaluator_digest
from server.store.isolation import bind_project
from server.store.jobs import OUTSIDE, move_outside_job, report_outside_progress, submit_job
from server.store.outside_log import read_log, record
from server.store.search_terms import SearchTerms
from server.store.searches import add_quality_events
from server.tables import (
    JobRow,
    Json,
    SearchRow,
    SpaceRow,
)

PROGRESS_PARTS = 100
"""A search reports its progress at most this often: each time is an event."""

# What every transaction needs; the settings are read only where a desk is set up.
_BRIEFLY = load_only(
    SearchRow.project_id,
    SearchRow.space_id,
    SearchRow.job_id,
    SearchRow.evaluations,
    SearchRow.evaluator_digest,
    SearchRow.log_length,
)


class OutsideStore(Transactions):
    """Queries about searches that are evaluated outside."""

    def add_outside_search(
        self,
        *,
        name: str,
        space_id: str,
        evaluator: Json,
        **terms: Unpack[SearchTerms],
    ) -> tuple[SearchRow, JobRow]:
        """Adds a search whose proposals clients evaluate, and its job, which no runner claims.

        What others measure elsewhere is not known to be the same, so its evaluator's digest is its
        own: no other search takes over its results.

        Args:
            name: what people call it.
            space_id: where architectures come from.
            evaluator: `kind`, `lease_seconds`, `barrier` and `description`.
            terms: which problem is searched, and how.

        Raises:
            NotFoundError: there is no such space.
        """
        with self._write() as session:
            now = clock(session)
            space = get(session, SpaceRow, space_id)
            search_id = new_id("sea", now)
            settings = {
                **terms,
                "evaluator": evaluator,
                "evaluator_digest": own_evaluator_digest(search_id, evaluator),
            }
            spec = {"search_id": search_id, "space_id": space.id, **settings}
            job = submit_job(session, OUTSIDE, spec, now)
            search = SearchRow(
                id=search_id,
                name=name,
                supernet_id=None,
                space_id=space.id,
                job_id=job.id,
                log_length=0,
                resources={},  # its job takes none of the runners'
                created_at=now,
                **settings,
            )
            session.add(search)
            session.flush()
            return search, job

    def work_at_desk(
        self, search_id: str, desk: Desk | None, orders: Sequence[Order]
    ) -> tuple[Desk, list[Answer | ServerError]]:
        """Carries out orders at a search's desk, all in one transaction.

        The lock on the search's row makes this the only writer of its log. On SQLite it is a lock
        on the whole database, and a searcher may think for seconds: so the desk works before, on
        what it reads without the lock, and works anew if another process has written meanwhile.

        Whatever is raised, the given desk must not be used again: it may know what was not
        recorded.

        Args:
            search_id: whose proposals.
            desk: what this process knows of the search; None if nothing.
            orders: in the order in which they came.

        Returns:
            The desk, up to date with the log, and the answer to each order.

        Raises:
            NotFoundError: there is no such search.
            ConflictError: it is not evaluated outside, or cannot be continued by this program.
        """
        if desk is None:
            desk = self._open_desk(search_id)
        ahead = (
            self._work_ahead(search_id, desk, orders)
            if self._engine.dialect.name == "sqlite"
            else None
        )
        try:
            return desk, self._work_locked(search_id, desk, orders, ahead)
        except _OvertakenError:
            desk = self._open_desk(search_id)
            return desk, self._work_locked(search_id, desk, orders, None)

    def _work_ahead(self, search_id: str, desk: Desk, orders: Sequence[Order]) -> "_Work":
        """Lets a desk work on what can be read without a lock."""
        with self._read() as session:
            search, status, now = _lock(session, search_id)  # locks nothing in SQLite
            _catch_up(session, search, desk)
        return _worked(search, status, desk, orders, now)

    def _work_locked(
        self, search_id: str, desk: Desk, orders: Sequence[Order], ahead: "_Work | None"
    ) -> list[Answer | ServerError]:
        """Records what a desk has done, or does and records it.

        Raises:
            _OvertakenError: the log or the job is not as it was when the desk worked ahead.
        """
        with self._write() as session:
            search, status, now = _lock(session, search_id)
            bind_project(session, search.project_id)
            if ahead is None:
                _catch_up(session, search, desk)
                done = _worked(search, status, desk, orders, now)
            elif ahead.basis == (search.log_length, status):
                done = ahead
            else:
                raise _OvertakenError
            if status in CLAIMABLE:
                status = JobStatus.RUNNING
                started = {"attempt": 1, "started_at": now}
                move_outside_job(session, search.job_id, status, now, {}, **started)
            record(session, search, desk, done.num_told, done.changes, now)
            if done.changes.told:
                _report_progress(session, search, desk, done.num_told, now)
            if desk.is_done and status is JobStatus.RUNNING:
                _finish(session, search, desk, now)
            return done.answers

    def _open_desk(self, search_id: str) -> Desk:
        """Returns a desk as the log has left it: a long one is read before anything is locked."""
        with self._read() as session:
            search = get(session, SearchRow, search_id)
            if search.log_length is None:
                raise ConflictError(
                    f"search {search_id} is evaluated with its supernet: it has no proposals for "
                    "evaluators outside"
                )
            desk = _new_desk(session, search)
            _catch_up(session, search, desk)
            return desk


class _OvertakenError(Exception):
    """Another process was at work while a desk worked ahead: it now knows more than the log."""


@dataclass(frozen=True)
class _Work:
    """What a desk has done.

    Attributes:
        basis: the length of the log and the job's status, on which it rests.
        num_told: how many outcomes the desk had been told before.
        answers: to the orders.
        changes: what must be recorded.
    """

    basis: tuple[int | None, JobStatus]
    num_told: int
    answers: list[Answer | ServerError]
    changes: Changes


def _worked(
    search: SearchRow, status: JobStatus, desk: Desk, orders: Sequence[Order], now: datetime
) -> _Work:
    """Lets a desk work that is up to date; the first order starts a search."""
    num_told = desk.num_told
    met = JobStatus.RUNNING if status in CLAIMABLE else status
    answers, changes = desk.work(orders, met, now, partial(new_id, "lea"))
    return _Work((search.log_length, status), num_told, answers, changes)


def _lock(session: Session, search_id: str) -> tuple[SearchRow, JobStatus, datetime]:
    """Returns a search with a lock on its row and its job's, the job's status, and the time."""
    statement = (
        select(SearchRow, JobRow.status, DatabaseNow())
        .join(JobRow, JobRow.id == SearchRow.job_id)
        .where(SearchRow.id == search_id)
        .options(_BRIEFLY)
        .with_for_update()
    )
    row = session.execute(statement).one_or_none()
    if row is None:
        get(session, SearchRow, search_id)  # raises
        raise AssertionError(search_id)
    search, status, now = row
    return search, JobStatus(status), now


def _new_desk(session: Session, search: SearchRow) -> Desk:
    problem = problem_of(search, get(session, SpaceRow, search.space_id))
    policy = TypeAdapter[Any](SearcherSettings).validate_python(search.searcher)
    searcher: Searcher = policy.build(problem, search.seed)
    terms = OutsideTerms(
        search.evaluations, search.evaluator["lease_seconds"], search.evaluator["barrier"]
    )
    return Desk(search.id, problem, searcher, terms)


def _catch_up(session: Session, search: SearchRow, desk: Desk) -> None:
    """Brings a desk to where the log ended when the search's row was read."""
    assert search.log_length is not None
    if desk.log_length != search.log_length:
        desk.replay(read_log(session, search.id, desk, search.log_length), search.log_length)


def _report_progress(
    session: Session, search: SearchRow, desk: Desk, num_told: int, now: datetime
) -> None:
    part = max(1, desk.target // PROGRESS_PARTS)
    if desk.num_told // part > num_told // part or desk.is_done:
        progress = {"done": desk.num_told, "total": search.evaluations, "unit": "evaluations"}
        job = report_outside_progress(session, search.job_id, progress, now)
        add_quality_events(session, job, desk.prediction_quality(), now)


def _finish(session: Session, search: SearchRow, desk: Desk, now: datetime) -> None:
    """Ends a search of which nothing is left to be evaluated."""
    exhausted = desk.num_told < search.evaluations
    counts = desk.counts
    result: Json = {
        "evaluations": desk.num_told,
        "reused": 0,
        "space_exhausted": exhausted,
        "counts": counts,
    }
    search.result = result
    if counts["measured"]:
        to, data, values = JobStatus.SUCCEEDED, result, dict[str, Any]()
    else:
        message = f"none of {desk.num_told} architectures could be measured"
        error = {"type": "failed", "message": message}
        to, data, values = JobStatus.FAILED, {"error": error}, {"error": error}
    move_outside_job(session, search.job_id, to, now, data, **values)
