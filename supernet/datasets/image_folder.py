"""One folder of images per class."""

from collections.abc import Iterable
from pathlib import PurePosixPath

import numpy as np

from supernet.datasets.content import InvalidDataSetError
from supernet.datasets.decoding import SUFFIXES, Fit, ImageFile, OnProgress, Unreadable
from supernet.datasets.listing import (
    LabelledFiles,
    Listing,
    Loaded,
    load_listing,
    split_named,
)
from supernet.datasets.places import Places
from supernet.datasets.sources import ImageFolderSource
from supernet.datasets.trees import Tree, open_tree

NO_CLASS = "lies in no class folder"


def load_image_folder(source: ImageFolderSource, places: Places, on_progress: OnProgress) -> Loaded:
    """Returns the data set of a folder or archive.

    Raises:
        InvalidDataSetError: see `Places.resolve`, `open_tree`, `list_image_folder` and
            `load_listing`.
    """
    path = places.resolve(source, folders=True)
    fit = Fit(source.mode, (source.image_size, source.image_size), crops=True)
    limit = places.max_archive_bytes
    with open_tree(path, source.place_field, limit, places.scratch_folder) as tree:
        listing = list_image_folder(tree, source.place_field)
        return load_listing(listing, fit, source, places, on_progress)


def list_image_folder(tree: Tree, field: str) -> Listing:
    """Returns the images of a tree by split and class.

    A single folder that holds everything else does not count. Classes are those of the training
    images, in alphabetical order; folders below a class folder belong to the class.

    Args:
        tree: of folders.
        field: what errors name.

    Raises:
        InvalidDataSetError: a class folder is empty, a split has a class that train has not, or
            there is no train split.
    """
    depth = _depth_of_wrapper(tree)
    folders = sorted(PurePosixPath(*f.parts[depth:]) for f in tree.folders if len(f.parts) > depth)
    top = {folder.parts[0] for folder in folders}
    is_split = any(split_named(name) == "train" for name in top)
    if is_split and (others := sorted(name for name in top if split_named(name) is None)):
        rule = "must hold no folders but train, validation and test, where it has a train folder"
        raise InvalidDataSetError(field, rule, others[0])
    found: dict[tuple[str, str], list[ImageFile]] = {
        key: [] for key in _class_folders(folders, is_split=is_split)
    }
    stray = []
    num_ignored = 0
    # Sorted, so that the order in which an archive was packed does not change the split.
    for path, read in sorted(tree.files.items(), key=lambda item: item[0]):
        parts = path.parts[depth:]
        if path.suffix.lower() not in SUFFIXES:
            num_ignored += 1
        elif len(parts) < (3 if is_split else 2):
            stray.append(Unreadable(str(path), NO_CLASS))
        else:
            split = split_named(parts[0]) or "train" if is_split else "train"
            class_name = parts[1] if is_split else parts[0]
            found[split, class_name].append(ImageFile(str(path), read))
    class_names = _check_classes(found, field)
    splits = {name for name, _ in found}
    return Listing(
        {split: _of_split(found, split, class_names) for split in splits},
        class_names,
        (*tree.refused, *stray),
        num_ignored,
    )


def _depth_of_wrapper(tree: Tree) -> int:
    """Returns how many folders hold nothing but one folder: archives often have one."""
    images = [path for path in tree.files if path.suffix.lower() in SUFFIXES]
    paths = [*images, *(folder for folder in tree.folders if folder.parts)]
    depth = 0
    while True:
        names = {path.parts[depth] if len(path.parts) > depth else "" for path in paths}
        names.discard("")  # the wrappers themselves
        if len(names) != 1 or split_named(next(iter(names))) is not None:
            return depth
        if any(len(path.parts) == depth + 1 for path in images):
            return depth
        depth += 1


def _class_folders(folders: Iterable[PurePosixPath], *, is_split: bool) -> list[tuple[str, str]]:
    """Returns the (split, class) of every class folder."""
    if not is_split:
        return [("train", folder.parts[0]) for folder in folders if len(folder.parts) == 1]
    return [
        (split_named(folder.parts[0]) or "", folder.parts[1])
        for folder in folders
        if len(folder.parts) == 2
    ]


def _check_classes(found: dict[tuple[str, str], list[ImageFile]], field: str) -> tuple[str, ...]:
    class_names = sorted(name for split, name in found if split == "train")
    if len(class_names) < 2:
        rule = "must hold at least 2 class folders"
        raise InvalidDataSetError(field, rule, class_names)
    for (split, name), files in sorted(found.items()):
        if name not in class_names:
            rule = f"must hold no class in {split} that train does not have"
            raise InvalidDataSetError(field, rule, name)
        if not files:
            rule = "must hold at least one image in every class folder"
            raise InvalidDataSetError(field, rule, f"{split}/{name}")
    return tuple(class_names)


def _of_split(
    found: dict[tuple[str, str], list[ImageFile]], split: str, class_names: tuple[str, ...]
) -> LabelledFiles:
    by_class = [found.get((split, name), []) for name in class_names]
    counts = [len(files) for files in by_class]
    labels = np.repeat(np.arange(len(class_names)), counts)
    return LabelledFiles([file for files in by_class for file in files], labels)
