"""Searches and their logs of asks and tells."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Unpack

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from search_space.space import Architecture, digest_of
from searchers.protocol import Observation, PredictionQuality, Proposal
from searchers.replay import Asked, Told
from server.errors import InvalidRequestError
from server.ids import new_id
from server.schemas.job_options import DEFAULT_OPTIONS, JobOptions
from server.store.awaited import awaited_training
from server.store.base import Page, Transactions, clock, get
from server.store.jobs import (
    PREDICTION_QUALITY,
    ClaimedJob,
    add_event,
    fence,
    submit_job,
    succeed_job,
)
from server.store.listing import NEWEST, Part, page_of, with_job_status, with_values
from server.store.search_terms import SearchTerms
from server.tables import (
    DataSetRow,
    EvaluationRow,
    JobEventRow,
    JobRow,
    Json,
    ObservationRow,
    ProposalRow,
    SearchRow,
    SpaceRow,
    SupernetRow,
)


class SearchStore(Transactions):
    """Queries about searches and their logs."""

    def add_search(
        self,
        *,
        name: str,
        supernet_id: str,
        evaluator: Json,
        resources: Json,
        options: JobOptions = DEFAULT_OPTIONS,
        **terms: Unpack[SearchTerms],
    ) -> tuple[SearchRow, JobRow]:
        """Adds a search and the job that runs it.

        Args:
            name: what people call it.
            supernet_id: whose sub-networks are searched; the job waits while it is in training.
            evaluator: settings of the evaluation without the versions of the supernet and of its
                data set, which are added here.
            resources: of the workers.
            options: of the job.
            terms: which problem is searched, and how.

        Raises:
            NotFoundError: there is no such supernet.
            ConflictError: its training, or a job that is waited for, has failed.
        """
        with self._write() as session:
            now = clock(session)
            supernet = get(session, SupernetRow, supernet_id)
            awaited = awaited_training(session, supernet, "searched")
            space = get(session, SpaceRow, supernet.space_id)
            data_set = get(session, DataSetRow, supernet.data_set_id)
            evaluator = {
                "supernet_version": supernet.version,
                "data_set_version": data_set.version,
                **evaluator,
            }
            search_id = new_id("sea", now)
            settings = {
                **terms,
                "evaluator": evaluator,
                "evaluator_digest": None if awaited else digest_of(evaluator),
                "resources": resources,
            }
            spec = {
                "search_id": search_id,
                "supernet": {"id": supernet.id, "version": supernet.version},
                "space_id": space.id,
                "space": space.settings,
                "data_set": {"id": data_set.id, "version": data_set.version},
                **settings,
            }
            job = submit_job(session, "search", spec, now, **options.terms(now, awaited))
            search = SearchRow(
                id=search_id,
                name=name,
                supernet_id=supernet_id,
                space_id=space.id,
                job_id=job.id,
                created_at=now,
                **settings,
            )
            session.add(search)
            session.flush()
            return search, job

    def get_search(self, search_id: str) -> SearchRow:
        """Returns a search.

        Raises:
            NotFoundError: there is none.
        """
        with self._read() as session:
            return get(session, SearchRow, search_id)

    def list_searches(
        self,
        limit: int,
        part: Part = NEWEST,
        *,
        name: str | None = None,
        supernet_id: str | None = None,
        space_id: str | None = None,
        status: str | None = None,
    ) -> Page[SearchRow]:
        """Returns searches.

        Args:
            limit: how many.
            part: which.
            name: only those called so.
            supernet_id: only of this supernet.
            space_id: only of this space.
            status: only those whose job is in this state.
        """
        given = {"name": name, "supernet_id": supernet_id, "space_id": space_id}
        statement = with_values(select(SearchRow), SearchRow, given)
        statement = with_job_status(statement, SearchRow, status)
        with self._read() as session:
            return page_of(session, statement, SearchRow, limit, part, prefix="sea")

    def search_counts(self, searches: Sequence[SearchRow]) -> dict[str, dict[str, int]]:
        """Returns how many proposals were measured, infeasible and failed, by search.

        A search that has succeeded knows it: to count a page of long ones would take a while.
        """
        results = {row.id: row.result or {} for row in searches}
        known = {one: result["counts"] for one, result in results.items() if "counts" in result}
        with self._read() as session:
            others = [row.id for row in searches if row.id not in known]
            return known | _counts(session, others)

    # --- the log -------------------------------------------------------------------------------

    def record_proposals(
        self, job: ClaimedJob, search_id: str, proposals: Sequence[Proposal]
    ) -> None:
        """Appends an ask to the search's log; call it before anything is done with the proposals.

        Raises:
            StaleAttemptError: the job is no longer this attempt's.
        """
        with self._write() as session:
            fence(session, job)
            now = clock(session)
            step = _next_step(session, search_id)
            session.add_all(
                ProposalRow(
                    search_id=search_id,
                    number=proposal.number,
                    step=step,
                    architecture_digest=proposal.architecture.digest,
                    architecture=dict(proposal.architecture),
                    created_at=now,
                )
                for proposal in proposals
            )

    def record_observations(
        self, job: ClaimedJob, search_id: str, observed: Sequence[tuple[int, str]]
    ) -> None:
        """Appends a tell to the search's log; call it before the searcher is told.

        Args:
            job: as claimed.
            search_id: whose log.
            observed: number of the proposal and id of its evaluation, in the order of telling.

        Raises:
            StaleAttemptError: the job is no longer this attempt's.
        """
        with self._write() as session:
            fence(session, job)
            now = clock(session)
            step = _next_step(session, search_id)
            mine = ObservationRow.search_id == search_id
            num_told = session.scalar(select(func.count()).select_from(ObservationRow).where(mine))
            session.add_all(
                ObservationRow(
                    search_id=search_id,
                    number=number,
                    evaluation_id=evaluation_id,
                    step=step,
                    told_order=told_order,
                    created_at=now,
                )
                for told_order, (number, evaluation_id) in enumerate(observed, start=num_told or 0)
            )

    def search_log(self, search_id: str) -> list[Asked | Told]:
        """Returns all asks and tells in their order: replayed, they give the searcher's state."""
        with self._read() as session:
            asked = session.scalars(
                select(ProposalRow)
                .where(ProposalRow.search_id == search_id)
                .order_by(ProposalRow.number)
            ).all()
            told = session.execute(
                select(ObservationRow, EvaluationRow)
                .join(EvaluationRow, EvaluationRow.id == ObservationRow.evaluation_id)
                .where(ObservationRow.search_id == search_id)
                .order_by(ObservationRow.told_order)
            )
            proposals = {row.number: _proposal(row) for row in asked}
            asks: dict[int, list[Proposal]] = {}
            for row in asked:
                asks.setdefault(row.step, []).append(proposals[row.number])
            tells: dict[int, list[Observation]] = {}
            for observation, evaluation in told:
                entry = Observation(proposals[observation.number], evaluation.outcome)
                tells.setdefault(observation.step, []).append(entry)
        return [
            Asked(tuple(asks[step])) if step in asks else Told(tuple(tells[step]))
            for step in sorted({*asks, *tells})
        ]

    # --- how good predictions were ---------------------------------------------------------------

    def prediction_quality(self, job_id: str) -> list[PredictionQuality]:
        """Returns how good the predictions of a search's job were, batch after batch."""
        with self._read() as session:
            return recorded_quality(session, job_id)

    def record_prediction_quality(
        self, job: ClaimedJob, found: Sequence[PredictionQuality]
    ) -> None:
        """Records, as events of the job, how good predictions were, where that is news.

        Args:
            job: as claimed.
            found: all that the searcher says.

        Raises:
            StaleAttemptError: the job is no longer this attempt's.
        """
        with self._write() as session:
            row = fence(session, job)
            add_quality_events(session, row, found, clock(session))

    def finish_search(self, job: ClaimedJob, search_id: str, result: Json) -> None:
        """Records the search's result and ends the job as succeeded.

        Args:
            job: as claimed.
            search_id: what the job was about.
            result: figures; how many outcomes were other searches', and of each kind, is added.

        Raises:
            StaleAttemptError: the job is no longer this attempt's.
        """
        with self._write() as session:
            fence(session, job)
            counts = _counts(session, [search_id])[search_id]
            result = {**result, "reused": _num_reused(session, search_id), "counts": counts}
            get(session, SearchRow, search_id).result = result
            succeed_job(session, job, clock(session), result)


