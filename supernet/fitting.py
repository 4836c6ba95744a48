"""Whether a file's tensors are those of a supernet, by their names and shapes; imports no torch."""

import json
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path

import safetensors

from search_space.tensors import Shape, is_low_rank, is_transform

NUM_NAMED = 3
"""So many tensors of each kind of fault are named."""

FLOATS = frozenset(["F64", "F32", "F16", "BF16"])
"""What safetensors calls the types of numbers that weights may have."""

COUNTER = "num_batches_tracked"
"""What torch's batch norms count; nothing here uses it."""

TORCH_FILE_TIMEOUT_S = 120
"""Torch takes about 3 s to be imported; the rest is the reading of the file."""


class UnreadableTensorsError(ValueError):
    """A file's tensors cannot be read; the text is the rule that the file breaks."""


def misfits(
    own: Mapping[str, Shape], given: Mapping[str, Shape], unusable: Collection[str], head: str
) -> str:
    """Returns what is wrong with a file's tensors: "2 missing (stem.conv.weight, ...)", or "".

    What only supernets have may be missing (kernel transforms, low-rank updates), and the head may
    be one of another number of classes.

    Args:
        own: shapes of the supernet's tensors by name.
        given: those of the file's.
        unusable: names of the file's tensors whose values are not finite floating-point numbers.
        head: name of the supernet's last layer.
    """
    ignored = head_of_other_classes(own, given, head)
    own = {name: shape for name, shape in own.items() if name not in ignored}
    given = {
        name: shape for name, shape in given.items() if name not in ignored and not is_counter(name)
    }
    faults = {
        "missing": [
            name
            for name in own
            if name not in given and not is_transform(name) and not is_low_rank(name)
        ],
        "unexpected": [name for name in given if name not in own],
        "of another shape": [
            f"{name} {given[name]} instead of {shape}"
            for name, shape in own.items()
            if name in given and given[name] != shape
        ],
        "not of finite floating-point numbers": [name for name in given if name in unusable],
    }
    return "; ".join(
        f"{len(names)} {fault} ({', '.join(names[:NUM_NAMED])}"
        f"{', ...' if len(names) > NUM_NAMED else ''})"
        for fault, names in faults.items()
        if names
    )


def head_of_other_classes(
    own: Mapping[str, Shape], given: Mapping[str, Shape], head: str
) -> frozenset[str]:
    """Returns the names of the head's tensors if the file's differ in the number of classes alone.

    They are then not taken; otherwise there are no such names.
    """
    names = [name for name in own if name.rpartition(".")[0] == head]
    pairs = [(own[name], given[name]) for name in names if name in given]
    num_classes = {other[:1] for _, other in pairs}
    differs = all(mine[1:] == other[1:] and mine[:1] != other[:1] for mine, other in pairs)
    is_whole = len(pairs) == len(names) and len(num_classes) == 1
    return frozenset(names) if is_whole and differs else frozenset()


def is_counter(name: str) -> bool:
    """Whether a tensor's name is that of a count of batches, which is left out."""
    return name.rpartition(".")[2] == COUNTER


def tensors_in(path: Path) -> tuple[dict[str, Shape], frozenset[str]]:
    """Returns the shapes of a safetensors file's tensors, and the names of those not of floats.

    Only the file's header is read.

    Raises:
        UnreadableTensorsError: the file is damaged, or of another kind.
        OSError: it cannot be read.
    """
    try:
        with safetensors.safe_open(path, "numpy") as file:
            found = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
            shapes = {name: tuple(part.get_shape()) for name, part in found.items()}
            others = {name for name, part in found.items() if part.get_dtype() not in FLOATS}
    except safetensors.SafetensorError as error:
        raise UnreadableTensorsError("must name a safetensors file") from error
    return shapes, frozenset(others)


def tensors_in_torch_file(path: Path) -> tuple[dict[str, Shape], frozenset[str]]:
    """Returns the shapes of a torch file's tensors, and the names of those not of finite floats.

    The file is read by `supernet.torch_files` in a process of its own: torch stays out of this
    one, and a file that was made to harm its reader harms that process alone.

    Raises:
        UnreadableTensorsError: the file is damaged, or holds something else or more than tensors.
    """
    command = [sys.executable, "-m", "supernet.torch_files", str(path)]
    try:
        done = subprocess.run(  # noqa: S603 - our own module, no shell
            command, capture_output=True, timeout=TORCH_FILE_TIMEOUT_S, check=True
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        rule = "must be a file of tensors that torch.save wrote and that can be read"
        raise UnreadableTensorsError(rule) from error
    answer = json.loads(done.stdout)
    if "rule" in answer:
        raise UnreadableTensorsError(answer["rule"])
    tensors = answer["tensors"].items()
    shapes = {name: tuple(shape) for name, (shape, _) in tensors}
    return shapes, frozenset(name for name, (_, is_usable) in tensors if not is_usable)
