"""Bodies of responses about how searches went and compare."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from server.job_states import JobStatus
from server.schemas.responses import Moment

Reference = dict[str, float]


class ImprovementView(BaseModel):
    """An evaluation that made the front better."""

    evaluations: int = Field(description="How many the search had been told by then.")
    number: int = Field(description="Of the proposal.")
    hypervolume: float
    at: Moment


class HypervolumeView(BaseModel):
    """How the front of a search grew."""

    search: str
    status: JobStatus
    objectives: list[dict[str, Any]]
    limits: list[dict[str, Any]]
    reference: Reference | None = Field(
        description="The point that volumes are measured from, in natural units; null while "
        "nothing feasible was measured."
    )
    reference_source: Literal["given", "worst measured"] = Field(
        description="`worst measured` moves while the search goes on: give one to compare answers."
    )
    evaluations: int
    hypervolume: float = Field(description="Now.")
    items: list[ImprovementView] = Field(description="It is constant between them.")


class ComparedView(BaseModel):
    """One of the searches that are compared."""

    search: str
    name: str
    searcher: dict[str, Any]
    seed: int
    status: JobStatus
    evaluations: int
    hypervolume: float
    share_percent: float | None = Field(
        description="Of the hypervolume of all searches' points together; null if that is 0."
    )
    front_size: int
    on_joint_front: int = Field(description="Of its points, those that no search's point beats.")
    evaluations_to: dict[str, int | None] = Field(
        description="Evaluations until 90, 95, 99 % of the joint hypervolume; null if never."
    )


class ComparisonView(BaseModel):
    """Searches of one problem side by side."""

    objectives: list[dict[str, Any]]
    limits: list[dict[str, Any]]
    reference: Reference | None
    reference_source: Literal["given", "worst measured"]
    same_evaluator: bool = Field(
        description="Whether all were evaluated in one way; otherwise figures may differ for "
        "reasons that have nothing to do with the searches."
    )
    joint_hypervolume: float
    items: list[ComparedView]
