"""Bodies of responses. Times are UTC; every reference to another resource is its id."""

from datetime import UTC, datetime
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import AliasChoices, BaseModel, Field, PlainSerializer

from search_space.space import Option
from server.job_states import JobStatus
from supernet.datasets import DataSetReport

Item = TypeVar("Item")


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Moment = Annotated[datetime, PlainSerializer(_rfc3339, return_type=str)]
Values = dict[str, Option]


class PageOf(BaseModel, Generic[Item]):
    """A part of a list."""

    items: list[Item]
    next: str | None = Field(description="The address of the next page; null on the last.")


class DescribedView(BaseModel):
    """What people write on it; PATCH changes it."""

    description: str | None = Field(default=None, description="Free text.")
    labels: dict[str, str] = Field(default={}, description="Free words by name.")


class DataSetView(DescribedView):
    """A registered data set."""

    id: str
    name: str
    version: str = Field(description="SHA-256 of its content and split.")
    source: dict[str, Any]
    counts: dict[str, int] = Field(description="Images of each split.")
    shape: list[int] = Field(description="(channels, height, width) of every image.")
    num_classes: int
    report: DataSetReport | None = Field(
        description="What was found when it was registered; null where an older version did that."
    )
    supersedes: str | None = Field(
        validation_alias=AliasChoices("supersedes", "supersedes_id"),
        description="The data set that this is a newer version of; null if of none.",
    )
    created_at: Moment


class UploadView(BaseModel):
    """A file that arrives in parts."""

    id: str
    name: str
    size_bytes: int = Field(description="Of the whole file, as announced.")
    sha256: str = Field(description="Of the whole file, as announced.")
    offset: int = Field(description="How many bytes have arrived.")
    status: Literal["open", "complete"] = Field(
        description="`complete` when size and digest have been checked, so that it can be used."
    )
    created_at: Moment
    completed_at: Moment | None


class FamilyView(BaseModel):
    """A kind of space."""

    kind: str
    description: str
    has_networks: bool = Field(description="Whether its architectures can be built and trained.")
    settings_schema: dict[str, Any] = Field(description="JSON Schema of its settings.")
    presets: dict[str, dict[str, Any]] = Field(description="Complete settings by name.")


class FamiliesView(BaseModel):
    """All kinds of spaces."""

    items: list[FamilyView]


class SpaceView(BaseModel):
    """A search space; its id is the digest of its definition."""

    id: str
    kind: str
    settings: dict[str, Any]
    size: str = Field(description="The exact number of architectures, in decimal digits.")
    num_choices: int
    created_at: Moment


class ArchitectureView(BaseModel):
    """One point of a space."""

    digest: str
    architecture: Values


class SampleView(BaseModel):
    """Architectures drawn at random; duplicates may occur."""

    items: list[ArchitectureView]


class CostView(BaseModel):
    """What a network costs on paper, for one image."""

    digest: str
    architecture: Values
    input_shape: list[int] = Field(description="(channels, height, width).")
    num_layers: int
    macs: int
    num_params: int
    num_activations: int
    peak_activations: int


class CorrelationView(BaseModel):
    """A rank correlation between the accuracies with shared weights and alone."""

    value: float | None = Field(description="From -1 to 1; null where all are tied.")
    interval: tuple[float, float] | None = Field(
        description="95 % bootstrap interval; null with fewer than three pairs."
    )
    num_pairs: int


class StandaloneSummary(BaseModel):
    """How far the supernet ranks architectures as they would rank if each was trained alone."""

    num_trained: int = Field(description="To the end: those that the correlations are of.")
    num_stopped: int = Field(description="Early, by ASHA.")
    num_failed: int
    kendall: CorrelationView = Field(description="Kendall's tau-b.")
    spearman: CorrelationView


class ExtremeView(BaseModel):
    """The smallest or the largest network."""

    architecture_digest: str
    macs: float
    top1_percent: float
    interval_percent: tuple[float, float]


class AssessmentSummary(BaseModel):
    """What an assessment found out about a supernet."""

    assessment: str
    supernet_version: str
    split: str = Field(description="Whose images were classified.")
    num_images: int
    num_sampled: int
    num_measured: int
    smallest: ExtremeView | None = Field(description="Null if it could not be evaluated.")
    largest: ExtremeView | None
    mean_pareto_top1_percent: float = Field(
        description="Mean, over all budgets of multiply-accumulates from the smallest network's to "
        "the largest's, of the best accuracy in the sample within that budget."
    )
    standalone: StandaloneSummary | None
    finished_at: Moment


class SupernetView(DescribedView):
    """A supernet, trained or in training."""

    id: str
    name: str
    space: str
    data_set: str
    training: dict[str, Any]
    start: dict[str, Any] = Field(
        description="Where its training starts; `version` is the SHA-256 of the file it reads, "
        "null while that is a supernet in training."
    )
    teacher: dict[str, Any] | None = Field(
        description="The supernet that it is distilled from, with its version, null while that "
        "is in training; null without one."
    )
    resources: dict[str, Any]
    seed: int
    job: str
    status: JobStatus
    version: str | None = Field(description="SHA-256 of its file; null until it is trained.")
    summary: dict[str, Any] | None
    assessment: AssessmentSummary | None = Field(description="Its newest finished one.")
    created_at: Moment


class FileView(BaseModel):
    """A file of an export."""

    name: str
    size_bytes: int
    sha256: str
    media_type: str
    url: str


class ExportView(BaseModel):
    """A network in files."""

    id: str
    search: str
    architecture_digest: str
    architecture: Values
    report_test: bool
    job: str
    status: JobStatus
    files: list[FileView]
    card: dict[str, Any] | None
    test_report: dict[str, Any] | None
    created_at: Moment


class VersionView(BaseModel):
    """Which program answers."""

    name: str
    version: str
    schema_revision: str


class LiveView(BaseModel):
    """The process answers."""

    status: Literal["ok"]


class ReadyView(BaseModel):
    """The service can do its work; `degraded` if submitted jobs wait for a runner."""

    status: Literal["ok", "degraded"]
    database: Literal["ok"]
    schema_revision: str
    runner: Literal["running", "restarting", "external"] = Field(
        description="The runner that `espalier serve` keeps; `external` where it keeps none."
    )
    runners_alive: int = Field(
        description="Runners that the database has heard of lately, each with a Ray that answers."
    )
    waiting_jobs: int
