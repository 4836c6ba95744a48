"""The FastAPI application over the parts of the service; imports neither torch nor ray."""

import threading
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI

from server import problems
from server.http_methods import HttpMethods
from server.middleware import RawBodies, RequestGuard, RequestLog
from server.openapi import complete
from server.rate_limits import RateLimits
from server.routes import (
    assessments,
    comparisons,
    data_sets,
    evaluations,
    exports,
    health,
    jobs,
    refinements,
    searches,
    spaces,
    supernets,
    uploads,
    webhooks,
)
from server.routes.common import Service

DESCRIPTION = """\
Train one weight-sharing network once; then, for every device and every budget, pick the sub-network
that fits. Lists are read by following `next`. Errors are `application/problem+json` (RFC 9457).
"""


class _Application(FastAPI):
    """FastAPI with what its OpenAPI document lacks."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._document_lock = threading.Lock()

    def openapi(self) -> dict[str, Any]:
        """Returns the OpenAPI document, made once; threads that come meanwhile wait for it."""
        with self._document_lock:
            is_new = self.openapi_schema is None
            document = super().openapi()
            if is_new:
                complete(document)
            return document


def build_app(service: Service) -> FastAPI:
    """Returns the application; `server.main` makes its parts."""
    app = _Application(
        title="Espalier",
        version=version("espalier"),
        description=DESCRIPTION,
        openapi_url="/openapi.json",
        # The service has no web pages; the document serves whatever tool reads it.
        docs_url=None,
        redoc_url=None,
    )
    app.state.service = service
    for routes in (
        health,
        uploads,
        data_sets,
        spaces,
        supernets,
        assessments,
        searches,
        comparisons,
        evaluations,
        refinements,
        exports,
        jobs,
        webhooks,
    ):
        app.include_router(routes.router)
    problems.install(app)
    # The last one added is the first to see a request.
    app.add_middleware(HttpMethods)
    chunks = RawBodies(
        "PATCH", uploads.CHUNK_PATH, uploads.MEDIA_TYPE, service.settings.max_chunk_bytes
    )
    app.add_middleware(RequestGuard, max_body_bytes=service.settings.max_body_bytes, raw=chunks)
    if service.settings.rate_limit:
        app.add_middleware(RateLimits, per_minute=service.settings.rate_limit)
    app.add_middleware(RequestLog)
    return app
