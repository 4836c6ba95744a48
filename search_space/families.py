"""The spaces that a user may choose, as one discriminated union: the one place that names them.

A new family is one file with its settings class (`search_space.family.NetworkSettings`) and one
more name in the union of `search_space.plain_families`, or in the one here if it is no network that
stands alone.
"""

from collections.abc import Mapping
from typing import Annotated, Any, get_args

from pydantic import Field, TypeAdapter

from search_space.custom import CustomSettings
from search_space.family import NetworkSettings
from search_space.plain_families import PlainFamily
from search_space.stitching import StitchSettings

AnySpace = PlainFamily | StitchSettings | CustomSettings
"""Everything that has `build() -> SearchSpace`; the `NetworkSettings` among them have networks."""

SpaceSettings = Annotated[AnySpace, Field(discriminator="kind")]
"""As it stands in a JSON document."""

FAMILIES: Mapping[str, type[AnySpace]] = {
    family.model_fields["kind"].default: family for family in get_args(AnySpace)
}
"""All of them by kind."""

NETWORK_FAMILIES: Mapping[str, type[NetworkSettings]] = {
    kind: family for kind, family in FAMILIES.items() if issubclass(family, NetworkSettings)
}
"""The families of networks by kind."""

_SPACE_SETTINGS: TypeAdapter[AnySpace] = TypeAdapter(SpaceSettings)


def space_settings(value: Any) -> AnySpace:
    """Returns the settings of a JSON document with a `kind`.

    Raises:
        pydantic.ValidationError: with field, rule and value.
    """
    return _SPACE_SETTINGS.validate_python(value)
