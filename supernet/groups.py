"""The processes that train together."""

from dataclasses import dataclass
from typing import Protocol

import torch.distributed
from torch import Tensor


class Group(Protocol):
    """The processes that train together; each has a rank from 0 to world_size - 1."""

    @property
    def rank(self) -> int:
        """This process's number."""

    @property
    def world_size(self) -> int:
        """The number of processes."""

    def sum(self, tensor: Tensor) -> None:
        """Replaces the tensor by its sum over all ranks."""


@dataclass(frozen=True)
class Alone:
    """A training in one process."""

    rank: int = 0
    world_size: int = 1

    def sum(self, tensor: Tensor) -> None:
        """Does nothing: the sum over one rank."""


class Distributed:
    """The default process group of `torch.distributed`, which the caller has initialized."""

    def __init__(self) -> None:
        self.rank = torch.distributed.get_rank()
        self.world_size = torch.distributed.get_world_size()

    def sum(self, tensor: Tensor) -> None:
        """All-reduces the tensor in place."""
        torch.distributed.all_reduce(tensor)
