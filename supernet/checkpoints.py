"""Checkpoints of a training, and trained supernets, each one safetensors file.

A checkpoint's place never holds half a file: it is written beside, flushed and renamed. Its name
says which attempt of a job wrote it, so that an abandoned attempt cannot overwrite or delete what
its successor wrote.
"""

import hashlib
import json
import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from search_space.families import space_settings
from search_space.family import NetworkSettings
from supernet.base import Supernet
from supernet.files import write_durably

logger = logging.getLogger(__name__)

TENSOR_PARTS = ("model", "optimizer", "average", "teacher")
"""The fields of a training's state that hold tensors, and the prefixes of their names in a file."""

FILE_NAME = re.compile(r"attempt(\d{6})-step(\d{9})\.safetensors")


class CheckpointMismatchError(ValueError):
    """A checkpoint belongs to another training; says what differs and both values.

    Attributes:
        path: the checkpoint.
        field: what differs first ("space", "settings.schedule.kind", "seed", "data").
        expected: the value of the training that wants to resume.
        found: the checkpoint's.
    """

    def __init__(self, path: Path, field: str, expected: object, found: object) -> None:
        super().__init__(path, field, expected, found)  # so that it can be sent between processes
        self.path = path
        self.field = field
        self.expected = expected
        self.found = found

    def __str__(self) -> str:
        return (
            f"checkpoint {self.path.name} is of another training: {self.field} must be "
            f"{self.expected!r}, got {self.found!r}"
        )


class CheckpointWriteError(OSError):
    """A checkpoint could not be written (the disk is full, say); the previous one is intact."""


class InvalidSupernetError(ValueError):
    """A file is not a stored supernet."""


@dataclass(frozen=True)
class TrainingState:
    """All that a training needs to go on.

    Attributes:
        identity: what must be equal to resume, as JSON: digests of space and data, the settings,
            the seed.
        step: steps done.
        sums: the running sums of the epoch under way, for its report.
        loss_scale: state of the scaler of half-precision losses; empty without one.
        model: the supernet's state dict.
        optimizer: the optimizer's tensors.
        average: the running average of the weights; empty without one.
        teacher: the frozen teacher's state dict; empty without one of the training's own.
    """

    identity: Mapping[str, Any]
    step: int
    sums: tuple[float, ...] = ()
    loss_scale: Mapping[str, Any] = field(default_factory=dict)
    model: Mapping[str, Tensor] = field(default_factory=dict)
    optimizer: Mapping[str, Tensor] = field(default_factory=dict)
    average: Mapping[str, Tensor] = field(default_factory=dict)
    teacher: Mapping[str, Tensor] = field(default_factory=dict)


