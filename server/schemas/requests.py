"""Bodies of requests: what is refused at the door, without a look at the database."""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StrictFloat,
    StrictInt,
    StrictStr,
    Tag,
    ValidationError,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from search_space.families import SpaceSettings
from search_space.outcomes import METRIC_GOALS
from searchers.espalier import EspalierSettings
from searchers.protocol import Limits, Objectives
from searchers.settings import SearcherSettings
from server.schemas.job_options import DEFAULT_OPTIONS, MAX_PRIORITY, JobOptions
from supernet.datasets import DataSetSource
from supernet.proxy_settings import PROXY_NAMES, ProxySettings
from supernet.settings import AccuracySettings, TrainingSettings
from supernet.starting_settings import ScratchStart, StartSettings
from workers.settings import LatencySettings, ResourceSettings

MAX_SAMPLES = 1000
MAX_EVALUATIONS = 100_000
_METRICS = {"names": ", ".join(METRIC_GOALS)}
EXAMPLE_ID = "01k9qv7m3c8r2n5t6w0x4y1zab"


def _printable(name: str) -> str:
    if name != name.strip() or not name.isprintable():
        raise ValueError("must be printable, without spaces at its ends")
    return name


Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_printable)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
Values = dict[str, StrictInt | StrictFloat | StrictStr]


class Body(BaseModel):
    """A request's body: fields that nobody knows are refused."""

    model_config = ConfigDict(extra="forbid")


class DataSetBody(Body):
    """A data set to register."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "digits", "source": {"kind": "digits"}}]}
    )

    name: Name
    source: DataSetSource
    supersedes: str | None = Field(
        default=None,
        description="The id of the data set that this is a newer version of: campaigns that "
        "retrain take the newest.",
        max_length=100,
    )


class UploadBody(Body):
    """A file that is going to be sent."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"name": "animals.zip", "size_bytes": 1_048_576, "sha256": "0" * 64}]
        }
    )

    name: Name
    size_bytes: int = Field(ge=1, lt=2**63)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="Of the whole file.")


class SampleBody(Body):
    """How many architectures to draw."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"count": 3, "seed": 0}]})

    count: int = Field(ge=1, le=MAX_SAMPLES)
    seed: Seed = 0


class CostBody(Body):
    """An architecture of the space."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"architecture": {"stage0.depth": 2, "stage0.block0.kernel_size": 5}}]
        }
    )

    architecture: Values


def _id_or_settings(value: Any) -> str:
    return "id" if isinstance(value, str) else "settings"


SpaceReference = Annotated[
    Annotated[Digest, Tag("id")] | Annotated[SpaceSettings, Tag("settings")],
    Discriminator(_id_or_settings),
]


class SupernetBody(Body):
    """A supernet to train."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "digits",
                    "space": {"kind": "mobilenetv3", "preset": "digits"},
                    "data_set": f"dat_{EXAMPLE_ID}",
                    "training": {"epochs": 60},
                    "seed": 0,
                }
            ]
        }
    )

    name: Name
    space: SpaceReference = Field(description="A space's id, or its settings.")
    data_set: str = Field(description="A data set's id.", max_length=100)
    training: TrainingSettings = TrainingSettings()
    start: StartSettings = ScratchStart()
    teacher: str | None = Field(
        default=None,
        description="A supernet's id, where the schedule distils from a teacher.",
        max_length=100,
    )
    resources: ResourceSettings = ResourceSettings()
    seed: Seed = 0
    job: JobOptions = DEFAULT_OPTIONS


def _with_known_metrics(parts: Any) -> Any:
    """Refuses unknown metrics, before their missing direction is complained of."""
    errors = [
        InitErrorDetails(
            type=PydanticCustomError("unknown_metric", "must be one of {names}", _METRICS),
            loc=(position, "metric"),
            input=part["metric"],
        )
        for position, part in enumerate(parts if isinstance(parts, list) else ())
        if isinstance(part, dict)
        and isinstance(part.get("metric"), str)
        and part["metric"] not in METRIC_GOALS
    ]
    if errors:
        raise ValidationError.from_exception_data("metrics", errors)
    return parts


KnownLimits = Annotated[Limits, BeforeValidator(_with_known_metrics)]
"""Limits on what the service measures itself."""


def _known_kind(value: Any) -> Any:
    # An evaluator of another kind is part of another body, so pydantic would name this one only.
    if value != "supernet":
        raise ValueError("must be one of 'supernet', 'outside', 'table', 'computed'")
    return value


class EvaluatorBody(Body):
    """How architectures are evaluated with the supernet; without `latency` nothing is timed.

    `proxies` belongs to the settings only where it is given: evaluators without keep their digests.
    """

    kind: Annotated[Literal["supernet"], BeforeValidator(_known_kind)] = "supernet"
    accuracy: AccuracySettings = AccuracySettings()
    latency: LatencySettings | None = None
    proxies: ProxySettings | None = Field(
        default=None,
        exclude_if=lambda proxies: proxies is None,
        description="Figures of untrained networks that are recorded beside the others.",
    )

    def lacks(self, metric: str) -> bool:
        """Whether a metric that the service knows is not measured by these settings."""
        if metric == "latency_ms":
            return self.latency is None
        return metric in PROXY_NAMES and (self.proxies is None or metric not in self.proxies.names)


class SearchFields(Body):
    """What every search's body says, whoever evaluates."""

    name: Name
    searcher: SearcherSettings = EspalierSettings()
    objectives: Objectives
    limits: Limits = ()
    evaluations: int = Field(ge=1, le=MAX_EVALUATIONS)
    seed: Seed = 0


class SearchBody(SearchFields):
    """A search to run."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "fast and accurate",
                    "supernet": f"net_{EXAMPLE_ID}",
                    "searcher": {"kind": "espalier"},
                    "objectives": [{"metric": "top1_percent"}, {"metric": "latency_ms"}],
                    "limits": [{"metric": "latency_ms", "upper": 1.0}],
                    "evaluations": 60,
                    "evaluator": {"latency": {"threads": 1}},
                    "seed": 0,
                }
            ]
        }
    )

    supernet: str = Field(description="A supernet's id.", max_length=100)
    objectives: Annotated[Objectives, BeforeValidator(_with_known_metrics)]
    limits: KnownLimits = ()
    evaluator: EvaluatorBody = EvaluatorBody()
    resources: ResourceSettings = ResourceSettings()
    job: JobOptions = DEFAULT_OPTIONS


class ExportBody(Body):
    """A network to export."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "search": f"sea_{EXAMPLE_ID}",
                    "architecture_digest": "0123456789abcdef",
                    "report_test": True,
                }
            ]
        }
    )

    search: str = Field(description="The id of the search that found it.", max_length=100)
    architecture_digest: Digest
    report_test: bool = Field(default=False, description="Read the test split, once.")
    job: JobOptions = DEFAULT_OPTIONS


class JobChangeBody(Body):
    """What may be changed of a job that waits."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"priority": 10}]})

    priority: int = Field(
        ge=-MAX_PRIORITY, le=MAX_PRIORITY, description="The highest is claimed first."
    )


JobKind = Literal["train", "search", "outside", "export", "refine", "assess"]
