"""What clients ask of a search that is evaluated outside, and what they are answered."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from search_space.outcomes import Failed, Infeasible, Measured, Outcome
from search_space.space import Architecture, digest_of
from server.job_states import JobStatus

Shortage = Literal["barrier", "budget", "paused", "ended"]
"""Why there are fewer proposals than asked for.

- barrier: the batch must be told before the searcher makes the next one.
- budget: as many proposals as shall be evaluated, or as the space holds, are made and out.
- paused: the search's job is paused.
- ended: the search has ended.
"""


@dataclass(frozen=True)
class OutsideTerms:
    """How a search lends its proposals out.

    Attributes:
        evaluations: how many outcomes end it.
        lease_seconds: how long a proposal is lent, until it is renewed.
        barrier: whether the searcher makes the next batch only when all of the last one are told.
    """

    evaluations: int
    lease_seconds: float
    barrier: bool


@dataclass(frozen=True)
class LeaseOrder:
    """Lease me some proposals."""

    count: int
    worker: str | None


@dataclass(frozen=True)
class Report:
    """What came of a leased proposal."""

    number: int
    token: str
    outcome: Outcome


@dataclass(frozen=True)
class ReportOrder:
    """Take note of these outcomes: all of them or none."""

    reports: tuple[Report, ...]


@dataclass(frozen=True)
class HeldLease:
    """A lease as its holder names it."""

    number: int
    token: str


@dataclass(frozen=True)
class RenewOrder:
    """I am still at work on these; or, where they are given back, I am not."""

    leases: tuple[HeldLease, ...]
    give_back: bool = False


Order = LeaseOrder | ReportOrder | RenewOrder


@dataclass(frozen=True)
class Lease:
    """A proposal that somebody evaluates.

    Attributes:
        number: of the proposal.
        architecture: to be evaluated.
        token: names this lease; reports carry it.
        fence: how often the proposal was leased, this time included.
        worker: who evaluates it, by their own account.
        expires_at: when it returns to the pool, by the database's clock.
    """

    number: int
    architecture: Architecture
    token: str
    fence: int
    worker: str | None
    expires_at: datetime


@dataclass(frozen=True)
class Leased:
    """The answer to a `LeaseOrder`.

    Attributes:
        leases: as many as asked for, or fewer.
        status: of the search's job.
        shortage: why there are fewer; None where there are not.
        retry_after_s: when to ask again; None where all were given or the search has ended.
        lease_seconds: how long the leases last.
    """

    leases: tuple[Lease, ...]
    status: JobStatus
    shortage: Shortage | None
    retry_after_s: int | None
    lease_seconds: float


@dataclass(frozen=True)
class Reported:
    """The answer to a `ReportOrder`: how many reports were new, how many known before."""

    num_recorded: int
    num_known: int
    status: JobStatus


@dataclass(frozen=True)
class Renewed:
    """The answer to a `RenewOrder`.

    Attributes:
        leases: those that their holders still hold, with their new ends.
        lost: those that they do not hold any more, with what is the case.
    """

    leases: tuple[Lease, ...]
    lost: tuple[tuple[int, str], ...]


Answer = Leased | Reported | Renewed


def fields_of(outcome: Outcome) -> dict[str, Any]:
    """Returns an outcome as the columns of its evaluation."""
    match outcome:
        case Measured(metrics, provenance):
            fields: dict[str, Any] = {"status": "measured", "metrics": dict(metrics)}
            return fields | {"provenance": dict(provenance), "reason": None}
        case Infeasible(reason):
            status = "infeasible"
        case Failed(reason):
            status = "failed"
    return {"status": status, "metrics": {}, "provenance": {}, "reason": reason}


def outcome_of(status: str, metrics: Mapping[str, float], reason: str | None) -> Outcome:
    """Returns the outcome of an evaluation's columns, without its provenance."""
    if status == "measured":
        return Measured(metrics)
    return Infeasible(reason or "") if status == "infeasible" else Failed(reason or "")


def fingerprint(outcome: Outcome) -> str:
    """Returns what tells outcomes apart: status, metrics and reason, not the provenance."""
    fields: Mapping[str, Any] = fields_of(outcome)
    return digest_of([fields["status"], fields["metrics"], fields["reason"]])
