"""Every error as one JSON shape: `application/problem+json` (RFC 9457)."""

import ast
import json
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from server.body_schemas import tags_at
from server.errors import (
    MAX_FAULTS,
    BackupError,
    BusyError,
    ConflictError,
    DamagedArtifactError,
    DatabaseUnavailableError,
    DiskFullError,
    Fault,
    ForbiddenError,
    ForeignOriginError,
    InvalidRequestError,
    JobQuotaError,
    KeyInFlightError,
    KeysRequiredError,
    MalformedRequestError,
    NotFoundError,
    PreconditionFailedError,
    PreconditionRequiredError,
    SchemaError,
    ServerError,
    StaleAttemptError,
    StorageQuotaError,
    StorageUnavailableError,
    TooLargeError,
    TooManyRequestsError,
    UnauthenticatedError,
    UnsatisfiableRangeError,
    WrongHostError,
    WrongMediaTypeError,
    WrongOffsetError,
)
from server.http_methods import allowed_methods

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 2
_MAX_VALUE_LENGTH = 500
_NO_TAG = "union_tag_not_found"
"""Pydantic's error where a member of a union does not say which it is."""

_TAG = "kind"
"""The field that says which member of a union is given."""

_SHOULD = re.compile(r"^\w+ should\b")
_FOUND = re.compile(r"( after validation)?, not \S+$")
"""What pydantic adds to its rules on lengths."""

logger = structlog.get_logger(__name__)

STATUSES: Mapping[type[ServerError], HTTPStatus] = {
    MalformedRequestError: HTTPStatus.BAD_REQUEST,
    InvalidRequestError: HTTPStatus.UNPROCESSABLE_ENTITY,
    UnauthenticatedError: HTTPStatus.UNAUTHORIZED,
    ForbiddenError: HTTPStatus.FORBIDDEN,
    ForeignOriginError: HTTPStatus.FORBIDDEN,
    # No 429: the caller does not ask too often, and asking again soon is of no use.
    StorageQuotaError: HTTPStatus.FORBIDDEN,
    JobQuotaError: HTTPStatus.FORBIDDEN,
    KeysRequiredError: HTTPStatus.SERVICE_UNAVAILABLE,
    NotFoundError: HTTPStatus.NOT_FOUND,
    ConflictError: HTTPStatus.CONFLICT,
    PreconditionFailedError: HTTPStatus.PRECONDITION_FAILED,
    PreconditionRequiredError: HTTPStatus.PRECONDITION_REQUIRED,
    TooLargeError: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    WrongHostError: HTTPStatus.MISDIRECTED_REQUEST,
    WrongMediaTypeError: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    UnsatisfiableRangeError: HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
    TooManyRequestsError: HTTPStatus.TOO_MANY_REQUESTS,
    BusyError: HTTPStatus.SERVICE_UNAVAILABLE,
    DiskFullError: HTTPStatus.SERVICE_UNAVAILABLE,
    StorageUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    DatabaseUnavailableError: HTTPStatus.SERVICE_UNAVAILABLE,
    SchemaError: HTTPStatus.SERVICE_UNAVAILABLE,
    BackupError: HTTPStatus.INTERNAL_SERVER_ERROR,
    DamagedArtifactError: HTTPStatus.INTERNAL_SERVER_ERROR,
    StaleAttemptError: HTTPStatus.CONFLICT,
}
"""The status of each error; an error has the status of the nearest class that is listed."""


class FaultBody(BaseModel):
    """One thing wrong with a request."""

    pointer: str = Field(
        description="JSON pointer into the body; for parameters of the address their name."
    )
    rule: str = Field(description="What would be accepted.")
    value: Any = Field(description="What was given.")


class ProblemBody(BaseModel):
    """An error, as RFC 9457 describes it."""

    type: str = Field(description="Names the kind of problem; `about:blank` is its status alone.")
    title: str
    status: int
    detail: str
    errors: list[FaultBody] = []
    request_id: str | None = Field(default=None, description="Finds the request in the logs.")


