"""The client of the REST API: typed results, whole lists, event streams that survive restarts.

    with Client("http://127.0.0.1:8000") as client:
        supernet = client.create_supernet({"name": "first", "space": {...}, "data_set": "dat_..."})
        job = client.wait(supernet.job, on_event=print)

Methods take and return what the API's documents say. Every method raises `ClientError`: `ApiError`
where the service refuses a request, `ServiceUnreachableError` where nothing answers.
"""

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal, Self

import httpx

from server.client.connection import DEFAULT_URL, Connection, Document, Patience, quoted
from server.client.errors import ClientError, DamagedDownloadError
from server.client.event_stream import read_events
from server.client.uploading import UPLOAD_CHUNK_BYTES, OnUpload, Uploader
from server.job_states import TERMINAL
from server.schemas.assessments import AssessmentDetail, AssessmentView
from server.schemas.refinements import RefinementView
from server.schemas.responses import (
    ArchitectureKnowledge,
    CostView,
    DataSetView,
    EvaluationView,
    EventsView,
    EventView,
    ExportView,
    FamiliesView,
    FileView,
    FrontView,
    JobView,
    ObservationView,
    PageOf,
    ReadyView,
    SampleView,
    SearchView,
    SpaceView,
    SupernetView,
    UploadView,
    VersionView,
)

STREAM_SILENCE_S = 45.0
"""A stream of events that is silent for so long is dead: a live one says something every 15 s."""

RECONNECT_S = 0.2

READ_ALL_S = 3600.0
"""How long the service may take to read a data set."""


