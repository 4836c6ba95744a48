"""What every address does in HTTP: HEAD beside GET, OPTIONS, entity tags and 304."""

import hashlib
from http import HTTPStatus
from typing import Any

from fastapi import Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_TAGGED = "application/json"
_NOT_OF_304 = ("content-length", "content-type", "content-range")


def allowed_methods(app: Any, path: str) -> list[str]:
    """Returns what may be done at a path; empty if there is nothing.

    Args:
        app: the FastAPI application.
        path: of the address.
    """
    methods: set[str] = set()
    for template, operations in app.openapi()["paths"].items():
        if compile_path(template)[0].match(path):
            methods |= {method.upper() for method in operations}
    if "GET" in methods:
        methods.add("HEAD")
    return sorted({*methods, "OPTIONS"}) if methods else []


def matches(tag: str, if_none_match: str | None) -> bool:
    """Returns whether a client has what a tag names (weak comparison, RFC 9110, 13.1.2).

    Args:
        tag: quoted.
        if_none_match: the header.
    """
    known = [name.strip().removeprefix("W/") for name in (if_none_match or "").split(",")]
    return tag.removeprefix("W/") in known or "*" in known


class HttpMethods:
    """Answers HEAD as GET without a body, OPTIONS, and 304 to those who have the answer already.

    A JSON answer that has no tag of its own is tagged by its content.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection."""
        method = scope.get("method")
        if scope["type"] != "http" or method not in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        if method == "OPTIONS":
            allowed = allowed_methods(Request(scope).app, scope["path"])
            if not allowed:
                await self._app(scope, receive, send)
                return
            headers = [(b"allow", ", ".join(allowed).encode())]
            await _send_whole(send, HTTPStatus.NO_CONTENT, headers, b"")
            return
        reply = _Reply(scope, send, is_head=method == "HEAD")
        if method == "GET":  # in the same scope: those outside count by the route that it names
            await self._app(scope, reply.receiving(receive), reply.send)
            return
        headers = [item for item in scope["headers"] if item[0] != b"range"]  # those are of GET
        got = {**scope, "method": "GET", "headers": headers}
        try:
            await self._app(got, reply.receiving(receive), reply.send)
        finally:
            if "route" in got:
                scope["route"] = got["route"]


class _Reply:
    """The answer to one GET or HEAD on its way out."""

    def __init__(self, scope: Scope, send: Send, *, is_head: bool) -> None:
        self._if_none_match = Headers(scope=scope).get("if-none-match")
        self._send = send
        self._is_head = is_head
        self._start: Message = {}
        self._held: list[bytes] | None = None
        self._is_over = False

    def receiving(self, receive: Receive) -> Receive:
        """Returns what tells an endless answer that nobody listens to the rest of it."""

        async def receive_until_over() -> Message:
            return {"type": "http.disconnect"} if self._is_over else await receive()

        return receive_until_over

    async def send(self, message: Message) -> None:
        """Passes on a part of the answer, held back where a tag must be made of the whole."""
        if self._is_over:
            return
        if message["type"] == "http.response.start":
            await self._begin(message)
        elif self._held is None:
            await self._send(message)
        else:
            self._held.append(message.get("body", b""))
            if not message.get("more_body", False):
                await self._end(b"".join(self._held))

    async def _begin(self, message: Message) -> None:
        self._start = message
        headers = MutableHeaders(scope=message)
        is_ok = message["status"] in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT)
        is_json = headers.get("content-type", "").partition(";")[0] == _TAGGED
        if is_ok and is_json and "etag" not in headers:
            self._held = []
        elif is_ok and "etag" in headers and matches(headers["etag"], self._if_none_match):
            await self._finish(HTTPStatus.NOT_MODIFIED, b"")
        elif self._is_head:
            await self._finish(message["status"], b"")
        else:
            await self._send(message)

    async def _end(self, body: bytes) -> None:
        headers = MutableHeaders(scope=self._start)
        headers["ETag"] = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        headers.setdefault("Cache-Control", "no-cache")
        if matches(headers["ETag"], self._if_none_match):
            await self._finish(HTTPStatus.NOT_MODIFIED, b"")
        else:
            await self._finish(self._start["status"], b"" if self._is_head else body)

    async def _finish(self, status: int, body: bytes) -> None:
        self._is_over = True
        headers = self._start["headers"]
        if status == HTTPStatus.NOT_MODIFIED:
            headers = [item for item in headers if item[0].decode().lower() not in _NOT_OF_304]
        await _send_whole(self._send, status, headers, body)


async def _send_whole(
    send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": body})