class CheckpointFolder:
    """The checkpoints of one training job.

    Args:
        path: the folder; made if missing.
        attempt: the number of this attempt at the job, at least 0.
        kept: how many checkpoints are kept; the second newest serves where the newest is damaged.
    """

    def __init__(self, path: Path, attempt: int = 0, kept: int = 2) -> None:
        self.path = path
        self.attempt = attempt
        self._kept = kept
        path.mkdir(parents=True, exist_ok=True)

    def save(self, state: TrainingState) -> Path:
        """Writes a checkpoint and deletes all but the newest of this and earlier attempts.

        Raises:
            CheckpointWriteError: it could not be written.
        """
        path = self.path / f"attempt{self.attempt:06d}-step{state.step:09d}.safetensors"
        facts = {
            "identity": state.identity,
            "step": state.step,
            "sums": state.sums,
            "loss_scale": state.loss_scale,
        }
        tensors = {
            f"{part}/{name}": tensor
            for part in TENSOR_PARTS
            for name, tensor in getattr(state, part).items()
        }
        try:
            write_durably(path, _serialized(tensors, facts))
        except OSError as error:
            raise CheckpointWriteError(
                error.errno, f"checkpoint could not be written ({error.strerror})", str(path)
            ) from error
        for old in [*self._files()[self._kept :], *self._leftovers()]:
            old.unlink(missing_ok=True)
        return path

    def newest(self, identity: Mapping[str, Any]) -> TrainingState | None:
        """Returns the newest complete checkpoint of this or an earlier attempt, if there is one.

        A file that cannot be read is skipped with a warning in the log.

        Raises:
            CheckpointMismatchError: the checkpoint is of another training than `identity`.
        """
        for path in self._files():
            try:
                tensors, facts = _read(path)
            except (OSError, ValueError) as error:
                logger.warning("skipped checkpoint %s: %s", path, error)
                continue
            if (difference := _first_difference("", identity, facts["identity"])) is not None:
                raise CheckpointMismatchError(path, *difference)
            return TrainingState(
                identity=facts["identity"],
                step=facts["step"],
                sums=tuple(facts["sums"]),
                loss_scale=facts["loss_scale"],
                **{part: _below(f"{part}/", tensors) for part in TENSOR_PARTS},
            )
        return None

    def newest_name(self) -> str | None:
        """Returns the file name of the newest checkpoint of this and earlier attempts, if any."""
        return next((path.name for path in self._files()), None)

    def _leftovers(self) -> list[Path]:
        """Returns what this and earlier attempts left when they were killed while writing."""
        partial = self.path.glob(".attempt*.partial")
        return [path for path in partial if int(path.name[8:14]) <= self.attempt]

    def _files(self) -> list[Path]:
        """Returns the checkpoints of this and earlier attempts, the newest first."""
        found: list[tuple[int, int, Path]] = []
        for path in self.path.iterdir():
            match = FILE_NAME.fullmatch(path.name)
            if match is not None and int(match[1]) <= self.attempt:
                found.append((int(match[1]), int(match[2]), path))
        return [path for _, _, path in sorted(found, reverse=True)]


def save_supernet(path: Path, supernet: Supernet) -> str:
    """Writes a supernet, its settings included.

    Returns:
        The file's SHA-256: the supernet's version.

    Raises:
        OSError: it could not be written; what was at `path` is untouched.
    """
    facts = {
        "settings": supernet.settings.model_dump(mode="json"),
        "allowed": supernet.allowed,
        "space": supernet.space.digest,
    }
    content = _serialized(supernet.state_dict(), facts)
    write_durably(path, content)
    return hashlib.sha256(content).hexdigest()


def load_supernet(path: Path) -> Supernet:
    """Returns the supernet that `save_supernet` wrote, in eval mode.

    Raises:
        InvalidSupernetError: the file is not there, is damaged, or its settings give another space
            in this version.
    """
    try:
        tensors, facts = _read(path)
        settings = space_settings(facts["settings"])
        assert isinstance(settings, NetworkSettings)
        supernet = Supernet(settings, allowed=facts["allowed"])
        supernet.load_state_dict(tensors)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise InvalidSupernetError(f"{path} must be a stored supernet ({error})") from error
    if supernet.space.digest != facts["space"]:
        raise InvalidSupernetError(
            f"{path} must be of space {supernet.space.digest}, got {facts['space']}: "
            "this version builds another space from its settings"
        )
    return supernet.eval()


def _serialized(tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> bytes:
    contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
    # One entry only: safetensors writes several in no certain order.
    metadata = {"espalier": json.dumps(facts, sort_keys=True)}
    content: bytes = safetensors.torch.save(contiguous, metadata)
    return content


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Returns tensors and facts of a file.

    Raises:
        OSError: it cannot be opened.
        ValueError: it is damaged or something else.
    """
    try:
        with safetensors.safe_open(path, "pt") as file:
            facts = json.loads((file.metadata() or {})["espalier"])
            return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118 (not a mapping)
    except (safetensors.SafetensorError, KeyError) as error:
        raise ValueError(f"{path.name} is damaged or not ours: {error}") from error


def _first_difference(name: str, expected: Any, found: Any) -> tuple[str, object, object] | None:
    """Returns the path of the first field in which two JSON values differ, and both its values."""
    if expected == found:
        return None
    if not (isinstance(expected, Mapping) and isinstance(found, Mapping)):
        return name, expected, found
    fields = (*expected, *(field for field in found if field not in expected))
    first = next(field for field in fields if expected.get(field) != found.get(field))
    path = f"{name}.{first}" if name else first
    return _first_difference(path, expected.get(first), found.get(first))


def _below(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, torch.Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
