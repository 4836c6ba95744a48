"""Bodies of responses about campaigns."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from server.job_states import JobStatus
from server.schemas.responses import ExportView, Moment, Values

OccurrenceStatus = Literal["queued", "running", "succeeded", "failed", "cancelled", "skipped"]
Trigger = Literal["schedule", "manual"]


class UsageView(BaseModel):
    """What a campaign has used up."""

    evaluations: int = Field(description="Those planned of what is running included.")
    worker_hours: float = Field(description="Of occurrences that have ended.")


class CampaignView(BaseModel):
    """A campaign."""

    id: str
    name: str
    status: Literal["active", "paused", "finished"] = Field(
        description="`finished` when no time is left to come."
    )
    schedule: dict[str, Any]
    template: dict[str, Any]
    overlap: str
    catch_up: dict[str, Any]
    grace_seconds: int
    budget: dict[str, Any]
    promotion: dict[str, Any] | None
    supernet: str = Field(
        description="What is searched now: the template's, until it is trained anew."
    )
    next_at: Moment | None
    num_started: int = Field(description="Occurrences that were started.")
    usage: UsageView
    best: str | None = Field(description="The export that was promoted last.")
    revision: int = Field(description="Counts the changes of its settings; also its ETag.")
    created_at: Moment


class NextView(BaseModel):
    """Times to come."""

    items: list[Moment]


class OccurrenceView(BaseModel):
    """A time of a campaign and what came of it."""

    id: str
    campaign: str
    number: int | None = Field(description="Counts those that were started, from 0.")
    fire_at: Moment
    first_at: Moment = Field(description="Differs from `fire_at` where several were skipped.")
    firings: int = Field(description="How many times in a row were skipped, as one.")
    trigger: Trigger
    status: OccurrenceStatus
    stage: Literal["training", "searching", "exporting"] | None = Field(
        description="Where it is, or where it ended."
    )
    reason: str | None = Field(description="Why it was skipped, failed or was not complete.")
    supernet: str | None = Field(description="What it searches.")
    training_job: str | None = Field(description="Of the training before it, if there is one.")
    searches: list[str]
    export: str | None = Field(description="Of the network that it promotes, if it does.")
    verdict: str | None = Field(description="Why a network was promoted, or why none.")
    evaluations: int
    worker_hours: float
    created_at: Moment
    started_at: Moment | None
    finished_at: Moment | None


class VolumeView(BaseModel):
    """The hypervolume of one place at one time."""

    occurrence: str
    number: int
    fire_at: Moment
    hypervolume: float


class FrontPointView(BaseModel):
    """A network on a front."""

    architecture_digest: str
    architecture: Values
    metrics: dict[str, float]
    is_new: bool = Field(description="Whether it was not on the last front.")


class SearchReport(BaseModel):
    """One search of an occurrence, compared with the one before in its place."""

    search: str
    status: JobStatus
    place: dict[str, Any] = Field(description="What is varied between the searches.")
    num_measured: int | None
    hypervolume: float | None = Field(description="Null if it did not succeed.")
    last_hypervolume: float | None = Field(description="Null for the first in its place.")
    front: list[FrontPointView]
    gone: list[str] = Field(description="Digests on the last front that are no longer on it.")
    history: list[VolumeView] = Field(description="In this place, up to this occurrence.")


class OccurrenceReport(BaseModel):
    """What an occurrence gave."""

    occurrence: OccurrenceView
    reference: dict[str, float] | None = Field(
        description="The point that hypervolumes are measured from, in natural units."
    )
    searches: list[SearchReport]


class PromotionView(BaseModel):
    """A network that became the best of its campaign."""

    id: str
    occurrence: str
    export: str
    supernet: str
    architecture_digest: str
    figures: dict[str, Any] = Field(description="Those that decided.")
    reason: str
    created_at: Moment


class BestView(BaseModel):
    """The best network of a campaign; its files have addresses that stay."""

    campaign: str
    promotion: PromotionView
    export: ExportView
