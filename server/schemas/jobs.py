"""Bodies of responses about jobs, their events and those who do them."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from server.job_states import JobStatus
from server.schemas.responses import Moment


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
