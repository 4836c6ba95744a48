"""What was measured: evaluations, reusable by every search, and finalists measured again."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from search_space.outcomes import Measured, Outcome
from search_space.space import Architecture, digest_of
from server.ids import new_id
from server.outside.orders import fields_of
from server.store.base import Page, Transactions, clock, get, insert_new
from server.store.jobs import ClaimedJob, fence
from server.store.listing import NEWEST, Part, page_of, with_values
from server.tables import (
    EvaluationRow,
    Json,
    MeasurementRow,
    ObservationRow,
    SearchRow,
    SupernetRow,
)


@dataclass(frozen=True)
class Finalist:
    """Metrics of an architecture that was measured again, with their provenance."""

    architecture_digest: str
    metrics: Mapping[str, float]
    provenance: Mapping[str, Any]


@dataclass(frozen=True)
class Point:
    """An observed proposal of a search, with the evaluation that it was told."""

    number: int
    evaluation: EvaluationRow


@dataclass(frozen=True)
class Observed:
    """What a search was told about one proposal, without the architecture."""

    number: int
    status: str
    metrics: Mapping[str, float]
    created_at: datetime


class EvaluationStore(Transactions):
    """Queries about evaluations and measurements."""

    def find_evaluations(
        self, search_id: str, architecture_digests: Sequence[str]
    ) -> dict[str, EvaluationRow]:
        """Returns results that the search need not get again, by architecture digest.

        Those are results of any search with an equal evaluator on the same space, and failures and
        dropped networks that this search itself has met.
        """
        with self._read() as session:
            return _find(session, get(session, SearchRow, search_id), architecture_digests)

    def reference_baseline_ms(self, search_id: str) -> float | None:
        """Returns the reference network's speed when the search's evaluator first measured.

        All latencies of one evaluator are scaled to it, so that they can be compared. The first of
        a supernet's searches takes it over from the supernet's extremes, by which limits are
        chosen, if those were measured in the same way.

        Returns:
            None if nothing was measured yet.
        """
        with self._read() as session:
            search = get(session, SearchRow, search_id)
            first = session.scalar(
                select(EvaluationRow)
                .where(
                    EvaluationRow.space_id == search.space_id,
                    EvaluationRow.evaluator_digest == search.evaluator_digest,
                    EvaluationRow.status == "measured",
                )
                .order_by(EvaluationRow.id)
                .limit(1)
            )
            supernet = session.get(SupernetRow, search.supernet_id) if search.supernet_id else None
        if first is not None:
            measured = first.provenance.get("latency_ms")
        else:
            measured = _largest_latency(supernet, search.evaluator.get("latency"))
        return None if measured is None else float(measured["reference_baseline_ms"])

    def record_evaluation(
        self, job: ClaimedJob, search_id: str, architecture: Architecture, outcome: Outcome
    ) -> EvaluationRow:
        """Records the outcome of an evaluation, unless one that can be reused is on record.

        Returns:
            The row that stands: the first one recorded.

        Raises:
            StaleAttemptError: the job is no longer this attempt's.
        """
        with self._write() as session:
            fence(session, job)
            search = get(session, SearchRow, search_id)
            known = _find(session, search, [architecture.digest])
            if not known:
                values = evaluation_values(search, architecture, outcome)
                if isinstance(outcome, Measured) and outcome.is_dropped:
                    values["evaluator_digest"] = own_evaluator_digest(search.id, search.evaluator)
                now = clock(session)
                values |= {"id": new_id("eva", now), "created_at": now}
                insert_new(session, EvaluationRow, [values])
                # Another search may have been faster, so the row that stands is read again.
                known = _find(session, search, [architecture.digest])
            return known[architecture.digest]

    def list_evaluations(
        self,
        limit: int,
        part: Part = NEWEST,
        *,
        architecture_digest: str | None = None,
        space_id: str | None = None,
        search_id: str | None = None,
        evaluator_digest: str | None = None,
        status: str | None = None,
    ) -> Page[EvaluationRow]:
        """Returns evaluations of all searches.

        Args:
            limit: how many.
            part: which.
            architecture_digest: only of this architecture.
            space_id: only of this space.
            search_id: only those that this search made; it may have observed others' too.
            evaluator_digest: only by this evaluator.
            status: only those that came to this.
        """
        given = {
            "architecture_digest": architecture_digest,
            "space_id": space_id,
            "search_id": search_id,
            "evaluator_digest": evaluator_digest,
            "status": status,
        }
        statement = with_values(select(EvaluationRow), EvaluationRow, given)
        with self._read() as session:
            return page_of(session, statement, EvaluationRow, limit, part, prefix="eva")

    def search_points(
        self, search_id: str, limit: int | None = None, after: int = -1
    ) -> list[Point]:
        """Returns the search's observations in the order of their proposals' numbers.

        Args:
            search_id: whose.
            limit: how many; all of them if None.
            after: only those with greater numbers.
        """
        with self._read() as session:
            rows = session.execute(
                select(ObservationRow.number, EvaluationRow)
                .join(EvaluationRow, EvaluationRow.id == ObservationRow.evaluation_id)
                .where(ObservationRow.search_id == search_id, ObservationRow.number > after)
                .order_by(ObservationRow.number)
                .limit(limit)
            )
            return [Point(number, evaluation) for number, evaluation in rows]

    def search_history(self, search_id: str) -> list[Observed]:
        """Returns what the search was told, in the order in which it was."""
        with self._read() as session:
            rows = session.execute(
                select(
                    ObservationRow.number,
                    EvaluationRow.status,
                    EvaluationRow.metrics,
                    ObservationRow.created_at,
                )
                .join(EvaluationRow, EvaluationRow.id == ObservationRow.evaluation_id)
                .where(ObservationRow.search_id == search_id)
                .order_by(ObservationRow.told_order)
            )
            return [Observed(*row) for row in rows]

    def evaluation_batches(
        self, batch: int, *, search_id: str | None = None, space_id: str | None = None
    ) -> Iterator[Sequence[EvaluationRow]]:
        """Yields all evaluations in the order of their ids, so many at a time.

        Each batch is a transaction of its own: a reader who takes his time holds up nobody. What is
        recorded meanwhile is included.

        Args:
            batch: rows in a batch.
            search_id: only what this search was told, reused results included.
            space_id: only those of this space.
        """
        after = ""
        while True:
            statement = select(EvaluationRow).where(EvaluationRow.id > after)
            if search_id is not None:
                told = select(ObservationRow.evaluation_id).where(
                    ObservationRow.search_id == search_id
                )
                statement = statement.where(EvaluationRow.id.in_(told))
            if space_id is not None:
                statement = statement.where(EvaluationRow.space_id == space_id)
            with self._read() as session:
                rows = session.scalars(statement.order_by(EvaluationRow.id).limit(batch)).all()
            if not rows:
                return
            yield rows
            after = rows[-1].id

    def record_measurements(
        self, job: ClaimedJob, search_id: str, finalists: Sequence[Finalist]
    ) -> int:
        """Records that finalists were measured again, side by side; returns the occasion's number.

        Raises:
            StaleAttemptError: the job is no longer this attempt's.
        """
        with self._write() as session:
            fence(session, job)
            now = clock(session)
            mine = MeasurementRow.search_id == search_id
            last = session.scalar(select(func.max(MeasurementRow.occasion)).where(mine))
            occasion = 1 if last is None else last + 1
            session.add_all(
                MeasurementRow(
                    id=new_id("mea", now),
                    search_id=search_id,
                    occasion=occasion,
                    architecture_digest=finalist.architecture_digest,
                    metrics=dict(finalist.metrics),
                    provenance=dict(finalist.provenance),
                    created_at=now,
                )
                for finalist in finalists
            )
            return occasion

    def last_measurements(self, search_id: str) -> dict[str, MeasurementRow]:
        """Returns the measurements of the last occasion, by architecture digest."""
        with self._read() as session:
            mine = MeasurementRow.search_id == search_id
            last = select(func.max(MeasurementRow.occasion)).where(mine).scalar_subquery()
            statement = select(MeasurementRow).where(mine, MeasurementRow.occasion == last)
            return {row.architecture_digest: row for row in session.scalars(statement)}


def _largest_latency(supernet: SupernetRow | None, settings: Json | None) -> Json | None:
    """Returns how the latency of a supernet's largest network was obtained, if by these settings.

    The largest network is what all searches of its space are measured beside.
    """
    summary = (supernet.summary if supernet is not None else None) or {}
    how: Json | None = summary.get("largest", {}).get("provenance", {}).get("latency_ms")
    return how if how is not None and how["settings"] == settings else None


def own_evaluator_digest(search_id: str, evaluator: Mapping[str, Any]) -> str:
    """Returns the digest of results that hold for one search only.

    Only it goes by them. They are what clients outside told, who alone know what their evaluators
    have in common, and networks that were dropped as they could not reach this search's front.
    """
    return digest_of({"search": search_id, **evaluator})


def _find(
    session: Session, search: SearchRow, architecture_digests: Sequence[str]
) -> dict[str, EvaluationRow]:
    shared, own = search.evaluator_digest, own_evaluator_digest(search.id, search.evaluator)
    rows = session.scalars(
        select(EvaluationRow).where(
            EvaluationRow.space_id == search.space_id,
            EvaluationRow.evaluator_digest.in_((shared, own)),
            EvaluationRow.architecture_digest.in_(architecture_digests),
            or_(EvaluationRow.status != "failed", EvaluationRow.search_id == search.id),
        )
    ).all()
    # A result goes before a dropped network, and that before a failure.
    ordered = sorted(rows, key=lambda row: (row.status != "failed", row.evaluator_digest == shared))
    return {row.architecture_digest: row for row in ordered}


def evaluation_values(
    search: SearchRow, architecture: Architecture, outcome: Outcome
) -> dict[str, Any]:
    """Returns an outcome as a row of evaluations, but for its id and time."""
    return {
        "space_id": search.space_id,
        "architecture_digest": architecture.digest,
        "evaluator_digest": search.evaluator_digest,
        "architecture": dict(architecture),
        "search_id": search.id,
        **fields_of(outcome),
    }
