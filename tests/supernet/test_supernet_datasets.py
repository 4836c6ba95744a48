import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pydantic import TypeAdapter, ValidationError

from supernet.datasets import (
    ArraysSource,
    DataSet,
    DataSetSource,
    DigitsSource,
    InvalidDataSetError,
    load_source,
    read_data_set,
    stratified_split,
    write_data_set,
)


def arrays(count: int = 40, seed: int = 0, **shape: int) -> tuple[npt.NDArray[Any], ...]:
    rng = np.random.default_rng(seed)
    size = (count, shape.get("height", 6), shape.get("width", 5))
    images = rng.integers(0, 256, size, dtype=np.uint8)
    return images, np.arange(count) % 4


def stored(folder: Path, **content: Any) -> Path:
    np.savez(folder / "data.npz", **content)
    return folder


def load(folder: Path, **fields: Any) -> DataSet:
    return load_source(ArraysSource(path="data.npz", **fields), folder)


def test_digits_are_split_as_stated_and_stratified() -> None:
    data_set = load_source(DigitsSource(), Path())
    splits = (data_set.train, data_set.validation, data_set.test)
    assert [len(split) for split in splits] == [1000, 397, 400]
    assert data_set.image_shape == (1, 8, 8)
    assert data_set.num_classes == 10
    whole = np.bincount(np.concatenate([split.labels for split in splits]))
    for split in splits:
        expected = whole * len(split) / 1797
        assert np.abs(np.bincount(split.labels) - expected).max() < 1.5
    assert data_set.train.images.max() == 255


def test_the_split_depends_on_its_seed_alone() -> None:
    first, again = (load_source(DigitsSource(split_seed=3), Path()) for _ in range(2))
    other = load_source(DigitsSource(split_seed=4), Path())
    assert np.array_equal(first.train.images, again.train.images)
    assert not np.array_equal(first.train.images, other.train.images)


@given(
    labels=hnp.arrays(np.int64, st.integers(4, 200), elements=st.integers(0, 3)),
    shares=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    seed=st.integers(0, 2**32),
)
def test_splits_are_disjoint_complete_and_stratified(
    labels: npt.NDArray[np.int64], shares: tuple[float, float], seed: int
) -> None:
    low, high = sorted(round(share * len(labels)) for share in shares)
    sizes = [low, high - low, len(labels) - high]
    parts = stratified_split(labels, sizes, seed)
    assert [len(part) for part in parts] == sizes
    assert sorted(np.concatenate(parts)) == list(range(len(labels)))
    num_classes = len(np.unique(labels))
    for part in parts:
        for label in np.unique(labels):
            members = (labels == label).sum()
            share = members * len(part) / len(labels)
            # A stretch of the unit interval with every class evenly spread over it.
            assert abs((labels[part] == label).sum() - share) <= num_classes + 1


def test_mean_and_deviation_are_those_of_the_training_images() -> None:
    data_set = load_source(DigitsSource(), Path())
    pixels = data_set.train.images / 255
    assert data_set.mean == pytest.approx((pixels.mean(),))
    assert data_set.std == pytest.approx((pixels.std(),))


def test_arrays_are_split_when_they_come_as_one(tmp_path: Path) -> None:
    images, labels = arrays()
    data_set = load(stored(tmp_path, images=images, labels=labels), test_fraction=0.1)
    assert [len(s) for s in (data_set.train, data_set.validation, data_set.test)] == [28, 8, 4]
    assert data_set.image_shape == (1, 6, 5)


def test_arrays_may_come_split_with_or_without_validation(tmp_path: Path) -> None:
    train, labels = arrays(40)
    test, test_labels = arrays(8, seed=1)
    given_arrays = {"train_images": train, "train_labels": labels}
    given_arrays |= {"test_images": test, "test_labels": test_labels}
    divided = load(stored(tmp_path, **given_arrays))
    assert [len(s) for s in (divided.train, divided.validation, divided.test)] == [32, 8, 8]
    given_arrays |= {"validation_images": test, "validation_labels": test_labels}
    whole = load(stored(tmp_path, **given_arrays))
    assert np.array_equal(whole.train.images[:, 0], train)
    assert np.array_equal(whole.test.labels, test_labels)


