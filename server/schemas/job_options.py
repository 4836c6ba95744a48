"""What every submitting body may say about its job: urgency, deadline, retries, dependencies."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Literal, Self, TypedDict

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator, model_validator

MAX_PRIORITY = 1000
MAX_DEADLINE_S = 10 * 366 * 86_400.0
MAX_AFTER = 100
LAST_YEAR = 2200

ErrorKind = Literal["failed", "internal", "out-of-memory"]
"""Errors of an attempt that another attempt may avoid."""


JobId = Annotated[str, Field(max_length=100)]


class RetryPolicy(BaseModel):
    """Which failures of a job are tried again, how often and when.

    An attempt that was preempted, or lost with its runner, is no failure and uses none up. Memory
    that ran out will mostly run out again: only a policy that names it tries that again.

    Attributes:
        max_attempts: failed attempts after which the job has failed; 1 tries nothing again.
        delay_seconds: between the first failure and the attempt that follows it.
        backoff: every further delay is this many times the one before.
        retry_on: the errors that are tried again.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_attempts: int = Field(default=3, ge=1, le=100)
    delay_seconds: float = Field(default=30.0, ge=0, le=86_400, allow_inf_nan=False)
    backoff: float = Field(default=2.0, ge=1, le=10, allow_inf_nan=False)
    retry_on: tuple[ErrorKind, ...] = ("failed", "internal")

    def delay_after(self, error: str, failed_attempts: int) -> timedelta | None:
        """Returns how long to wait after a failure; None if that was the last attempt.

        Args:
            error: its type.
            failed_attempts: with this one.
        """
        if error not in self.retry_on or failed_attempts >= self.max_attempts:
            return None
        # A day at most: the powers of a long policy would leave the calendar.
        delay_s = min(self.delay_seconds * self.backoff ** (failed_attempts - 1), 86_400.0)
        return timedelta(seconds=delay_s)


class JobTerms(TypedDict):
    """The options of `server.store.jobs.submit_job`."""

    priority: int
    depends_on: Sequence[str]
    deadline_at: datetime | None
    retry: RetryPolicy | None


class JobOptions(BaseModel):
    """How a job is run; the same in every body that submits one.

    Attributes:
        priority: of two jobs that could run, the one of higher priority does.
        deadline_seconds: from now; a job that has not ended by then fails.
        deadline_at: the same as a moment.
        retry: which failures are tried again; none by default.
        after: ids of jobs that must have succeeded before this one runs.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "priority": 10,
                    "deadline_seconds": 86_400,
                    "retry": {"max_attempts": 3, "delay_seconds": 60},
                    "after": [],
                }
            ]
        },
    )

    priority: int = Field(default=0, ge=-MAX_PRIORITY, le=MAX_PRIORITY)
    deadline_seconds: float | None = Field(
        default=None, gt=0, le=MAX_DEADLINE_S, allow_inf_nan=False
    )
    deadline_at: AwareDatetime | None = None
    retry: RetryPolicy | None = None
    after: tuple[JobId, ...] = Field(default=(), max_length=MAX_AFTER)

    @field_validator("deadline_at")
    @classmethod
    def _check_year(cls, deadline_at: datetime | None) -> datetime | None:
        # The last hours of the calendar cannot be told in UTC.
        if deadline_at is not None and not 1900 < deadline_at.year <= LAST_YEAR:
            raise ValueError(f"must be between the years 1901 and {LAST_YEAR}")
        return deadline_at

    @model_validator(mode="after")
    def _check_one_deadline(self) -> Self:
        if self.deadline_seconds is not None and self.deadline_at is not None:
            raise ValueError("must have one of deadline_seconds and deadline_at, got both")
        return self

    def terms(self, now: datetime, awaited: Sequence[str] = ()) -> JobTerms:
        """Returns the options as the store takes them.

        Args:
            now: by the database's clock.
            awaited: ids of jobs that must have succeeded beside those of `after`.
        """
        deadline_at = self.deadline_at
        if self.deadline_seconds is not None:
            deadline_at = now + timedelta(seconds=self.deadline_seconds)
        return JobTerms(
            priority=self.priority,
            depends_on=(*self.after, *awaited),
            deadline_at=deadline_at,
            retry=self.retry,
        )


DEFAULT_OPTIONS = JobOptions()
