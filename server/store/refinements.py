"""Refinements: the best of a front, their fine-tuned runs, what these came to."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import select

from server.errors import ConflictError
from server.ids import new_id
from server.job_states import TERMINAL
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
from server.store.exports import ExportFile
from server.store.jobs import ClaimedJob, fence, submit_job, succeed_job
from server.store.listing import NEWEST, Part, page_of, with_job_status, with_values
from server.store.searches import supernet_of
from server.tables import (
    DataSetRow,
    FineTuningRow,
    JobRow,
    Json,
    ReadingRow,
    RefinedNetworkRow,
    RefinementRow,
    SearchRow,
    SpaceRow,
    SupernetRow,
)


@dataclass(frozen=True)
class Chosen:
    """An architecture that was taken from a front.

    Attributes:
        digest: of the architecture.
        architecture: active choices and their options.
        found: metrics, intervals and provenance by which the front showed it.
    """

    digest: str
    architecture: Mapping[str, Any]
    found: Json


class RefinementStore(Transactions):
    """Queries about refinements and their networks."""

    def add_refinement(
        self,
        *,
        name: str,
        search_id: str,
        chosen: Sequence[Chosen],
        selection: Json,
        training: Json,
        distillation: float,
        runs: int,
        resources: Json,
        export: bool,
        report_test: bool,
        seed: int,
        options: JobOptions = DEFAULT_OPTIONS,
    ) -> tuple[RefinementRow, JobRow]:
        """Adds a refinement, the architectures that it takes, and the job that does it.

        Args:
            name: what people call it.
            search_id: whose front the architectures are of; must have ended.
            chosen: the architectures, the best first; distinct.
            selection: how they were chosen.
            training: settings of each fine-tuning, without a schedule.
            distillation: weight of the loss against the supernet's largest network.
            runs: of each architecture.
            resources: of the workers.
            export: whether files are written.
            report_test: whether the test split is read for the best of them.
            seed: of the first run.
            options: of the job.

        Raises:
            NotFoundError: there is no such search.
            ConflictError: it has not ended.
            InvalidRequestError: it was evaluated outside.
        """
        with self._write() as session:
            now = clock(session)
            search = get(session, SearchRow, search_id)
            status = get(session, JobRow, search.job_id).state
            if status not in TERMINAL:
                raise ConflictError(
                    f"search {search_id} must have ended before its front is refined; its job "
                    f"{search.job_id} is {status}"
                )
            supernet = get(session, SupernetRow, supernet_of(search))
            data_set = get(session, DataSetRow, supernet.data_set_id)
            refinement_id = new_id("ref", now)
            settings = {
                "search_id": search_id,
                "training": training,
                "distillation": distillation,
                "runs": runs,
                "evaluator": search.evaluator,
                "resources": resources,
                "export": export,
                "report_test": report_test,
                "seed": seed,
            }
            spec = {
                "refinement_id": refinement_id,
                "supernet": {"id": supernet.id, "version": supernet.version},
                "space": get(session, SpaceRow, search.space_id).settings,
                "data_set": {"id": data_set.id, "version": data_set.version},
                "objectives": search.objectives,
                "limits": search.limits,
                "architectures": [dict(one.architecture) for one in chosen],
                **settings,
            }
            job = submit_job(session, "refine", spec, now, **options.terms(now))
            refinement = RefinementRow(
                id=refinement_id,
                name=name,
                count=len(chosen),
                selection=selection,
                job_id=job.id,
                created_at=now,
                **settings,
            )
            session.add(refinement)
            session.flush()
            session.add_all(
                RefinedNetworkRow(
                    refinement_id=refinement_id,
                    architecture_digest=one.digest,
                    position=position,
                    architecture=dict(one.architecture),
                    found=one.found,
                    files=[],
                    created_at=now,
                )
                for position, one in enumerate(chosen)
            )
            return refinement, job

    def get_refinement(self, refinement_id: str) -> RefinementRow:
        """Returns a refinement.

        Raises:
            NotFoundError: there is none.
        """
        with self._read() as session:
            return get(session, RefinementRow, refinement_id)

    def list_refinements(
        self,
        limit: int,
        part: Part = NEWEST,
        *,
        name: str | None = None,
        search_id: str | None = None,
        status: str | None = None,
    ) -> Page[RefinementRow]:
        """Returns refinements.

        Args:
            limit: how many.
            part: which.
            name: only those called so.
            search_id: only of this search.
            status: only those whose job is in this state.
        """
        given = {"name": name, "search_id": search_id}
        statement = with_values(select(RefinementRow), RefinementRow, given)
        statement = with_job_status(statement, RefinementRow, status)
        with self._read() as session:
            return page_of(session, statement, RefinementRow, limit, part, prefix="ref")

    def refined_networks(self, *refinement_ids: str) -> Sequence[RefinedNetworkRow]:
        """Returns the networks of refinements, those of one in the order of their taking."""
        with self._read() as session:
            return session.scalars(
                select(RefinedNetworkRow)
                .where(RefinedNetworkRow.refinement_id.in_(refinement_ids))
                .order_by(RefinedNetworkRow.position)
            ).all()

    def fine_tunings(self, *refinement_ids: str) -> Sequence[FineTuningRow]:
        """Returns the finished runs of refinements, those of one architecture in order."""
        with self._read() as session:
            return session.scalars(
                select(FineTuningRow)
                .where(FineTuningRow.refinement_id.in_(refinement_ids))
                .order_by(FineTuningRow.architecture_digest, FineTuningRow.run)
            ).all()

    # --- the runner's side ---------------------------------------------------------------------

    def record_fine_tuning(
        self,
        job: ClaimedJob,
        refinement_id: str,
        digest: str,
        run: int,
        *,
        seed: int,
        artifact: Artifact,
        accuracy: Json,
    ) -> None:
        """Records a finished run; call it before the next one begins.

        Raises:
            StaleAttemptError: the job is no longer this attempt's.
        """
        with self._write() as session:
            fence(session, job)
            now = clock(session)
            add_artifact(session, artifact, now)
            values = {
                "refinement_id": refinement_id,
                "architecture_digest": digest,
                "run": run,
                "seed": seed,
                "version": artifact.sha256,
                "accuracy": accuracy,
                "created_at": now,
            }
            insert_new(session, FineTuningRow, [values])

    def record_refined_weights(
        self, job: ClaimedJob, refinement_id: str, digest: str, artifact: Artifact, soup: Json
    ) -> None:
        """Records the final weights of a network, and which runs they are made of.

        Raises:
            StaleAttemptError: the job is no longer this attempt's.
        """
        with self._write() as session:
            fence(session, job)
            add_artifact(session, artifact, clock(session))
            network = get(session, RefinedNetworkRow, (refinement_id, digest))
            network.version = artifact.sha256
            network.soup = soup

    def record_comparison(
        self, job: ClaimedJob, refinement_id: str, figures: Mapping[str, tuple[Json, Json]]
    ) -> None:
        """Records what all networks were before and are now, as measured side by side.

        Args:
            job: as claimed.
            refinement_id: what the job is about.
            figures: before and after, by architecture digest.

        Raises:
            StaleAttemptError: the job is no longer this attempt's.
        """
        with self._write() as session:
            fence(session, job)
            for digest, (before, after) in figures.items():
                network = get(session, RefinedNetworkRow, (refinement_id, digest))
                network.before, network.after = before, after

    def record_refined_files(
        self,
        job: ClaimedJob,
        refinement_id: str,
        digest: str,
        files: Sequence[ExportFile],
        card: Json,
    ) -> None:
        """Records the exported files of a network.

        Raises:
            StaleAttemptError: the job is no longer this attempt's.
        """
        with self._write() as session:
            fence(session, job)
            now = clock(session)
            for file in files:
                add_artifact(session, file.artifact, now)
            network = get(session, RefinedNetworkRow, (refinement_id, digest))
            network.files = [{"name": file.name, **asdict(file.artifact)} for file in files]
            network.card = card

    def record_refinement_reading(
        self,
        job: ClaimedJob,
        refinement_id: str,
        data_set_id: str,
        network_digest: str,
        result: Json,
    ) -> ReadingRow:
        """Records that the test split was read; a second time for a refinement changes nothing.

        Returns:
            The reading that is on record for the refinement.

        Raises:
            StaleAttemptError: the job is no longer this attempt's.
        """
        with self._write() as session:
            fence(session, job)
            now = clock(session)
            values = {
                "id": new_id("rea", now),
                "refinement_id": refinement_id,
                "data_set_id": data_set_id,
                "network_digest": network_digest,
                "result": result,
                "created_at": now,
            }
            insert_new(session, ReadingRow, [values])
            statement = select(ReadingRow).where(ReadingRow.refinement_id == refinement_id)
            return session.scalars(statement).one()

    def finish_refinement(self, job: ClaimedJob, refinement_id: str, result: Json) -> None:
        """Records the result and ends the job as succeeded.

        Raises:
            StaleAttemptError: the job is no longer this attempt's.
        """
        with self._write() as session:
            fence(session, job)
            get(session, RefinementRow, refinement_id).result = result
            succeed_job(session, job, clock(session), result)