def respond(
    status: HTTPStatus,
    detail: str,
    faults: Sequence[Fault] = (),
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Returns the response for an error."""
    request_id = structlog.contextvars.get_contextvars().get("request_id")
    errors = [FaultBody(pointer=f.pointer, rule=f.rule, value=_shown(f.value)) for f in faults]
    body = ProblemBody(
        type="about:blank",
        title=status.phrase,
        status=status,
        detail=detail,
        errors=errors,
        request_id=request_id,
    )
    return JSONResponse(
        body.model_dump(mode="json"),
        status_code=status,
        headers=dict(headers or {}),
        media_type=MEDIA_TYPE,
    )


def response_to(error: ServerError) -> JSONResponse:
    """Returns the response for one of our errors."""
    status = next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)
    faults = error.faults if isinstance(error, InvalidRequestError) else ()
    headers = {}
    if isinstance(error, WrongOffsetError):
        headers["Upload-Offset"] = str(error.offset)
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="espalier"'
    if isinstance(error, ForbiddenError):
        headers["WWW-Authenticate"] = (
            f'Bearer realm="espalier", error="insufficient_scope", scope="{error.scope}"'
        )
    passing = (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.TOO_MANY_REQUESTS)
    if status in passing or isinstance(error, KeyInFlightError):
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    if isinstance(error, TooManyRequestsError):
        headers["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, UnsatisfiableRangeError):
        headers["Content-Range"] = f"bytes */{error.size}"
    if status is HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.error("request failed", exc_info=error)
    return respond(status, str(error), faults, headers)


def install(app: FastAPI) -> None:
    """Makes the app answer with a problem document to all errors but its own bugs.

    Those are for `server.middleware.RequestLog`, which knows the request's id.
    """
    app.add_exception_handler(ServerError, _on_server_error)
    app.add_exception_handler(RequestValidationError, _on_validation_error)
    app.add_exception_handler(HTTPException, _on_http_exception)


# Starlette types handlers by Exception; each of these is only called with what it was added for.


async def _on_server_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ServerError)
    return response_to(error)


async def _on_validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    found = error.errors()
    first = found[:MAX_FAULTS]
    if any(one["type"] == _NO_TAG for one in first):
        first = await run_in_threadpool(_with_tags, request, first)
    faults = faults_of(first, error.body)
    return response_to(InvalidRequestError(faults, num_more=len(found) - len(first)))


def _with_tags(request: Request, errors: Sequence[Any]) -> list[Any]:
    """Returns pydantic's errors, those of unions with the tags that may be given."""
    document, path = request.app.openapi(), request.scope["route"].path

    def with_tags(error: Mapping[str, Any]) -> Mapping[str, Any]:
        if error["type"] != _NO_TAG:
            return error
        tags = tags_at(document, path, request.method.lower(), error["loc"][1:])
        context = {**error["ctx"], "expected_tags": ", ".join(map(repr, tags))}
        return {**error, "ctx": context}

    return [with_tags(error) for error in errors]


async def _on_http_exception(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    status, detail, headers = HTTPStatus(error.status_code), error.detail, error.headers
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        # Starlette names those of the first of the path's routes.
        known = allowed_methods(request.app, request.url.path)
        allowed = ", ".join(known) or (headers or {}).get("Allow", "")
        detail = f"{request.url.path} takes {allowed}, not {request.method}"
        headers = {"Allow": allowed}
    if status is HTTPStatus.NOT_FOUND:
        detail = f"there is nothing at {request.url.path}"
    return respond(status, detail, headers=headers)


def respond_to_bug() -> JSONResponse:
    """Returns the response for an error that is none of ours; its details are for the log."""
    return respond(HTTPStatus.INTERNAL_SERVER_ERROR, "an error of the server's own; see its log")


def faults_of(errors: Sequence[Any], body: Any) -> list[Fault]:
    """Returns pydantic's errors as faults.

    Args:
        errors: from pydantic, located as FastAPI does (`body`, `query`, `path`, ... first).
        body: what was validated.
    """
    return [_fault(error, body) for error in errors if not _is_echo(error, errors)]


def _is_echo(error: Mapping[str, Any], errors: Sequence[Any]) -> bool:
    """Whether a list is called too short only because items of it have faults of their own.

    Pydantic counts the items that are left.
    """
    if error["type"] != "too_short" or len(error["input"]) < error["ctx"]["min_length"]:
        return False
    place = error["loc"]
    return any(one["loc"][: len(place)] == place and one is not error for one in errors)


def _fault(error: Mapping[str, Any], body: Any) -> Fault:
    origin, *path = error["loc"]
    kind, context, value = error["type"], error.get("ctx", {}), error["input"]
    rule = _SHOULD.sub("must", str(error["msg"]).removeprefix("Value error, "))
    match kind:
        case "value_error":
            rule, value = _rule_and_value(rule, value)
        case "too_short" | "too_long":
            rule = _FOUND.sub("", rule)
        case "missing":
            rule, value = "must be given", None
        case "extra_forbidden":
            rule = "must not be given: there is no such field"
        case "union_tag_invalid":
            path.append(context["discriminator"].strip("'"))
            rule, value = f"must be one of {context['expected_tags']}", context["tag"]
        case "union_tag_not_found":
            path.append(context["discriminator"].strip("'"))
            tags = context.get("expected_tags")
            rule, value = f"must be given: one of {tags}" if tags else "must be given", None
    # A default that is None and must not be stands for a field that had to be given.
    is_missing = kind in ("missing", _NO_TAG) or (kind == "literal_error" and value is None)
    if origin == "body":
        return Fault(_pointer(path, body, is_missing=is_missing), rule, value)
    return Fault(str(path[-1] if path else origin), rule, value)


def _rule_and_value(message: str, whole: Any) -> tuple[str, Any]:
    """Returns the parts of a message of ours, "...must be even, got 3": of one field of several.

    Args:
        message: of a check of several fields together; one without a value stays as it is.
        whole: what was checked, which stands for the value where the message has none.
    """
    rule, found, value = message.rpartition(", got ")
    if not found:
        return message, whole
    try:
        return rule, ast.literal_eval(value)
    except (ValueError, SyntaxError):  # words
        return message, whole


def _pointer(path: Sequence[str | int], body: Any, *, is_missing: bool) -> str:
    """Returns the JSON pointer of a location; pydantic's also name the members of unions.

    Args:
        path: pydantic's location in the body.
        body: what was validated.
        is_missing: whether the last part is a field that is not in the body, as it should be.
    """
    parts = []
    here, member = body, None
    for position, part in enumerate(path):
        # A member's name comes first, and may be that of one of its own fields as well.
        if here is not member and isinstance(here, dict) and here.get(_TAG) == part:
            member = here
            continue
        try:
            here = here[part]
        except (LookupError, TypeError):
            if not (is_missing and position == len(path) - 1 and isinstance(here, dict)):
                continue
        parts.append(str(part).replace("~", "~0").replace("/", "~1"))
    return "".join(f"/{part}" for part in parts)


def _shown(value: Any) -> Any:
    """Returns a value as JSON, cut short where it is long."""
    text = json.dumps(value, default=str)
    if len(text) > _MAX_VALUE_LENGTH:
        return text[:_MAX_VALUE_LENGTH] + "..."
    return json.loads(text)
