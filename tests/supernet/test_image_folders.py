"""Folders and archives of images: what is read, what is skipped, what is refused."""

import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from image_files import COLOURS, encoded, folder_files, picture, write_folder, write_tar, write_zip
from PIL import Image

from supernet.datasets import (
    DataSet,
    DataSetReport,
    ImageFolderSource,
    InvalidDataSetError,
    Places,
    examine_source,
    read_data_set,
    write_data_set,
)
from supernet.datasets.decoding import BLOCK, Fit, ImageFile, decode


def examine(root: Path, path: str = "set", **fields: Any) -> tuple[DataSet, DataSetReport]:
    places = {name: fields.pop(name) for name in list(fields) if name.startswith("max_archive")}
    fields = {"path": path, "image_size": 8, **fields}
    return examine_source(ImageFolderSource(**fields), Places(root, **places))


def test_classes_are_folders_and_their_names_are_kept(tmp_path: Path) -> None:
    write_folder(tmp_path / "set", folder_files({"": 10}))
    data_set, report = examine(tmp_path)
    assert data_set.class_names == ("cat", "dog", "emu")
    assert data_set.image_shape == (3, 8, 8)
    assert [len(data_set.split(name)) for name in ("train", "validation", "test")] == [18, 6, 6]
    for split in (data_set.train, data_set.test):
        expected = np.array(list(COLOURS.values()))[split.labels]
        assert np.abs(split.images[:, :, 4, 4].astype(int) - expected).max() < 5
    assert report.num_images == 30
    assert report.classes[1].name == "dog"
    assert sum(report.classes[1].counts.values()) == 10
    assert report.imbalance == 1
    assert report.pixel_range == (10, 254)


def test_splits_may_be_folders_and_a_missing_validation_is_cut_from_train(tmp_path: Path) -> None:
    write_folder(tmp_path / "set", folder_files({"train": 10, "test": 2}))
    data_set, report = examine(tmp_path, validation_fraction=0.3)
    assert [len(data_set.split(name)) for name in ("train", "validation", "test")] == [21, 9, 6]
    assert [entry.counts["validation"] for entry in report.classes] == [3, 3, 3]  # stratified
    write_folder(tmp_path / "set", folder_files({"val": 1}))
    data_set, _ = examine(tmp_path)
    assert [len(data_set.split(name)) for name in ("train", "validation", "test")] == [30, 3, 6]


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "tar.xz"])
@pytest.mark.parametrize("prefix", ["", "animals/v1/"])
def test_an_archive_is_the_same_data_set_as_its_folder(
    tmp_path: Path, kind: str, prefix: str
) -> None:
    files = folder_files({"train": 6, "test": 2})
    write_folder(tmp_path / "set", files)
    packed = {prefix + name: content for name, content in reversed(files.items())}
    packed["__MACOSX/train/cat/._001.png"] = b"no image"
    packed["README.txt"] = b"beside everything else"
    archive = tmp_path / f"set.{kind}"
    if kind == "zip":
        write_zip(archive, packed)
    else:
        write_tar(archive, packed, "w:" + kind.removeprefix("tar").removeprefix("."))
    versions = []
    for path in ("set", archive.name):
        data_set, report = examine(tmp_path, path)
        assert report.num_unreadable == 0
        assert report.num_ignored == (path != "set")
        versions.append(write_data_set(data_set, tmp_path / "stored"))
    assert versions[0] == versions[1]
    assert read_data_set(tmp_path / "stored").class_names == ("cat", "dog", "emu")


def test_images_are_resized_to_cover_and_cropped_in_the_middle(tmp_path: Path) -> None:
    stripes = np.zeros((20, 60, 3), dtype=np.uint8)
    stripes[:, :20], stripes[:, 20:40], stripes[:, 40:] = 50, 100, 200
    write_folder(tmp_path / "set", folder_files({"": 5}, names=("cat", "dog")))
    write_folder(tmp_path / "set", {"wide/1.png": encoded(stripes)})
    write_folder(tmp_path / "set", {f"wide/{n}.png": encoded(stripes) for n in range(2, 6)})
    data_set, _ = examine(tmp_path, image_size=10)
    wide = data_set.train.images[data_set.train.labels == 2][0]
    assert np.unique(wide[:, :, 1:-1]).tolist() == [100]
    assert np.abs(wide.astype(int) - 100).max() < 20  # the filter reaches beyond the edge


