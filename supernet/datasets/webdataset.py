"""Tar shards of samples: files that share a key, one of them the image, one of them the label."""

import json
from collections.abc import Mapping
from contextlib import ExitStack

from supernet.datasets.decoding import SUFFIXES, Fit, ImageFile, OnProgress, Unreadable
from supernet.datasets.listing import (
    LabelledFiles,
    Listing,
    Loaded,
    RawLabel,
    coded,
    find_shards,
    load_listing,
)
from supernet.datasets.places import Places
from supernet.datasets.sources import WebDatasetSource
from supernet.datasets.trees import Read, Tree, open_tree

_LABEL_SUFFIXES = frozenset({"cls", "json"})


def load_webdataset(source: WebDatasetSource, places: Places, on_progress: OnProgress) -> Loaded:
    """Returns the data set of one shard or of a folder of them; all stay open meanwhile.

    Raises:
        InvalidDataSetError: see `Places.resolve`, `find_shards`, `open_tree` and `load_listing`.
    """
    field = source.place_field
    path = places.resolve(source, folders=True)
    fit = Fit(source.mode, (source.image_size, source.image_size), crops=True)
    files: dict[str, list[ImageFile]] = {}
    labels: dict[str, list[RawLabel]] = {}
    unreadable: list[Unreadable] = []
    num_ignored = 0
    with ExitStack() as stack:
        for split, shards in find_shards(path, (".tar",), field).items():
            files[split], labels[split] = [], []
            for shard in shards:
                opened = open_tree(shard, field, places.max_archive_bytes, places.scratch_folder)
                shard_ = _Shard(stack.enter_context(opened), shard.name, source.label_field)
                files[split] += shard_.files
                labels[split] += shard_.labels
                unreadable += shard_.unreadable
                num_ignored += shard_.num_ignored
        numbers, class_names = coded(labels, field)
        splits = {split: LabelledFiles(files[split], numbers[split]) for split in files}
        listing = Listing(splits, class_names, tuple(unreadable), num_ignored)
        return load_listing(listing, fit, source, places, on_progress)


class _Shard:
    """The samples of one shard, in alphabetical order of their keys."""

    def __init__(self, tree: Tree, name: str, label_field: str) -> None:
        self.files: list[ImageFile] = []
        self.labels: list[RawLabel] = []
        self.unreadable = list(tree.refused)
        self.num_ignored = 0
        for key, parts in sorted(_samples(tree).items()):
            images = [part for part in sorted(parts) if f".{part}" in SUFFIXES]
            self.num_ignored += len(parts.keys() - _LABEL_SUFFIXES - set(images[:1]))
            try:
                label = _label(parts, label_field)
                if not images:
                    raise ValueError("has no image")
            except Exception as error:  # whatever a damaged member gives
                self.unreadable.append(Unreadable(f"{name}/{key}", str(error)))
                continue
            self.files.append(ImageFile(f"{name}/{key}.{images[0]}", parts[images[0]]))
            self.labels.append(label)


def _samples(tree: Tree) -> dict[str, dict[str, Read]]:
    """Returns the files of each key; the key ends at the first dot of the file's name."""
    samples: dict[str, dict[str, Read]] = {}
    for path, read in tree.files.items():
        stem, _, suffix = path.name.partition(".")
        samples.setdefault(str(path.parent / stem), {})[suffix.lower()] = read
    return samples


def _label(parts: Mapping[str, Read], label_field: str) -> RawLabel:
    """Returns the label of one sample.

    Raises:
        ValueError: there is none, or it is neither a whole number nor a name.
    """
    if "cls" in parts:
        text = parts["cls"]().decode().strip()
        try:
            return int(text)
        except ValueError:
            raise ValueError(f"cls must be a whole number, got {text[:50]!r}") from None
    if "json" not in parts:
        raise ValueError("has neither cls nor json")
    document = json.loads(parts["json"]())
    label = document.get(label_field) if isinstance(document, dict) else None
    if isinstance(label, bool) or not isinstance(label, int | str):
        raise ValueError(f"json must have {label_field}: a whole number or a name, got {label!r}")
    return label
