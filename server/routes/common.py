"""What the routes share: the parts of the service, declared errors, conditional answers."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import Depends, Header, Path, Request, Response

from server.artifacts import ArtifactStore
from server.authentication import Access
from server.errors import KeyInFlightError
from server.http_methods import matches
from server.outside.exchange import Exchange
from server.problems import MEDIA_TYPE
from server.settings import Settings
from server.store import Store
from server.turns import Turns
from server.uploads import UploadFiles


class InFlight:
    """The creations that this process is making, by their names."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: set[str] = set()

    @contextmanager
    def turn(self, name: str) -> Iterator[None]:
        """Keeps others of the same name out until the end of the block.

        Raises:
            KeyInFlightError: it is being made already.
        """
        with self._lock:
            if name in self._names:
                raise KeyInFlightError("a request with the same Idempotency-Key is being answered")
            self._names.add(name)
        try:
            yield
        finally:
            with self._lock:
                self._names.discard(name)


@dataclass(frozen=True)
class Service:
    """The parts that `server.main` wires together.

    Attributes:
        settings: the operator's.
        store: the database.
        exchange: carries out the orders of clients that evaluate.
        artifacts: content-addressed files.
        uploads: files that arrive in parts.
        registrations: of data sets.
        schema_revision: of the database and of this program.
        is_stopping: whether the server is shutting down, or the request's key has ceased to be
            valid, so that streams end.
        runner_state: `running` or `restarting` for a runner of our own, `external` without one.
        streams: as many streams of events may be open.
        in_flight: what is being created under idempotency keys.
    """

    settings: Settings
    store: Store
    exchange: Exchange
    artifacts: ArtifactStore
    uploads: UploadFiles
    registrations: Turns
    schema_revision: str
    is_stopping: Callable[[], bool]
    runner_state: Callable[[], str]
    streams: threading.Semaphore
    in_flight: InFlight = field(default_factory=InFlight)


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
    """Returns the declaration of the errors that a route can answer with, beside its successes.

    Bodies are looked at before it is known which route they are for.
    """
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemBody"}}}
    always = (400, 401, 403, 413, 415, 421, 422, 429, 500, 503)
    return {
        status: {"description": HTTPStatus(status).phrase, "content": content}
        for status in sorted({*statuses, *always})
    }


IfNoneMatch = Annotated[str | None, Header(description="ETags of what the client has.")]


def conditional(
    tag: str, if_none_match: str | None, make: Callable[[], tuple[bytes, str]]
) -> Response:
    """Returns 304 without a body if the client has what the tag names, else what `make` makes."""
    headers = {"ETag": f'"{tag}"', "Cache-Control": "no-cache"}
    if matches(headers["ETag"], if_none_match):
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
