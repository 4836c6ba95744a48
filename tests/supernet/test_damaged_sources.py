"""Whatever has happened to a file: it is a data set, or it is refused by field, rule and value."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from image_files import COLOURS, folder_files, picture, write_tar, write_zip
from pyarrow import parquet

from supernet.datasets import (
    AnySource,
    ArraysSource,
    HuggingFaceSource,
    ImageFolderSource,
    InvalidDataSetError,
    Places,
    WebDatasetSource,
    examine_source,
)

NAMES = tuple(COLOURS)
LENIENT = {"path": "file", "max_unreadable_fraction": 1.0}
IMAGES = {**LENIENT, "image_size": 8}


def npz(path: Path) -> None:
    contents = [picture(NAMES[i % 3], i) for i in range(12)]
    stream = io.BytesIO()  # numpy would add a suffix to a path
    np.savez_compressed(
        stream,
        jpeg=np.frombuffer(b"".join(contents), np.uint8),
        offsets=np.cumsum([0, *map(len, contents)]),
        labels=np.arange(12) % 3,
    )
    path.write_bytes(stream.getvalue())


def shard(path: Path) -> None:
    files = {}
    for i in range(12):
        files |= {f"{i}.png": picture(NAMES[i % 3], i), f"{i}.cls": str(i % 3).encode()}
    write_tar(path, files)


def table() -> pa.Table:
    images = [{"bytes": picture(NAMES[i % 3], i), "path": None} for i in range(12)]
    return pa.table({"image": images, "label": [i % 3 for i in range(12)]})


def arrow(path: Path) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table().schema) as writer:
        writer.write_table(table())


SOURCES: dict[str, tuple[AnySource, Callable[[Path], None]]] = {
    "npz": (ArraysSource(**LENIENT), npz),
    "zip": (ImageFolderSource(**IMAGES), lambda path: write_zip(path, folder_files({"": 4}))),
    "tar": (ImageFolderSource(**IMAGES), lambda path: write_tar(path, folder_files({"": 4}))),
    "gz": (
        ImageFolderSource(**IMAGES),
        lambda path: write_tar(path, folder_files({"": 4}), "w:gz"),
    ),
    "shard": (WebDatasetSource(**IMAGES), shard),
    "arrow": (HuggingFaceSource(**IMAGES), arrow),
    "parquet": (
        HuggingFaceSource(**IMAGES),
        lambda path: parquet.write_table(table(), path),
    ),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole")
    for name, (_, write) in SOURCES.items():
        write(folder / name)
    return {name: (folder / name).read_bytes() for name in SOURCES}


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("name", SOURCES)
def test_a_damaged_file_is_read_or_refused(
    tmp_path: Path, whole: dict[str, bytes], name: str, seed: int
) -> None:
    source, _ = SOURCES[name]
    rng = np.random.default_rng(seed)
    content = np.frombuffer(whole[name], np.uint8).copy()
    positions = rng.integers(len(content), size=rng.integers(1, 5))
    content[positions] = rng.integers(256, size=len(positions))
    if rng.random() < 0.5:
        content = content[: rng.integers(len(content))]
    (tmp_path / "file").write_bytes(content.tobytes())
    try:
        data_set, _ = examine_source(source, Places(tmp_path, max_data_set_bytes=2**24))
    except InvalidDataSetError:
        return
    assert data_set.num_classes >= 2


@pytest.mark.parametrize("name", ["npz", "zip"])
def test_an_archive_of_a_version_that_python_does_not_know_is_refused(
    tmp_path: Path, whole: dict[str, bytes], name: str
) -> None:
    content = bytearray(whole[name])
    content[content.index(b"PK\x01\x02") + 6] = 196
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(InvalidDataSetError, match="zip file version"):
        examine_source(SOURCES[name][0], Places(tmp_path, max_data_set_bytes=2**24))
