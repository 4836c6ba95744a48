"""Folders and archives as lists of files that can be read; nothing is unpacked to the disk.

Members of archives are read where they lie. Their names never become paths, links are not followed,
and the size of all of them together is limited before the first one is read. A compressed tar alone
must be unpacked as a whole: to a nameless temporary file of limited size.
"""

import bz2
import gzip
import lzma
import os
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

from supernet.datasets.content import InvalidDataSetError
from supernet.datasets.decoding import Unreadable

MAX_FILE_BYTES = 2**28
"""No image is larger; every thread that decodes may hold one file in memory."""

_CHUNK_BYTES = 2**20
_DECOMPRESSORS: Mapping[bytes, Any] = {  # they open a path; their types differ a little
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
}
_BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    RuntimeError,  # zipfile: a version, a flag or a compression that it does not know
    EOFError,
    ValueError,
    OSError,
)
"""What the readers of archives raise when they meet something else."""

Read = Callable[[], bytes]


@dataclass
class Tree:
    """Files below a folder or in an archive, hidden ones left out.

    Attributes:
        files: what reads each file, by its path.
        folders: all folders, also those without files.
        refused: links, and files that are not read for another reason.
    """

    files: dict[PurePosixPath, Read] = field(default_factory=dict)
    folders: set[PurePosixPath] = field(default_factory=set)
    refused: list[Unreadable] = field(default_factory=list)

    def add(self, path: PurePosixPath, size_bytes: int, read: Read) -> None:
        """Adds a file and the folders above it; a file that is too large is refused."""
        if size_bytes > MAX_FILE_BYTES:
            self.refused.append(Unreadable(str(path), f"has more than {MAX_FILE_BYTES} bytes"))
        else:
            self.files[path] = read
        self.folders.update(path.parents)


@contextmanager
def open_tree(
    path: Path, field_name: str, max_bytes: int, scratch: Path | None = None
) -> Iterator[Tree]:
    """Gives the files of a folder or of an archive (zip, or tar, also compressed).

    Args:
        path: of the folder or archive.
        field_name: what errors name.
        max_bytes: an archive's files may have together, unpacked.
        scratch: where a compressed tar is unpacked; the system's folder by default.

    Raises:
        InvalidDataSetError: it is no archive, too large, or a name in it leads out of it.
    """
    with ExitStack() as stack:
        with _translated(field_name, path):
            if path.is_dir():
                tree = Tree()
                _walk(path, PurePosixPath(), tree)
            else:
                tree = _archive_tree(path, field_name, max_bytes, scratch, stack)
        yield tree


def _archive_tree(
    path: Path, field_name: str, max_bytes: int, scratch: Path | None, stack: ExitStack
) -> Tree:
    with path.open("rb") as stream:
        start = stream.read(6)
    if start.startswith(b"PK"):
        archive = stack.enter_context(zipfile.ZipFile(path))
        return _zip_tree(archive, field_name, max_bytes)
    for magic, decompress in _DECOMPRESSORS.items():
        if start.startswith(magic):
            unpacked = stack.enter_context(
                tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115 -- the stack closes it
            )
            with decompress(path) as packed:
                _copy(packed, unpacked, field_name, max_bytes)
            return _tar_tree(unpacked, field_name, max_bytes)
    return _tar_tree(stack.enter_context(path.open("rb")), field_name, max_bytes)


def _walk(folder: Path, inside: PurePosixPath, tree: Tree) -> None:
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            path = inside / entry.name
            if _is_hidden(path):
                continue
            if entry.is_dir(follow_symlinks=False):
                tree.folders.add(path)
                _walk(Path(entry.path), path, tree)
            elif entry.is_file(follow_symlinks=False):
                tree.add(path, entry.stat().st_size, Path(entry.path).read_bytes)
            else:
                tree.refused.append(Unreadable(str(path), "is a link, or no regular file"))


def _zip_tree(archive: zipfile.ZipFile, field_name: str, max_bytes: int) -> Tree:
    tree = Tree()
    # Decompression stops at the size that is stated here.
    _check_size(sum(info.file_size for info in archive.infolist()), field_name, max_bytes)
    for info in archive.infolist():
        path = _safe_path(info.filename, field_name)
        if _is_hidden(path):
            continue
        if info.is_dir():
            tree.folders.update((path, *path.parents))
        elif stat.S_ISLNK(info.external_attr >> 16):
            tree.refused.append(Unreadable(str(path), "is a link"))
        elif info.flag_bits & 1:
            tree.refused.append(Unreadable(str(path), "is encrypted"))
        else:
            tree.add(path, info.file_size, partial(archive.read, info))
    return tree


def _tar_tree(stream: IO[bytes], field_name: str, max_bytes: int) -> Tree:
    tree = Tree()
    size = 0
    with tarfile.open(fileobj=stream, mode="r:") as archive:
        for member in archive:
            path = _safe_path(member.name, field_name)
            if _is_hidden(path):
                continue
            if member.isdir():
                tree.folders.update((path, *path.parents))
            elif member.isreg() and not member.issparse():
                size += member.size
                _check_size(size, field_name, max_bytes)
                read = partial(_read_at, stream.fileno(), member.offset_data, member.size)
                tree.add(path, member.size, read)
            else:
                tree.refused.append(Unreadable(str(path), "is a link, or no regular file"))
        # tarfile takes a file that ends between two members for whole; whole ones end with zeros.
        stream.seek(archive.offset)
        if stream.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("it has no end: it was cut short")
    return tree


def _read_at(descriptor: int, offset: int, size: int) -> bytes:
    """Returns a part of a file; moves no position, so that threads do not disturb each other."""
    content = os.pread(descriptor, size, offset)
    if len(content) < size:
        raise OSError(f"is cut short: {len(content)} of {size} bytes")
    return content


def _copy(source: IO[bytes], target: IO[bytes], field_name: str, max_bytes: int) -> None:
    size = 0
    while chunk := source.read(_CHUNK_BYTES):
        size += len(chunk)
        _check_size(size, field_name, max_bytes)
        target.write(chunk)
    target.flush()
    target.seek(0)


def _safe_path(name: str, field_name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        rule = "must be an archive of relative paths that do not leave it"
        raise InvalidDataSetError(field_name, rule, name)
    return path


def _is_hidden(path: PurePosixPath) -> bool:
    return path.name.startswith(".") or "__MACOSX" in path.parts


def _check_size(size: int, field_name: str, max_bytes: int) -> None:
    if size > max_bytes:
        rule = f"must unpack to at most {max_bytes} bytes"
        raise InvalidDataSetError(field_name, rule, f"{size} or more")


@contextmanager
def _translated(field_name: str, path: Path) -> Iterator[None]:
    try:
        yield
    except InvalidDataSetError:
        raise
    except _BROKEN as error:
        rule = f"must name a folder or a zip or tar archive ({error})"
        raise InvalidDataSetError(field_name, rule, path.name) from error
