"""Content-addressed, immutable files in the data folder: `artifacts/ab/abcdef...`, by SHA-256.

A file is written beside its place, synced and renamed, so that a name that exists has its whole
content, whenever the process or the machine died. The row that refers to a file is written after
it; a file that no row refers to does no harm.
"""

import hashlib
import os
import secrets
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from copy import copy
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import IO, Self, TypeVar

import structlog

from server.disks import room_for
from server.errors import DamagedArtifactError, DiskFullError, StorageUnavailableError
from server.store import Artifact

logger = structlog.get_logger(__name__)

Result = TypeVar("Result")

_CHUNK_BYTES = 2**20
PATIENCE_S = 1.0
"""How long a patient store waits before it tries again."""

LOGGED_TRIES = 60
"""It says that it waits when it begins to, and each time that it has tried so often since."""

PARTIAL_PREFIX = "new-"


@dataclass(frozen=True)
class StoredFile:
    """A file of the store as it lies there.

    Attributes:
        name: the digest; begins with `new-` where a process died while it wrote the file.
        size_bytes: its length.
        modified_at: when it was written last; None where the storage does not tell.
    """

    name: str
    size_bytes: int
    modified_at: datetime | None


class ArtifactStore:
    """The files under one folder, which is made if it is not there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._gives_up: Callable[[], bool] = lambda: True
        folder.mkdir(parents=True, exist_ok=True)

    def patient(self, gives_up: Callable[[], bool]) -> Self:
        """Returns a store that waits while the storage is full or does not answer.

        Adding and finding a file can be repeated, so they are, until they succeed.

        Args:
            gives_up: asked now and then; if it says so, waiting ends with the error.
        """
        other = copy(self)
        other._gives_up = gives_up
        return other

    def add_bytes(self, content: bytes, media_type: str) -> Artifact:
        """Stores bytes, once for equal content.

        Raises:
            DiskFullError: there is no room for them; nothing is stored then.
            OSError: the disk cannot be written; likewise.
        """
        return self._patiently(lambda: self._add([content], media_type))

    def add_file(self, path: Path, media_type: str) -> Artifact:
        """Stores a copy of a file, once for equal content.

        Raises:
            DiskFullError: there is no room for it; nothing is stored then.
            OSError: the disk cannot be written or the file not be read; likewise.
        """

        def add() -> Artifact:
            with path.open("rb") as source:
                return self._add(iter(lambda: source.read(_CHUNK_BYTES), b""), media_type)

        return self._patiently(add)

    def path(self, sha256: str) -> Path:
        """Returns the path of a stored file after verifying its content.

        Raises:
            DamagedArtifactError: the file is missing, or its content is not what was stored.
            StorageUnavailableError: the storage, if it is not this folder, does not answer.
        """
        return self._patiently(lambda: self._find(sha256))

    def read(self, sha256: str) -> bytes:
        """Returns the content of a stored file.

        Raises:
            DamagedArtifactError: the file is missing, or its content is not what was stored.
        """
        return self.path(sha256).read_bytes()

    def files(self) -> Iterator[StoredFile]:
        """Yields all files, also the remains of processes that died while they wrote."""
        for path in sorted([*self._folder.glob("??/*"), *self._folder.glob(f"{PARTIAL_PREFIX}*")]):
            with suppress(FileNotFoundError):  # it was finished or removed meanwhile
                yield _as_it_lies(path)

    def delete(self, file: StoredFile) -> bool:
        """Deletes a file, unless it was stored again since `files` listed it.

        Whoever stores it again will refer to it, and may not have written the row yet.

        Returns:
            Whether it did; not where the file is gone, either.
        """
        place = self._place(file.name)
        # Aside first, and looked at there: what is stored at its place from now on is another file.
        aside = self._folder / f"{PARTIAL_PREFIX}{secrets.token_hex(8)}"
        try:
            place.rename(aside)
        except FileNotFoundError:
            return False
        is_same = _as_it_lies(aside).modified_at == file.modified_at
        if not is_same:
            with suppress(FileExistsError):  # it was stored once more
                place.hardlink_to(aside)
        aside.unlink()
        return is_same

    def _patiently(self, act: Callable[[], Result]) -> Result:
        for number in count():
            try:
                return act()
            except (StorageUnavailableError, DiskFullError) as error:
                if self._gives_up():
                    raise
                if number % LOGGED_TRIES == 0:
                    logger.warning("waiting for the storage of artifacts", error=str(error))
            time.sleep(PATIENCE_S)
        raise AssertionError("a count has no end")

    def _add(self, chunks: Iterable[bytes], media_type: str) -> Artifact:
        with room_for("the artifact"), self._beside() as file:
            for chunk in chunks:
                file.write(chunk)
            return self._move_in(file, media_type)

    def _find(self, sha256: str) -> Path:
        path = self._place(sha256)
        try:
            found = sha256_of(path)
        except FileNotFoundError:
            raise DamagedArtifactError(f"artifact {sha256} is missing: {path}") from None
        if found != sha256:
            raise DamagedArtifactError(f"artifact {sha256} has the content of {found}: {path}")
        return path

    def _place(self, name: str) -> Path:
        if name.startswith(PARTIAL_PREFIX):
            return self._folder / name
        return self._folder / name[:2] / name

    @contextmanager
    def _beside(self) -> Iterator[IO[bytes]]:
        """A new file in the folder, gone at the end unless it was moved in."""
        with tempfile.NamedTemporaryFile(
            dir=self._folder, prefix=PARTIAL_PREFIX, delete=False
        ) as file:
            try:
                yield file
            finally:
                Path(file.name).unlink(missing_ok=True)

    def _move_in(self, file: IO[bytes], media_type: str) -> Artifact:
        file.flush()
        os.fsync(file.fileno())
        sha256 = sha256_of(Path(file.name))
        size_bytes = os.fstat(file.fileno()).st_size
        place = self._place(sha256)
        place.parent.mkdir(exist_ok=True)
        # Renaming over an equal file heals it should it have been damaged, and makes it young.
        Path(file.name).rename(place)
        for folder in (place.parent, self._folder):
            _sync_folder(folder)
        return Artifact(sha256, size_bytes, media_type)


def _as_it_lies(path: Path) -> StoredFile:
    status = path.stat()
    modified_at = datetime.fromtimestamp(status.st_mtime, UTC)
    return StoredFile(path.name, status.st_size, modified_at)


def sha256_of(path: Path) -> str:
    """Returns the digest of a file's content.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync_folder(folder: Path) -> None:
    """Makes a rename in the folder last."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
