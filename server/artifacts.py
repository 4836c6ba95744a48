"""Content-addressed, immutable files in the data folder: `artifacts/ab/abcdef...`, by SHA-256.

A file is written beside its place, synced and renamed, so that a name that exists has its whole
content, whenever the process or the machine died. The row that refers to a file is written after
it; a file that no row refers to does no harm.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from server.errors import DamagedArtifactError
from server.store import Artifact

_CHUNK_BYTES = 2**20


class ArtifactStore:
    """The files under one folder, which is made if it is not there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def add_bytes(self, content: bytes, media_type: str) -> Artifact:
        """Stores bytes, once for equal content.

        Raises:
            OSError: the disk is full or cannot be written; nothing is stored then.
        """
        with self._beside() as file:
            file.write(content)
            return self._move_in(file, media_type)

    def add_file(self, path: Path, media_type: str) -> Artifact:
        """Stores a copy of a file, once for equal content.

        Raises:
            OSError: the disk is full or cannot be written; nothing is stored then.
        """
        with self._beside() as file, path.open("rb") as source:
            while chunk := source.read(_CHUNK_BYTES):
                file.write(chunk)
            return self._move_in(file, media_type)

    def path(self, sha256: str) -> Path:
        """Returns the path of a stored file after verifying its content.

        Raises:
            DamagedArtifactError: the file is missing, or its content is not what was stored.
        """
        path = self._place(sha256)
        try:
            found = _sha256(path)
        except FileNotFoundError:
            raise DamagedArtifactError(f"artifact {sha256} is missing: {path}") from None
        if found != sha256:
            raise DamagedArtifactError(f"artifact {sha256} has the content of {found}: {path}")
        return path

    def read(self, sha256: str) -> bytes:
        """Returns the content of a stored file.

        Raises:
            DamagedArtifactError: the file is missing, or its content is not what was stored.
        """
        return self.path(sha256).read_bytes()

    def _place(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / sha256

    @contextmanager
    def _beside(self) -> Iterator[IO[bytes]]:
        """A new file in the folder, gone at the end unless it was moved in."""
        with tempfile.NamedTemporaryFile(dir=self._folder, prefix="new-", delete=False) as file:
            try:
                yield file
            finally:
                Path(file.name).unlink(missing_ok=True)

    def _move_in(self, file: IO[bytes], media_type: str) -> Artifact:
        file.flush()
        os.fsync(file.fileno())
        sha256 = _sha256(Path(file.name))
        size_bytes = os.fstat(file.fileno()).st_size
        place = self._place(sha256)
        place.parent.mkdir(exist_ok=True)
        # Renaming over an equal file heals it should it have been damaged.
        Path(file.name).rename(place)
        for folder in (place.parent, self._folder):
            _sync_folder(folder)
        return Artifact(sha256, size_bytes, media_type)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_folder(folder: Path) -> None:
    """Makes a rename in the folder last."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
