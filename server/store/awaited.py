"""What a job needs by value of the jobs that it waits for, filled in when it is claimed."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from search_space.space import digest_of
from server.errors import ConflictError
from server.store.base import get
from server.tables import AssessmentRow, JobRow, SearchRow, SupernetRow


class CannotStartError(Exception):
    """What the job waited for did not become what it needs."""


def awaited_training(session: Session, supernet: SupernetRow, done: str) -> tuple[str, ...]:
    """Returns the ids of the jobs to wait for until a supernet is trained: none if it is.

    Args:
        session: of the transaction.
        supernet: which one.
        done: what it must be trained for ("searched").

    Raises:
        ConflictError: its training has failed or was cancelled.
    """
    if supernet.version is not None:
        return ()
    job = get(session, JobRow, supernet.job_id)
    if job.status in ("failed", "cancelled"):
        raise ConflictError(
            f"supernet {supernet.id} must be trained before it is {done}; its job {job.id} is "
            f"{job.status}"
        )
    return (job.id,)


def fill_in(session: Session, job: JobRow) -> None:
    """Completes the spec of a job that all awaited jobs have succeeded for.

    Args:
        session: of the transaction that claims it.
        job: locked.

    Raises:
        CannotStartError: it cannot be done.
    """
    supernet = job.spec.get("supernet")
    if supernet is None or supernet["version"] is not None or job.kind not in _FILLERS:
        return
    row = get(session, SupernetRow, supernet["id"])
    if row.version is None:
        raise CannotStartError(f"supernet {row.id} was not trained")
    named = {"id": row.id, "version": row.version}
    job.spec = {**job.spec, "supernet": named, **_FILLERS[job.kind](session, job, row.version)}
    session.flush()


def _fill_search(session: Session, job: JobRow, version: str) -> dict[str, Any]:
    evaluator = {**job.spec["evaluator"], "supernet_version": version}
    digest = digest_of(evaluator)
    search = session.scalars(select(SearchRow).where(SearchRow.job_id == job.id)).one()
    search.evaluator = evaluator
    search.evaluator_digest = digest
    return {"evaluator": evaluator, "evaluator_digest": digest}


def _fill_assessment(session: Session, job: JobRow, version: str) -> dict[str, Any]:
    row = session.scalars(select(AssessmentRow).where(AssessmentRow.job_id == job.id)).one()
    row.supernet_version = version
    return {}


_FILLERS: Mapping[str, Callable[[Session, JobRow, str], dict[str, Any]]] = {
    "search": _fill_search,
    "assess": _fill_assessment,
}
"""What to change beside the version, by kind of job; returns further fields of the spec."""
