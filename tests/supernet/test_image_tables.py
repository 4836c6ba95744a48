"""Image files in arrays, tar shards and Arrow tables."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from image_files import COLOURS, encoded, picture, write_tar
from pyarrow import parquet

from supernet.datasets import (
    AnySource,
    ArraysSource,
    DataSet,
    DataSetReport,
    HuggingFaceSource,
    InvalidDataSetError,
    Places,
    WebDatasetSource,
    examine_source,
)

NAMES = tuple(COLOURS)


def examine(root: Path, source: AnySource) -> tuple[DataSet, DataSetReport]:
    return examine_source(source, Places(root))


def sizes(data_set: DataSet) -> list[int]:
    return [len(data_set.split(name)) for name in ("train", "validation", "test")]


def assert_colours_match(data_set: DataSet, num_classes: int = 3) -> None:
    """Every image shows the colour of its label: none was mixed up."""
    colours = np.array(list(COLOURS.values()))[:num_classes]
    for name in ("train", "validation", "test"):
        split = data_set.split(name)
        middle = split.images[:, :, 4, 4].astype(int)
        assert np.abs(middle - colours[split.labels]).max() < 5


# --- image files in arrays ---------------------------------------------------------------------


def packed(contents: list[bytes], **more: Any) -> dict[str, Any]:
    offsets = np.cumsum([0, *map(len, contents)])
    return {"jpeg": np.frombuffer(b"".join(contents), np.uint8), "offsets": offsets, **more}


def thirty(height: int = 9, width: int = 13) -> tuple[list[bytes], np.ndarray[Any, Any]]:
    labels = np.arange(30) % 3
    return [picture(NAMES[label], i, height, width) for i, label in enumerate(labels)], labels


def arrays(root: Path, content: dict[str, Any], **fields: Any) -> tuple[DataSet, DataSetReport]:
    np.savez(root / "set.npz", **content)
    return examine(root, ArraysSource(path="set.npz", **fields))


def test_files_in_arrays_keep_their_size_and_mode(tmp_path: Path) -> None:
    contents, labels = thirty()
    content = packed(contents, labels=labels, classes=np.array(NAMES))
    data_set, _ = arrays(tmp_path, content)
    assert data_set.image_shape == (3, 9, 13)
    assert data_set.class_names == NAMES
    assert_colours_match(data_set)
    grey = [encoded(np.full((9, 13), 10 * i, np.uint8)) for i in range(20)]
    data_set, _ = arrays(tmp_path, packed(grey, labels=np.arange(20) % 2))
    assert data_set.image_shape == (1, 9, 13)


def test_files_in_arrays_may_be_cropped_and_converted(tmp_path: Path) -> None:
    contents, labels = thirty()
    content = packed(contents, labels=labels)
    assert arrays(tmp_path, content, image_size=6)[0].image_shape == (3, 6, 6)
    assert arrays(tmp_path, content, image_size=6, mode="grey")[0].image_shape == (1, 6, 6)


def test_the_first_images_are_train_where_it_is_said(tmp_path: Path) -> None:
    contents, labels = thirty()
    data_set, _ = arrays(tmp_path, packed(contents, labels=labels, n_train=24))
    assert sizes(data_set) == [19, 5, 6]
    assert data_set.test.labels.tolist() == [0, 1, 2, 0, 1, 2]
    plain = np.arange(30 * 4, dtype=np.uint8).reshape(30, 2, 2)
    data_set, _ = arrays(tmp_path, {"images": plain, "labels": labels, "n_train": 24})
    assert np.array_equal(data_set.test.images[:, 0], plain[24:])


def test_files_in_arrays_may_come_split(tmp_path: Path) -> None:
    contents, labels = thirty()
    content = {f"train_{name}": value for name, value in packed(contents, labels=labels).items()}
    content |= {
        f"test_{name}": value for name, value in packed(contents[:6], labels=labels[:6]).items()
    }
    data_set, _ = arrays(tmp_path, content)
    assert sizes(data_set) == [24, 6, 6]
    assert_colours_match(data_set)


def test_broken_files_in_arrays_are_named_by_their_position(tmp_path: Path) -> None:
    contents, labels = thirty()
    contents[4] = b"nothing"
    contents[7] = picture("dog", height=8)
    data_set, report = arrays(
        tmp_path, packed(contents, labels=labels, n_train=24), max_unreadable_fraction=0.1
    )
    reasons = {file.name: file.reason for file in report.unreadable}
    assert set(reasons) == {"jpeg[4]", "jpeg[7]"}
    assert reasons["jpeg[7]"] == "must have 9 x 13 pixels, got 8 x 13"
    assert sum(sizes(data_set)) == 28
    assert len(data_set.test) == 6
    assert_colours_match(data_set)


FILES, LABELS = thirty()


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"offsets": None}, "offsets", "must accompany jpeg"),
        ({"offsets": np.arange(31)[::-1]}, "offsets", "must ascend"),
        ({"offsets": np.arange(31) * 10**6}, "offsets", "must ascend from 0 or more to at most"),
        ({"offsets": np.arange(31) / 2}, "offsets", "must be integers of shape"),
        ({"offsets": np.arange(30)}, "labels", r"must have shape \(29,\), got \(30,\)"),
        ({"jpeg": np.zeros((2, 2), np.uint8)}, "jpeg", r"must be uint8 of shape \(bytes,\)"),
        ({"labels": None}, "labels", "must accompany jpeg"),
        ({"classes": np.arange(3)}, "classes", "must be a list of names"),
        ({"classes": np.array(["a", "b"])}, "classes", "must name every class: .* up to 2, got 2"),
        ({"classes": np.array(["a", *NAMES])}, "train_labels", "every class from 0 to 3"),
        ({"n_train": 30}, "n_train", "above 0 and below 30, the number of images, got 30"),
        ({"n_train": 1.5}, "n_train", "must be a whole number"),
        ({"jpeg": np.zeros(30, np.uint8), "offsets": np.arange(31)}, "jpeg", "can be read, got"),
    ],
)
def test_bad_files_in_arrays_name_field_rule_and_value(
    tmp_path: Path, changes: dict[str, Any], field: str, message: str
) -> None:
    content = packed(FILES, labels=LABELS) | changes
    with pytest.raises(InvalidDataSetError, match=message) as caught:
        arrays(tmp_path, {name: value for name, value in content.items() if value is not None})
    assert caught.value.field == field


def test_plain_arrays_are_not_resized(tmp_path: Path) -> None:
    content = {"images": np.zeros((9, 4, 4), np.uint8), "labels": np.arange(9) % 3}
    with pytest.raises(InvalidDataSetError, match="image_size must not be given with plain images"):
        arrays(tmp_path, content, image_size=8)


def test_arrays_that_unpack_to_too_much_are_refused_unread(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "set.npz", images=np.zeros((9, 400, 400), np.uint8), labels=[0])
    assert (tmp_path / "set.npz").stat().st_size < 10_000
    places = Places(tmp_path, max_data_set_bytes=1_000_000)
    with pytest.raises(InvalidDataSetError, match="at most 1000000 bytes of arrays"):
        examine_source(ArraysSource(path="set.npz"), places)


# --- tar shards --------------------------------------------------------------------------------


def shard(count: int, *, use_json: bool = False) -> dict[str, bytes]:
    files = {}
    for i in range(count):
        files[f"{i:04}.png"] = picture(NAMES[i % 3], i)
        if use_json:
            files[f"{i:04}.json"] = json.dumps({"kind": NAMES[i % 3]}).encode()
        else:
            files[f"{i:04}.cls"] = f"{i % 3}\n".encode()
    return files


def webdataset(root: Path, path: str = "set", **fields: Any) -> tuple[DataSet, DataSetReport]:
    return examine(root, WebDatasetSource(path=path, image_size=8, **fields))


def test_shards_are_sorted_into_splits_by_their_names(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    for name, count in (("train-000.tar", 15), ("train-001.tar", 15), ("val-000.tar", 6)):
        write_tar(folder / name, shard(count))
    data_set, report = webdataset(tmp_path)
    assert sizes(data_set) == [24, 6, 6]  # the test is cut from train
    assert_colours_match(data_set)
    assert report.classes[0].name is None


def test_shards_may_lie_in_folders_and_hold_names(tmp_path: Path) -> None:
    for split, count in (("train", 15), ("validation", 3), ("test", 6)):
        (tmp_path / "set" / split).mkdir(parents=True)
        write_tar(tmp_path / "set" / split / "0.tar", shard(count, use_json=True))
    data_set, _ = webdataset(tmp_path, label_field="kind")
    assert sizes(data_set) == [15, 3, 6]
    assert data_set.class_names == NAMES
    assert_colours_match(data_set)


def test_one_shard_is_a_data_set_to_be_cut(tmp_path: Path) -> None:
    write_tar(tmp_path / "test.tar", shard(30))
    data_set, _ = webdataset(tmp_path, "test.tar")
    assert sizes(data_set) == [18, 6, 6]


def test_samples_without_image_or_label_are_skipped_and_named(tmp_path: Path) -> None:
    files = shard(60)
    del files["0004.png"], files["0005.cls"]
    files["0006.cls"] = b"cat"
    files["0007.txt"] = b"ignored"
    write_tar(tmp_path / "set.tar", files)
    data_set, report = webdataset(tmp_path, "set.tar", max_unreadable_fraction=0.1)
    assert sum(sizes(data_set)) == 57
    assert {file.name: file.reason for file in report.unreadable} == {
        "set.tar/0004": "has no image",
        "set.tar/0005": "has neither cls nor json",
        "set.tar/0006": "cls must be a whole number, got 'cat'",
    }
    assert report.num_ignored == 1


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], r"must hold files named \*.tar"),
        (["train-0.tar", "more.tar"], r"of every file, or of none, got 'more.tar'"),
        (["test-0.tar", "val-0.tar"], "must hold a train split"),
    ],
)
def test_shards_of_no_clear_split_are_refused(
    tmp_path: Path, names: list[str], message: str
) -> None:
    (tmp_path / "set").mkdir()
    for name in names:
        write_tar(tmp_path / "set" / name, shard(6))
    with pytest.raises(InvalidDataSetError, match=message):
        webdataset(tmp_path)


def test_labels_of_two_kinds_are_refused(tmp_path: Path) -> None:
    files = shard(6)
    files["0001.cls"], files["0001.json"] = b"", b'{"label": "dog"}'
    del files["0001.cls"]
    write_tar(tmp_path / "set.tar", files)
    with pytest.raises(InvalidDataSetError, match="path must have labels of one kind"):
        webdataset(tmp_path, "set.tar")


# --- Arrow tables ------------------------------------------------------------------------------


def table(count: int, *, names: bool = False, struct: bool = True) -> pa.Table:
    images: list[Any] = [picture(NAMES[i % 3], i) for i in range(count)]
    if struct:
        images = [{"bytes": content, "path": None} for content in images]
    labels = [NAMES[i % 3] if names else i % 3 for i in range(count)]
    label = {"names": list(NAMES), "_type": "ClassLabel"}
    features = {"image": {"_type": "Image"}, "label": label}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()}) if struct else pa.binary()
    made = pa.table({"image": pa.array(images, kind), "label": labels, "other": range(count)})
    return made if names else made.replace_schema_metadata(metadata)


def write_arrow(path: Path, content: pa.Table) -> None:
    """As `save_to_disk` does: a stream in batches."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, content.schema) as writer:
        writer.write_table(content, max_chunksize=7)
    state = {"_data_files": [{"filename": path.name}], "_indices_files": []}
    (path.parent / "state.json").write_text(json.dumps(state))


