"""Spaces declared as data: choices and conditions as JSON, for networks the user alone knows."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from search_space.space import Choice, SearchSpace


class CustomSettings(BaseModel):
    """A declared space. It has no layers, so its costs and accuracies come from outside."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["custom"] = "custom"
    name: str = Field(min_length=1, max_length=200)
    choices: tuple[Choice, ...] = Field(min_length=1, max_length=10_000)

    def build(self) -> SearchSpace:
        """Returns the space.

        Raises:
            ValueError: choices share a name or a condition does not fit its parent.
        """
        return SearchSpace(self.name, self.choices)
