"""Assessments: sampled architectures of a supernet, and what they say of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from search_space.outcomes import Outcome
from search_space.space import Architecture
from server.ids import new_id
from server.outside.orders import fields_of
from server.schemas.job_options import DEFAULT_OPTIONS, JobOptions
from server.store.awaited import awaited_training
from server.store.base import Page, Transactions, clock, get, insert_new
from server.store.jobs import ClaimedJob, fence, submit_job, succeed_job
from server.store.listing import NEWEST, Part, page_of, with_job_status, with_values
from server.tables import (
    AssessedRow,
    AssessmentRow,
    DataSetRow,
    JobRow,
    Json,
    SpaceRow,
    SupernetRow,
)


@dataclass(frozen=True)
class Assessed:
    """What came of evaluating one architecture of a sample; `number` is its place by cost."""

    number: int
    architecture: Architecture
    outcome: Outcome


class AssessmentStore(Transactions):
    """Queries about assessments."""

    def add_assessment(
        self,
        *,
        supernet_id: str,
        samples: int,
        strata: int,
        accuracy: Json,
        standalone: Json | None,
        resources: Json,
        seed: int,
        options: JobOptions = DEFAULT_OPTIONS,
    ) -> tuple[AssessmentRow, JobRow]:
        """Adds an assessment of a supernet as it is now, and the job that makes it.

        Args:
            supernet_id: which; the job waits while it is in training.
            samples: architectures to evaluate.
            strata: of cost, to draw them from.
            accuracy: how each is evaluated.
            standalone: which of them are trained alone, and how; None for none.
            resources: of the evaluators.
            seed: of the sample, and of what is trained alone.
            options: of the job.

        Raises:
            NotFoundError: there is no such supernet.
            ConflictError: its training, or a job that is waited for, has failed.
        """
        with self._write() as session:
            now = clock(session)
            supernet = get(session, SupernetRow, supernet_id)
            awaited = awaited_training(session, supernet, "assessed")
            data_set = get(session, DataSetRow, supernet.data_set_id)
            assessment_id = new_id("ass", now)
            settings = {
                "samples": samples,
                "strata": strata,
                "accuracy": accuracy,
                "standalone": standalone,
                "resources": resources,
                "seed": seed,
            }
            spec = {
                "assessment_id": assessment_id,
                "supernet": {"id": supernet.id, "version": supernet.version},
                "space": get(session, SpaceRow, supernet.space_id).settings,
                "data_set": {"id": data_set.id, "version": data_set.version},
                **settings,
            }
            job = submit_job(session, "assess", spec, now, **options.terms(now, awaited))
            assessment = AssessmentRow(
                id=assessment_id,
                supernet_id=supernet_id,
                supernet_version=supernet.version,
                job_id=job.id,
                created_at=now,
                **settings,
            )
            session.add(assessment)
            session.flush()
            return assessment, job

    def get_assessment(self, assessment_id: str) -> AssessmentRow:
        """Returns an assessment.

        Raises:
            NotFoundError: there is none.
        """
        with self._read() as session:
            return get(session, AssessmentRow, assessment_id)

    def list_assessments(
        self,
        limit: int,
        part: Part = NEWEST,
        *,
        supernet_id: str | None = None,
        status: str | None = None,
    ) -> Page[AssessmentRow]:
        """Returns assessments.

        Args:
            limit: how many.
            part: which.
            supernet_id: only of this supernet.
            status: only those whose job is in this state.
        """
        given = {"supernet_id": supernet_id}
        statement = with_values(select(AssessmentRow), AssessmentRow, given)
        statement = with_job_status(statement, AssessmentRow, status)
        with self._read() as session:
            return page_of(session, statement, AssessmentRow, limit, part, prefix="ass")

    def newest_assessments(self, supernet_ids: Sequence[str]) -> Mapping[str, AssessmentRow]:
        """Returns the newest finished assessment of each supernet that has one, by its id."""
        with self._read() as session:
            newest = (
                select(func.max(AssessmentRow.id))
                .where(
                    AssessmentRow.supernet_id.in_(supernet_ids),
                    # JSON null is not SQL's: what no job has finished was never set.
                    AssessmentRow.summary.is_not(None),
                )
                .group_by(AssessmentRow.supernet_id)
            )
            rows = session.scalars(select(AssessmentRow).where(AssessmentRow.id.in_(newest)))
            return {row.supernet_id: row for row in rows}

    def assessed(self, assessment_id: str) -> Sequence[AssessedRow]:
        """Returns the evaluated architectures of an assessment, by ascending cost."""
        with self._read() as session:
            return session.scalars(
                select(AssessedRow)
                .where(AssessedRow.assessment_id == assessment_id)
                .order_by(AssessedRow.number)
            ).all()

    # --- the runner's side ---------------------------------------------------------------------

    def record_assessed(
        self, job: ClaimedJob, assessment_id: str, batch: Sequence[Assessed]
    ) -> None:
        """Records evaluated architectures; call it before the next are evaluated.

        Raises:
            StaleAttemptError: the job is no longer this attempt's.
        """
        with self._write() as session:
            fence(session, job)
            now = clock(session)
            values = [
                {
                    "assessment_id": assessment_id,
                    "number": one.number,
                    "architecture_digest": one.architecture.digest,
                    "architecture": dict(one.architecture),
                    "created_at": now,
                    **fields_of(one.outcome),
                }
                for one in batch
            ]
            insert_new(session, AssessedRow, values)

    def record_standalone(
        self, job: ClaimedJob, assessment_id: str, number: int, standalone: Json
    ) -> None:
        """Records what came of training one architecture alone.

        Raises:
            StaleAttemptError: the job is no longer this attempt's.
        """
        with self._write() as session:
            fence(session, job)
            get(session, AssessedRow, (assessment_id, number)).standalone = standalone

    def finish_assessment(self, job: ClaimedJob, assessment_id: str, summary: Json) -> None:
        """Records the summary and ends the job as succeeded.

        Args:
            job: as claimed.
            assessment_id: what the job was about.
            summary: as of `server.assessment_summary`.

        Raises:
            StaleAttemptError: the job is no longer this attempt's.
        """
        with self._write() as session:
            fence(session, job)
            now = clock(session)
            assessment = get(session, AssessmentRow, assessment_id)
            assessment.summary = {
                "assessment": assessment_id,
                "supernet_version": assessment.supernet_version,
                **summary,
                "finished_at": now.isoformat(),
            }
            succeed_job(session, job, now, {"measured": summary["num_measured"]})
