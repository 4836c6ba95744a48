"""Bodies of requests for assessments, and of the answers."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from server.job_states import JobStatus
from server.schemas.job_options import DEFAULT_OPTIONS, JobOptions
from server.schemas.requests import Body, Seed
from server.schemas.responses import AssessmentSummary, Moment, Values
from supernet.settings import AccuracySettings, TrainingSettings
from workers.settings import ResourceSettings

MAX_SAMPLES = 1000
MAX_STANDALONE = 64


class StandaloneBody(Body):
    """Some of the sampled architectures, trained alone."""

    count: int = Field(
        default=6,
        ge=3,
        le=MAX_STANDALONE,
        description="How many, evenly spread over the sample's costs.",
    )
    training: TrainingSettings = Field(
        default=TrainingSettings(),
        description="Of each, without a schedule. What is not given is as the supernet was "
        "trained.",
    )
    use_asha: bool = Field(
        default=True,
        description="Stop trainings early whose validation accuracy falls behind (ASHA); those do "
        "not count in the correlations, which are then of the better ones.",
    )
    resources: ResourceSettings = Field(
        default=ResourceSettings(),
        description="`num_workers` is how many are trained at once; the rest is each one's.",
    )


class AssessmentBody(Body):
    """What to find out about a supernet."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"samples": 24, "strata": 6},
                {"samples": 24, "standalone": {"count": 6, "training": {"epochs": 30}}},
            ]
        }
    )

    samples: int = Field(
        default=24,
        ge=3,
        le=MAX_SAMPLES,
        description="Architectures to evaluate, the smallest and the largest among them.",
    )
    strata: int = Field(
        default=6,
        ge=1,
        le=MAX_SAMPLES,
        description="Quantiles of multiply-accumulates from which equally many are drawn: at most "
        "samples - 2; the default gives way to that.",
    )
    accuracy: AccuracySettings = AccuracySettings()
    standalone: StandaloneBody | None = None
    resources: ResourceSettings = Field(
        default=ResourceSettings(), description="Of the evaluators of the supernet's networks."
    )
    seed: Seed = 0
    job: JobOptions = DEFAULT_OPTIONS


class StandaloneView(BaseModel):
    """What came of training an architecture alone."""

    status: Literal["trained", "stopped", "failed"] = Field(
        description="`stopped` early by ASHA: then it counts in no correlation."
    )
    top1_percent: float | None = Field(description="On the validation images, at its end.")
    interval_percent: tuple[float, float] | None
    epochs: int = Field(description="How many it was trained for.")
    history: list[float] = Field(description="Validation top-1 after each of the last of them.")
    reason: str | None = Field(description="Why it failed.")


class AssessedView(BaseModel):
    """A sampled architecture."""

    number: int = Field(description="Its place by multiply-accumulates, from 0.")
    architecture_digest: str
    architecture: Values
    status: Literal["measured", "infeasible", "failed"]
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    provenance: dict[str, Any]
    reason: str | None
    standalone: StandaloneView | None


class AssessmentView(BaseModel):
    """An assessment of a supernet."""

    id: str
    supernet: str
    supernet_version: str | None = Field(description="Null while the supernet is in training.")
    samples: int
    strata: int
    accuracy: dict[str, Any]
    standalone: dict[str, Any] | None
    resources: dict[str, Any]
    seed: int
    job: str
    status: JobStatus
    summary: AssessmentSummary | None = Field(description="Null until the job has succeeded.")
    created_at: Moment


class AssessmentDetail(AssessmentView):
    """An assessment with all that was sampled."""

    architectures: list[AssessedView]