class Client:
    """Speaks to one service.

    Args:
        base_url: its address.
        timeout_s: how long a request may take.
        patience_s: how long `events` and `wait` go on trying while the service does not answer.
        transport: for tests; the network by default.

    Raises:
        ValueError: the address is not an http address.
    """

    def __init__(
        self,
        base_url: str = DEFAULT_URL,
        *,
        timeout_s: float = 30.0,
        patience_s: float = 60.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self._connection = Connection(base_url, timeout_s, transport)
        self._get = self._connection.get
        self._post = self._connection.post
        self._pages = self._connection.pages
        self._patience_s = patience_s

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._connection.close()

    @property
    def base_url(self) -> str:
        """The service's address."""
        return self._connection.base_url

    # --- the service ---------------------------------------------------------------------------

    def ready(self) -> ReadyView:
        """Returns whether the service can work; an `ApiError` says that it cannot."""
        return self._get("/readyz", ReadyView)

    def version(self) -> VersionView:
        """Returns which program answers."""
        return self._get("/version", VersionView)

    # --- data sets and spaces ------------------------------------------------------------------

    def create_data_set(self, body: Document) -> DataSetView:
        """Registers a data set; once for equal name and content.

        Returns when the service has read all of it, which takes minutes for large ones.
        """
        return self._post("/v1/data-sets", body, DataSetView, READ_ALL_S)

    def data_set(self, data_set_id: str) -> DataSetView:
        """Returns a data set."""
        return self._get(f"/v1/data-sets/{quoted(data_set_id)}", DataSetView)

    def data_sets(self) -> Iterator[DataSetView]:
        """Yields data sets, newest first."""
        return self._pages("/v1/data-sets", PageOf[DataSetView])

    def upload(
        self,
        path: Path,
        *,
        name: str | None = None,
        chunk_bytes: int = UPLOAD_CHUNK_BYTES,
        on_progress: OnUpload = lambda _phase, _done, _total: None,
    ) -> UploadView:
        """Sends a file, going on where an earlier attempt ended; returns the complete upload.

        Broken connections and restarts of the service are bridged for `patience_s` each. A file
        that was sent before under the same name is not sent again.

        Args:
            path: the file; it must not change meanwhile.
            name: what to call it; by default the file's name.
            chunk_bytes: how much to send at once.
            on_progress: told the phase (`digest`, `send`), and how many of how many bytes are done.

        Raises:
            ApiError: the service refuses it.
            ServiceUnreachableError: the service has not answered for `patience_s`.
            OSError: the file cannot be read.
        """
        sender = Uploader(self._connection, self._patience_s, chunk_bytes, on_progress)
        return sender.send(path, name or path.name)

    def upload_status(self, upload_id: str) -> UploadView:
        """Returns an upload, complete or not."""
        return self._get(f"/v1/uploads/{quoted(upload_id)}", UploadView)

    def uploads(self) -> Iterator[UploadView]:
        """Yields uploads, newest first."""
        return self._pages("/v1/uploads", PageOf[UploadView])

    def delete_upload(self, upload_id: str) -> None:
        """Deletes an upload and frees its space."""
        self._connection.send("DELETE", f"/v1/uploads/{quoted(upload_id)}")

    def families(self) -> FamiliesView:
        """Returns the kinds of spaces, with their settings' schemas and presets."""
        return self._get("/v1/space-families", FamiliesView)

    def create_space(self, settings: Document) -> SpaceView:
        """Registers a space; once for equal settings."""
        return self._post("/v1/spaces", settings, SpaceView)

    def space(self, space_id: str) -> SpaceView:
        """Returns a space."""
        return self._get(f"/v1/spaces/{quoted(space_id)}", SpaceView)

    def spaces(self) -> Iterator[SpaceView]:
        """Yields spaces."""
        return self._pages("/v1/spaces", PageOf[SpaceView])

    def sample_space(self, space_id: str, count: int, seed: int = 0) -> SampleView:
        """Returns architectures drawn at random; equal seeds draw equal ones."""
        body = {"count": count, "seed": seed}
        return self._post(f"/v1/spaces/{quoted(space_id)}/sample", body, SampleView)

    def cost(self, space_id: str, architecture: Mapping[str, int | float | str]) -> CostView:
        """Returns what an architecture costs on paper."""
        body = {"architecture": dict(architecture)}
        return self._post(f"/v1/spaces/{quoted(space_id)}/cost", body, CostView)

    # --- supernets and searches ----------------------------------------------------------------

    def create_supernet(self, body: Document) -> SupernetView:
        """Submits the training of a supernet; `wait` for its job."""
        return self._post("/v1/supernets", body, SupernetView)

    def supernet(self, supernet_id: str) -> SupernetView:
        """Returns a supernet."""
        return self._get(f"/v1/supernets/{quoted(supernet_id)}", SupernetView)

    def supernets(self) -> Iterator[SupernetView]:
        """Yields supernets, newest first."""
        return self._pages("/v1/supernets", PageOf[SupernetView])

    def create_search(self, body: Document) -> SearchView:
        """Submits a search; `wait` for its job."""
        return self._post("/v1/searches", body, SearchView)

    def search(self, search_id: str) -> SearchView:
        """Returns a search."""
        return self._get(f"/v1/searches/{quoted(search_id)}", SearchView)

    def searches(self) -> Iterator[SearchView]:
        """Yields searches, newest first."""
        return self._pages("/v1/searches", PageOf[SearchView])

    def observations(self, search_id: str) -> Iterator[ObservationView]:
        """Yields what a search observed, in the order of its proposals."""
        return self._pages(f"/v1/searches/{quoted(search_id)}/evaluations", PageOf[ObservationView])

    def front(self, search_id: str) -> FrontView:
        """Returns the Pareto front of what a search measured so far."""
        return self._get(f"/v1/searches/{quoted(search_id)}/front", FrontView)

    def front_picture(self, search_id: str, image_format: Literal["png", "svg"]) -> bytes:
        """Returns the front as a picture."""
        return self._connection.send(
            "GET", f"/v1/searches/{quoted(search_id)}/front.{image_format}"
        ).content

    # --- evaluations and exports ---------------------------------------------------------------

    def evaluations(
        self, *, architecture_digest: str | None = None, space_id: str | None = None
    ) -> Iterator[EvaluationView]:
        """Yields evaluations of all searches, newest first."""
        parameters = {"architecture_digest": architecture_digest, "space": space_id}
        return self._pages("/v1/evaluations", PageOf[EvaluationView], parameters)

    def architecture(self, digest: str) -> ArchitectureKnowledge:
        """Returns all that is known about an architecture."""
        return self._get(f"/v1/architectures/{quoted(digest)}", ArchitectureKnowledge)

    def create_export(self, body: Document) -> ExportView:
        """Submits the export of a network; `wait` for its job."""
        return self._post("/v1/exports", body, ExportView)

    def export(self, export_id: str) -> ExportView:
        """Returns an export."""
        return self._get(f"/v1/exports/{quoted(export_id)}", ExportView)

    def exports(self) -> Iterator[ExportView]:
        """Yields exports, newest first."""
        return self._pages("/v1/exports", PageOf[ExportView])

    def download(self, file: FileView, path: Path) -> None:
        """Writes a file of a network to a path, which only ever holds the whole, verified file.

        Raises:
            DamagedDownloadError: its digest is not the stated one; nothing is written.
            OSError: it cannot be written there.
        """
        digest = hashlib.sha256()
        # Beside its place, so that renaming is one step; its name tells leftovers of a crash.
        with tempfile.NamedTemporaryFile(
            dir=path.parent, prefix=f".{path.name}.", suffix=".part", delete=False
        ) as beside:
            try:
                for chunk in self._connection.stream(file.url):
                    digest.update(chunk)
                    beside.write(chunk)
                if digest.hexdigest() != file.sha256:
                    raise DamagedDownloadError(
                        f"{file.name} must have the digest {file.sha256}, got {digest.hexdigest()}"
                    )
                beside.flush()
                os.fsync(beside.fileno())
                Path(beside.name).chmod(0o644)  # temporary files are their owner's alone
                Path(beside.name).rename(path)
            finally:
                Path(beside.name).unlink(missing_ok=True)

    # --- refinements and assessments -----------------------------------------------------------

    def create_refinement(self, body: Document) -> RefinementView:
        """Submits the refinement of a search's front; `wait` for its job."""
        return self._post("/v1/refinements", body, RefinementView)

    def refinement(self, refinement_id: str) -> RefinementView:
        """Returns a refinement: each architecture before and after."""
        return self._get(f"/v1/refinements/{quoted(refinement_id)}", RefinementView)

    def refinements(self) -> Iterator[RefinementView]:
        """Yields refinements, newest first."""
        return self._pages("/v1/refinements", PageOf[RefinementView])

    def create_assessment(self, supernet_id: str, body: Document) -> AssessmentView:
        """Submits the assessment of a supernet; `wait` for its job."""
        return self._post(f"/v1/supernets/{quoted(supernet_id)}/assessments", body, AssessmentView)

    def assessment(self, assessment_id: str) -> AssessmentDetail:
        """Returns an assessment with all that it evaluated."""
        return self._get(f"/v1/assessments/{quoted(assessment_id)}", AssessmentDetail)

    def assessments(self, *, supernet_id: str | None = None) -> Iterator[AssessmentView]:
        """Yields assessments, newest first."""
        return self._pages("/v1/assessments", PageOf[AssessmentView], {"supernet": supernet_id})

    def assessment_picture(self, assessment_id: str, image_format: Literal["png", "svg"]) -> bytes:
        """Returns an assessment as a picture."""
        return self._connection.send(
            "GET", f"/v1/assessments/{quoted(assessment_id)}/plot.{image_format}"
        ).content

    # --- jobs ----------------------------------------------------------------------------------

    def job(self, job_id: str) -> JobView:
        """Returns a job."""
        return self._get(f"/v1/jobs/{quoted(job_id)}", JobView)

    def jobs(self, *, status: str | None = None, kind: str | None = None) -> Iterator[JobView]:
        """Yields jobs, newest first."""
        return self._pages("/v1/jobs", PageOf[JobView], {"status": status, "kind": kind})

    def cancel(self, job_id: str) -> JobView:
        """Asks to cancel a job; asking again changes nothing."""
        return self._post(f"/v1/jobs/{quoted(job_id)}/cancel", None, JobView)

    def past_events(self, job_id: str, after: int = 0, limit: int = 100) -> EventsView:
        """Returns events with ids above `after` that have happened by now."""
        parameters = {"after": after, "limit": limit}
        return self._get(f"/v1/jobs/{quoted(job_id)}/events", EventsView, parameters)

    def events(self, job_id: str, after: int = 0) -> Iterator[EventView]:
        """Yields a job's events with ids above `after` as they happen, until the one that ends it.

        Each comes once and in order. Where the stream breaks (the service restarts, say) it is
        taken up again after the last event.

        Raises:
            ServiceUnreachableError: the service has not answered for `patience_s`.
            ApiError: there is no such job; or as above, with what the service answered.
        """
        patience = Patience(self._patience_s)
        while True:
            try:
                for event in self._stream_of_events(job_id, after):
                    patience.renew()
                    after = event.id
                    yield event
                    if event.type in TERMINAL:
                        return
                if self.past_events(job_id, after, limit=1).ended:
                    return  # the caller already knew the last event
                patience.renew()
                time.sleep(RECONNECT_S)
            except ClientError as error:
                patience.wait(error)

    def wait(
        self, job_id: str, on_event: Callable[[EventView], None] = lambda _: None, after: int = 0
    ) -> JobView:
        """Returns the job when it has succeeded, failed or been cancelled.

        Args:
            job_id: whose end to wait for.
            on_event: called with every event with an id above `after`, in order.
            after: as in `events`.

        Raises:
            ServiceUnreachableError: the service has not answered for `patience_s`.
            ApiError: there is no such job.
        """
        for event in self.events(job_id, after):
            on_event(event)
        patience = Patience(self._patience_s)
        while True:
            try:
                return self.job(job_id)
            except ClientError as error:
                patience.wait(error)

    def _stream_of_events(self, job_id: str, after: int) -> Iterator[EventView]:
        chunks = self._connection.stream(
            f"/v1/jobs/{quoted(job_id)}/events/stream",
            headers={"Last-Event-ID": str(after)},
            silence_s=STREAM_SILENCE_S,
        )
        for event in read_events(chunks):
            yield self._connection.parse(event.data, EventView)
