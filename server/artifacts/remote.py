"""Content-addressed files at an fsspec address, read through a cache in the data folder.

Readers need paths: workers map the files into memory. So a file that is asked for is copied into
the cache, verified there and kept until the cache is too large and others were used later. A file
that this process has handed out lately is held by a lock, so that no process of the machine drops
it from the cache before it was opened.
"""

import fcntl
import os
import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import structlog

from server.artifacts.local import PARTIAL_PREFIX, ArtifactStore, StoredFile, sha256_of
from server.disks import FULL, room_for
from server.errors import (
    DamagedArtifactError,
    DiskFullError,
    ServerError,
    StorageUnavailableError,
)
from server.store import Artifact

logger = structlog.get_logger(__name__)

MAX_HELD = 64
"""Files that one process holds in the cache at least; each takes a descriptor."""

ATOMIC_PUT = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "oci", "memory"})
"""Protocols whose objects appear when they are whole; elsewhere files are renamed into place."""

_TIMES = ("LastModified", "last_modified", "mtime", "updated", "created")
"""Under which names storages tell when a file was written last, the most exact first."""


class RemoteArtifactStore(ArtifactStore):
    """The files under one address.

    Args:
        filesystem: of fsspec.
        root: the folder in it.
        cache: the local folder for copies.
        cache_bytes: how large the cache may become; what is held is kept all the same.
    """

    def __init__(self, filesystem: Any, root: str, cache: Path, cache_bytes: int) -> None:
        super().__init__(cache)
        self._filesystem = filesystem
        self._root = root.rstrip("/")
        protocols = filesystem.protocol
        names = {protocols} if isinstance(protocols, str) else set(protocols)
        self._puts_atomically = bool(names & ATOMIC_PUT)
        self._cache_bytes = cache_bytes
        self._held: OrderedDict[str, int] = OrderedDict()
        self._lock = threading.Lock()

    def close(self) -> None:
        """Holds no copy any more."""
        with self._lock:
            while self._held:
                os.close(self._held.popitem()[1])

    def _find(self, sha256: str) -> Path:
        """Returns the path of a verified copy of a stored file, fetching it if need be."""
        while True:
            try:
                path = super()._find(sha256)
            except DamagedArtifactError:
                path = self._fetch(sha256)
            if self._hold(sha256):
                self._shrink()
                return path

    def files(self) -> Iterator[StoredFile]:
        """Yields all files at the address, also what died processes left.

        Raises:
            StorageUnavailableError: the storage does not answer.
        """
        with self._reaching():
            self._filesystem.invalidate_cache()
            try:
                found = self._filesystem.find(self._root, detail=True)
            except FileNotFoundError:  # nothing was stored yet
                found = {}
        for path, facts in sorted(found.items()):
            yield StoredFile(path.rpartition("/")[2], int(facts["size"] or 0), _time_of(facts))

    def delete(self, file: StoredFile) -> bool:
        """Deletes a file and its copy, unless it was stored again since `files` listed it.

        Raises:
            StorageUnavailableError: the storage does not answer.
        """
        address = self._address(file.name)
        with self._reaching():
            self._filesystem.invalidate_cache()
            try:
                if _time_of(self._filesystem.info(address)) != file.modified_at:
                    return False
                self._filesystem.rm_file(address)
            except FileNotFoundError:
                return False
        self._place(file.name).unlink(missing_ok=True)
        return True

    def _move_in(self, file: IO[bytes], media_type: str) -> Artifact:
        artifact = super()._move_in(file, media_type)
        self._upload(self._place(artifact.sha256), artifact)
        self._shrink()
        return artifact

    def _upload(self, source: Path, artifact: Artifact) -> None:
        """Stores a file of the cache at the address, also where it seems to be there already.

        So a damaged one is healed, and an old one that no row referred to is young again.
        """
        target = self._address(artifact.sha256)
        beside = f"{self._root}/{PARTIAL_PREFIX}{secrets.token_hex(8)}"
        with self._reaching():
            if self._puts_atomically:
                self._filesystem.put_file(str(source), target)
            else:
                try:
                    self._filesystem.makedirs(target.rpartition("/")[0], exist_ok=True)
                    self._filesystem.put_file(str(source), beside)
                    self._filesystem.mv(beside, target)
                except BaseException:
                    with suppress(Exception):
                        self._filesystem.rm_file(beside)
                    raise

    def _fetch(self, sha256: str) -> Path:
        """Copies a file into the cache and verifies it."""
        address = self._address(sha256)
        with room_for("a copy of the artifact"), self._beside() as file:
            beside = Path(file.name)
            try:
                with self._reaching():
                    self._filesystem.get_file(address, str(beside))
            except FileNotFoundError:
                raise DamagedArtifactError(f"artifact {sha256} is missing: {address}") from None
            found = sha256_of(beside)
            if found != sha256:
                raise DamagedArtifactError(
                    f"artifact {sha256} has the content of {found}: {address}"
                )
            place = self._place(sha256)
            place.parent.mkdir(exist_ok=True)
            beside.rename(place)
            return place

    def _address(self, name: str) -> str:
        if name.startswith(PARTIAL_PREFIX):
            return f"{self._root}/{name}"
        return f"{self._root}/{name[:2]}/{name}"

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        """Tells whatever a storage raises as ours, but that a file is not there."""
        try:
            yield
        except (ServerError, FileNotFoundError):
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno in FULL:
                raise DiskFullError(f"the storage has no room for the artifact: {error}") from error
            raise StorageUnavailableError(
                f"the storage of artifacts does not answer: {type(error).__name__}: {error}"
            ) from error

    # --- the cache -----------------------------------------------------------------------------

    def _hold(self, sha256: str) -> bool:
        """Keeps a copy from being dropped; returns False if it was just before."""
        place = self._place(sha256)
        try:
            descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            is_there = os.path.samestat(os.fstat(descriptor), place.stat())
        except (BlockingIOError, FileNotFoundError):  # it is being dropped, or was
            is_there = False
        if not is_there:
            os.close(descriptor)
            return False
        os.utime(place)  # the cache drops what was used longest ago
        with self._lock:
            dropped = [self._held.pop(sha256)] if sha256 in self._held else []
            self._held[sha256] = descriptor
            while len(self._held) > MAX_HELD:
                dropped.append(self._held.popitem(last=False)[1])
        for other in dropped:
            os.close(other)
        return True

    def _shrink(self) -> None:
        """Drops the copies that were used longest ago until the cache is small enough."""
        copies = []
        for path in self._folder.glob("??/*"):
            with suppress(FileNotFoundError):
                status = path.stat()
                copies.append((status.st_mtime, status.st_size, path))
        excess = sum(size for _, size, _ in copies) - self._cache_bytes
        for _, size, path in sorted(copies):
            if excess <= 0:
                return
            if _drop(path):
                excess -= size
        if excess > 0:
            logger.warning(
                "the cache of artifacts is larger than it may be: all of it is in use",
                excess_bytes=excess,
            )


def _drop(path: Path) -> bool:
    """Deletes a copy unless a process holds it; returns whether it did."""
    with suppress(FileNotFoundError):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
        except BlockingIOError:
            return False
        finally:
            os.close(descriptor)
    return True


def _time_of(facts: Mapping[str, Any]) -> datetime | None:
    """Returns when a file was written last, by what its storage tells of it."""
    for name in _TIMES:
        match facts.get(name):
            case datetime() as moment:
                return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            case int() | float() as seconds:
                return datetime.fromtimestamp(seconds, UTC)
            case str() as text:
                with suppress(ValueError):
                    moment = datetime.fromisoformat(text)
                    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None