def hugging_face(root: Path, path: str = "set", **fields: Any) -> tuple[DataSet, DataSetReport]:
    return examine(root, HuggingFaceSource(path=path, image_size=8, **fields))


def test_a_saved_dictionary_of_data_sets_is_read_with_its_class_names(tmp_path: Path) -> None:
    write_arrow(tmp_path / "set" / "train" / "data-00000-of-00002.arrow", table(20))
    write_arrow(tmp_path / "set" / "train" / "data-00001-of-00002.arrow", table(10))
    write_arrow(tmp_path / "set" / "test" / "data-00000-of-00001.arrow", table(6))
    data_set, report = hugging_face(tmp_path)
    assert sizes(data_set) == [24, 6, 6]
    assert data_set.class_names == NAMES
    assert_colours_match(data_set)
    assert report.num_unreadable == 0


@pytest.mark.parametrize("struct", [False, True])
def test_parquet_files_of_the_hub_are_read(tmp_path: Path, struct: bool) -> None:
    (tmp_path / "set" / "data").mkdir(parents=True)
    for name, count in (("train-00000-of-00001", 30), ("validation-00000-of-00001", 3)):
        path = tmp_path / "set" / "data" / f"{name}.parquet"
        parquet.write_table(table(count, names=True, struct=struct), path, row_group_size=8)
    data_set, _ = hugging_face(tmp_path)
    assert sizes(data_set) == [24, 3, 6]
    assert data_set.class_names == NAMES
    assert_colours_match(data_set)


