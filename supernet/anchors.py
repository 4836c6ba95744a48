"""Anchors: trained networks that a stitched supernet is put together from, read from files."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import safetensors
import safetensors.torch
from torch import Tensor

from search_space.family import NetworkSettings
from search_space.space import InvalidArchitectureError, Option
from search_space.tensors import Shape, network_tensors
from supernet.anchor_layouts import (
    POSITION,
    LayoutName,
    Origin,
    origins,
    tensors_of_file,
)
from supernet.checkpoints import InvalidSupernetError, load_supernet
from supernet.data import TensorData
from supernet.errors import InvalidStartError
from supernet.evaluate import extract_calibrated
from supernet.fitting import is_counter, misfits
from supernet.settings import AccuracySettings
from supernet.starting_settings import check_same_network
from supernet.torch_files import is_usable


@dataclass(frozen=True)
class AnchorFile:
    """Where an anchor's weights are.

    Attributes:
        kind: "supernet": of `supernet.checkpoints.save_supernet`, from which the anchor is
            extracted; "weights": its tensors as safetensors under the names of its layers; else
            safetensors in a package's layout (`supernet.anchor_layouts`).
        path: of the file.
    """

    kind: Literal["supernet", "weights"] | LayoutName
    path: Path


def anchor_tensors(
    file: AnchorFile,
    network: NetworkSettings,
    architecture: Mapping[str, Option],
    data: TensorData,
) -> dict[str, Tensor]:
    """Returns an anchor's parameters and batch-norm statistics by their names in `Network`.

    Args:
        file: holds them.
        network: the anchor's family.
        architecture: which of its networks the anchor is.
        data: its training images give the batch-norm statistics of what is extracted from a
            supernet; other files have their own.

    Raises:
        InvalidStartError: the file is damaged, or of another network; says which tensors differ.
    """
    if file.kind == "supernet":
        return _extracted(file.path, network, architecture, data)
    wanted = tensors_of_file(file.kind, network, architecture)
    tensors = _read(file.path)
    _check(tensors, wanted)
    layers = network.lower(architecture)
    if file.kind == "weights":
        return {name: tensors[name] for name in wanted}
    found = origins(network, layers, file.kind)
    return {
        name: _taken(name, shape, found[name], tensors)
        for name, shape in network_tensors(layers).items()
    }


def _extracted(
    path: Path, network: NetworkSettings, architecture: Mapping[str, Option], data: TensorData
) -> dict[str, Tensor]:
    try:
        source = load_supernet(path)
    except InvalidSupernetError as error:
        rule = f"must be a stored supernet ({error.__cause__ or error})"
        raise InvalidStartError("path", rule, str(path)) from error
    check_same_network(network, source.settings, ignoring=())
    try:
        known = source.space.validate(architecture)
    except InvalidArchitectureError as error:
        field = f"architecture.{error.choice}"
        raise InvalidStartError(field, error.rule, error.value) from error
    source = source.to(data.train.images.device)
    extracted = extract_calibrated(source, known, data, AccuracySettings())
    state = extracted.state_dict()
    return {name: tensor for name, tensor in state.items() if not is_counter(name)}


def _read(path: Path) -> dict[str, Tensor]:
    try:
        tensors: dict[str, Tensor] = safetensors.torch.load_file(path)
    except (OSError, safetensors.SafetensorError) as error:
        rule = f"must be a safetensors file ({error})"
        raise InvalidStartError("path", rule, str(path)) from error
    return tensors


def _check(tensors: Mapping[str, Tensor], own: Mapping[str, Shape]) -> None:
    given = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    unusable = {name for name, tensor in tensors.items() if not is_usable(tensor)}
    if faults := misfits(own, given, unusable, head=None):
        raise InvalidStartError("tensors", "must be those of the anchor", faults)


def _taken(name: str, shape: Shape, origin: Origin, tensors: Mapping[str, Tensor]) -> Tensor:
    """Returns a tensor of ours from a package's file."""
    tensor = tensors[origin.name]
    if name == POSITION:  # (1, tokens, channels)
        return tensor[0].T.reshape(shape)
    return tensor.chunk(origin.num_parts)[origin.part].reshape(shape)
