"""What a user may choose about zero-cost proxies; imports no torch."""

from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

ProxyName = Literal["grad_norm", "jacob_cov", "naswot", "snip", "synflow", "zen", "zico"]
PROXY_NAMES: tuple[str, ...] = get_args(ProxyName)
"""Those that need a network; parameters and multiply-accumulates are always recorded."""


def _distinct(names: tuple[ProxyName, ...]) -> tuple[ProxyName, ...]:
    if len(set(names)) != len(names):
        raise ValueError(f"must be distinct, got {names}")
    return names


class ProxySettings(BaseModel):
    """Zero-cost proxies to record beside accuracies: figures of networks that nobody trained.

    Attributes:
        names: which, each a metric of that name.
        batch_size: training images in one batch; `zico` takes two batches, all others that look at
            images the first one.
        seed: draws the images, the initial weights and what `zen` draws.
        zen_batch_size: random inputs in each repetition of `zen`.
        zen_repeats: how often `zen` draws weights and inputs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["proxies"] = "proxies"
    names: Annotated[tuple[ProxyName, ...], Field(min_length=1), AfterValidator(_distinct)] = Field(
        description="Which; each is recorded as a metric of that name, the larger the better."
    )
    batch_size: int = Field(default=64, ge=2, le=4096, description="Training images in a batch.")
    seed: int = Field(
        default=0, ge=0, lt=2**32, description="Draws images, weights and random inputs."
    )
    zen_batch_size: int = Field(default=16, ge=2, le=1024, description="Random inputs of `zen`.")
    zen_repeats: int = Field(default=32, ge=1, le=1024, description="Repetitions of `zen`.")
