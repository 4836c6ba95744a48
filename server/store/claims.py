"""Which job a runner may claim next: limits, dependencies, delays and resources, in one query."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select
from sqlalchemy.orm import Session, aliased

from server.job_states import CLAIMABLE, OWNED, JobStatus
from server.store.quotas import full_projects
from server.tables import JobDependencyRow, JobNeedRow, JobRow

_CLAIM_LOCK = 0x6573_7061_6C69_6572
"""Number of the lock that one claim at a time holds: "espalier" in ASCII."""


@dataclass(frozen=True)
class ClaimLimits:
    """How many jobs may run at once, on all runners together; None for any number.

    Attributes:
        total: of all jobs.
        per_key: of those that were submitted with one API key; without keys, of all.
    """

    total: int | None = None
    per_key: int | None = None


NO_LIMITS = ClaimLimits()


def next_job(
    session: Session,
    now: datetime,
    kinds: Sequence[str],
    limits: ClaimLimits,
    offered: Mapping[str, float] | None,
) -> JobRow | None:
    """Returns the job to claim, locked: of those that may run the most urgent, then the oldest.

    Other claims wait until this transaction has ended, so that what is counted here stays true.

    Args:
        session: of a writing transaction.
        now: by the database's clock.
        kinds: that the runner can do.
        limits: on what runs at once.
        offered: how much the runner's cluster has of each resource; None takes any job.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(_CLAIM_LOCK)))
    if limits.total is not None:
        running = session.scalar(select(func.count()).select_from(JobRow).where(_holds(now)))
        if (running or 0) >= limits.total:
            return None
    conditions = [
        JobRow.status.in_(CLAIMABLE),
        JobRow.kind.in_(kinds),
        or_(JobRow.not_before.is_(None), JobRow.not_before <= now),
        ~_waits_for_another(),
        JobRow.project_id.not_in(full_projects(now)),
    ]
    if limits.per_key is not None:
        conditions.append(_key().not_in(_busy_keys(now, limits.per_key)))
    if offered is not None:
        conditions.append(~_lacks(offered))
    return session.scalar(
        select(JobRow)
        .where(*conditions)
        .order_by(JobRow.priority.desc(), JobRow.id)
        .limit(1)
        .with_for_update(of=JobRow, skip_locked=True)
    )


def _holds(now: datetime) -> ColumnElement[bool]:
    """Whether a job runs; one whose runner is dead holds nothing, also before that is settled."""
    return and_(JobRow.status.in_(OWNED), JobRow.lease_expires_at >= now)


def _key() -> ColumnElement[str]:
    return func.coalesce(JobRow.submitted_by, "")


def _busy_keys(now: datetime, limit: int) -> Select[Any]:
    key = _key()
    return select(key).where(_holds(now)).group_by(key).having(func.count() >= limit)


def _waits_for_another() -> ColumnElement[bool]:
    awaited = aliased(JobRow)
    return exists(
        select(JobDependencyRow.job_id)
        .join(awaited, awaited.id == JobDependencyRow.depends_on)
        .where(
            JobDependencyRow.job_id == JobRow.id,
            awaited.status != JobStatus.SUCCEEDED.value,
        )
        .correlate(JobRow)
    )


def _lacks(offered: Mapping[str, float]) -> ColumnElement[bool]:
    """Whether a job needs more of something than is offered."""
    too_much = [
        and_(JobNeedRow.resource == name, JobNeedRow.amount > amount)
        for name, amount in offered.items()
    ]
    unknown = and_(JobNeedRow.resource.not_in(list(offered)), JobNeedRow.amount > 0)
    return exists(
        select(JobNeedRow.job_id)
        .where(JobNeedRow.job_id == JobRow.id, or_(unknown, *too_much))
        .correlate(JobRow)
    )
