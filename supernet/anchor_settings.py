"""What a user may choose about the anchors that a stitched supernet begins with; imports no torch.

`supernet.stitching` does what is chosen here.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from supernet.datasets.sources import Located


class AnchorSupernet(BaseModel):
    """The anchor's network as it is in a trained supernet of its space.

    Its batch-norm statistics are estimated anew, as for every network of a supernet.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["supernet"] = "supernet"
    supernet: str = Field(description="A supernet's id, trained on the same data.", max_length=100)


class AnchorRefinement(BaseModel):
    """The anchor's network as a refinement left it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["refinement"] = "refinement"
    refinement: str = Field(
        description="The id of a refinement that has ended and took the anchor's architecture.",
        max_length=100,
    )


class AnchorWeights(Located):
    """The anchor's tensors, as safetensors under the names of its layers."""

    kind: Literal["weights"] = "weights"


class AnchorTimm(Located):
    """Safetensors of timm's VisionTransformer.

    One with class_token=False, global_pool="avg", fc_norm=False.
    """

    kind: Literal["timm"] = "timm"


class AnchorHuggingFace(Located):
    """Safetensors of transformers' IJepaForImageClassification."""

    kind: Literal["hugging_face"] = "hugging_face"


AnchorFileSource = AnchorWeights | AnchorTimm | AnchorHuggingFace
"""The kinds that read a file of the user's."""

AnchorSource = Annotated[
    AnchorSupernet | AnchorRefinement | AnchorWeights | AnchorTimm | AnchorHuggingFace,
    Field(discriminator="kind"),
]


class AnchorsStart(BaseModel):
    """Trained anchors of a stitched space, and stitching layers fitted to them by least squares."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["anchors"] = "anchors"
    anchors: tuple[AnchorSource, ...] = Field(
        min_length=2, max_length=8, description="Of each anchor of the space, in their order."
    )
    images: int = Field(
        default=100,
        ge=1,
        le=1_000_000,
        description="Training images that stitching layers are fitted on; all where there are "
        "fewer.",
    )
    seed: int = Field(default=0, ge=0, lt=2**63, description="Draws those images.")
    ridge: float = Field(
        default=0.0,
        ge=0,
        le=1000,
        allow_inf_nan=False,
        description="Penalty of the fit, per channel in units of its variance; 0: only where the "
        "images do not determine a layer.",
    )
