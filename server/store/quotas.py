"""Quotas: how much a project may have at once."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from server.errors import JobQuotaError, StorageQuotaError
from server.job_states import OWNED, TERMINAL
from server.store.isolation import project_of
from server.tables import ArtifactRow, JobRow, ProjectArtifactRow, ProjectRow, UploadRow


@dataclass(frozen=True)
class ProjectUsage:
    """What a project has.

    Attributes:
        num_active_jobs: that wait or run.
        num_running_jobs: of these, those that run.
        num_bytes: of its uploads, as announced, and of the files that its rows refer to.
    """

    num_active_jobs: int
    num_running_jobs: int
    num_bytes: int


def check_jobs(session: Session) -> None:
    """Returns if the session's project may have one more job; locks the project if it has a limit.

    Raises:
        JobQuotaError: it may not.
        StorageQuotaError: its files take as much room as they may, and a job makes more.
    """
    project = _limited_project(session)
    if project is None:
        return
    if project.max_active_jobs is not None:
        usage = count_jobs(session, project.id)[0]
        if usage >= project.max_active_jobs:
            raise JobQuotaError(
                f"project {project.id} may have {project.max_active_jobs} jobs that wait or run "
                f"(max_active_jobs), and has {usage}"
            )
    _check_bytes(session, project, 0)


def check_bytes(session: Session, num_bytes: int) -> None:
    """Returns if the session's project may have so many more bytes; locks it if it has a limit.

    Raises:
        StorageQuotaError: it may not.
    """
    project = _limited_project(session)
    if project is not None:
        _check_bytes(session, project, num_bytes)


def usage_of(session: Session, project_id: str) -> ProjectUsage:
    """Returns what a project has."""
    num_active, num_running = count_jobs(session, project_id)
    return ProjectUsage(num_active, num_running, count_bytes(session, project_id))


def count_jobs(session: Session, project_id: str) -> tuple[int, int]:
    """Returns how many jobs of a project wait or run, and how many of them run."""
    statement = (
        select(JobRow.status, func.count())
        .where(JobRow.project_id == project_id, JobRow.status.not_in(TERMINAL))
        .group_by(JobRow.status)
    )
    counts = dict(session.execute(statement).all())
    return sum(counts.values()), sum(counts.get(status, 0) for status in OWNED)


def count_bytes(session: Session, project_id: str) -> int:
    """Returns the bytes of a project: its uploads as announced, and the files of its rows."""
    files = (
        select(func.coalesce(func.sum(ArtifactRow.size_bytes), 0))
        .join(ProjectArtifactRow, ProjectArtifactRow.sha256 == ArtifactRow.sha256)
        .where(ProjectArtifactRow.project_id == project_id)
    )
    uploads = select(func.coalesce(func.sum(UploadRow.size_bytes), 0)).where(
        UploadRow.project_id == project_id
    )
    return int(session.scalar(files) or 0) + int(session.scalar(uploads) or 0)


def full_projects(now: datetime) -> Select[str]:
    """Returns the query for the projects of which as many jobs run as may.

    A job whose runner is dead does not run, also before that is settled.
    """
    running = (
        select(func.count())
        .select_from(JobRow)
        .where(
            JobRow.project_id == ProjectRow.id,
            JobRow.status.in_(OWNED),
            JobRow.lease_expires_at >= now,
        )
        .correlate(ProjectRow)
        .scalar_subquery()
    )
    return select(ProjectRow.id).where(ProjectRow.max_running_jobs <= running)


def _limited_project(session: Session) -> ProjectRow | None:
    """Returns the session's project with a lock, so that two requests cannot share what is left."""
    project_id = project_of(session)
    statement = select(ProjectRow).where(ProjectRow.id == project_id)
    project = session.scalar(statement)
    if project is None or (project.max_active_jobs, project.max_bytes) == (None, None):
        return None
    return session.scalar(statement.with_for_update().execution_options(populate_existing=True))


def _check_bytes(session: Session, project: ProjectRow, num_bytes: int) -> None:
    if project.max_bytes is None:
        return
    used = count_bytes(session, project.id)
    if used + num_bytes > project.max_bytes or used >= project.max_bytes:
        more = f", and {num_bytes} more were asked for" if num_bytes else ""
        raise StorageQuotaError(
            f"project {project.id} may have {project.max_bytes} bytes in uploads and files "
            f"(max_bytes), and has {used}{more}"
        )
