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


class JobView(BaseModel):
    """A unit of work."""

    id: str
    kind: Literal["train", "search", "outside", "export", "refine", "assess"]
    subject: str = Field(description="The address of what it works for.")
    status: JobStatus
    attempt: int = Field(description="How many times a runner took it up.")
    progress: dict[str, Any] | None
    error: dict[str, Any] | None
    submitted_by: str | None = Field(
        description="The id of the API key it was submitted with; null where there are no keys."
    )
    priority: int
    after: list[str] = Field(description="The jobs that must have succeeded before it runs.")
    deadline_at: Moment | None = Field(description="It fails if it has not ended by then.")
    not_before: Moment | None = Field(description="Nobody claims it before then.")
    retry: dict[str, Any] | None = Field(description="Which failures are tried again; null: none.")
    failed_attempts: int = Field(description="Preempted and lost ones are no failures.")
    pause_requested: bool = Field(description="Whether its runner was asked to let go of it.")
    spec: dict[str, Any] = Field(description="Everything that the runner is given.")
    created_at: Moment
    started_at: Moment | None
    finished_at: Moment | None


class RunnerView(BaseModel):
    """A process that does jobs."""

    id: str = Field(description="The `owner` in the events of the jobs that it runs.")
    host: str
    is_alive: bool = Field(description="Whether it was heard of within the length of a lease.")
    num_cpus: float = Field(description="Of its Ray cluster, in all.")
    num_gpus: float
    custom: dict[str, float] = Field(description="Other resources of its Ray cluster.")
    version: str
    started_at: Moment
    seen_at: Moment


class RunnersView(BaseModel):
    """All runners that are known."""

    items: list[RunnerView]


class EventView(BaseModel):
    """Something that happened to a job."""

    id: int
    job: str
    attempt: int
    type: str
    data: dict[str, Any]
    created_at: Moment


class EventsView(BaseModel):
    """Events after a given one."""

    items: list[EventView]
    last: int = Field(description="Ask for events after this one next.")
    ended: bool = Field(description="Whether the job has ended, so that no further event comes.")


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


class SearchView(DescribedView):
    """A search."""

    id: str
    name: str
    supernet: str | None = Field(description="Null where the search is evaluated outside.")
    space: str
    searcher: dict[str, Any]
    objectives: list[dict[str, Any]]
    limits: list[dict[str, Any]]
    evaluations: int
    evaluator: dict[str, Any] = Field(description="Complete: equal evaluators share results.")
    evaluator_digest: str | None = Field(
        description="Null while the supernet, whose version is a part of it, is in training."
    )
    resources: dict[str, Any]
    seed: int
    job: str
    status: JobStatus
    counts: dict[str, int] = Field(description="Observations so far, by what came of them.")
    result: dict[str, Any] | None
    assessment: AssessmentSummary | None = Field(
        description="How far its supernet can be trusted: the newest assessment of that."
    )
    created_at: Moment


class EvaluationView(BaseModel):
    """What came of evaluating one architecture."""

    id: str
    space: str
    architecture_digest: str
    architecture: Values
    status: Literal["measured", "infeasible", "failed"]
    metrics: dict[str, float]
    provenance: dict[str, Any] = Field(description="How each metric was obtained.")
    reason: str | None
    evaluator_digest: str
    search: str = Field(description="The search that made it.")
    created_at: Moment


class ObservationView(BaseModel):
    """An evaluation as a search observed it."""

    number: int = Field(description="The proposal's number, from 0.")
    evaluation: EvaluationView


class ExcessView(BaseModel):
    """How a limit is broken."""

    metric: str
    upper: float | None
    lower: float | None
    value: float
    excess: float = Field(description="By how much, in the metric's unit.")


class PointView(BaseModel):
    """An architecture on a front."""

    number: int
    architecture_digest: str
    architecture: Values
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]] = Field(
        description="95 % interval of an accuracy; 10th and 90th percentile of a latency."
    )
    provenance: dict[str, Any]
    tied_with_next: bool = Field(
        description="Whether some objective does not tell this point from the next one: their "
        "intervals overlap."
    )
    tied_on: list[str] = Field(description="Those objectives.")


class InfeasiblePointView(PointView):
    """An architecture that breaks limits."""

    feasible: Literal[False] = False
    violation: float = Field(description="Sum of the relative excesses.")
    violated: list[ExcessView]


class FrontView(BaseModel):
    """The Pareto front of a search so far.

    Never holds a point that breaks a limit. When nothing keeps all limits, `feasible` is false and
    those that break them least are listed apart.
    """

    search: str
    status: JobStatus
    objectives: list[dict[str, Any]]
    limits: list[dict[str, Any]]
    num_measured: int
    remeasured: bool = Field(description="Whether latencies are those of finalists, side by side.")
    feasible: bool
    points: list[PointView]
    least_violating: list[InfeasiblePointView]


class SpaceKnowledge(BaseModel):
    """What is known about an architecture in one space."""

    space: str
    costs: CostView | None
    evaluations: list[EvaluationView]


class ArchitectureKnowledge(BaseModel):
    """All that is known about an architecture."""

    digest: str
    architecture: Values
    spaces: list[SpaceKnowledge]
    exports: list[str]


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