def test_channels_move_to_the_front(tmp_path: Path) -> None:
    images, labels = arrays()
    coloured = np.stack([images, images // 2, images // 3], axis=-1)
    data_set = load(stored(tmp_path, images=coloured, labels=labels))
    assert data_set.image_shape == (3, 6, 5)
    assert np.array_equal(data_set.train.images[:, 1], data_set.train.images[:, 0] // 2)
    assert len(data_set.mean) == 3


IMAGES, LABELS = arrays()


@pytest.mark.parametrize(
    ("content", "field", "message"),
    [
        ({"images": IMAGES / 255, "labels": LABELS}, "images", "must be uint8, got 'float64'"),
        ({"images": IMAGES[0], "labels": LABELS}, "images", r"must have shape .* got \(6, 5\)"),
        ({"images": IMAGES[:0], "labels": LABELS}, "images", "must have shape"),
        ({"images": IMAGES, "labels": LABELS[:-1]}, "labels", r"\(40,\), got \(39,\)"),
        ({"images": IMAGES, "labels": LABELS / 2}, "labels", "must be integers"),
        ({"images": IMAGES, "labels": LABELS - 1}, "labels", "must be at least 0, got -1"),
        ({"images": IMAGES, "labels": LABELS * 2}, "train_labels", "every class from 0 to 6"),
        ({"images": IMAGES, "labels": LABELS * 10**12}, "train_labels", "none of class 1"),
        ({"images": IMAGES, "labels": LABELS * 0}, "train_labels", "at least 2 classes"),
        ({"images": IMAGES * 0, "labels": LABELS}, "train_images", "constant channel 0"),
        ({"images": IMAGES}, "labels", "must accompany images"),
        ({"pictures": IMAGES}, "path", "must hold images and labels"),
        ({"pictures": IMAGES}, "path", r"got \['pictures'\]"),
        (
            {"images": IMAGES[:4], "labels": LABELS[:4]},
            "train_labels",
            "enough images of class 0 for validation and test to be cut off, got 1",
        ),
        (
            {"images": np.stack([IMAGES] * 3, 1), "labels": LABELS},
            "images",
            r"must have its channels last: .*, got \(40, 3, 6, 5\)",
        ),
    ],
)
def test_bad_arrays_name_the_field_the_rule_and_the_value(
    tmp_path: Path, content: dict[str, Any], field: str, message: str
) -> None:
    with pytest.raises(InvalidDataSetError, match=message) as caught:
        load(stored(tmp_path, **content))
    assert caught.value.field == field
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_splits_must_agree(tmp_path: Path) -> None:
    wide, labels = arrays(8, width=9)
    content = {"train_images": IMAGES, "train_labels": LABELS}
    with pytest.raises(InvalidDataSetError, match=r"test_images must have .* \(1, 6, 5\)"):
        load(stored(tmp_path, **content, test_images=wide, test_labels=labels))
    narrow, _ = arrays(8)
    with pytest.raises(InvalidDataSetError, match=r"test_labels must be below 4, .* got 5"):
        load(stored(tmp_path, **content, test_images=narrow, test_labels=labels + 2))


@pytest.mark.parametrize("path", ["../data.npz", "/etc/passwd", "link/data.npz", "missing.npz"])
def test_paths_must_be_files_in_the_data_folder(tmp_path: Path, path: str) -> None:
    stored(tmp_path, images=IMAGES, labels=LABELS)
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "link").symlink_to(tmp_path)
    with pytest.raises(InvalidDataSetError) as caught:
        load_source(ArraysSource(path=path), inside)
    assert caught.value.field == "path"
    assert caught.value.value == path


def test_files_that_are_no_plain_archives_are_refused(tmp_path: Path) -> None:
    for content in (b"", b"PK\x03\x04 broken", b"\x93NUMPY"):
        (tmp_path / "data.npz").write_bytes(content)
        with pytest.raises(InvalidDataSetError, match=r"path must name an \.npz archive"):
            load(tmp_path)
    np.save(tmp_path / "data.npz.npy", IMAGES)
    (tmp_path / "data.npz.npy").replace(tmp_path / "data.npz")
    with pytest.raises(InvalidDataSetError, match=r"path must name an \.npz archive"):
        load(tmp_path)


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    stored(tmp_path, images=np.array([{"a": 1}], dtype=object), labels=LABELS)
    with pytest.raises(InvalidDataSetError, match="allow_pickle"):
        load(tmp_path)


def test_a_damaged_archive_is_refused(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "data.npz", images=IMAGES, labels=LABELS)
    with zipfile.ZipFile(tmp_path / "data.npz") as archive:
        start = archive.getinfo("images.npy").header_offset + 100
    content = bytearray((tmp_path / "data.npz").read_bytes())
    content[start : start + 50] = bytes(50)
    (tmp_path / "data.npz").write_bytes(content)
    with pytest.raises(InvalidDataSetError, match=r"path must name an \.npz archive"):
        load(tmp_path)


def test_a_stored_data_set_comes_back_and_its_version_names_its_content(tmp_path: Path) -> None:
    data_set = load_source(DigitsSource(), Path())
    version = write_data_set(data_set, tmp_path / "a.safetensors")
    again = write_data_set(data_set, tmp_path / "b.safetensors")
    other = load_source(DigitsSource(split_seed=1), Path())
    assert version == again
    assert write_data_set(other, tmp_path / "c.safetensors") != version
    found = read_data_set(tmp_path / "a.safetensors")
    assert (found.num_classes, found.mean, found.std) == (10, data_set.mean, data_set.std)
    assert np.array_equal(found.validation.images, data_set.validation.images)
    assert np.array_equal(found.test.labels, data_set.test.labels)


def test_a_damaged_stored_data_set_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write_data_set(load_source(DigitsSource(), Path()), path)
    path.write_bytes(path.read_bytes()[:-1])
    for damaged in (path, tmp_path / "missing"):
        with pytest.raises(InvalidDataSetError, match="path must be a stored data set"):
            read_data_set(damaged)


def test_sources_are_told_apart_by_kind() -> None:
    adapter = TypeAdapter(DataSetSource)
    assert adapter.validate_python({"kind": "digits"}) == DigitsSource()
    for bad in ({"kind": "web"}, {"kind": "arrays"}, {"kind": "arrays", "path": "a\0b"}):
        with pytest.raises(ValidationError):
            adapter.validate_python(bad)
