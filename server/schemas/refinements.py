"""Bodies of requests for refinements, and of the answers."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from server.job_states import JobStatus
from server.schemas.job_options import DEFAULT_OPTIONS, JobOptions
from server.schemas.requests import EXAMPLE_ID, Body, Name, Seed
from server.schemas.responses import FileView, Moment, Values
from supernet.settings import TrainingSettings
from workers.settings import ResourceSettings

MAX_COUNT = 64
MAX_RUNS = 8


class RefinementBody(Body):
    """The best of a front to fine-tune."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "the best three",
                    "search": f"sea_{EXAMPLE_ID}",
                    "count": 3,
                    "training": {"epochs": 5, "learning_rate": 0.01},
                    "runs": 2,
                    "report_test": True,
                }
            ]
        }
    )

    name: Name
    search: str = Field(description="The id of the search whose front is refined.", max_length=100)
    count: int = Field(
        default=3, ge=1, le=MAX_COUNT, description="How many points of the front, the best first."
    )
    training: TrainingSettings = Field(
        default=TrainingSettings(),
        description="Of each fine-tuning, without a schedule. What is not given is as the supernet "
        "was trained, but 5 epochs, learning_rate 0.01 and warmup_epochs 0.5.",
    )
    distillation: float = Field(
        default=1.0,
        ge=0,
        allow_inf_nan=False,
        description="Weight of the loss against the outputs of the supernet's largest network, "
        "beside the loss on the labels.",
    )
    runs: int = Field(
        default=1,
        ge=1,
        le=MAX_RUNS,
        description="Fine-tunings of each architecture, which differ in their seeds; several make "
        "a greedy soup.",
    )
    resources: ResourceSettings = ResourceSettings()
    export: bool = Field(default=True, description="Write files of every network.")
    report_test: bool = Field(
        default=False, description="Read the test split, once, for the best of them."
    )
    seed: Seed = Field(default=0, description="Of the first run; the next ones count up.")
    job: JobOptions = DEFAULT_OPTIONS


class FiguresView(BaseModel):
    """What a network achieves."""

    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]] = Field(
        description="95 % interval of an accuracy; 10th and 90th percentile of a latency."
    )
    provenance: dict[str, Any]


class RunView(BaseModel):
    """One fine-tuning of an architecture."""

    run: int
    seed: int
    version: str = Field(description="SHA-256 of its weights.")
    top1_percent: float = Field(description="On the validation images.")
    interval_percent: tuple[float, float]


class SoupView(BaseModel):
    """Which runs the final weights are the mean of."""

    members: list[int] = Field(description="Numbers of the runs, in the order of their addition.")
    top1_percent: float = Field(description="Of the mean, on the validation images.")


class RefinedNetworkView(BaseModel):
    """One architecture before and after."""

    architecture_digest: str
    architecture: Values
    found: FiguresView = Field(description="As the search's front showed it.")
    runs: list[RunView] = Field(description="Those that are finished.")
    soup: SoupView | None
    version: str | None = Field(description="SHA-256 of the final weights.")
    before: FiguresView | None = Field(
        description="With the supernet's weights; measured side by side with `after`."
    )
    after: FiguresView | None = Field(description="With the fine-tuned weights.")
    files: list[FileView]
    card: dict[str, Any] | None


class RefinementView(BaseModel):
    """A refinement."""

    id: str
    name: str
    search: str
    selection: dict[str, Any] = Field(description="Which points of the front were taken, and why.")
    training: dict[str, Any]
    distillation: float
    runs: int
    evaluator: dict[str, Any] = Field(description="The search's.")
    resources: dict[str, Any]
    export: bool
    report_test: bool
    seed: int
    job: str
    status: JobStatus
    networks: list[RefinedNetworkView]
    reported: str | None = Field(
        description="Digest of the best architecture after refinement, by the search's objectives "
        "and limits; the only one that the test split was read for."
    )
    test_report: dict[str, Any] | None
    created_at: Moment
