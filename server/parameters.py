"""Parameters of addresses: those that an operation has, and none twice that is one value."""

from collections.abc import Iterator
from urllib.parse import parse_qsl

from fastapi.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from server.errors import Fault, InvalidRequestError
from server.problems import response_to
from server.routing import find_route

_CHECKED = "/v1/"
"""What asks for `/metrics`, say, may add parameters of its own."""


class Parameters:
    """Refuses parameters that would be ignored: no typo must lose a filter.

    Args:
        app: what it guards.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection."""
        if scope["type"] == "http" and scope["query_string"] and scope["path"].startswith(_CHECKED):
            faults = await run_in_threadpool(_faults_of, scope)
            if faults:
                await response_to(InvalidRequestError(faults))(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _faults_of(scope: Scope) -> list[Fault]:
    """Returns what is wrong with a request's parameters; nothing where nothing is at its path."""
    route = find_route(scope)
    if route is None:
        return []
    operation = scope["app"].openapi()["paths"][route.path][scope["method"].lower()]
    known = {
        one["name"]: one["schema"].get("type") == "array"
        for one in operation.get("parameters", ())
        if one["in"] == "query"
    }
    given = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    return list(_faults(given, known))


def _faults(given: list[tuple[str, str]], known: dict[str, bool]) -> Iterator[Fault]:
    """Yields what is wrong with parameters; `known` says of each name whether it takes several."""
    seen = set()
    for name, value in given:
        if name not in known:
            there = f"the parameters are {', '.join(sorted(known))}" if known else "there are none"
            yield Fault(name, f"must not be given: {there}", value)
        elif name in seen and not known[name]:
            yield Fault(name, "must be given once", value)
        elif "\0" in value:
            yield Fault(name, "must not hold NUL characters", value)
        seen.add(name)
