"""What happens to every request before it is routed: identity, host, body."""

import itertools
import json
import math
import re
import secrets
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from email.message import Message as EmailMessage
from typing import Any

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.api_keys import hide_keys
from server.authentication import OPEN_PATHS
from server.errors import (
    Fault,
    InvalidRequestError,
    ServerError,
    TooLargeError,
    WrongHostError,
    WrongMediaTypeError,
)
from server.problems import respond_to_bug, response_to

logger = structlog.get_logger(__name__)

_REQUEST_ID = re.compile(r"^[A-Za-z0-9_.\-]{1,100}$")
_DRAINED_LIMITS = 8
"""A body that is too large is still read up to this many times the limit.

A client that is cut off while it writes often never reads why.
"""


class RequestLog:
    """Gives each request an id (the client's own, if it sent `X-Request-ID`) and logs one line."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        # Numbers after what tells processes apart; see `server.ids` for why not all at random.
        self._prefix = secrets.token_hex(4)
        self._numbers = itertools.count(1)

    def _new_request_id(self) -> str:
        return f"{self._prefix}{next(self._numbers):08x}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        # A key that was sent there by mistake must not go into logs and rows.
        is_usable = _REQUEST_ID.match(given) and hide_keys(given) == given
        request_id = given if is_usable else self._new_request_id()
        started = time.perf_counter()
        status: int | None = None

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = int(message["status"])
                MutableHeaders(scope=message)["X-Request-ID"] = request_id
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, send_with_id)
            except Exception as error:
                logger.error("request failed", exc_info=error)
                if status is not None:
                    raise  # half an answer is out: only the connection's end can tell
                await respond_to_bug()(scope, receive, send_with_id)
            finally:
                access = scope.get("state", {}).get("access")
                logger.info(
                    "request",
                    key_id=access.caller.key_id if access else None,
                    method=scope["method"],
                    path=scope["path"],
                    status=status,
                    duration_ms=round((time.perf_counter() - started) * 1000, 1),
                )


@dataclass(frozen=True)
class RawBodies:
    """Requests whose bodies are bytes, which are passed on as they come and never held whole.

    Attributes:
        method: of the requests.
        path: what their whole path matches.
        media_type: what their bodies must be.
        max_bytes: a larger body is refused.
    """

    method: str
    path: re.Pattern[str]
    media_type: str
    max_bytes: int

    def include(self, scope: Scope) -> bool:
        """Whether a request is one of these."""
        return scope["method"] == self.method and bool(self.path.fullmatch(scope["path"]))


class RequestGuard:
    """Refuses requests for other hosts, and bodies that are too large or not strict JSON.

    Strict: no NaN, no infinities (which Python's parser lets in and its writer lets out), no NUL
    characters and no lone surrogates (which databases cannot store).

    Args:
        app: what it guards.
        hosts: the names that the Host header may have, in lower case; "*" allows all.
        max_body_bytes: a larger body of JSON is refused.
        raw: the requests that bring bytes instead of JSON.
    """

    def __init__(
        self, app: ASGIApp, hosts: Collection[str], max_body_bytes: int, raw: RawBodies
    ) -> None:
        self._app = app
        self._hosts = frozenset(hosts)
        self._max_body_bytes = max_body_bytes
        self._raw = raw

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            if scope["path"] not in OPEN_PATHS:  # supervisors ask by whatever address they know
                _check_host(headers, self._hosts)
            if self._raw.include(scope):
                _check_media_type(headers, self._raw.media_type)
                await self._app(scope, _limited(receive, self._raw.max_bytes), send)
                return
            body = await _read(receive, self._max_body_bytes)
            if body:
                _check_body(headers, body)
        except ServerError as error:
            await response_to(error)(scope, receive, send)
            return
        delivered = False

        async def replay() -> Message:
            nonlocal delivered
            if delivered:
                return await receive()
            delivered = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, replay, send)


def _check_host(headers: Headers, hosts: frozenset[str]) -> None:
    # A page of some web site whose name resolves to 127.0.0.1 would be let through by the browser.
    name = re.sub(r":\d*$", "", headers.get("host", ""))
    if name.lower() not in hosts and "*" not in hosts:
        raise WrongHostError(
            f"the Host header must name one of {sorted(hosts)} (more by the setting "
            f"allowed_hosts), got {name!r}"
        )


async def _read(receive: Receive, limit: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b""
        chunk = message.get("body", b"")
        size += len(chunk)
        if size <= limit:
            chunks.append(chunk)
        if not message.get("more_body", False) or size > _DRAINED_LIMITS * limit:
            break
    if size > limit:
        raise TooLargeError(f"the body must have at most {limit} bytes, got {size} or more")
    return b"".join(chunks)


def _limited(receive: Receive, limit: int) -> Receive:
    """Returns what receives a body of at most so many bytes; it raises where there are more."""
    size = 0

    async def receive_limited() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > limit:
            while message.get("more_body", False) and size <= _DRAINED_LIMITS * limit:
                message = await receive()
                size += len(message.get("body", b""))
            raise TooLargeError(f"the body must have at most {limit} bytes, got {size} or more")
        return message

    return receive_limited


def _check_media_type(headers: Headers, expected: str) -> None:
    if headers.get("content-type") == expected:
        return  # as nearly always; the parser takes its time
    message = EmailMessage()
    message["content-type"] = headers.get("content-type", "")
    if message.get_content_type() != expected:
        raise WrongMediaTypeError(
            f"the body must be {expected}, got {headers.get('content-type')!r}"
        )


def _check_body(headers: Headers, body: bytes) -> None:
    _check_media_type(headers, "application/json")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidRequestError.single("", f"must be JSON: {error}", None) from None
    faults = list(_forbidden_values(document))
    if faults:
        raise InvalidRequestError(faults)


def _forbidden_values(document: Any) -> Iterator[Fault]:
    """Yields what JSON, or the databases, cannot hold."""
    pending: list[tuple[str, Any]] = [("", document)]
    while pending:
        pointer, value = pending.pop()
        match value:
            case float() if not math.isfinite(value):
                yield Fault(pointer, "must be a finite number", str(value))
            case str() if not _is_text(value):
                yield Fault(pointer, "must not hold NUL characters or lone surrogates", repr(value))
            case dict():
                for name, member in value.items():
                    if not _is_text(name):
                        yield Fault(pointer, "must have names without NUL", repr(name))
                    part = name.replace("~", "~0").replace("/", "~1")
                    pending.append((f"{pointer}/{part}", member))
            case list():
                pending += [(f"{pointer}/{i}", member) for i, member in enumerate(value)]


def _is_text(value: str) -> bool:
    return "\0" not in value and not any("\ud800" <= character <= "\udfff" for character in value)
