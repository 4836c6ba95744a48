"""Artifacts at an address: fetched, verified, cached, and whole or absent."""

import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from server.artifacts import ArtifactStore, open_artifacts
from server.artifacts.remote import RemoteArtifactStore
from server.configuration import ConfigurationError
from server.errors import DamagedArtifactError, DiskFullError, StorageUnavailableError
from server.settings import Settings

MEDIA_TYPE = "application/octet-stream"


@pytest.fixture
def memory() -> Iterator[MemoryFileSystem]:
    """The storage that all of this process share."""
    filesystem = fsspec.filesystem("memory")
    filesystem.store.clear()
    yield filesystem
    filesystem.store.clear()


def remote(home: Path, **values: Any) -> ArtifactStore:
    return open_artifacts(Settings(home=home, artifacts_url="memory://bucket/files", **values))


def copies(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "artifacts-cache").glob("??/*"))


def test_what_one_machine_stores_another_reads(memory: MemoryFileSystem, tmp_path: Path) -> None:
    stored = remote(tmp_path / "a").add_bytes(b"content", MEDIA_TYPE)
    assert memory.cat_file(f"/bucket/files/{stored.sha256[:2]}/{stored.sha256}") == b"content"
    other = remote(tmp_path / "b")
    assert copies(tmp_path / "b") == []
    assert other.read(stored.sha256) == b"content"
    assert copies(tmp_path / "b") == [stored.sha256]
    (found,) = other.files()
    assert (found.name, found.size_bytes) == (stored.sha256, 7)
    assert found.modified_at is not None
    assert found.modified_at.tzinfo is not None
    later = other.add_bytes(b"content", MEDIA_TYPE)
    assert later == stored
    assert not other.delete(found)  # it was stored again meanwhile
    (found,) = other.files()
    assert other.delete(found)
    assert not other.delete(found)
    assert list(other.files()) == []
    with pytest.raises(DamagedArtifactError, match="is missing"):
        other.path(stored.sha256)


def test_a_damaged_copy_is_fetched_again_and_a_damaged_original_refused(
    memory: MemoryFileSystem, tmp_path: Path
) -> None:
    artifacts = remote(tmp_path)
    stored = artifacts.add_bytes(b"right", MEDIA_TYPE)
    artifacts.path(stored.sha256).write_bytes(b"wrong")
    assert artifacts.read(stored.sha256) == b"right"
    address = f"/bucket/files/{stored.sha256[:2]}/{stored.sha256}"
    memory.pipe_file(address, b"wrong")
    fresh = remote(tmp_path / "other")
    with pytest.raises(DamagedArtifactError, match="has the content of"):
        fresh.path(stored.sha256)
    assert copies(tmp_path / "other") == []
    fresh.add_bytes(b"right", MEDIA_TYPE)
    assert memory.cat_file(address) == b"right"


@pytest.mark.usefixtures("memory")
def test_the_cache_drops_what_was_used_longest_ago_and_nothing_in_use(tmp_path: Path) -> None:
    writer = remote(tmp_path / "a", artifacts_cache_bytes=0)
    first, second, third = (
        writer.add_bytes(letter * 1000, MEDIA_TYPE).sha256 for letter in (b"x", b"y", b"z")
    )
    assert copies(tmp_path / "a") == []
    reader = remote(tmp_path / "b", artifacts_cache_bytes=2500)
    for digest in (first, second, third):
        assert reader.path(digest).is_file()
    assert copies(tmp_path / "b") == sorted([first, second, third])  # held by this process
    # Another process of the machine holds nothing, but drops nothing that is held either.
    code = (
        "import sys; from server.artifacts.remote import RemoteArtifactStore as R; "
        "from fsspec.implementations.memory import MemoryFileSystem as M; "
        "from pathlib import Path; "
        "R(M(), '/bucket/files', Path(sys.argv[1]), 2500).add_bytes(b'new' * 300, 'x/y')"
    )
    cache = tmp_path / "b" / "artifacts-cache"
    subprocess.run([sys.executable, "-c", code, str(cache)], check=True, timeout=60)
    assert {first, second, third} <= set(copies(tmp_path / "b"))
    assert isinstance(reader, RemoteArtifactStore)
    reader.close()
    reader.path(third)  # the new file is the youngest of what nobody holds
    assert third in copies(tmp_path / "b")
    assert first not in copies(tmp_path / "b")


def local_files(root: Path, cache: Path) -> RemoteArtifactStore:
    """A storage without an atomic put, as SFTP is."""
    return RemoteArtifactStore(LocalFileSystem(), str(root), cache, 10**9)


def test_a_storage_that_writes_in_place_is_written_beside(tmp_path: Path) -> None:
    artifacts = local_files(tmp_path / "root", tmp_path / "cache")
    assert list(artifacts.files()) == []
    stored = artifacts.add_bytes(b"content", MEDIA_TYPE)
    assert [file.name for file in artifacts.files()] == [stored.sha256]
    assert local_files(tmp_path / "root", tmp_path / "other").read(stored.sha256) == b"content"


def test_a_full_storage_keeps_no_half_file(tmp_path: Path) -> None:
    artifacts = local_files(tmp_path / "root", tmp_path / "cache")
    stored = artifacts.add_bytes(b"small", MEDIA_TYPE)
    large = artifacts._folder / "large"
    large.write_bytes(b"x" * 100_000)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(DiskFullError, match="no room for the artifact"):
            artifacts.add_file(large, MEDIA_TYPE)
        with pytest.raises(DiskFullError, match="the storage has no room"):
            artifacts._upload(large, stored)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert [path.name for path in (tmp_path / "root").rglob("*") if path.is_file()] == [
        stored.sha256
    ]
    assert artifacts.read(stored.sha256) == b"small"


def test_a_storage_that_cannot_be_reached_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    artifacts = local_files(tmp_path / "file", tmp_path / "cache")  # no folder
    with pytest.raises(StorageUnavailableError, match=r"does not answer: .*Error"):
        artifacts.add_bytes(b"content", MEDIA_TYPE)


def test_an_address_of_this_machine_is_a_folder(tmp_path: Path) -> None:
    artifacts = open_artifacts(Settings(home=tmp_path, artifacts_url=f"file://{tmp_path}/there"))
    assert type(artifacts) is ArtifactStore
    stored = artifacts.add_bytes(b"content", MEDIA_TYPE)
    assert artifacts.path(stored.sha256).is_relative_to(tmp_path / "there")


fsspec.register_implementation(
    "bucketish", "no_such_package.Files", errtxt="Install no-such-package to use it", clobber=True
)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("bucketish://key:s3cret@bucket/x", r"whose package is installed.*no-such-package"),
        ("nowhere://key:s3cret@x", "must open an fsspec storage.*nowhere"),
    ],
)
def test_a_storage_that_cannot_be_opened_is_named(tmp_path: Path, url: str, message: str) -> None:
    settings = Settings(home=tmp_path, artifacts_url=url)
    with pytest.raises(ConfigurationError, match=message) as caught:
        open_artifacts(settings)
    assert "s3cret" not in str(caught.value)