def recorded_quality(session: Session, job_id: str) -> list[PredictionQuality]:
    """Returns what is recorded of each batch of predictions, the newest word on it, in order."""
    statement = (
        select(JobEventRow.data)
        .where(JobEventRow.job_id == job_id, JobEventRow.type == PREDICTION_QUALITY)
        .order_by(JobEventRow.id)
    )
    newest = {data["first_number"]: data for data in session.scalars(statement)}
    return [PredictionQuality(**newest[number]) for number in sorted(newest)]


def add_quality_events(
    session: Session, job: JobRow, found: Sequence[PredictionQuality], now: datetime
) -> None:
    """Adds an event for each batch of which something else is recorded, or nothing.

    Args:
        session: of the transaction, which holds the lock on the job's row.
        job: of the search.
        found: all that the searcher says.
        now: by the database's clock.
    """
    if not found:
        return
    known = {entry.first_number: entry for entry in recorded_quality(session, job.id)}
    for entry in found:
        if known.get(entry.first_number) != entry:
            add_event(session, job.id, job.attempt, PREDICTION_QUALITY, asdict(entry), now)


def supernet_of(search: SearchRow) -> str:
    """Returns the id of the supernet whose weights the networks of a search have.

    Raises:
        InvalidRequestError: they have none here.
    """
    if search.supernet_id is None:
        rule = (
            "must be a search of a supernet: this one was evaluated without, so that there are no "
            "weights of its networks here"
        )
        raise InvalidRequestError.single("/search", rule, search.id)
    return search.supernet_id


def _counts(session: Session, search_ids: Sequence[str]) -> dict[str, dict[str, int]]:
    counts = {one: {"measured": 0, "infeasible": 0, "failed": 0} for one in search_ids}
    if not counts:
        return counts
    counted = session.execute(
        select(ObservationRow.search_id, EvaluationRow.status, func.count())
        .join(EvaluationRow, ObservationRow.evaluation_id == EvaluationRow.id)
        .where(ObservationRow.search_id.in_(search_ids))
        .group_by(ObservationRow.search_id, EvaluationRow.status)
    )
    for search_id, status, count in counted:
        counts[search_id][status] = count
    return counts


def _num_reused(session: Session, search_id: str) -> int:
    """Returns how many of a search's outcomes another search had evaluated."""
    statement = (
        select(func.count())
        .select_from(ObservationRow)
        .join(EvaluationRow, EvaluationRow.id == ObservationRow.evaluation_id)
        .where(ObservationRow.search_id == search_id, EvaluationRow.search_id != search_id)
    )
    return session.scalar(statement) or 0


def _next_step(session: Session, search_id: str) -> int:
    """The position of the next entry in the log; the fence makes this job the only writer."""
    last = [
        session.scalar(select(func.max(table.step)).where(table.search_id == search_id))
        for table in (ProposalRow, ObservationRow)
    ]
    return 1 + max(-1 if step is None else step for step in last)


def _proposal(row: ProposalRow) -> Proposal:
    return Proposal(row.number, Architecture(row.architecture))
