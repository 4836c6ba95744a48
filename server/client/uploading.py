"""Sending a file in parts, whatever happens meanwhile."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Literal

from server.client.connection import Connection, Patience, quoted
from server.client.errors import ApiError, ClientError
from server.schemas.responses import UploadView

UPLOAD_CHUNK_BYTES = 8 * 2**20
VERIFY_S = 3600.0
"""How long the service may take to check the digest of a whole file."""

CONFLICT = 409

_READ_BYTES = 2**20

OnUpload = Callable[[Literal["digest", "send"], int, int], None]


class Uploader:
    """Sends files to one service; see `Client.upload`."""

    def __init__(
        self,
        connection: Connection,
        patience_s: float,
        chunk_bytes: int,
        on_progress: OnUpload,
    ) -> None:
        self._connection = connection
        self._patience = Patience(patience_s)
        self._chunk_bytes = chunk_bytes
        self._on_progress = on_progress

    def send(self, path: Path, name: str) -> UploadView:
        """Returns the complete upload of a file."""
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            body = {"name": name, "size_bytes": size, "sha256": self._digest(file, size)}
            upload: UploadView | None = None
            while upload is None or upload.status == "open":
                try:
                    if upload is None:
                        # Announced again, a file is told how much of it is there.
                        upload = self._connection.post("/v1/uploads", body, UploadView)
                    else:
                        upload = self._step(file, upload)
                        self._patience.renew()
                    self._on_progress("send", upload.offset, size)
                except ClientError as error:
                    # A conflict: the file ends elsewhere, or an earlier request is still at work.
                    is_conflict = isinstance(error, ApiError) and error.status == CONFLICT
                    self._patience.wait(error, is_temporary=is_conflict or error.is_temporary)
                    upload = None
            return upload

    def _step(self, file: IO[bytes], upload: UploadView) -> UploadView:
        """Sends the next part, or completes the upload where there is none."""
        address = f"/v1/uploads/{quoted(upload.id)}"
        if upload.offset >= upload.size_bytes:
            return self._connection.post(f"{address}/complete", None, UploadView, VERIFY_S)
        file.seek(upload.offset)
        part = file.read(self._chunk_bytes)
        if not part:
            raise OSError(f"{file.name} has become shorter while it was sent")
        headers = {"Upload-Offset": str(upload.offset)}
        response = self._connection.send("PATCH", address, body=part, headers=headers)
        return self._connection.parse(response.content, UploadView)

    def _digest(self, file: IO[bytes], size: int) -> str:
        digest = hashlib.sha256()
        done = 0
        while part := file.read(_READ_BYTES):
            digest.update(part)
            done += len(part)
            self._on_progress("digest", done, size)
        return digest.hexdigest()
