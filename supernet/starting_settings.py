"""What a user may choose about where a training starts; imports no torch.

`supernet.starting` does what is chosen here. A request names resources; a training job is given
the same by value, as files whose content nothing changes any more.
"""

import itertools
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from search_space.cnn import MobileNetV3Settings
from search_space.family import NetworkSettings
from search_space.stitching import AnchorSettings
from search_space.tensors import Shape, supernet_tensors
from supernet.anchor_layouts import tensors_of_file
from supernet.anchor_settings import AnchorFileSource, AnchorsStart
from supernet.datasets.sources import Located
from supernet.errors import InvalidStartError
from supernet.fitting import (
    UnreadableTensorsError,
    misfits,
    tensors_in,
    tensors_in_torch_file,
)
from supernet.once_for_all import renamed

# How torch's format of before version 1.6 begins: a pickle of a number that means just this.
LEGACY_TORCH_START = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"


class ScratchStart(BaseModel):
    """Weights drawn from the seed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["scratch"] = "scratch"


class SupernetStart(BaseModel):
    """A trained supernet of the same space, all but its number of classes.

    Where that differs the head is drawn anew.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["supernet"] = "supernet"
    supernet: str = Field(description="A trained supernet's id.", max_length=100)


class WeightsStart(Located):
    """The largest network's tensors, as safetensors under the names of its layers.

    Kernel transforms may be missing. Where the number of classes differs the head is drawn anew.
    """

    kind: Literal["weights"] = "weights"


class OnceForAllStart(Located):
    """A checkpoint of the once-for-all MobileNetV3 code, as torch saved it.

    Where the number of classes differs the head is drawn anew.
    """

    kind: Literal["once_for_all"] = "once_for_all"


FileStart = WeightsStart | OnceForAllStart
"""The kinds that read a file of the user's."""

StartSettings = Annotated[
    ScratchStart | SupernetStart | WeightsStart | OnceForAllStart | AnchorsStart,
    Field(discriminator="kind"),
]


def check_file(start: FileStart, path: Path, settings: NetworkSettings) -> None:
    """Returns if a file's tensors have the names and shapes of a space's supernet.

    Of safetensors the header is read only; a torch file is read whole, which takes seconds.

    Args:
        start: the choice, whose path or upload is named in the error.
        path: where the file is.
        settings: of the space to train.

    Raises:
        InvalidStartError: the space is of another family than the start's, the file is of another
            kind, or its tensors are those of another network.
    """
    try:
        shapes, unusable = _tensors(start, path, settings)
    except UnreadableTensorsError as error:
        raise InvalidStartError(start.place_field, str(error), start.place) from None
    space = settings.build()
    own = supernet_tensors(settings, space)
    head = settings.lower(space.largest())[-1].name
    if faults := misfits(own, shapes, unusable, head):
        rule = "must hold the tensors of the space's largest network"
        raise InvalidStartError(start.place_field, rule, faults)


def check_anchor_file(source: AnchorFileSource, path: Path, anchor: AnchorSettings) -> None:
    """Returns if a file's tensors have the names and shapes of an anchor; reads the header only.

    Args:
        source: the choice, whose path or upload is named in the error.
        path: where the file is.
        anchor: says which network it must hold.

    Raises:
        InvalidStartError: the file is of another kind, its tensors are those of another network, or
            its layout cannot hold networks of the anchor's family.
    """
    own = tensors_of_file(source.kind, anchor.network, anchor.architecture)
    try:
        shapes, unusable = tensors_in(path)
    except UnreadableTensorsError as error:
        raise InvalidStartError(source.place_field, str(error), source.place) from None
    if faults := misfits(own, shapes, unusable, head=None):
        rule = "must hold the tensors of the anchor"
        raise InvalidStartError(source.place_field, rule, faults)


def _tensors(
    start: FileStart, path: Path, settings: NetworkSettings
) -> tuple[dict[str, Shape], frozenset[str]]:
    """Returns shapes by our names, and the names of tensors whose numbers cannot be used."""
    if isinstance(start, WeightsStart):
        return tensors_in(path)
    if not isinstance(settings, MobileNetV3Settings):
        rule = f"must not be once_for_all for a space of kind {settings.kind}"
        raise InvalidStartError("kind", rule, start.kind)
    if not _is_torch_file(path):
        raise UnreadableTensorsError("must name a file that torch.save wrote")
    shapes, unusable = tensors_in_torch_file(path)
    is_unusable = renamed({name: name in unusable for name in shapes}, settings)
    return renamed(shapes, settings), frozenset(name for name, bad in is_unusable.items() if bad)


def _is_torch_file(path: Path) -> bool:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/data.pkl") for name in archive.namelist())
    with path.open("rb") as file:
        return file.read(len(LEGACY_TORCH_START)) == LEGACY_TORCH_START


def check_same_network(
    wanted: NetworkSettings, found: NetworkSettings, ignoring: Collection[str] = ("num_classes",)
) -> None:
    """Returns if two spaces are equal.

    Args:
        wanted: the space of the training, or of an anchor in it.
        found: the space of what it would start from.
        ignoring: fields that may differ.

    Raises:
        InvalidStartError: names the first field that differs, as a path through the settings.
    """
    difference = _difference(
        wanted.model_dump(mode="json", exclude=set(ignoring)),
        found.model_dump(mode="json", exclude=set(ignoring)),
    )
    if difference is not None:
        field, expected, value = difference
        raise InvalidStartError(field, f"must be {expected!r}, as in the training's space", value)


def _difference(wanted: Any, found: Any, path: str = "") -> tuple[str, Any, Any] | None:
    """Returns path and both values of the first place where two JSON documents differ."""
    if isinstance(wanted, list) and isinstance(found, list) and len(wanted) == len(found):
        wanted, found = dict(enumerate(wanted)), dict(enumerate(found))
    if not isinstance(wanted, Mapping) or not isinstance(found, Mapping):
        return None if wanted == found else (path, wanted, found)
    for key in dict.fromkeys(itertools.chain(wanted, found)):
        below = f"{path}.{key}" if path else str(key)
        difference = _difference(wanted.get(key), found.get(key), below)
        if difference is not None:
            return difference
    return None
