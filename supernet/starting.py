"""Where a training starts: fills a freshly made supernet from a file.

`supernet.starting_settings` has what a user chooses; here are the same choices with real paths, as
training jobs carry them. Everything is read as plain tensors; nothing foreign is unpickled.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from search_space.cnn import MobileNetV3Settings
from search_space.space import InvalidArchitectureError, Option
from search_space.tensors import Shape
from supernet.base import Supernet
from supernet.checkpoints import InvalidSupernetError, load_supernet
from supernet.errors import InvalidStartError
from supernet.fitting import head_of_other_classes, is_counter, misfits
from supernet.once_for_all import renamed
from supernet.starting_settings import check_same_network
from supernet.torch_files import InvalidTorchFileError, is_usable, read_state

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FromSupernet:
    """A stored supernet of the same space, all but its number of classes, or one network of it.

    Attributes:
        path: of `supernet.checkpoints.save_supernet`.
        architecture: the network to start from, which must be the only one of the supernet that is
            filled (`Supernet(settings, allowed=...)`); None for the whole.
    """

    path: Path
    architecture: Mapping[str, Option] | None = None

    def apply(self, supernet: Supernet) -> None:
        """Fills the supernet; its head stays as drawn where the number of classes differs.

        Raises:
            InvalidStartError: the file is no supernet, or one of another space.
        """
        try:
            source = load_supernet(self.path)
        except InvalidSupernetError as error:
            rule = f"must be a stored supernet ({error.__cause__ or error})"
            raise InvalidStartError("path", rule, str(self.path)) from error
        check_same_network(supernet.settings, source.settings)
        if self.architecture is None:
            if source.allowed != supernet.allowed:
                rule = f"must be {supernet.allowed} as in the training"
                raise InvalidStartError("allowed", rule, source.allowed)
            _fill(supernet, source.state_dict())
            return
        try:
            architecture = source.space.validate(self.architecture)
        except InvalidArchitectureError as error:
            raise InvalidStartError(
                f"architecture.{error.choice}", error.rule, error.value
            ) from error
        if {supernet.space.smallest(), supernet.space.largest()} != {architecture}:
            rule = "must be the one network that the training is restricted to"
            raise InvalidStartError("architecture", rule, dict(architecture))
        _fill(supernet, source.extract(architecture).state_dict())


@dataclass(frozen=True)
class FromWeights:
    """The tensors of the largest network, under the names of its layers.

    Attributes:
        path: a safetensors file.
    """

    path: Path

    def apply(self, supernet: Supernet) -> None:
        """Fills the supernet; kernel transforms that the file lacks stay at the identity.

        The head stays as drawn where the number of classes differs.

        Raises:
            InvalidStartError: the file is damaged, or its tensors are those of another network.
        """
        try:
            tensors = safetensors.torch.load_file(self.path)
        except (OSError, safetensors.SafetensorError) as error:
            rule = f"must be a safetensors file ({error})"
            raise InvalidStartError("path", rule, str(self.path)) from error
        _fill(supernet, tensors)


@dataclass(frozen=True)
class FromOnceForAll:
    """A checkpoint in the layout of the once-for-all MobileNetV3 code (`supernet.once_for_all`).

    Attributes:
        path: what `torch.save` wrote: the state dict, or a dict that holds it as "state_dict".
    """

    path: Path

    def apply(self, supernet: Supernet) -> None:
        """Fills the supernet; its head stays as drawn where the number of classes differs.

        Raises:
            InvalidStartError: the space is not of that family, the file is damaged or holds more
                than tensors, or its tensors are those of another network.
        """
        if not isinstance(supernet.settings, MobileNetV3Settings):
            raise InvalidStartError("kind", "must be 'mobilenetv3'", supernet.settings.kind)
        try:
            state = read_state(self.path)
        except InvalidTorchFileError as error:
            raise InvalidStartError("path", str(error), str(self.path)) from error
        _fill(supernet, renamed(state, supernet.settings))


StartingPoint = FromSupernet | FromWeights | FromOnceForAll
"""Everything that has `apply(supernet)`."""


@torch.no_grad()
def _fill(supernet: Supernet, tensors: Mapping[str, Tensor]) -> None:
    """Copies tensors into a supernet's parameters and buffers of the same names."""
    own, head = supernet.state_dict(), supernet.layers[-1].name
    shapes, given = _shapes(own), _shapes(tensors)
    unusable = {name for name, tensor in tensors.items() if not is_usable(tensor)}
    if faults := misfits(shapes, given, unusable, head):
        rule = "must be those of the space's largest network"
        raise InvalidStartError("tensors", rule, faults)
    not_taken = head_of_other_classes(shapes, given, head)
    if not_taken:
        logger.info("the head %s is drawn anew: it has other classes", head)
    for name, tensor in tensors.items():
        if name not in not_taken and not is_counter(name):
            own[name].copy_(tensor)


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, Shape]:
    return {name: tuple(tensor.shape) for name, tensor in tensors.items()}
