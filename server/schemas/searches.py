"""Bodies of responses about searches: what they evaluated and what they found."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from server.job_states import JobStatus
from server.schemas.responses import AssessmentSummary, CostView, DescribedView, Moment, Values


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


class PredictionQualityView(BaseModel):
    """How well the searcher had ranked a batch before anything of it was known."""

    first_number: int = Field(description="The number of the batch's first proposal.")
    count: int = Field(description="How many of the batch were measured.")
    kendall: dict[str, float | None] = Field(
        description="Kendall's tau-b of predicted and measured values by metric, from -1 to 1; "
        "null where it is not defined."
    )


class PredictionsView(BaseModel):
    """How good a search's predictions were, batch after batch.

    Empty for searchers that predict nothing. What was predicted is never reported as a metric.
    """

    search: str
    status: JobStatus
    items: list[PredictionQualityView]


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
