"""Data sets, spaces and supernets: what a search starts from."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from search_space.families import SpaceSettings
from search_space.space import SearchSpace
from server.errors import ConflictError
from server.ids import new_id
from server.schemas.job_options import DEFAULT_OPTIONS, JobOptions
from server.store.awaited import name_version
from server.store.base import (
    Artifact,
    Page,
    Transactions,
    add_artifact,
    clock,
    get,
    insert_new,
)
from server.store.jobs import (
    STITCHES,
    ClaimedJob,
    add_event,
    fence,
    submit_job,
    succeed_job,
)
from server.store.listing import NEWEST, Part, page_of, with_job_status, with_values
from server.store.quotas import check_bytes
from server.tables import (
    DataSetRow,
    JobEventRow,
    JobRow,
    Json,
    SpaceRow,
    SupernetRow,
)

SCRATCH: Mapping[str, Any] = MappingProxyType({"kind": "scratch"})


class ResourceStore(Transactions):
    """Queries about data sets, spaces and supernets."""

    # --- data sets -----------------------------------------------------------------------------

    def add_data_set(
        self,
        name: str,
        source: Json,
        artifact: Artifact,
        counts: Mapping[str, int],
        shape: Sequence[int],
        num_classes: int,
        report: Json | None = None,
        supersedes: str | None = None,
    ) -> tuple[DataSetRow, bool]:
        """Registers a data set, once for equal name and content.

        Args:
            name: unique among data sets.
            source: where it came from, as settings.
            artifact: its file, whose digest is the version.
            counts: images of each split.
            shape: (channels, height, width) of an image.
            num_classes: number of labels.
            report: what was found in it.
            supersedes: id of the data set that it is a newer version of.

        Returns:
            The row, and whether it is new.

        Raises:
            NotFoundError: there is no data set that it would be a newer version of.
            ConflictError: the name stands for other content.
            StorageQuotaError: the project may not have so many bytes.
        """
        with self._write() as session:
            now = clock(session)
            if supersedes is not None:
                get(session, DataSetRow, supersedes)
            if session.scalar(select(DataSetRow.id).where(DataSetRow.name == name)) is None:
                check_bytes(session, artifact.size_bytes)
            add_artifact(session, artifact, now)
            values = {
                "id": new_id("dat", now),
                "name": name,
                "source": source,
                "version": artifact.sha256,
                "counts": dict(counts),
                "shape": list(shape),
                "num_classes": num_classes,
                "report": report,
                "supersedes_id": supersedes,
                "created_at": now,
            }
            created = insert_new(session, DataSetRow, [values]) == 1
            row = session.scalars(select(DataSetRow).where(DataSetRow.name == name)).one()
            if row.version != artifact.sha256:
                raise ConflictError(
                    f"data set {name!r} exists with other content: version {row.version[:16]}, "
                    f"this one is {artifact.sha256[:16]}; give it another name"
                )
            if supersedes not in (None, row.supersedes_id):
                raise ConflictError(
                    f"data set {name!r} exists and supersedes {row.supersedes_id or 'none'}, "
                    f"not {supersedes}"
                )
            return row, created

    def get_data_set(self, data_set_id: str) -> DataSetRow:
        """Returns a data set.

        Raises:
            NotFoundError: there is none.
        """
        with self._read() as session:
            return get(session, DataSetRow, data_set_id)

    def list_data_sets(
        self, limit: int, part: Part = NEWEST, *, name: str | None = None
    ) -> Page[DataSetRow]:
        """Returns data sets."""
        statement = with_values(select(DataSetRow), DataSetRow, {"name": name})
        with self._read() as session:
            return page_of(session, statement, DataSetRow, limit, part, prefix="dat")

    # --- spaces --------------------------------------------------------------------------------

    def add_space(self, settings: SpaceSettings, space: SearchSpace) -> tuple[SpaceRow, bool]:
        """Registers a space under its digest; returns the row, and whether it is new.

        Args:
            settings: what the space is built from.
            space: the space that `settings.build()` gave.
        """
        with self._write() as session:
            values = {
                "id": space.digest,
                "kind": settings.kind,
                "settings": settings.model_dump(mode="json"),
                "size": str(space.size),
                "num_choices": space.num_choices,
                "created_at": clock(session),
            }
            created = insert_new(session, SpaceRow, [values]) == 1
            return get(session, SpaceRow, space.digest), created

    def get_space(self, space_id: str) -> SpaceRow:
        """Returns a space.

        Raises:
            NotFoundError: there is none.
        """
        with self._read() as session:
            return get(session, SpaceRow, space_id)

    def list_spaces(
        self, limit: int, part: Part = NEWEST, *, kind: str | None = None
    ) -> Page[SpaceRow]:
        """Returns spaces."""
        statement = with_values(select(SpaceRow), SpaceRow, {"kind": kind})
        with self._read() as session:
            return page_of(session, statement, SpaceRow, limit, part)

    # --- supernets -----------------------------------------------------------------------------

    def add_supernet(
        self,
        *,
        name: str,
        space_id: str,
        data_set_id: str,
        training: Json,
        resources: Json,
        seed: int,
        start: Mapping[str, Any] = SCRATCH,
        start_files: Sequence[Artifact] = (),
        teacher: Json | None = None,
        options: JobOptions = DEFAULT_OPTIONS,
    ) -> tuple[SupernetRow, JobRow]:
        """Adds a supernet and the job that trains it.

        Args:
            name: for people.
            space_id: which networks.
            data_set_id: which images.
            training: settings.
            resources: settings.
            seed: of weights, order, augmentation and sampled architectures.
            start: settings, with the digest of each file of the user's that is read as "version";
                those of supernets are added here.
            start_files: the user's files.
            teacher: has the id of the supernet that it is distilled from as "supernet"; None
                without one. The job waits while that, or the start, is in training.
            options: of the job.

        Raises:
            NotFoundError: there is no such space, data set or supernet, or no job that is waited
                for.
            InvalidRequestError: see `submit_job`.
            ConflictError: a job that is waited for has failed.
        """
        with self._write() as session:
            now = clock(session)
            space = get(session, SpaceRow, space_id)
            data_set = get(session, DataSetRow, data_set_id)
            start, awaited = name_version(session, start)
            if teacher is not None:
                teacher, more = name_version(session, teacher)
                awaited += more
            supernet_id = new_id("net", now)
            spec = {
                "supernet_id": supernet_id,
                "space": space.settings,
                "data_set": {"id": data_set.id, "version": data_set.version},
                "training": training,
                "start": start,
                "teacher": teacher,
                "resources": resources,
                "seed": seed,
            }
            for file in start_files:
                add_artifact(session, file, now)
            job = submit_job(session, "train", spec, now, **options.terms(now, awaited))
            supernet = SupernetRow(
                id=supernet_id,
                name=name,
                space_id=space_id,
                data_set_id=data_set_id,
                training=training,
                start=start,
                teacher=teacher,
                resources=resources,
                seed=seed,
                job_id=job.id,
                created_at=now,
            )
            session.add(supernet)
            session.flush()
            return supernet, job

    def get_supernet(self, supernet_id: str) -> SupernetRow:
        """Returns a supernet.

        Raises:
            NotFoundError: there is none.
        """
        with self._read() as session:
            return get(session, SupernetRow, supernet_id)

    def list_supernets(
        self,
        limit: int,
        part: Part = NEWEST,
        *,
        name: str | None = None,
        space_id: str | None = None,
        data_set_id: str | None = None,
        status: str | None = None,
    ) -> Page[SupernetRow]:
        """Returns supernets.

        Args:
            limit: how many.
            part: which.
            name: only those called so.
            space_id: only of this space.
            data_set_id: only of this data set.
            status: only those whose job is in this state.
        """
        given = {"name": name, "space_id": space_id, "data_set_id": data_set_id}
        statement = with_values(select(SupernetRow), SupernetRow, given)
        statement = with_job_status(statement, SupernetRow, status)
        with self._read() as session:
            return page_of(session, statement, SupernetRow, limit, part, prefix="net")

    def stitches(self, job_id: str) -> Json | None:
        """Returns what the stitches of a supernet were worth before its training.

        Args:
            job_id: of the training.

        Returns:
            As `record_stitches` got it; None while it is not known, and for other supernets.
        """
        with self._read() as session:
            return _stitches(session, job_id)

    def record_stitches(self, job: ClaimedJob, report: Json) -> None:
        """Records, as an event of the job, what stitches are worth before the training; once.

        Args:
            job: as claimed.
            report: `split`, `networks` and `layers`.

        Raises:
            StaleAttemptError: the job is no longer this attempt's.
        """
        with self._write() as session:
            fence(session, job)
            if _stitches(session, job.id) is None:
                add_event(session, job.id, job.attempt, STITCHES, report, clock(session))

    def finish_supernet(
        self, job: ClaimedJob, supernet_id: str, artifact: Artifact, summary: Json
    ) -> None:
        """Records the trained network and ends the job as succeeded.

        Args:
            job: as claimed.
            supernet_id: what the job was about.
            artifact: the network's file, whose digest is the supernet's version.
            summary: final figures of the training.

        Raises:
            StaleAttemptError: the job is no longer this attempt's.
        """
        with self._write() as session:
            fence(session, job)
            now = clock(session)
            add_artifact(session, artifact, now)
            supernet = get(session, SupernetRow, supernet_id)
            supernet.version = artifact.sha256
            supernet.summary = summary
            succeed_job(session, job, now, {"version": artifact.sha256})


def _stitches(session: Session, job_id: str) -> Json | None:
    statement = select(JobEventRow.data).where(
        JobEventRow.job_id == job_id, JobEventRow.type == STITCHES
    )
    return session.scalars(statement).first()


def newest_version(session: Session, data_set: DataSetRow) -> DataSetRow:
    """Returns the newest data set that takes the place of one, directly or over others; or itself.

    Where several take the place of one, the newest of them counts.
    """
    while True:
        newer = session.scalar(
            select(DataSetRow)
            .where(DataSetRow.supersedes_id == data_set.id)
            .order_by(DataSetRow.id.desc())
            .limit(1)
        )
        if newer is None:
            return data_set
        data_set = newer
