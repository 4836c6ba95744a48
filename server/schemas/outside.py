"""Searches that are evaluated outside: what is submitted, leased and told."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag

from search_space.outcomes import MAX_FIGURE, Failed, Infeasible, Measured, Outcome
from searchers.protocol import FiniteNumber, MetricName
from server.job_states import JobStatus
from server.outside.orders import Shortage
from server.schemas.computed_searches import ComputedSearchBody
from server.schemas.requests import (
    EXAMPLE_ID,
    MAX_EVALUATIONS,
    Body,
    Name,
    SearchBody,
    SearchFields,
    SpaceReference,
)
from server.schemas.responses import Moment, Values
from server.schemas.table_searches import TableSearchBody

MAX_ITEMS = 1000
EXAMPLE_LEASE = f"lea_{EXAMPLE_ID}"

Reason = Annotated[str, Field(min_length=1, max_length=10_000)]
Token = Annotated[str, Field(min_length=1, max_length=100)]
Number = Annotated[int, Field(ge=0, lt=MAX_EVALUATIONS)]


class OutsideEvaluator(BaseModel):
    """Clients evaluate: they lease proposals and tell what came of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["outside"]
    description: str = Field(
        default="", max_length=1000, description="What evaluates, for people who read the results."
    )
    lease_seconds: float = Field(
        default=60.0,
        ge=1,
        le=86_400,
        allow_inf_nan=False,
        description="A proposal that is not told, or its lease renewed, within this time is given "
        "to another worker.",
    )
    barrier: bool = Field(
        default=False,
        description="Whether the searcher makes the next batch only when all of the last one are "
        "told. Then the same seed gives the same front, whoever was faster.",
    )


class OutsideSearchBody(SearchFields):
    """A search whose architectures are evaluated outside the service.

    Metrics may have any name; those that the service does not measure itself need a `goal`.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "phones",
                    "space": {"kind": "mobilenetv3", "preset": "digits"},
                    "searcher": {"kind": "espalier"},
                    "objectives": [
                        {"metric": "top1_percent"},
                        {"metric": "joules", "goal": "minimize"},
                    ],
                    "evaluations": 60,
                    "evaluator": {"kind": "outside", "lease_seconds": 300},
                    "seed": 0,
                }
            ]
        },
    )

    space: SpaceReference = Field(description="A space's id, or its settings.")
    evaluator: OutsideEvaluator


def _where_evaluated(body: Any) -> str:
    evaluator = (
        body.get("evaluator") if isinstance(body, dict) else getattr(body, "evaluator", None)
    )
    kind = (
        evaluator.get("kind") if isinstance(evaluator, dict) else getattr(evaluator, "kind", None)
    )
    bodies = {
        "outside": "OutsideSearchBody",
        "table": "TableSearchBody",
        "computed": "ComputedSearchBody",
    }
    return bodies.get(kind, "SearchBody") if isinstance(kind, str) else "SearchBody"


AnySearchBody = Annotated[
    # The tags are no names of fields: pydantic puts both into the locations of faults.
    Annotated[SearchBody, Tag("SearchBody")]
    | Annotated[OutsideSearchBody, Tag("OutsideSearchBody")]
    | Annotated[TableSearchBody, Tag("TableSearchBody")]
    | Annotated[ComputedSearchBody, Tag("ComputedSearchBody")],
    Discriminator(_where_evaluated),
]
"""A search, by the `kind` of its evaluator."""


class ProposalsBody(Body):
    """How many proposals to lease."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"count": 8, "worker": "desk 3"}]})

    count: int = Field(default=1, ge=1, le=MAX_ITEMS)
    worker: Name | None = Field(default=None, description="Who evaluates them, for people to read.")


def _spread(how: dict[str, Any]) -> dict[str, Any]:
    """Returns how a metric was obtained, if the names that fronts read hold what they read."""
    for name in ("interval", "interval_percent"):
        if name in how:
            _check_interval(name, how[name])
    percentiles = [how[name] for name in ("p10_ms", "p90_ms") if name in how]
    if percentiles:
        _check_interval("p10_ms and p90_ms", percentiles)
    return how


def _check_interval(name: str, value: Any) -> None:
    numbers = value if isinstance(value, list) else []
    finite = [
        number
        for number in numbers
        if isinstance(number, int | float)
        and not isinstance(number, bool)
        and abs(number) <= MAX_FIGURE
    ]
    if not (len(numbers) == len(finite) == 2 and finite[0] <= finite[1]):
        raise ValueError(f"{name} must be two numbers, the smaller one first")


