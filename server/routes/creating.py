"""Routes that create, once for each idempotency key.

A client that gives `Idempotency-Key` may send a request again as often as it likes, say because the
answer was lost: the first one that succeeds creates, the others are given its answer. What is
refused is not remembered.

| the key was given before | answer |
|---|---|
| by nobody | that of the route |
| with the same request | the stored answer; 200 instead of 201 |
| with another request | 422 |
| with the same request, which is still being answered | 409 with Retry-After |
"""

import functools
import hashlib
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Annotated, Any

from fastapi import Header, Request, Response
from pydantic import BaseModel
from pydantic_core import to_json, to_jsonable_python

from server.errors import InvalidRequestError, KeyInFlightError
from server.routes.common import Service
from server.store import Answer, Creation, KeyTakenError

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
_MAX_TURNS = 5

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias=HEADER,
        pattern=r"^[!-~]{1,255}$",
        description="Of your choice, new for each creation: the same request with the same key is "
        "given the same answer and creates nothing again.",
    ),
]


def creates(endpoint: Callable[..., BaseModel]) -> Callable[..., BaseModel | Response]:
    """Makes an endpoint that creates heed the client's idempotency key.

    All that it stores becomes one transaction, which ends with its answer.

    Args:
        endpoint: a plain function with a parameter `service`; what it returns is answered as JSON.
    """
    signature = inspect.signature(endpoint)
    assert "service" in signature.parameters
    assert not inspect.iscoroutinefunction(endpoint), "the transaction belongs to one thread"
    added = {
        "idempotency_key": (IdempotencyKey, None),
        "request": (Request, inspect.Parameter.empty),
    }

    @functools.wraps(endpoint)
    def create(
        *, idempotency_key: str | None, request: Request, **arguments: Any
    ) -> BaseModel | Response:
        if idempotency_key is None:
            return endpoint(**arguments)
        if len(request.headers.getlist(HEADER)) > 1:
            raise InvalidRequestError.single(HEADER, "must be given once", idempotency_key)
        service: Service = arguments["service"]
        creation = Creation(
            caller=request.state.access.caller.key_id or "",
            key=idempotency_key,
            route=f"{request.method} {request.scope['route'].path}",
            fingerprint=_fingerprint(arguments),
            lifetime_s=3600 * service.settings.idempotency_hours,
        )
        with service.in_flight.turn(service.store.name_of(creation)):
            return _created_once(endpoint, arguments, creation, request.scope["route"].status_code)

    parameters = [
        *(p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in signature.parameters.values()),
        *(
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
            )
            for name, (annotation, default) in added.items()
        ),
    ]
    create.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]  # where FastAPI looks
    return create


def _created_once(
    endpoint: Callable[..., BaseModel],
    arguments: Mapping[str, Any],
    creation: Creation,
    default_status: int,
) -> Response:
    service: Service = arguments["service"]
    for _ in range(_MAX_TURNS):
        stored = service.store.find_answer(creation)
        if stored is not None:
            return _response(stored, is_replayed=True)
        try:
            with service.store.creating(creation) as store:
                view = endpoint(**{**arguments, "service": replace(service, store=store)})
                response: Response | None = arguments.get("response")
                answer = Answer(
                    (response and response.status_code) or default_status,
                    dict(response.headers) if response is not None else {},
                    to_json(view, by_alias=True).decode(),
                )
                store.record_answer(creation, answer)
        except KeyTakenError:
            continue  # its answer is there now
        return _response(answer, is_replayed=False)
    raise KeyInFlightError("requests with the same idempotency key are being answered")


def _response(answer: Answer, *, is_replayed: bool) -> Response:
    status = 200 if is_replayed and answer.status == 201 else answer.status
    headers = {**answer.headers, REPLAYED: "true"} if is_replayed else answer.headers
    return Response(answer.body, status, headers, media_type="application/json")


def _fingerprint(arguments: Mapping[str, Any]) -> str:
    """Returns the digest of what a request says: what means the same is the same."""
    said = {
        name: to_jsonable_python(value)
        for name, value in arguments.items()
        if not isinstance(value, Service | Response)
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
