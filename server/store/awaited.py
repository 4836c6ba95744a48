"""What a job needs by value of the jobs that it waits for, filled in when it is claimed."""

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from search_space.space import digest_of
from server.errors import ConflictError
from server.store.base import get
from server.tables import AssessmentRow, JobRow, Json, SearchRow, SupernetRow


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


def name_version(session: Session, named: Mapping[str, Any]) -> tuple[Json, tuple[str, ...]]:
    """Returns what names supernets with their versions, and the ids of the jobs to wait for.

    Args:
        session: of the transaction.
        named: has the supernet's id as `supernet`, or a list of such under `anchors`; what has
            neither stays as it is.

    Returns:
        The version is null while a supernet is in training: `fill_in` gives it.

    Raises:
        NotFoundError: there is no such supernet.
        ConflictError: its training has failed or was cancelled.
    """
    if "anchors" in named:
        anchors = [name_version(session, anchor) for anchor in named["anchors"]]
        jobs = tuple(job for _, awaited in anchors for job in awaited)
        return {**named, "anchors": [anchor for anchor, _ in anchors]}, jobs
    if "supernet" not in named:
        return dict(named), ()
    supernet = get(session, SupernetRow, named["supernet"])
    awaited = awaited_training(session, supernet, "used for another")
    return {**named, "version": supernet.version}, awaited


def fill_in(session: Session, job: JobRow) -> None:
    """Completes the spec of a job that all awaited jobs have succeeded for.

    Args:
        session: of the transaction that claims it.
        job: locked.

    Raises:
        CannotStartError: it cannot be done.
    """
    fill = _FILLERS.get(job.kind)
    changes = fill(session, job) if fill is not None else {}
    if changes:
        job.spec = {**job.spec, **changes}
        session.flush()


def _fill_training(session: Session, job: JobRow) -> Json:
    changes: Json = {}
    for field in ("start", "teacher"):
        named = job.spec.get(field) or {}
        completed = _completed(session, named)
        if completed != named:
            changes[field] = completed
    if changes:
        row = session.scalars(select(SupernetRow).where(SupernetRow.job_id == job.id)).one()
        for field, named in changes.items():
            setattr(row, field, named)
    return changes


def _completed(session: Session, named: Json) -> Json:
    """Returns what names supernets, as `name_version` does, with the versions that it lacked."""
    if "anchors" in named:
        return {**named, "anchors": [_completed(session, one) for one in named["anchors"]]}
    version = _new_version(session, named, "supernet")
    return named if version is None else {**named, "version": version}


def _fill_search(session: Session, job: JobRow) -> Json:
    named = job.spec.get("supernet") or {}
    version = _new_version(session, named, "id")
    if version is None:
        return {}
    evaluator = {**job.spec["evaluator"], "supernet_version": version}
    digest = digest_of(evaluator)
    search = session.scalars(select(SearchRow).where(SearchRow.job_id == job.id)).one()
    search.evaluator = evaluator
    search.evaluator_digest = digest
    return {
        "supernet": {**named, "version": version},
        "evaluator": evaluator,
        "evaluator_digest": digest,
    }


def _fill_assessment(session: Session, job: JobRow) -> Json:
    named = job.spec["supernet"]
    version = _new_version(session, named, "id")
    if version is None:
        return {}
    row = session.scalars(select(AssessmentRow).where(AssessmentRow.job_id == job.id)).one()
    row.supernet_version = version
    return {"supernet": {**named, "version": version}}


def _new_version(session: Session, named: Json, name: str) -> str | None:
    """Returns the version of a supernet that had none when the job was submitted; None otherwise.

    Args:
        session: of the transaction.
        named: names the supernet, with the version as it was then; empty without one.
        name: the field with its id.

    Raises:
        CannotStartError: it has none yet.
    """
    if name not in named or named["version"] is not None:
        return None
    supernet = get(session, SupernetRow, named[name])
    if supernet.version is None:
        raise CannotStartError(f"supernet {supernet.id} was not trained")
    return supernet.version


_FILLERS: Mapping[str, Callable[[Session, JobRow], Json]] = {
    "train": _fill_training,
    "search": _fill_search,
    "assess": _fill_assessment,
}
"""What of the spec of a job of a kind was not known when it was submitted."""
