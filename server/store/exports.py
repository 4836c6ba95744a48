"""Exports: networks in files, and every reading of a test split."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from server.errors import InvalidRequestError
from server.ids import new_id
from server.schemas.job_options import DEFAULT_OPTIONS, JobOptions
from server.store.base import (
    Artifact,
    Page,
    Transactions,
    add_artifact,
    clock,
    get,
    insert_new,
)
from server.store.jobs import ClaimedJob, fence, submit_job, succeed_job
from server.store.listing import NEWEST, Part, page_of, with_job_status, with_values
from server.store.searches import supernet_of
from server.tables import (
    DataSetRow,
    EvaluationRow,
    ExportRow,
    JobRow,
    Json,
    ObservationRow,
    ReadingRow,
    SearchRow,
    SpaceRow,
    SupernetRow,
)


@dataclass(frozen=True)
class ExportFile:
    """One file of an export: the name it is downloaded under, and its content."""

    name: str
    artifact: Artifact


class ExportStore(Transactions):
    """Queries about exports and readings of test splits."""

    def add_export(
        self,
        search_id: str,
        architecture_digest: str,
        *,
        report_test: bool,
        options: JobOptions = DEFAULT_OPTIONS,
    ) -> tuple[ExportRow, JobRow]:
        """Adds an export and the job that makes it.

        Args:
            search_id: what found the network.
            architecture_digest: which network.
            report_test: whether the test split is read.
            options: of the job.

        Raises:
            NotFoundError: there is no such search, or no job that is waited for.
            InvalidRequestError: the search has measured no such architecture, or was evaluated
                outside; or see `submit_job`.
            ConflictError: a job that is waited for has failed.
        """
        with self._write() as session:
            now = clock(session)
            search = get(session, SearchRow, search_id)
            supernet = get(session, SupernetRow, supernet_of(search))
            evaluation = _measured(session, search_id, architecture_digest)
            space = get(session, SpaceRow, search.space_id)
            data_set = get(session, DataSetRow, supernet.data_set_id)
            export_id = new_id("exp", now)
            spec = {
                "export_id": export_id,
                "search_id": search_id,
                "supernet": {"id": supernet.id, "version": supernet.version},
                "space": space.settings,
                "data_set": {"id": data_set.id, "version": data_set.version},
                "architecture": evaluation.architecture,
                "architecture_digest": architecture_digest,
                "evaluator": search.evaluator,
                "report_test": report_test,
            }
            job = submit_job(session, "export", spec, now, **options.terms(now))
            export = ExportRow(
                id=export_id,
                search_id=search_id,
                architecture_digest=architecture_digest,
                architecture=evaluation.architecture,
                report_test=report_test,
                job_id=job.id,
                files=[],
                created_at=now,
            )
            session.add(export)
            session.flush()
            return export, job

    def get_export(self, export_id: str) -> ExportRow:
        """Returns an export.

        Raises:
            NotFoundError: there is none.
        """
        with self._read() as session:
            return get(session, ExportRow, export_id)

    def list_exports(
        self,
        limit: int,
        part: Part = NEWEST,
        *,
        search_id: str | None = None,
        architecture_digest: str | None = None,
        status: str | None = None,
    ) -> Page[ExportRow]:
        """Returns exports.

        Args:
            limit: how many.
            part: which.
            search_id: only of this search.
            architecture_digest: only of this architecture.
            status: only those whose job is in this state.
        """
        given = {"search_id": search_id, "architecture_digest": architecture_digest}
        statement = with_values(select(ExportRow), ExportRow, given)
        statement = with_job_status(statement, ExportRow, status)
        with self._read() as session:
            return page_of(session, statement, ExportRow, limit, part, prefix="exp")

    def record_export(
        self,
        job: ClaimedJob,
        export_id: str,
        files: Sequence[ExportFile],
        card: Json,
        test_report: Json | None,
    ) -> None:
        """Records the files and ends the job as succeeded.

        Args:
            job: as claimed.
            export_id: what the job was about.
            files: of distinct names.
            card: all that is needed to reproduce the network.
            test_report: what reading the test split gave, if that was asked for.

        Raises:
            StaleAttemptError: the job is no longer this attempt's.
        """
        with self._write() as session:
            fence(session, job)
            now = clock(session)
            for file in files:
                add_artifact(session, file.artifact, now)
            export = get(session, ExportRow, export_id)
            export.files = [{"name": file.name, **asdict(file.artifact)} for file in files]
            export.card = card
            export.test_report = test_report
            succeed_job(session, job, now, {"files": [file.name for file in files]})

    def find_test_reading(self, data_set_version: str, network_digest: str) -> ReadingRow | None:
        """Returns an earlier reading of the same test split by the same network, if there is one.

        The split need not, and should not, be read again then.
        """
        with self._read() as session:
            return session.scalar(
                select(ReadingRow)
                .join(DataSetRow, DataSetRow.id == ReadingRow.data_set_id)
                .where(
                    ReadingRow.network_digest == network_digest,
                    DataSetRow.version == data_set_version,
                )
                .order_by(ReadingRow.id)
                .limit(1)
            )

    def record_test_reading(
        self, job: ClaimedJob, export_id: str, data_set_id: str, network_digest: str, result: Json
    ) -> ReadingRow:
        """Records that the test split was read; a second time for an export changes nothing.

        Returns:
            The reading that is on record for the export.

        Raises:
            StaleAttemptError: the job is no longer this attempt's.
        """
        with self._write() as session:
            fence(session, job)
            now = clock(session)
            values: dict[str, Any] = {
                "id": new_id("rea", now),
                "export_id": export_id,
                "data_set_id": data_set_id,
                "network_digest": network_digest,
                "result": result,
                "created_at": now,
            }
            insert_new(session, ReadingRow, [values])
            statement = select(ReadingRow).where(ReadingRow.export_id == export_id)
            return session.scalars(statement).one()


def _measured(session: Session, search_id: str, architecture_digest: str) -> EvaluationRow:
    row = session.scalar(
        select(EvaluationRow)
        .join(ObservationRow, ObservationRow.evaluation_id == EvaluationRow.id)
        .where(
            ObservationRow.search_id == search_id,
            EvaluationRow.architecture_digest == architecture_digest,
            EvaluationRow.status == "measured",
        )
    )
    if row is None:
        raise InvalidRequestError.single(
            "/architecture_digest",
            f"must be of an architecture that search {search_id} has measured",
            architecture_digest,
        )
    return row
