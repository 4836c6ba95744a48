"""Bodies of requests and responses about webhooks."""

from typing import Annotated, Any, Literal, get_args

import httpx
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from server.schemas.requests import Body, Name
from server.schemas.responses import Moment

EventType = Literal[
    "job.succeeded", "job.failed", "job.cancelled", "campaign.occurrence", "campaign.promoted"
]
EVENT_TYPES: tuple[EventType, ...] = get_args(EventType)
PING = "ping"
"""The event that only the one who owns a webhook can make happen."""


def _web_address(text: str) -> str:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise ValueError(f"must be an http or https address: {error}") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError("must be an http or https address")
    labels = url.raw_host.decode().removesuffix(".").split(".")
    if len(url.raw_host) > 253 or not all(0 < len(label) < 64 for label in labels):
        raise ValueError("must have a host of at most 253 characters, 1 to 63 between dots")
    if url.port is not None and not 0 < url.port < 65536:
        raise ValueError("must have a port from 1 to 65535")
    if url.userinfo:
        raise ValueError("must not hold a user's name or password: the signature says who sends")
    return text


def _distinct(events: tuple[EventType, ...]) -> tuple[EventType, ...]:
    if len(set(events)) != len(events):
        raise ValueError("must name each event once")
    return events


class WebhookBody(Body):
    """An address to be told of events."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "name": "build server",
                    "url": "https://ci.example.org/hooks/espalier",
                    "events": ["job.succeeded", "job.failed"],
                }
            ]
        }
    )

    name: Name
    url: Annotated[str, Field(max_length=2000), AfterValidator(_web_address)]
    events: Annotated[tuple[EventType, ...], Field(min_length=1), AfterValidator(_distinct)] = (
        EVENT_TYPES
    )


class WebhookPatch(Body):
    """What to change of a webhook."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"active": False}]})

    active: bool = Field(description="Whether it is told of what happens from now on.")


class WebhookView(BaseModel):
    """A webhook without its secret."""

    id: str
    name: str
    url: str
    events: list[str]
    active: bool
    created_at: Moment


class NewWebhookView(WebhookView):
    """A webhook that was just made: the only answer that shows its secret."""

    secret: str = Field(description="Signs what is sent; keep it, it is not shown again.")


class DeliveryView(BaseModel):
    """One event for one webhook."""

    id: int
    webhook: str
    type: str
    data: dict[str, Any]
    status: Literal["waiting", "delivered", "failed"]
    attempts: int
    next_attempt_at: Moment | None
    response_status: int | None = Field(description="Of the last attempt.")
    error: str | None = Field(description="What went wrong at the last attempt.")
    created_at: Moment
    delivered_at: Moment | None