def test_large_jpeg_files_shrink_to_nearly_what_they_show(tmp_path: Path) -> None:
    ramp = np.linspace(0, 255, 400, dtype=np.uint8)
    photo = encoded(np.broadcast_to(ramp[:, None, None], (400, 400, 3)).copy(), "JPEG", quality=95)
    write_folder(tmp_path / "set", folder_files({"": 5}, names=("cat", "dog")))
    write_folder(tmp_path / "set", {f"ramp/{n}.JPG": photo for n in range(5)})
    data_set, _ = examine(tmp_path, image_size=16)
    image = data_set.train.images[data_set.train.labels == 2][0, 0]
    expected = ramp.reshape(16, 25).mean(1)
    assert np.abs(image.mean(1) - expected).max() < 6


def test_grey_palette_transparent_16_bit_and_turned_images_are_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (8, 8), dtype=np.uint8)
    palette = Image.fromarray(noise).convert("P")
    palette.save(tmp_path / "palette.png", transparency=bytes(range(256)))
    upright = np.zeros((8, 8, 3), dtype=np.uint8)
    upright[:4] = 200
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    files = {
        "a/grey.png": encoded(noise),
        "a/deep.png": encoded(noise.astype(np.uint16) * 257),
        "a/palette.png": (tmp_path / "palette.png").read_bytes(),
        "a/alpha.png": encoded(np.dstack([noise] * 4)),
        "b/turned.png": encoded(upright, exif=exif),
    }
    write_folder(tmp_path / "set", files)
    write_folder(tmp_path / "set", {f"b/{n}.png": encoded(noise) for n in range(3)})
    data_set, report = examine(tmp_path, mode="grey", validation_fraction=0.2, test_fraction=0.2)
    assert report.num_unreadable == 0
    images = np.concatenate([data_set.split(n).images for n in ("train", "validation", "test")])
    assert images.shape == (8, 1, 8, 8)
    turned = np.zeros((8, 8), dtype=np.uint8)
    turned[:, 4:] = 200
    matches = [int((image[0] == noise).all()) for image in images]
    assert sum(matches) == 7
    assert any((image[0] == turned).all() for image in images)


def test_unreadable_files_are_skipped_and_named_if_they_are_few(tmp_path: Path) -> None:
    files = folder_files({"": 20})
    files["cat/005.png"] = b"no image at all"
    files["dog/007.png"] = files["dog/007.png"][:-30]
    files["emu/notes.txt"] = b"ignored"
    files["readme.png"] = picture("cat")
    write_folder(tmp_path / "set", files)
    (tmp_path / "set" / "emu" / "link.png").symlink_to(tmp_path / "set" / "cat" / "001.png")
    data_set, report = examine(tmp_path, max_unreadable_fraction=0.1)
    assert report.num_images == 58
    assert sum(len(data_set.split(name)) for name in ("train", "validation", "test")) == 58
    assert report.num_unreadable == 4
    assert report.num_ignored == 1
    reasons = {file.name: file.reason for file in report.unreadable}
    assert reasons["cat/005.png"].startswith("must be one of BMP, GIF, JPEG")
    assert "truncated" in reasons["dog/007.png"]
    assert reasons["emu/link.png"] == "is a link, or no regular file"
    assert reasons["readme.png"] == "lies in no class folder"
    with pytest.raises(InvalidDataSetError, match=r"at most 5 % of files .* got '4 of 62, .*link"):
        examine(tmp_path, max_unreadable_fraction=0.05)


def test_a_file_that_is_too_large_for_an_image_is_never_read(tmp_path: Path) -> None:
    write_folder(tmp_path / "set", folder_files({"": 20}))
    with (tmp_path / "set" / "cat" / "huge.png").open("wb") as file:
        file.truncate(2**40)
    _, report = examine(tmp_path, max_unreadable_fraction=0.1)
    assert [file.name for file in report.unreadable] == ["cat/huge.png"]
    assert report.unreadable[0].reason == "has more than 268435456 bytes"


