"""Files that are either complete or absent, whatever happens while they are written."""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

CHUNK_BYTES = 1 << 20


def write_durably(path: Path, content: bytes) -> None:
    """Writes a file as `replace_durably` does.

    Raises:
        OSError: the disk is full, or the like; what was at `path` is untouched.
    """
    with replace_durably(path) as beside:
        beside.write_bytes(content)


@contextlib.contextmanager
def replace_durably(path: Path) -> Iterator[Path]:
    """Gives a path beside a file's place; what is written there is flushed and renamed into place.

    After a crash at any moment the place holds the old file or the new one, whole. The folder must
    exist. If the block raises, what was at `path` is untouched.

    Raises:
        OSError: the disk is full, or the like; what was at `path` is untouched.
    """
    # One name per process: an abandoned writer and its successor may write the same file.
    beside = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield beside
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Flushes a folder's entries to the disk, so that a rename outlives a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """Returns the SHA-256 of a file's content in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
