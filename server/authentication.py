"""Who a request is made for: API keys, what they allow, and the log of what was changed.

Where nobody has ever made a key, a service that listens on loopback asks for none.
"""

import asyncio
import contextlib
import hashlib
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import structlog
from fastapi.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server import api_keys
from server.callers import LOCAL, Caller
from server.callers import Scope as KeyScope
from server.errors import (
    DatabaseUnavailableError,
    ForbiddenError,
    ServerError,
    UnauthenticatedError,
)
from server.problems import response_to
from server.routing import find_route
from server.store import Change, Store
from server.store.access import LAST_USE_RESOLUTION
from server.tables import ApiKeyRow

logger = structlog.get_logger(__name__)

KNOWN_FOR_S = 1.0
"""A key is looked up so often at most, and thus valid for so long after it was revoked."""

WATCH_S = 1.0
"""How often a stream of events looks whether its key is still valid."""

OPEN_PATHS = frozenset({"/livez", "/readyz"})
"""What a supervisor of processes asks, which has no key; it tells nothing about anybody's work."""

NO_ROUTE = "(none)"
MAX_RESOURCE_LENGTH = 200

_ADMIN_PATHS = ("/v1/keys", "/v1/projects", "/v1/audit")
READING = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""

_UNRECORDED = re.compile(r"/v1/searches/[^/]+/(proposals(/renew|/release)?|observations)")
"""What is leased and told is on record itself, with its time, and comes by the million."""


@dataclass
class Access:
    """What a request may do, in `request.state.access`.

    Attributes:
        caller: whom it is made for.
        has_ended: whether the key has ceased to be valid since; streams end then.
    """

    caller: Caller
    has_ended: bool = False


