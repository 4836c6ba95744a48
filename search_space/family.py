"""What every family of networks offers."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import fields
from operator import attrgetter
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from search_space.costs import Costs, costs
from search_space.layers import Layer
from search_space.parts import Sizes, choice, value
from search_space.space import Choice, Genes, Option, SearchSpace

PAPER_COSTS: tuple[str, ...] = tuple(field.name for field in fields(Costs))
"""The metrics that every family's networks have on paper."""
Figures = Mapping[str, npt.NDArray[np.float64]]
"""Metrics of many networks, shape (count,) each."""


class NetworkSettings(BaseModel, ABC):
    """Settings of a space of networks: `build()` gives its choices, `lower()` a network's layers.

    `preset` fills every field that is not given; it is not kept, so that equal settings are equal
    however they were written down. A subclass is one family: it narrows the types of `kind` (one
    literal, with that default) and `preset` (the names of its presets) and adds its fields.

    Attributes:
        presets: the family's presets by name, as JSON.
        younger_fields: fields that the family got after spaces were built with it. While such a
            field has its default it is no part of the space's digest, so older spaces keep theirs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    younger_fields: ClassVar[frozenset[str]] = frozenset()

    kind: str
    preset: str | None = Field(default=None, exclude=True)
    input_channels: int = Field(default=3, ge=1, le=1024)
    num_classes: int = Field(default=1000, ge=2, le=100_000)
    resolutions: Sizes = Field(
        default=tuple(range(128, 225, 4)), description="Height and width of the input."
    )

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, values: Any) -> Any:
        return cls.filled(values)

    @classmethod
    def filled(cls, values: Any) -> Any:
        """Returns settings as given, with fields filled in that the preset, if any, has."""
        name = values.get("preset") if isinstance(values, Mapping) else None
        if not isinstance(name, str) or name not in cls.presets:
            return values  # the field's own type says what is wrong with it
        return {**cls.presets[name], **{key: values[key] for key in values if key != "preset"}}

    @classmethod
    def from_preset(cls, name: str, **overrides: Any) -> Self:
        """Returns a preset's settings with some fields replaced."""
        return cls.model_validate({"preset": name, **overrides})

    def build(self) -> SearchSpace:
        """Returns the space: the resolution, then the family's own choices."""
        choices = choice("resolution", self.resolutions) + self.network_choices()
        return SearchSpace(self.kind, choices, fixed=self._identity())

    def _identity(self) -> dict[str, Any]:
        defaults = {name: type(self).model_fields[name].default for name in self.younger_fields}
        unset = {name for name, default in defaults.items() if getattr(self, name) == default}
        return self.model_dump(mode="json", exclude=unset)

    @abstractmethod
    def network_choices(self) -> list[Choice]:
        """Returns all choices but the resolution, parents first."""

    @abstractmethod
    def lower(self, architecture: Mapping[str, Option]) -> tuple[Layer, ...]:
        """Returns the layers of a valid architecture of the space, in execution order."""

    def supernet_layers(self, space: SearchSpace) -> tuple[Layer, ...]:
        """Returns every layer that any network of the space has, at its full size.

        By default those of the largest network, which then must have all. Where networks take
        different ways, a layer's inputs are all that any of them reads there, so the layers are the
        graph of all ways together; the last layer is the output of the largest network.

        Args:
            space: of `build()`, or what is left of it.
        """
        return self.lower(space.largest())

    def networks_of_all_kernels(self, space: SearchSpace) -> Iterator[tuple[Layer, ...]]:
        """Gives layers among which every convolution of the space has each of its kernel sizes.

        By default those of the largest network, and of it with one choice changed at a time, which
        shows every size as long as no layer's kernel depends on two choices at once.

        Args:
            space: of `build()`, or what is left of it.
        """
        yield self.lower(space.largest())  # a space without choices has no other
        largest = space.num_options - 1
        for position, num_options in enumerate(space.num_options):
            for option in range(num_options - 1):
                row = largest.copy()
                row[position] = option
                yield self.lower(space.decode(row))

    def low_rank(self, layer_name: str) -> int:  # noqa: ARG002 (most families have none)
        """Returns the rank of the update by which a convolution learns while its weight is frozen.

        0, the default, means that it has none and its weight learns.
        """
        return 0

    @property
    def computed_metrics(self) -> tuple[str, ...]:
        """The metrics that `compute` gives, which need neither weights nor data."""
        return PAPER_COSTS

    def compute(self, genes: Genes) -> Figures:
        """Returns what is known of networks on paper, by metric.

        One network after another; a family that can do better overrides this.

        Args:
            genes: canonical, of the space of `build()`, shape (count, num_choices).
        """
        space = self.build()
        found = [costs(self.lower(space.decode(row))) for row in genes]
        return {
            name: np.array([*map(attrgetter(name), found)], dtype=np.float64)
            for name in PAPER_COSTS
        }

    def resolution(self, architecture: Mapping[str, Option]) -> int:
        """Returns the height and width of a network's input."""
        return int(value(architecture, "resolution", self.resolutions))

    def input_shape(self, architecture: Mapping[str, Option]) -> tuple[int, int, int]:
        """Returns (channels, height, width) of a network's input."""
        resolution = self.resolution(architecture)
        return (self.input_channels, resolution, resolution)
