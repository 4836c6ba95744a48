"""What the routes share: the parts of the service, list parameters, declared errors."""

import base64
import binascii
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Header, Path, Query, Request, Response

from server.artifacts import ArtifactStore
from server.authentication import Access
from server.errors import InvalidRequestError
from server.outside.exchange import Exchange
from server.problems import MEDIA_TYPE
from server.schemas.responses import PageOf
from server.settings import Settings
from server.store import Page, Store
from server.uploads import UploadFiles

Row = TypeVar("Row")
View = TypeVar("View")


@dataclass(frozen=True)
class Service:
    """The parts that `server.main` wires together.

    Attributes:
        settings: the operator's.
        store: the database.
        exchange: carries out the orders of clients that evaluate.
        artifacts: content-addressed files.
        uploads: files that arrive in parts.
        registrations: as many data sets may be read at once.
        schema_revision: of the database and of this program.
        is_stopping: whether the server is shutting down, or the request's key has ceased to be
            valid, so that streams end.
        runner_state: `running` or `restarting` for a runner of our own, `external` without one.
    """

    settings: Settings
    store: Store
    exchange: Exchange
    artifacts: ArtifactStore
    uploads: UploadFiles
    registrations: threading.Semaphore
    schema_revision: str
    is_stopping: Callable[[], bool]
    runner_state: Callable[[], str]


async def get_whole_service(request: Request) -> Service:
    """Returns the parts of the service that answers the request; its store sees all projects."""
    # A coroutine: FastAPI would send a plain function through a thread, for every request.
    service = request.app.state.service
    assert isinstance(service, Service)
    return service


async def get_service(request: Request) -> Service:
    """Returns the same, whose store acts for the caller and sees their project alone."""
    service = await get_whole_service(request)
    access = request.state.access
    assert isinstance(access, Access)
    return replace(
        service,
        store=service.store.acting_for(access.caller),
        is_stopping=lambda: service.is_stopping() or access.has_ended,
    )


ServiceDep = Annotated[Service, Depends(get_service)]
WholeServiceDep = Annotated[Service, Depends(get_whole_service)]
"""For what is about no project, and what needs the scope `admin`."""

Id = Annotated[str, Path(max_length=100, pattern=r"^[0-9a-z_]+$", description="As it was given.")]


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Returns the declaration of the errors that a route can answer with, beside its successes."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemBody"}}}
    always = (401, 403, 421, 422, 429, 500, 503)
    return {
        status: {"description": HTTPStatus(status).phrase, "content": content}
        for status in sorted({*statuses, *always})
    }


BODY = (413, 415)
"""The errors of every route that takes a body."""


@dataclass(frozen=True)
class ListParameters:
    """Which part of a list is asked for."""

    request: Request
    limit: int
    before: str | None

    def page(self, page: Page[Row], view: Callable[[Row], View]) -> PageOf[View]:
        """Returns the answer for rows of the store."""
        return self.answer([view(row) for row in page.rows], page.next)

    def answer(self, items: Sequence[View], key: str | None) -> PageOf[View]:
        """Returns the answer for items and the key after which the next page begins."""
        following = None
        if key is not None:
            url = self.request.url.include_query_params(limit=self.limit, cursor=_encode(key))
            following = f"{url.path}?{url.query}"
        return PageOf(items=list(items), next=following)


def list_parameters(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=500, description="Items per page.")] = 50,
    cursor: Annotated[
        str | None, Query(max_length=200, description="From the `next` of a page before.")
    ] = None,
) -> ListParameters:
    """Reads the parameters of a list.

    Raises:
        InvalidRequestError: the cursor is not one of ours.
    """
    return ListParameters(request, limit, _decode(cursor) if cursor is not None else None)


ListDep = Annotated[ListParameters, Depends(list_parameters)]


def _encode(key: str) -> str:
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def _decode(cursor: str) -> str:
    try:
        key = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        key = ""
    if not key.isascii() or not key.replace("_", "").isalnum():
        raise InvalidRequestError.single("cursor", "must come from the next of a page", cursor)
    return key


IfNoneMatch = Annotated[str | None, Header(description="ETags of what the client has.")]


def conditional(
    tag: str, if_none_match: str | None, make: Callable[[], tuple[bytes, str]]
) -> Response:
    """Returns 304 without a body if the client has what the tag names, else what `make` makes."""
    headers = {"ETag": f'"{tag}"', "Cache-Control": "no-cache"}
    known = [name.strip().removeprefix("W/") for name in (if_none_match or "").split(",")]
    if headers["ETag"] in known or "*" in known:
        return Response(status_code=304, headers=headers)
    content, media_type = make()
    return Response(content, media_type=media_type, headers=headers)


def picture_responses(*media_types: str) -> dict[int | str, dict[str, Any]]:
    """Returns the declaration of the answers of a route that gives a picture."""
    schema = {"type": "string", "format": "binary"}
    content = {media_type: {"schema": schema} for media_type in media_types}
    return {
        200: {"description": "The picture.", "content": content},
        304: {"description": "What it shows has not changed."},
        **problems(404),
    }