Figure = Annotated[FiniteNumber, Field(ge=-MAX_FIGURE, le=MAX_FIGURE)]
Provenance = dict[MetricName, Annotated[dict[str, Any], AfterValidator(_spread)]]


class _TellBody(Body):
    number: Number = Field(description="Of the proposal.")
    lease: Token = Field(description="As it was given with the proposal.")


class MeasuredBody(_TellBody):
    """An evaluation that succeeded."""

    status: Literal["measured"]
    metrics: dict[MetricName, Figure] = Field(
        min_length=1, max_length=100, description="In natural units; all that the search is about."
    )
    provenance: Provenance = Field(
        default={},
        max_length=100,
        description="How metrics were obtained, by metric; `interval` holds a figure's spread.",
    )

    @property
    def outcome(self) -> Outcome:
        """The outcome as a value."""
        return Measured(self.metrics, self.provenance)


class InfeasibleBody(_TellBody):
    """The architecture cannot be had at all: it does not fit the device, say."""

    status: Literal["infeasible"]
    reason: Reason

    @property
    def outcome(self) -> Outcome:
        """The outcome as a value."""
        return Infeasible(self.reason)


class FailedBody(_TellBody):
    """The evaluation went wrong; it counts towards the budget and is not repeated."""

    status: Literal["failed"]
    reason: Reason

    @property
    def outcome(self) -> Outcome:
        """The outcome as a value."""
        return Failed(self.reason)


OutcomeBody = Annotated[MeasuredBody | InfeasibleBody | FailedBody, Field(discriminator="status")]


def outcome_body(number: int, lease: str, outcome: Outcome) -> OutcomeBody:
    """Returns an outcome of a leased proposal as it is told."""
    match outcome:
        case Measured(metrics, provenance):
            return MeasuredBody(
                number=number,
                lease=lease,
                status="measured",
                metrics=dict(metrics),
                provenance=dict(provenance),
            )
        case Infeasible(reason):
            return InfeasibleBody(number=number, lease=lease, status="infeasible", reason=reason)
        case Failed(reason):
            return FailedBody(number=number, lease=lease, status="failed", reason=reason)


class ObservationsBody(Body):
    """Outcomes of leased proposals; all are noted, or none."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "items": [
                        {
                            "number": 0,
                            "lease": EXAMPLE_LEASE,
                            "status": "measured",
                            "metrics": {"top1_percent": 91.5, "joules": 0.25},
                            "provenance": {"joules": {"interval": [0.24, 0.27]}},
                        }
                    ]
                }
            ]
        }
    )

    items: list[OutcomeBody] = Field(min_length=1, max_length=MAX_ITEMS)


class HeldLeaseBody(Body):
    """A lease that the caller holds."""

    number: Number
    lease: Token


class LeasesBody(Body):
    """Leases to renew or to give back."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [{"number": 0, "lease": EXAMPLE_LEASE}]}]}
    )

    items: list[HeldLeaseBody] = Field(min_length=1, max_length=MAX_ITEMS)


class LeaseView(BaseModel):
    """A proposal that is the caller's to evaluate."""

    number: int = Field(description="Of the proposal, from 0.")
    architecture_digest: str
    architecture: Values
    lease: str = Field(description="Names the lease; observations carry it.")
    fence: int = Field(description="How often the proposal was leased, this time included.")
    worker: str | None
    expires_at: Moment


class ProposalsView(BaseModel):
    """Leased proposals: as many as asked for, or fewer."""

    items: list[LeaseView]
    status: JobStatus = Field(description="Of the search's job.")
    ended: bool = Field(
        description="Whether the search has ended: there is no use in asking again."
    )
    shortage: Shortage | None = Field(
        description="Why there are fewer than asked for. `barrier`: the batch must be told first. "
        "`budget`: all proposals are made; some are out, and return if their leases expire. "
        "`paused`: until somebody resumes the job. `ended`: the search has ended."
    )
    retry_after_seconds: int | None = Field(
        description="When to ask again, as in the header `Retry-After`; null where none is missing "
        "or the search has ended."
    )
    lease_seconds: float = Field(description="How long a lease lasts.")


class ToldView(BaseModel):
    """Observations that are on record."""

    recorded: int = Field(description="How many were new.")
    known: int = Field(description="How many had been told before; those changed nothing.")
    status: JobStatus = Field(description="Of the search's job before these were told.")


class RenewalView(BaseModel):
    """A lease that goes on."""

    number: int
    lease: str
    expires_at: Moment


class LostLeaseView(BaseModel):
    """A lease that is over."""

    number: int
    reason: str


class LeasesView(BaseModel):
    """What became of leases."""

    items: list[RenewalView] = Field(description="With their new ends.")
    lost: list[LostLeaseView]
