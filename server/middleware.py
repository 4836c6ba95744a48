"""What happens to every request before it is routed: identity, host, body."""

import itertools
import re
import secrets
import time
from collections.abc import Collection
from dataclasses import dataclass

import structlog
from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.api_keys import hide_keys
from server.authentication import OPEN_PATHS, READING
from server.errors import (
    ForeignOriginError,
    MalformedRequestError,
    ServerError,
    TooLargeError,
    WrongHostError,
)
from server.problems import respond_to_bug, response_to
from server.strict_json import check_json, check_media_type

logger = structlog.get_logger(__name__)

_REQUEST_ID = re.compile(r"^[A-Za-z0-9_.\-]{1,100}$")
_DRAINED_LIMITS = 8
"""A body that is too large is still read up to this many times the limit.

A client that is cut off while it writes often never reads why.
"""

_QUICK_BYTES = 2**16
"""A larger body is looked through in a thread, so that other requests are not held up."""


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
    """Refuses requests for other hosts and from other sites' pages, and bodies that are too large.

    Bodies are read whole here, and must be strict JSON (see `server.strict_json`).

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
                _check_origin(scope["method"], headers, self._hosts)
            if self._raw.include(scope):
                check_media_type(headers, self._raw.media_type)
                await self._app(scope, _limited(receive, self._raw.max_bytes), send)
                return
            body = await _read(receive, self._max_body_bytes)
            if len(body) > _QUICK_BYTES:
                await run_in_threadpool(check_json, headers, body)
            elif body:
                check_json(headers, body)
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


def _check_origin(method: str, headers: Headers, hosts: frozenset[str]) -> None:
    # Browsers let any page send a POST without a body, and say in Origin whose page it is.
    origin = headers.get("origin")
    if origin is None or method in READING or "*" in hosts:
        return
    name = re.sub(r"^https?://|:\d*$", "", origin.lower())
    if name not in hosts:
        raise ForeignOriginError(
            f"a page in a browser may change something only if its origin is one of "
            f"{sorted(hosts)} (more by the setting allowed_hosts), got {origin!r}"
        )


async def _read(receive: Receive, limit: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            # What was cut off must not pass for a request without a body, which may act.
            raise MalformedRequestError("the body must be whole: the connection ended before it")
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
