"""Files that arrive in parts: `uploads/upl_...`, one per upload.

The length of the file is how much has arrived, so a server that dies loses nothing that it had
written, and nothing needs to be mended when it comes back. Who writes or checks a file holds a lock
on it, which the operating system frees with the process.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from server.disks import room_for
from server.errors import (
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    ServerError,
    WrongOffsetError,
)
from server.store import Store
from server.tables import UploadRow


class UploadFiles:
    """The files under one folder, which is made if it is not there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, upload_id: str) -> Path:
        """Returns where an upload's file lies or will lie."""
        return self._folder / upload_id

    def offset(self, upload_id: str) -> int:
        """Returns how many bytes have arrived."""
        try:
            return self.path(upload_id).stat().st_size
        except FileNotFoundError:
            return 0

    @contextmanager
    def append(self, upload: UploadRow, offset: int) -> Iterator["Appender"]:
        """Gives what appends to an upload's file, and makes it last at the end.

        If one of our errors is raised in the block, the file is left as it was; after any other end
        (the client is gone, say) it keeps what was written.

        Args:
            upload: as stored.
            offset: where the client thinks that the file ends.

        Raises:
            ConflictError: it is complete, or somebody else is writing to it.
            WrongOffsetError: the file ends elsewhere.
            InvalidRequestError: more was written than was announced.
            DiskFullError: there is no room for it.
        """
        if upload.completed_at is not None:
            raise ConflictError(f"upload {upload.id} is complete: nothing can be added")
        with self._locked(upload.id) as descriptor:
            end = os.fstat(descriptor).st_size
            if offset != end:
                raise WrongOffsetError(offset, end)
            try:
                yield Appender(descriptor, upload.size_bytes, end)
            except ServerError:
                os.ftruncate(descriptor, end)
                raise
            finally:
                os.fsync(descriptor)

    def verify(self, upload: UploadRow) -> None:
        """Returns if an upload's file has the announced size and digest.

        Raises:
            ConflictError: somebody is writing to it.
            InvalidRequestError: it has not; names the rule, and what was found.
        """
        with self._locked(upload.id) as descriptor:
            size = os.fstat(descriptor).st_size
            if size != upload.size_bytes:
                rule = f"must be {upload.size_bytes} as announced: the upload was cut short"
                raise InvalidRequestError.single("size_bytes", rule, size)
            with os.fdopen(os.dup(descriptor), "rb") as file:
                file.seek(0)
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != upload.sha256:
                rule = f"must be {upload.sha256} as announced: delete the upload and send it again"
                raise InvalidRequestError.single("sha256", rule, found)

    def delete(self, upload_id: str) -> None:
        """Deletes an upload's file, if there is one.

        Raises:
            ConflictError: somebody is writing to it.
        """
        with self._locked(upload_id):
            self.path(upload_id).unlink(missing_ok=True)

    def sweep(self, store: Store) -> None:
        """Deletes files that no upload refers to: a server died while it deleted them.

        Where the database knows none of them, nothing is deleted: they are another database's.
        """
        found = {path.name for path in self._folder.glob("upl_*")}
        unknown = store.unknown_uploads(found)
        if unknown == found:
            return
        for upload_id in unknown:
            self.path(upload_id).unlink(missing_ok=True)

    @contextmanager
    def _locked(self, upload_id: str) -> Iterator[int]:
        """A descriptor of the file, which is made if it is not there."""
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_APPEND
        descriptor = os.open(self.path(upload_id), flags, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConflictError(
                    f"another request is at work on upload {upload_id}; try again when it has ended"
                ) from None
            yield descriptor
        finally:
            os.close(descriptor)


class Appender:
    """Writes to the end of an upload's file.

    Attributes:
        offset: where the file ends now.
    """

    def __init__(self, descriptor: int, size_bytes: int, offset: int) -> None:
        self._descriptor = descriptor
        self._size_bytes = size_bytes
        self.offset = offset

    def write(self, content: bytes) -> None:
        """Appends bytes.

        Raises:
            InvalidRequestError: the file would become larger than announced.
            DiskFullError: there is no room for them.
        """
        end = self.offset + len(content)
        if end > self._size_bytes:
            rule = f"must end with the {self._size_bytes} bytes that were announced"
            raise InvalidRequestError.single("", rule, f"at least {end}")
        rest = memoryview(content)
        with room_for("the upload"):
            while rest:
                written = os.write(self._descriptor, rest)
                rest = rest[written:]
                self.offset += written


def complete_upload_path(store: Store, files: UploadFiles, upload_id: str, pointer: str) -> Path:
    """Returns the verified file of a complete upload that a request names.

    Args:
        store: the database.
        files: the uploads' files.
        upload_id: as the request names it.
        pointer: where in the request's body.

    Raises:
        InvalidRequestError: there is no such upload, or it is not complete.
    """
    try:
        upload = store.get_upload(upload_id)
    except NotFoundError:
        raise InvalidRequestError.single(pointer, "must name an upload", upload_id) from None
    path = files.path(upload_id)
    if upload.completed_at is None or not path.is_file():
        there = f"{files.offset(upload_id)} of {upload.size_bytes} bytes are there"
        rule = f"must name a complete upload; of this one {there}, and it is not completed"
        raise InvalidRequestError.single(pointer, rule, upload_id)
    return path
