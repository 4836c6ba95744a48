"""The client of data sets, uploads and spaces."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Unpack

from server.client.connection import Document, quoted
from server.client.filters import Filters, NamedFilters
from server.client.requests import Requests
from server.client.uploading import UPLOAD_CHUNK_BYTES, OnUpload, Uploader
from server.schemas.responses import (
    CostView,
    DataSetView,
    FamiliesView,
    PageOf,
    SampleView,
    SpaceView,
    UploadView,
)

READ_ALL_S = 3600.0
"""How long the service may take to read a data set."""


class ResourceRequests(Requests):
    """What searches are made from; see `Client`."""

    def create_data_set(self, body: Document) -> DataSetView:
        """Registers a data set; once for equal name and content.

        Returns when the service has read all of it, which takes minutes for large ones.
        """
        return self._post("/v1/data-sets", body, DataSetView, READ_ALL_S)

    def data_set(self, data_set_id: str) -> DataSetView:
        """Returns a data set."""
        return self._get(f"/v1/data-sets/{quoted(data_set_id)}", DataSetView)

    def change_data_set(self, data_set_id: str, changes: Document) -> DataSetView:
        """Changes name, description or labels of a data set."""
        return self._change(f"/v1/data-sets/{quoted(data_set_id)}", changes, DataSetView)

    def data_sets(self, **filters: Unpack[NamedFilters]) -> Iterator[DataSetView]:
        """Yields data sets, newest first unless they are sorted otherwise."""
        return self._pages("/v1/data-sets", PageOf[DataSetView], {**filters})

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

    def uploads(self, **filters: Unpack[NamedFilters]) -> Iterator[UploadView]:
        """Yields uploads, newest first unless they are sorted otherwise."""
        return self._pages("/v1/uploads", PageOf[UploadView], {**filters})

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

    def spaces(self, **filters: Unpack[Filters]) -> Iterator[SpaceView]:
        """Yields spaces, newest first unless they are sorted otherwise."""
        return self._pages("/v1/spaces", PageOf[SpaceView], {**filters})

    def sample_space(self, space_id: str, count: int, seed: int = 0) -> SampleView:
        """Returns architectures drawn at random; equal seeds draw equal ones."""
        body = {"count": count, "seed": seed}
        return self._post(f"/v1/spaces/{quoted(space_id)}/sample", body, SampleView)

    def cost(self, space_id: str, architecture: Mapping[str, int | float | str]) -> CostView:
        """Returns what an architecture costs on paper."""
        body = {"architecture": dict(architecture)}
        return self._post(f"/v1/spaces/{quoted(space_id)}/cost", body, CostView)
