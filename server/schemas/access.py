"""Bodies of requests about keys, projects and changes, and of the answers."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from server.callers import DEFAULT_PROJECT, Scope
from server.schemas.requests import Body, Name
from server.schemas.responses import Moment

MAX_YEAR = 9000
PROJECT_PATTERN = r"^[a-z0-9]([a-z0-9_]{0,48}[a-z0-9])?$"

ProjectId = Annotated[str, Field(pattern=PROJECT_PATTERN)]
Quota = Annotated[int, Field(ge=0, lt=2**63)] | None


def _conceivable(moment: datetime) -> datetime:
    if moment.year >= MAX_YEAR:  # near the end of the calendar no other time zone can write it
        raise ValueError(f"must be before the year {MAX_YEAR}")
    return moment


Expiry = Annotated[AwareDatetime, AfterValidator(_conceivable)]


def _distinct(scopes: list[Scope]) -> list[Scope]:
    if len(set(scopes)) != len(scopes):
        raise ValueError("must be distinct")
    return scopes


class KeyBody(Body):
    """A key to make."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "nightly builds",
                    "owner": "alice",
                    "project": "default",
                    "scopes": ["read", "submit"],
                    "expires_at": "2099-01-01T00:00:00Z",
                }
            ]
        }
    )

    name: Name
    owner: Name = Field(description="Whom it is for; the audit log names them.")
    project: ProjectId = DEFAULT_PROJECT
    scopes: Annotated[list[Scope], AfterValidator(_distinct)] = Field(
        default=["read", "submit"],
        min_length=1,
        description="What it allows; none implies another.",
    )
    expires_at: Expiry | None = Field(default=None, description="Null: it never expires.")


class KeyView(BaseModel):
    """An API key, without its secret."""

    id: str
    name: str
    owner: str
    project: str
    scopes: list[Scope]
    prefix: str = Field(description="The beginning of the key.")
    created_at: Moment
    expires_at: Moment | None
    revoked_at: Moment | None
    last_used_at: Moment | None = Field(description="To the minute.")


class NewKeyView(KeyView):
    """An API key that was just made."""

    key: str = Field(description="The key itself: shown now and never again.")


class ProjectBody(Body):
    """A project to make."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"id": "vision", "max_active_jobs": 100}]}
    )

    id: ProjectId
    max_active_jobs: Quota = Field(default=None, description="Jobs that wait or run.")
    max_running_jobs: Quota = Field(default=None, description="Jobs that run.")
    max_bytes: Quota = Field(default=None, description="Of uploads and of files of all rows.")


class QuotaBody(Body):
    """Quotas to change; null is no limit, and what is not given stays."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"max_active_jobs": 20}]})

    max_active_jobs: Quota = None
    max_running_jobs: Quota = None
    max_bytes: Quota = None


class ProjectView(BaseModel):
    """A project, what it may have and what it has."""

    id: str
    max_active_jobs: int | None = Field(description="Null: any number.")
    max_running_jobs: int | None = Field(description="Null: any number.")
    max_bytes: int | None = Field(description="Null: any number.")
    num_active_jobs: int = Field(description="Jobs that wait or run.")
    num_running_jobs: int
    num_bytes: int = Field(description="Of uploads, as announced, and of the files of all rows.")
    created_at: Moment


class CallerView(BaseModel):
    """Whom the service takes the sender of the request for."""

    key: str | None = Field(description="The key's id; null where the service needs none.")
    owner: str
    project: str
    scopes: list[Scope]


class ChangeView(BaseModel):
    """An entry of the audit log: a request that was to change something."""

    id: str
    key: str | None = Field(description="The key's id; null where there was none.")
    owner: str
    project: str
    request_id: str | None = Field(description="Finds the request in the logs.")
    method: str = Field(description="Of HTTP, or CLI.")
    route: str = Field(description="The path as documented, or the command.")
    resource: str | None = Field(description="Id of what was made or changed.")
    status: int = Field(description="Of the response.")
    created_at: Moment


def quotas_of(body: ProjectBody | QuotaBody) -> dict[str, Any]:
    """Returns the quotas that a body gives."""
    return body.model_dump(exclude={"id"}, exclude_unset=True)
