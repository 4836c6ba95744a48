"""The answer that says what the stitches of a supernet were worth before its training."""

from typing import Literal

from pydantic import BaseModel, Field

from server.job_states import JobStatus


class StitchView(BaseModel):
    """One network of a stitched space, as it was straight after the stitching."""

    architecture_digest: str
    route: str = Field(description="The option of the space's choice `route`.")
    macs: int | None = Field(default=None, description="For one image; null if it failed.")
    num_params: int | None = Field(default=None, description="Null if it failed.")
    top1_percent: float | None = Field(default=None, description="Null if it failed.")
    interval_percent: tuple[float, float] | None = Field(
        default=None, description="95 % Wilson score interval; null if it failed."
    )
    num_images: int | None = Field(
        default=None, description="On which it was evaluated; null if it failed."
    )
    reason: str | None = Field(default=None, description="Why it could not be evaluated.")


class StitchFitView(BaseModel):
    """How a stitching layer was fitted to its anchors."""

    layer: str
    num_stitches: int = Field(
        description="Places in the anchors that it was fitted to, all together."
    )
    num_rows: int = Field(description="Tokens or pixels, over all images and places.")
    num_unknowns: int = Field(description="Weights of one output channel, with its bias.")
    ridge: float = Field(description="By which the fit was regularized; 0 where it was not.")
    reason: Literal["asked", "few_rows", "dependent_inputs"] | None = Field(
        description="Why: it was asked for, there were fewer rows than unknowns, or channels "
        "depended on one another; null where it was not."
    )
    unexplained_share: float = Field(description="Of the targets' variance, from 0 to 1.")


class StitchesView(BaseModel):
    """What every stitch of a supernet was worth before its training.

    `networks` come in the order of the space: the first and the last anchor at the ends, all others
    by their MACs between them.
    """

    supernet: str
    status: JobStatus
    split: Literal["train", "validation", "test"] | None = Field(
        default=None, description="That they were evaluated on; null while nothing is known."
    )
    networks: list[StitchView] = []
    layers: list[StitchFitView] = []