def test_an_image_that_unpacks_to_too_many_pixels_is_unreadable(tmp_path: Path) -> None:
    files = folder_files({"": 20})
    bomb = Image.new("1", (12_000, 12_000))
    bomb.save(tmp_path / "bomb.png")
    files["cat/bomb.png"] = (tmp_path / "bomb.png").read_bytes()
    write_folder(tmp_path / "set", files)
    _, report = examine(tmp_path, max_unreadable_fraction=0.1)
    assert [file.name for file in report.unreadable] == ["cat/bomb.png"]
    assert "at most 67108864 pixels" in report.unreadable[0].reason


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"cat/a.png": picture("cat")}, "at least 2 class folders"),
        ({}, "at least 2 class folders"),
        (
            {**folder_files({"train": 2}), "test/yak/1.png": picture("cat")},
            "must hold no class in test that train does not have, got 'yak'",
        ),
        (
            {**folder_files({"train": 2}), "others/cat/1.png": picture("cat")},
            "no folders but train, validation and test, .* got 'others'",
        ),
        (folder_files({"train": 1}), "validation_images must hold at least one image"),
        ({f"{name}/{n}.png": b"" for name in "ab" for n in range(9)}, "got '18 of 18"),
    ],
)
def test_other_layouts_are_refused(tmp_path: Path, files: dict[str, bytes], message: str) -> None:
    (tmp_path / "set").mkdir()
    write_folder(tmp_path / "set", files)
    with pytest.raises(InvalidDataSetError, match=message):
        examine(tmp_path, validation_fraction=0.1, test_fraction=0.1)


@pytest.mark.parametrize("is_zip", [False, True])
def test_an_empty_class_folder_is_refused(tmp_path: Path, is_zip: bool) -> None:
    write_folder(tmp_path / "set", folder_files({"train": 2}))
    (tmp_path / "set" / "train" / "yak").mkdir()
    if is_zip:
        write_zip(tmp_path / "set.zip", {"train/yak/": b"", **folder_files({"train": 2})})
    with pytest.raises(InvalidDataSetError, match=r"in every class folder, got 'train/yak'"):
        examine(tmp_path, "set.zip" if is_zip else "set")


def test_archives_whose_names_lead_out_are_refused(tmp_path: Path) -> None:
    for number, name in enumerate(("../cat/1.png", "/etc/cat/1.png", "cat/../../1.png")):
        files = {**folder_files({"": 3}), name: picture("cat")}
        for write, kind in ((write_zip, "zip"), (write_tar, "tar")):
            write(tmp_path / f"{number}.{kind}", files)
            with pytest.raises(InvalidDataSetError, match="relative paths that do not leave") as e:
                examine(tmp_path, f"{number}.{kind}")
            assert e.value.value == name


def test_links_in_archives_are_not_followed(tmp_path: Path) -> None:
    write_tar(tmp_path / "set.tar", folder_files({"": 9}))
    with tarfile.open(tmp_path / "set.tar", "a") as archive:
        for kind, name in ((tarfile.SYMTYPE, "cat/soft.png"), (tarfile.LNKTYPE, "cat/hard.png")):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, "/etc/passwd"
            archive.addfile(link)
    _, report = examine(tmp_path, "set.tar", max_unreadable_fraction=0.1)
    assert {file.name for file in report.unreadable} == {"cat/soft.png", "cat/hard.png"}
    write_zip(tmp_path / "set.zip", folder_files({"": 9}))
    with zipfile.ZipFile(tmp_path / "set.zip", "a") as zipped:
        info = zipfile.ZipInfo("cat/soft.png")
        info.external_attr = 0o120777 << 16
        zipped.writestr(info, "/etc/passwd")
    _, report = examine(tmp_path, "set.zip", max_unreadable_fraction=0.1)
    assert [file.name for file in report.unreadable] == ["cat/soft.png"]


