"""Which operation a request is for, known before it is routed."""

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import Scope


def find_route(scope: Scope) -> APIRoute | None:
    """Returns the operation at a request's path and method, noted as routing would; None if none.

    Args:
        scope: of the request; gets `route` and `path_params`, for those who count and record.
    """
    app: FastAPI = scope["app"]
    for route in app.routes:
        if isinstance(route, APIRoute):
            match, found = route.matches(scope)
            if match is Match.FULL:
                scope["route"], scope["path_params"] = route, found["path_params"]
                return route
    return None
