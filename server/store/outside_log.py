"""The log of a search that is evaluated outside: what is new there, and what must be written."""

from datetime import datetime
from typing import Any

from sqlalchemy import Select, bindparam, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from search_space.space import Architecture
from searchers.protocol import Observation, Proposal
from server.ids import new_id
from server.outside.desk import Desk
from server.outside.log import Changes, LogEntry
from server.outside.orders import Lease, outcome_of
from server.store.evaluations import evaluation_values
from server.tables import (
    EvaluationRow,
    Json,
    LeaseRow,
    ObservationRow,
    ProposalRow,
    SearchRow,
    Table,
)

# Statements on tables instead of mapped classes, made once: these run some dozen times a second,
# and the rows are never read as objects in their transaction.
_TABLES = Table.metadata.tables
_SEARCHES, _LEASES = _TABLES["searches"], _TABLES["proposal_leases"]
_ADD_PROPOSAL = insert(_TABLES["proposals"])
_ADD_EVALUATION = insert(_TABLES["evaluations"])
_ADD_OBSERVATION = insert(_TABLES["observations"])
_SET_LENGTH = (
    update(_SEARCHES)
    .where(_SEARCHES.c.id == bindparam("search_id"))
    .values(log_length=bindparam("length"))
)
_CHANGED = ("token", "fence", "worker", "expires_at", "step")
_PUT_LEASE = {
    dialect: new.on_conflict_do_update(
        index_elements=["search_id", "number"],
        set_={name: new.excluded[name] for name in _CHANGED},
    )
    for dialect, new in (
        ("postgresql", postgresql.insert(_LEASES)),
        ("sqlite", sqlite.insert(_LEASES)),
    )
}


def read_log(session: Session, search_id: str, desk: Desk, end: int) -> list[LogEntry]:
    """Returns what the log of a search holds beyond what a desk knows, up to a step.

    Without a lock there may be more; what is there of the steps before `end` does not change, but
    for leases, which move to the step of their last change.
    """
    proposals = {
        row.number: (row.step, Proposal(row.number, Architecture(row.architecture)))
        for row in session.execute(
            select(ProposalRow.number, ProposalRow.step, ProposalRow.architecture)
            .where(
                ProposalRow.search_id == search_id,
                ProposalRow.number >= desk.num_proposed,
                ProposalRow.step < end,
            )
            .order_by(ProposalRow.number)
        )
    }
    asked: dict[int, list[Proposal]] = {}
    for step, proposal in proposals.values():
        asked.setdefault(step, []).append(proposal)

    def proposal_of(number: int) -> Proposal:
        if number in proposals:
            return proposals[number][1]
        return Proposal(number, desk.architecture(number))

    told: dict[int, list[Observation]] = {}
    for row in session.execute(_told_after(search_id, desk.num_told, end)):
        outcome = outcome_of(row.status, row.metrics, row.reason)
        told.setdefault(row.step, []).append(Observation(proposal_of(row.number), outcome))
    leases: dict[int, list[Lease]] = {}
    for held in session.scalars(
        select(LeaseRow).where(
            LeaseRow.search_id == search_id, LeaseRow.step >= desk.log_length, LeaseRow.step < end
        )
    ):
        lease = Lease(
            held.number,
            proposal_of(held.number).architecture,
            held.token,
            held.fence,
            held.worker,
            held.expires_at,
        )
        leases.setdefault(held.step, []).append(lease)
    return [
        LogEntry(
            step,
            tuple(told.get(step, ())),
            tuple(asked.get(step, ())),
            tuple(leases.get(step, ())),
        )
        for step in sorted({*told, *asked, *leases})
    ]


def _told_after(search_id: str, num_told: int, end: int) -> Select[int, int, str, Json, str | None]:
    """Returns the query of outcomes that were told after the first so many."""
    return (
        select(
            ObservationRow.number,
            ObservationRow.step,
            EvaluationRow.status,
            EvaluationRow.metrics,
            EvaluationRow.reason,
        )
        .join(EvaluationRow, EvaluationRow.id == ObservationRow.evaluation_id)
        .where(
            ObservationRow.search_id == search_id,
            ObservationRow.told_order >= num_told,
            ObservationRow.step < end,
        )
        .order_by(ObservationRow.told_order)
    )


def record(
    session: Session,
    search: SearchRow,
    desk: Desk,
    num_told: int,
    changes: Changes,
    now: datetime,
) -> None:
    """Writes what a desk has done; it had been told `num_told` outcomes before."""
    if desk.log_length == search.log_length:
        return
    session.execute(_SET_LENGTH, {"search_id": search.id, "length": desk.log_length})
    if changes.asked:
        session.execute(
            _ADD_PROPOSAL,
            [_proposal_values(search, proposal, changes, now) for proposal in changes.asked],
        )
    if changes.leases:
        _record_leases(session, search, changes)
    if changes.told:
        _record_told(session, search, num_told, changes, now)


def _proposal_values(
    search: SearchRow, proposal: Proposal, changes: Changes, now: datetime
) -> dict[str, Any]:
    return {
        "search_id": search.id,
        "project_id": search.project_id,
        "number": proposal.number,
        "step": changes.lend_step,
        "architecture_digest": proposal.architecture.digest,
        "architecture": dict(proposal.architecture),
        "created_at": now,
    }


def _record_leases(session: Session, search: SearchRow, changes: Changes) -> None:
    session.execute(
        _PUT_LEASE[session.get_bind().dialect.name],
        [
            {
                "search_id": search.id,
                "project_id": search.project_id,
                "number": lease.number,
                "token": lease.token,
                "fence": lease.fence,
                "worker": lease.worker,
                "expires_at": lease.expires_at,
                "step": changes.lend_step,
            }
            for lease in changes.leases.values()
        ],
    )


def _record_told(
    session: Session, search: SearchRow, num_told: int, changes: Changes, now: datetime
) -> None:
    evaluations, observations = [], []
    for told_order, observation in enumerate(changes.told, start=num_told):
        evaluation_id = new_id("eva", now)
        architecture = observation.proposal.architecture
        values = evaluation_values(search, architecture, observation.outcome)
        owned = {"project_id": search.project_id, "created_at": now}
        evaluations.append({"id": evaluation_id, **owned, **values})
        observations.append(
            {
                "search_id": search.id,
                "number": observation.proposal.number,
                "evaluation_id": evaluation_id,
                "step": changes.tell_step,
                "told_order": told_order,
                **owned,
            }
        )
    session.execute(_ADD_EVALUATION, evaluations)
    session.execute(_ADD_OBSERVATION, observations)
