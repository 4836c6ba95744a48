"""The client of exports and refinements: what searches are made for."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Unpack

from server.client.connection import Document, Patience, quoted
from server.client.errors import DamagedDownloadError, ServiceUnreachableError
from server.client.filters import ExportFilters, RefinementFilters
from server.client.requests import Requests
from server.schemas.refinements import RefinementView
from server.schemas.responses import ExportView, FileView, PageOf


class NetworkRequests(Requests):
    """Networks in files, and those that are trained on; see `Client`."""

    def create_export(self, body: Document) -> ExportView:
        """Submits the export of a network; `wait` for its job."""
        return self._post("/v1/exports", body, ExportView)

    def export(self, export_id: str) -> ExportView:
        """Returns an export."""
        return self._get(f"/v1/exports/{quoted(export_id)}", ExportView)

    def exports(self, **filters: Unpack[ExportFilters]) -> Iterator[ExportView]:
        """Yields exports, newest first unless they are sorted otherwise."""
        return self._pages("/v1/exports", PageOf[ExportView], {**filters})

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
                for chunk in self._content(file):
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

    def _content(self, file: FileView) -> Iterator[bytes]:
        """Yields a file's bytes, going on after those that came where the connection breaks."""
        patience = Patience(self._patience_s)
        received = 0
        while True:
            headers = {}
            if received:
                headers = {"Range": f"bytes={received}-", "If-Range": f'"{file.sha256}"'}
            try:
                for chunk in self._connection.stream(file.url, headers):
                    patience.renew()
                    received += len(chunk)
                    yield chunk
                return
            except ServiceUnreachableError as error:
                patience.wait(error, is_temporary=received > 0)

    def create_refinement(self, body: Document) -> RefinementView:
        """Submits the refinement of a search's front; `wait` for its job."""
        return self._post("/v1/refinements", body, RefinementView)

    def refinement(self, refinement_id: str) -> RefinementView:
        """Returns a refinement: each architecture before and after."""
        return self._get(f"/v1/refinements/{quoted(refinement_id)}", RefinementView)

    def refinements(self, **filters: Unpack[RefinementFilters]) -> Iterator[RefinementView]:
        """Yields refinements, newest first unless they are sorted otherwise."""
        return self._pages("/v1/refinements", PageOf[RefinementView], {**filters})
