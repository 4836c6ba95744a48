"""The spaces that a user may choose, as one discriminated union.

A new family is one file with its settings class and one more name in the unions here.
"""

from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from search_space.cnn import MobileNetV3Settings
from search_space.custom import CustomSettings

SpaceSettings = Annotated[MobileNetV3Settings | CustomSettings, Field(discriminator="kind")]
"""Everything that has `build() -> SearchSpace`."""

NetworkSettings = MobileNetV3Settings
"""The spaces of networks: those that also have `lower(architecture) -> tuple[Layer, ...]`."""

_SPACE_SETTINGS: TypeAdapter[MobileNetV3Settings | CustomSettings] = TypeAdapter(SpaceSettings)


def space_settings(value: Any) -> MobileNetV3Settings | CustomSettings:
    """Returns the settings of a JSON document with a `kind`.

    Raises:
        pydantic.ValidationError: with field, rule and value.
    """
    return _SPACE_SETTINGS.validate_python(value)
