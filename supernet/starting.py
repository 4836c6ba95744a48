"""Where the weights of a training come from, if not from chance."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from search_space.space import InvalidArchitectureError, Option
from supernet.base import Supernet
from supernet.checkpoints import InvalidSupernetError, load_supernet


class InvalidStartError(ValueError):
    """Weights do not fit the supernet that is to start from them; says field, rule and value.

    Attributes:
        field: what is at fault.
        rule: what would be accepted.
        value: what was found.
    """

    def __init__(self, field: str, rule: str, value: object) -> None:
        super().__init__(field, rule, value)  # all arguments, so that it can be pickled
        self.field = field
        self.rule = rule
        self.value = value

    def __str__(self) -> str:
        return f"{self.field} {self.rule}, got {self.value!r}"


class StartingPoint(Protocol):
    """Fills a freshly made supernet, on the CPU and in place."""

    def apply(self, supernet: Supernet) -> None:
        """Fills the supernet's weights.

        Raises:
            InvalidStartError: they do not fit.
        """


@dataclass(frozen=True)
class FromSupernet:
    """A sub-network of a stored supernet, for a supernet that is restricted to it.

    Attributes:
        path: the stored supernet.
        architecture: of its space; the only one of the supernet that starts from it.
    """

    path: Path
    architecture: Mapping[str, Option]

    def apply(self, supernet: Supernet) -> None:
        """Fills the supernet with the extracted slice of the stored one.

        Raises:
            InvalidStartError: the file cannot be used, or the supernet is another network.
        """
        try:
            source = load_supernet(self.path)
            network = source.extract(source.space.validate(self.architecture))
        except (InvalidSupernetError, InvalidArchitectureError) as error:
            raise InvalidStartError(
                "start", f"must be of a stored supernet ({error})", str(self.path)
            ) from error
        if supernet.layers != network.layers:
            raise InvalidStartError(
                "start.architecture",
                "must be the only architecture of the supernet that starts from it",
                dict(self.architecture),
            )
        state = network.state_dict()  # with counts of batches, which elastic batch norms lack
        supernet.load_state_dict({name: state[name] for name in supernet.state_dict()})
