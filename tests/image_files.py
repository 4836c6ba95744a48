"""Image files to test with: flat colours, so that what was read can be told."""

import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

COLOURS = {"cat": (250, 10, 20), "dog": (30, 240, 10), "emu": (20, 30, 230)}


def encoded(pixels: npt.NDArray[Any], image_format: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, image_format, **options)
    return stream.getvalue()


def picture(class_name: str, number: int = 0, height: int = 9, width: int = 13) -> bytes:
    """A PNG file of the class's colour, a little different for each number."""
    colour = np.array(COLOURS[class_name], dtype=np.uint8) + np.uint8(number % 5)
    return encoded(np.broadcast_to(colour, (height, width, 3)).copy())


def folder_files(
    counts: Mapping[str, int], prefix: str = "", names: tuple[str, ...] = ("cat", "dog", "emu")
) -> dict[str, bytes]:
    """Files by path: `counts` pictures of each class in each split ("" for no split folders)."""
    return {
        f"{prefix}{split + '/' if split else ''}{name}/{number:03}.png": picture(name, number)
        for split, count in counts.items()
        for name in names
        for number in range(count)
    }


def write_folder(root: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def write_zip(path: Path, files: Mapping[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)


def write_tar(path: Path, files: Mapping[str, bytes], mode: Any = "w") -> None:
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
