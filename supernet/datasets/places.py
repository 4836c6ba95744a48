"""Where sources are read from, and how much of it: no path leaves its root."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from supernet.datasets.content import InvalidDataSetError
from supernet.datasets.sources import Located

GIB = 2**30


@dataclass(frozen=True)
class Places:
    """What sources may be read, and how large they may be.

    Attributes:
        data_root: the data folder, where paths without a root lie.
        roots: further folders by name.
        uploads: files of complete uploads by id.
        max_data_set_bytes: images of one data set, decoded.
        max_archive_bytes: all files in an archive, unpacked.
        scratch_folder: where a compressed tar is unpacked; the system's by default.
    """

    data_root: Path
    roots: Mapping[str, Path] = field(default_factory=dict)
    uploads: Mapping[str, Path] = field(default_factory=dict)
    max_data_set_bytes: int = 8 * GIB
    max_archive_bytes: int = 64 * GIB
    scratch_folder: Path | None = None

    def resolve(self, source: Located, *, folders: bool) -> Path:
        """Returns the real path of what a source names.

        Args:
            source: names a path or an upload.
            folders: whether it may be a folder.

        Raises:
            InvalidDataSetError: there is no such root or upload, the path leaves its root (by
                `..`, as an absolute path or by a symbolic link), or nothing usable is there.
        """
        if source.upload is not None:
            if source.upload not in self.uploads:
                raise InvalidDataSetError("upload", "must name a complete upload", source.upload)
            return self.uploads[source.upload]
        assert source.path is not None
        root, name = self._root(source.root)
        return resolve_inside(root, source.path, name, folders=folders)

    def _root(self, name: str | None) -> tuple[Path, str]:
        if name is None:
            return self.data_root, "the data folder"
        if name not in self.roots:
            known = sorted(self.roots)
            rule = f"must be one of {known}" if known else "must not be given: none is configured"
            raise InvalidDataSetError("root", rule, name)
        return self.roots[name], f"the data root {name}"

    def check_size(self, num_images: int, shape: tuple[int, int, int], field: str) -> None:
        """Returns if so many images of (channels, height, width) may be decoded.

        Raises:
            InvalidDataSetError: they are too large; names `field`.
        """
        channels, height, width = shape
        size = num_images * channels * height * width
        if size > self.max_data_set_bytes:
            rule = f"must hold at most {self.max_data_set_bytes} bytes of decoded images"
            raise InvalidDataSetError(field, rule, size)


def resolve_inside(
    root: Path, path: str, name: str = "the data folder", *, folders: bool = False
) -> Path:
    """Returns the real path of a file in a folder.

    Args:
        root: the folder.
        path: relative to it.
        name: how messages call the folder.
        folders: whether the path may be a folder's.

    Raises:
        InvalidDataSetError: the path leaves the folder (by `..`, as an absolute path or by a
            symbolic link), or no file is there.
    """
    wanted = f"must name a file{' or folder' if folders else ''} in {name}"
    try:
        resolved = (root / path).resolve()
        found = resolved.is_file() or (folders and resolved.is_dir())
    except (OSError, RuntimeError, ValueError):  # too long, links in a circle, no text
        raise InvalidDataSetError("path", wanted, path) from None
    if not resolved.is_relative_to(root.resolve()):
        rule = f"must lie inside {name}"
        if Path(os.path.normpath(root / path)).is_relative_to(root):
            rule += ", and so must what symbolic links lead to"
        raise InvalidDataSetError("path", rule, path)
    if not found:
        raise InvalidDataSetError("path", wanted, path)
    return resolved