def test_one_table_is_known_by_its_content(tmp_path: Path) -> None:
    parquet.write_table(table(30), tmp_path / "first")  # as an upload, whose name says nothing
    write_arrow(tmp_path / "second", table(30))
    found = [hugging_face(tmp_path, name)[0] for name in ("first", "second")]
    assert sizes(found[0]) == sizes(found[1]) == [18, 6, 6]
    assert np.array_equal(found[0].train.images, found[1].train.images)


def test_images_that_are_stored_as_paths_are_never_opened(tmp_path: Path) -> None:
    content = table(60).to_pylist()
    content[5]["image"] = {"bytes": None, "path": "/etc/passwd"}
    made = pa.Table.from_pylist(content, table(1).schema)
    parquet.write_table(made, tmp_path / "set.parquet")
    _, report = hugging_face(tmp_path, "set.parquet", max_unreadable_fraction=0.1)
    ((name, reason),) = [(file.name, file.reason) for file in report.unreadable]
    assert (name, reason.split(":")[0]) == ("set.parquet[5]", "has no bytes")


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        ({"image_column": "img"}, "image_column", r"must be one of \[.*'image'.*got 'img'"),
        ({"label_column": "y"}, "label_column", "must be one of"),
        ({"image_column": "other"}, "image_column", "must hold image files' bytes"),
        ({"label_column": "image"}, "label_column", "must hold whole numbers or names"),
    ],
)
def test_wrong_columns_are_named(
    tmp_path: Path, fields: dict[str, Any], field: str, message: str
) -> None:
    for name in ("set.parquet", "set.arrow"):
        if name.endswith("parquet"):
            parquet.write_table(table(9), tmp_path / name)
        else:
            write_arrow(tmp_path / name, table(9))
        with pytest.raises(InvalidDataSetError, match=message) as caught:
            hugging_face(tmp_path, name, **fields)
        assert caught.value.field == field


def test_damaged_tables_and_tables_with_indices_are_refused(tmp_path: Path) -> None:
    for name in ("a.parquet", "a.arrow"):
        (tmp_path / name).write_bytes(b"ARROW1 or not")
        with pytest.raises(InvalidDataSetError, match="path must be a parquet or arrow file"):
            hugging_face(tmp_path, name)
    write_arrow(tmp_path / "set" / "data.arrow", table(9))
    (tmp_path / "set" / "state.json").write_text('{"_indices_files": [{"filename": "i.arrow"}]}')
    with pytest.raises(InvalidDataSetError, match=r"flatten_indices\(\)"):
        hugging_face(tmp_path)


def test_without_the_extra_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet.write_table(table(9), tmp_path / "set.parquet")
    for module in [name for name in sys.modules if name.split(".")[0] == "pyarrow"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InvalidDataSetError, match=r"pip install 'espalier\[hugging-face\]'") as e:
        hugging_face(tmp_path, "set.parquet")
    assert e.value.field == "kind"
