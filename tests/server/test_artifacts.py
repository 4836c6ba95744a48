"""Content-addressed files."""

import hashlib
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from server.artifacts import ArtifactStore
from server.errors import DamagedArtifactError, DiskFullError


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_content_is_stored_once_under_its_digest(tmp_path: Path) -> None:
    artifacts = ArtifactStore(tmp_path / "artifacts")
    source = tmp_path / "source"
    source.write_bytes(b"content" * 1_000_000)
    first = artifacts.add_file(source, "text/plain")
    again = artifacts.add_bytes(source.read_bytes(), "text/plain")
    assert first == again
    assert first.sha256 == hashlib.sha256(source.read_bytes()).hexdigest()
    assert first.size_bytes == 7_000_000
    (path,) = files_in(tmp_path / "artifacts")
    assert path == artifacts.path(first.sha256)
    assert path.relative_to(tmp_path).parts == ("artifacts", first.sha256[:2], first.sha256)
    assert artifacts.read(first.sha256) == source.read_bytes()


def test_changed_content_is_noticed_and_healed_by_storing_it_again(tmp_path: Path) -> None:
    artifacts = ArtifactStore(tmp_path)
    stored = artifacts.add_bytes(b"right", "text/plain")
    artifacts.path(stored.sha256).write_bytes(b"wrong")
    with pytest.raises(DamagedArtifactError, match="has the content of"):
        artifacts.read(stored.sha256)
    artifacts.add_bytes(b"right", "text/plain")
    assert artifacts.read(stored.sha256) == b"right"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DamagedArtifactError, match="is missing"):
        ArtifactStore(tmp_path).path("0" * 64)


def test_a_failed_write_leaves_nothing(tmp_path: Path) -> None:
    artifacts = ArtifactStore(tmp_path)
    with pytest.raises(IsADirectoryError):
        artifacts.add_file(tmp_path, "text/plain")
    assert files_in(tmp_path) == []


@contextmanager
def disk_of(num_bytes: int) -> Iterator[None]:
    """The operating system refuses to let any file grow beyond this."""
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_leaves_what_was_stored(tmp_path: Path) -> None:
    artifacts = ArtifactStore(tmp_path)
    stored = artifacts.add_bytes(b"small", "text/plain")
    with disk_of(1000), pytest.raises(DiskFullError, match="File too large"):
        artifacts.add_bytes(b"x" * 100_000, "text/plain")
    assert files_in(tmp_path) == [artifacts.path(stored.sha256)]
