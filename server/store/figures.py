"""What operators watch: counts over the whole database, its size, its files."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, text
from sqlalchemy.orm import InstrumentedAttribute, Session

from server.job_states import CLAIMABLE
from server.store.base import Artifact, Transactions, clock
from server.store.jobs import OUTSIDE
from server.tables import (
    ArtifactRow,
    DeliveryRow,
    EvaluationRow,
    JobRow,
    OccurrenceRow,
    RunnerRow,
)

_IDS_PER_QUERY = 500

_WAITING = (JobRow.status.in_(CLAIMABLE), JobRow.kind != OUTSIDE)
"""True of jobs that wait for a runner; those that are evaluated outside never need one."""


@dataclass(frozen=True)
class Figures:
    """The state of the service at one moment.

    Attributes:
        jobs: how many there are, by kind and status.
        oldest_waiting_s: how long ago the oldest job that waits for a runner was submitted; 0 if
            none waits.
        runners: how many were heard of lately.
        lost_leases: how often a job was lost with its runner, over all jobs.
        evaluations: how many there are, by status.
        occurrences: of campaigns, how many there are, by status.
        deliveries: to webhooks, how many there are, by status.
        artifacts: how many files are recorded.
        artifacts_bytes: how large they are together.
        database_bytes: how large the database is.
    """

    jobs: Mapping[tuple[str, str], int]
    oldest_waiting_s: float
    runners: int
    lost_leases: int
    evaluations: Mapping[str, int]
    occurrences: Mapping[str, int]
    deliveries: Mapping[str, int]
    artifacts: int
    artifacts_bytes: int
    database_bytes: int


@dataclass(frozen=True)
class Readiness:
    """Whether the service can do its work.

    Attributes:
        schema_revision: of the database, as it is now.
        runners: how many live; each is connected to a Ray that answered.
        waiting_jobs: how many wait for a runner.
    """

    schema_revision: str | None
    runners: int
    waiting_jobs: int


class FigureStore(Transactions):
    """Queries about the service as a whole."""

    def now(self) -> datetime:
        """Returns the time by the database's clock."""
        with self._read() as session:
            return clock(session)

    def readiness(self, silent_seconds: float) -> Readiness:
        """Returns what the database knows about whether submitted jobs are worked at.

        Args:
            silent_seconds: a runner that was not heard of for longer is taken to be dead.
        """
        with self._read() as session:
            waiting = select(func.count(JobRow.id)).where(*_WAITING)
            return Readiness(
                schema_revision=session.scalar(text("SELECT version_num FROM alembic_version")),
                runners=_live_runners(session, silent_seconds),
                waiting_jobs=session.scalar(waiting) or 0,
            )

    def figures(self, silent_seconds: float) -> Figures:
        """Returns the state of the service; reads indexes, not rows, where tables are large.

        Args:
            silent_seconds: a runner that was not heard of for longer is taken to be dead.
        """
        with self._read() as session:
            jobs = session.execute(
                select(JobRow.kind, JobRow.status, func.count()).group_by(
                    JobRow.kind, JobRow.status
                )
            )
            sizes = select(func.count(), func.coalesce(func.sum(ArtifactRow.size_bytes), 0))
            artifacts, artifacts_bytes = session.execute(sizes).one()
            return Figures(
                jobs={(kind, status): count for kind, status, count in jobs},
                oldest_waiting_s=_oldest_waiting_s(session),
                runners=_live_runners(session, silent_seconds),
                lost_leases=int(session.scalar(select(func.sum(JobRow.lost_leases))) or 0),
                evaluations=_by_status(session, EvaluationRow.status),
                occurrences=_by_status(session, OccurrenceRow.status),
                deliveries=_by_status(session, DeliveryRow.status),
                artifacts=artifacts,
                artifacts_bytes=int(artifacts_bytes),
                database_bytes=_database_bytes(session),
            )

    def list_artifacts(self, limit: int, after: str = "") -> Sequence[Artifact]:
        """Returns recorded files whose digests come after a given one, in order."""
        with self._read() as session:
            rows = session.scalars(
                select(ArtifactRow)
                .where(ArtifactRow.sha256 > after)
                .order_by(ArtifactRow.sha256)
                .limit(limit)
            )
            return [Artifact(row.sha256, row.size_bytes, row.media_type) for row in rows]

    def unknown_artifacts(self, digests: Collection[str]) -> set[str]:
        """Returns those of some digests that no recorded file has."""
        unknown = set(digests)
        listed = sorted(unknown)
        with self._read() as session:
            for start in range(0, len(listed), _IDS_PER_QUERY):
                part = listed[start : start + _IDS_PER_QUERY]
                known = select(ArtifactRow.sha256).where(ArtifactRow.sha256.in_(part))
                unknown -= set(session.scalars(known))
        return unknown


def _by_status(session: Session, status: InstrumentedAttribute[str]) -> dict[str, int]:
    rows = session.execute(select(status, func.count()).group_by(status))
    return {row[0]: row[1] for row in rows}


def _live_runners(session: Session, silent_seconds: float) -> int:
    oldest = clock(session) - timedelta(seconds=silent_seconds)
    statement = select(func.count(RunnerRow.id)).where(RunnerRow.seen_at >= oldest)
    return session.scalar(statement) or 0


def _oldest_waiting_s(session: Session) -> float:
    oldest = session.scalar(select(func.min(JobRow.created_at)).where(*_WAITING))
    return 0.0 if oldest is None else max(0.0, (clock(session) - oldest).total_seconds())


def _database_bytes(session: Session) -> int:
    if session.get_bind().dialect.name == "postgresql":
        return int(session.scalar(text("SELECT pg_database_size(current_database())")) or 0)
    pages, size = (session.scalar(text(f"PRAGMA {name}")) for name in ("page_count", "page_size"))
    return int(pages or 0) * int(size or 0)
