"""How often each caller may ask; counted in this process."""

import hashlib
import math
import time

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.errors import TooManyRequestsError
from server.problems import response_to

_LIMITED = "/v1/"
_UNAUTHORIZED = 401
_WINDOW_S = 60
_KNOWN_FOR_S = 3600.0
_MAX_KNOWN = 10_000


class RateLimits:
    """Refuses the requests of callers who have made too many in the last minute.

    A caller is whoever shows a key, or, without one, an address. Wrong keys count for the address
    that tries them, so that guessing is limited too; keys that were found to be right not long ago
    are not held to that, so that nobody who shares the address with a stranger is locked out.

    Args:
        app: what it guards.
        per_minute: how many requests each caller may make in a minute, on average over it.
    """

    def __init__(self, app: ASGIApp, per_minute: int) -> None:
        self._app = app
        self._limit = RateLimitItemPerMinute(per_minute)
        self._per_minute = per_minute
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._known_until: dict[str, float] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection."""
        if scope["type"] != "http" or not scope["path"].startswith(_LIMITED):
            await self._app(scope, receive, send)
            return
        address = (scope.get("client") or ("",))[0]
        key = Headers(scope=scope).get("authorization")
        caller = f"key {hashlib.sha256(key.encode()).hexdigest()}" if key else f"address {address}"
        by_address = f"address {address}"
        is_known = time.monotonic() < self._known_until.get(caller, float("-inf"))
        allowed = (is_known or self._limiter.test(self._limit, by_address)) and (
            self._limiter.hit(self._limit, caller)
        )

        async def send_with_limits(message: Message) -> None:
            if message["type"] == "http.response.start":
                if key and allowed and message["status"] == _UNAUTHORIZED:
                    self._known_until.pop(caller, None)
                    self._limiter.hit(self._limit, by_address)
                elif _shows_right_key(scope):
                    self._note(caller)
                self._describe(MutableHeaders(scope=message), caller)
            await send(message)

        if allowed:
            await self._app(scope, receive, send_with_limits)
            return
        names = (caller,) if is_known else (caller, by_address)
        seconds = max(self._seconds_left(name) for name in names)
        error = TooManyRequestsError(
            f"at most {self._per_minute} requests a minute are taken; wait {seconds} s", seconds
        )
        await response_to(error)(scope, receive, send_with_limits)

    def _note(self, caller: str) -> None:
        """Notes that a key was found to be right."""
        now = time.monotonic()
        if len(self._known_until) >= _MAX_KNOWN:
            self._known_until = {one: end for one, end in self._known_until.items() if end > now}
        if len(self._known_until) < _MAX_KNOWN:
            self._known_until[caller] = now + _KNOWN_FOR_S

    def _describe(self, headers: MutableHeaders, caller: str) -> None:
        """Adds the headers of draft-ietf-httpapi-ratelimit-headers."""
        left = self._limiter.get_window_stats(self._limit, caller).remaining
        headers["RateLimit-Policy"] = f'"caller";q={self._per_minute};w={_WINDOW_S}'
        headers["RateLimit"] = f'"caller";r={max(left, 0)};t={self._seconds_left(caller)}'

    def _seconds_left(self, name: str) -> int:
        reset_at = self._limiter.get_window_stats(self._limit, name).reset_time
        return max(1, math.ceil(reset_at - time.time()))


def _shows_right_key(scope: Scope) -> bool:
    """Whether `server.authentication.KeyGuard` has found whose key a request shows."""
    access = scope.get("state", {}).get("access")
    return access is not None and access.caller.key_id is not None
