"""Bodies of requests that change what people write on data sets, supernets and searches."""

from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from server.schemas.requests import Body, Name

MAX_LABELS = 64
LabelName = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9_./-]{0,61}[A-Za-z0-9])?$")]
LabelValue = Annotated[str, Field(max_length=200)]
Labels = Annotated[dict[LabelName, LabelValue], Field(max_length=MAX_LABELS)]


class DescriptionPatch(Body):
    """What to change; what is not given stays."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "digits, second try", "labels": {"team": "vision"}}],
            "minProperties": 1,
        }
    )

    name: Name = Field(default="", description="What people call it.")
    description: str | None = Field(
        default=None, max_length=10_000, description="Free text; null takes it away."
    )
    labels: Labels = Field(default_factory=dict, description="All of them: others are taken away.")

    @model_validator(mode="after")
    def _check_given(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("must have at least one of name, description and labels")
        return self