def test_archives_that_unpack_to_too_much_are_refused(tmp_path: Path) -> None:
    files = {**folder_files({"": 3}), "cat/zeros.png": bytes(5_000_000)}
    write_zip(tmp_path / "set.zip", files)
    write_tar(tmp_path / "set.tar.gz", files, "w:gz")
    write_tar(tmp_path / "set.tar", files)
    for name in ("set.zip", "set.tar.gz", "set.tar"):
        with pytest.raises(InvalidDataSetError, match="must unpack to at most 4000000 bytes"):
            examine(tmp_path, name, max_archive_bytes=4_000_000)


@pytest.mark.parametrize(
    "content", [b"", b"PK\x03\x04 nothing", b"\x1f\x8b broken", b"text", b"\xfd7zXZ\x00" + b"x" * 9]
)
def test_what_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "set").write_bytes(content)
    with pytest.raises(InvalidDataSetError, match="must name a folder or a zip or tar archive"):
        examine(tmp_path)


def test_an_archive_that_is_cut_short_is_refused_wherever_it_was_cut(tmp_path: Path) -> None:
    write_tar(tmp_path / "set.tar", folder_files({"": 5}))
    content = (tmp_path / "set.tar").read_bytes()
    for size in range(0, 15 * 1024 + 1, 512):  # between members, in headers and in images
        (tmp_path / "set.tar").write_bytes(content[:size])
        with pytest.raises(InvalidDataSetError, match="path must name a folder or a zip or tar"):
            examine(tmp_path, "set.tar")


def test_a_data_set_that_decodes_to_too_much_is_refused_before_it_is_read(tmp_path: Path) -> None:
    write_folder(tmp_path / "set", folder_files({"": 3}))
    places = Places(tmp_path, max_data_set_bytes=1000)
    with pytest.raises(InvalidDataSetError, match="at most 1000 bytes of decoded images, got 1728"):
        examine_source(ImageFolderSource(path="set", image_size=8), places)


def test_a_path_leads_from_its_named_root_and_never_out_of_it(tmp_path: Path) -> None:
    write_folder(tmp_path / "fast" / "set", folder_files({"": 5}))
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "link").symlink_to(tmp_path / "fast" / "set")
    places = Places(tmp_path / "home", {"fast": tmp_path / "fast"})

    def examine_at(**fields: Any) -> DataSetReport:
        return examine_source(ImageFolderSource(image_size=8, **fields), places)[1]

    assert examine_at(path="set", root="fast").num_images == 15
    for fields, field, message in (
        ({"path": "set"}, "path", "must name a file or folder in the data folder"),
        ({"path": "link"}, "path", "must lie inside the data folder"),
        ({"path": "../home", "root": "fast"}, "path", "must lie inside the data root fast"),
        ({"path": "set", "root": "slow"}, "root", "must be one of"),
        ({"upload": "upl_0"}, "upload", "must name a complete upload"),
    ):
        with pytest.raises(InvalidDataSetError, match=message) as caught:
            examine_at(**fields)
        assert caught.value.field == field


def test_an_upload_is_read_where_it_lies(tmp_path: Path) -> None:
    write_zip(tmp_path / "upload", folder_files({"": 5}))
    places = Places(tmp_path / "none", uploads={"upl_0": tmp_path / "upload"})
    source = ImageFolderSource(upload="upl_0", image_size=8)
    assert examine_source(source, places)[1].num_images == 15


def test_what_progress_raises_ends_the_work_soon() -> None:
    num_read = 0

    def read() -> bytes:
        nonlocal num_read
        num_read += 1
        return picture("cat")

    def stop(done: int, _total: int) -> None:
        raise InterruptedError(done)

    files = [ImageFile(str(number), read) for number in range(100 * BLOCK)]
    with pytest.raises(InterruptedError):
        decode(files, Fit("rgb", (8, 8), crops=True), stop)
    assert num_read < len(files) / 2


def test_progress_is_told_up_to_the_end(tmp_path: Path) -> None:
    write_folder(tmp_path / "set", folder_files({"": 50}))
    told: list[tuple[int, int]] = []
    source = ImageFolderSource(path="set", image_size=8)
    examine_source(source, Places(tmp_path), lambda done, total: told.append((done, total)))
    assert told == [(64, 150), (128, 150), (150, 150)]