class KeyRing:
    """Knows which keys are valid; asks the database about each once a second at most.

    Args:
        store: the database.
        always_required: whether a key is needed even where there are none.
        clock: a monotonic one, in seconds.
    """

    def __init__(
        self, store: Store, *, always_required: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._store = store
        self._are_required = always_required
        self._clock = clock
        self._lock = threading.Lock()
        self._none_until = float("-inf")
        self._known: dict[bytes, tuple[Caller, float]] = {}

    def caller_of(self, authorization: str | None) -> Caller:
        """Returns whom a request with this header is made for.

        Raises:
            UnauthenticatedError: it shows no valid key, and one is required.
            DatabaseUnavailableError: whether it does is not to be known now.
        """
        known = self.remembered(authorization)
        if known is not None:
            return known
        if not self._find_required():
            return LOCAL
        if authorization is None:
            raise UnauthenticatedError(
                "this service needs an API key: send the header `Authorization: Bearer esp_...`"
            )
        scheme, _, key = authorization.partition(" ")
        key = key.strip()
        if scheme.lower() != "bearer" or not api_keys.is_key(key):
            raise UnauthenticatedError(
                "the header Authorization must be `Bearer`, a space and an API key, which begins "
                "with esp_"
            )
        caller = self._look_up(key)
        self._keep(authorization, caller)
        return caller

    def remembered(self, authorization: str | None) -> Caller | None:
        """Returns the same, if the database was asked a moment ago and need not be again."""
        now = self._clock()
        with self._lock:
            if not self._are_required:
                return LOCAL if now < self._none_until else None
            caller, until = self._known.get(_digest(authorization), (None, now))
        return caller if now < until else None

    def _find_required(self) -> bool:
        """Whether requests need a key; once they do, they always will."""
        if not self._are_required:
            has_keys = self._store.has_keys()
            with self._lock:
                self._are_required = has_keys
                self._none_until = self._clock() + KNOWN_FOR_S
        return self._are_required

    def _look_up(self, key: str) -> Caller:
        row, now = self._store.find_key(api_keys.prefix_of(key))
        stored = row.secret_sha256 if row is not None else api_keys.hash_of("")
        if not api_keys.matches(key, stored) or row is None:
            raise UnauthenticatedError("there is no such API key")
        if row.revoked_at is not None:
            raise UnauthenticatedError(f"the API key {row.prefix} was revoked")
        if row.expires_at is not None and row.expires_at <= now:
            raise UnauthenticatedError(f"the API key {row.prefix} has expired")
        # That a use goes unrecorded while the database is busy is no reason to refuse it.
        if row.last_used_at is None or now - row.last_used_at >= LAST_USE_RESOLUTION:
            with contextlib.suppress(DatabaseUnavailableError):
                self._store.note_use(row.id)
        return caller_of(row)

    def _keep(self, authorization: str, caller: Caller) -> None:
        now = self._clock()
        with self._lock:
            self._known = {key: known for key, known in self._known.items() if known[1] > now}
            self._known[_digest(authorization)] = (caller, now + KNOWN_FOR_S)


def _digest(authorization: str | None) -> bytes:
    """What is kept of a header: not the key itself."""
    return hashlib.sha256((authorization or "").encode(errors="replace")).digest()


def caller_of(row: ApiKeyRow) -> Caller:
    """Returns whom a key was made for."""
    scopes = cast("list[KeyScope]", row.scopes)
    return Caller(row.id, row.owner, row.project_id, frozenset(scopes))


def needed_scope(method: str, path: str) -> KeyScope:
    """Returns what a key must allow for a request."""
    if any(path == prefix or path.startswith(f"{prefix}/") for prefix in _ADMIN_PATHS):
        return "admin"
    return "read" if method in READING else "submit"


class KeyGuard:
    """Refuses requests without a valid key of the needed scope; records the changes of the others.

    Args:
        app: what it guards.
        keys: which keys are valid.
        store: where changes are recorded.
    """

    def __init__(self, app: ASGIApp, keys: KeyRing, store: Store) -> None:
        self._app = app
        self._keys = keys
        self._store = store

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        access = Access(LOCAL)
        scope.setdefault("state", {})["access"] = access
        if scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        authorization = Headers(scope=scope).get("authorization")
        try:
            caller = self._keys.remembered(authorization)
            if caller is None:
                caller = await run_in_threadpool(self._keys.caller_of, authorization)
            access.caller = caller
        except ServerError as error:
            await response_to(error)(scope, receive, send)
            return
        with structlog.contextvars.bound_contextvars(key_id=access.caller.key_id):
            await self._call_allowed(scope, receive, send, access, authorization)

    async def _call_allowed(
        self, scope: Scope, receive: Receive, send: Send, access: Access, authorization: str | None
    ) -> None:
        watch: asyncio.Task[None] | None = None
        is_recorded = may_change(scope)

        async def send_and_record(message: Message) -> None:
            nonlocal watch, is_recorded
            if message["type"] == "http.response.start":
                headers = Headers(raw=message["headers"])
                if is_recorded:
                    is_recorded = False
                    await self._record(scope, access.caller, message["status"], headers)
                if headers.get("content-type", "").startswith("text/event-stream"):
                    watch = asyncio.create_task(self._watch(access, authorization))
            await send(message)

        scopes = access.caller.scopes
        needed = needed_scope(scope["method"], scope["path"])
        try:
            if needed in scopes:
                await self._app(scope, receive, send_and_record)
            else:
                find_route(scope)  # what was tried goes on record
                error = ForbiddenError(needed, sorted(scopes))
                await response_to(error)(scope, receive, send_and_record)
        except Exception:
            if is_recorded:  # the answer will be made by who logs it
                await self._record(scope, access.caller, 500, Headers({}))
            raise
        finally:
            if watch is not None:
                watch.cancel()

    async def _record(self, scope: Scope, caller: Caller, status: int, headers: Headers) -> None:
        """Adds a request to the audit log, before anybody reads its answer."""
        change = Change(
            method=scope["method"],
            route=getattr(scope.get("route"), "path", NO_ROUTE),
            resource=_resource(scope, headers.get("location") if status < 300 else None),
            status=status,
            request_id=structlog.contextvars.get_contextvars().get("request_id"),
        )
        try:
            await run_in_threadpool(self._store.record_change, caller, change)
        except DatabaseUnavailableError as error:
            # What was done is done; the log of requests has the same facts.
            logger.error("change not recorded", error=str(error), **vars(change))

    async def _watch(self, access: Access, authorization: str | None) -> None:
        """Notes when a key ceases to be valid while a stream of events goes on."""
        while not access.has_ended:
            await asyncio.sleep(WATCH_S)
            try:
                await run_in_threadpool(self._keys.caller_of, authorization)
            except UnauthenticatedError:
                access.has_ended = True
            except DatabaseUnavailableError:
                continue  # nothing is known of the key meanwhile; the next look decides


def _resource(scope: Scope, location: str | None) -> str | None:
    """Returns the id of what was made or is named by the path, if there is one and it is one."""
    named = [str(value) for value in scope.get("path_params", {}).values()]
    candidates = [location.rpartition("/")[2]] if location is not None else named
    found = candidates[0] if candidates else ""
    return found if found.isprintable() and 0 < len(found) <= MAX_RESOURCE_LENGTH else None


def may_change(scope: Scope) -> bool:
    """Whether a request belongs into the audit log: it may change something of its own."""
    method, path = scope["method"], scope["path"]
    is_part_of_upload = method == "PATCH" and path.startswith("/v1/uploads/")
    return not (method in READING or is_part_of_upload or _UNRECORDED.fullmatch(path))
