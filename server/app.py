"""The FastAPI application over the parts of the service; imports neither torch nor ray."""

import threading
from importlib.metadata import version
from typing import Any, ClassVar

from fastapi import FastAPI

from server import problems
from server.authentication import KeyGuard, KeyRing
from server.http_methods import HttpMethods
from server.metrics import Metrics, RequestMetrics
from server.middleware import RawBodies, RequestGuard, RequestLog
from server.openapi import complete
from server.parameters import Parameters
from server.rate_limits import RateLimits
from server.routes import (
    access,
    assessments,
    campaigns,
    comparisons,
    data_sets,
    evaluations,
    exports,
    health,
    jobs,
    metrics,
    occurrence_reports,
    outside,
    refinements,
    runners,
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


_AREAS = (
    outside,  # asked most often: routes are tried in their order
    health,
    metrics,
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
    campaigns,
    occurrence_reports,
    jobs,
    runners,
    access,
    webhooks,
)


class _Application(FastAPI):
    """FastAPI with what its OpenAPI document lacks."""

    # One for all: it tells of the routes, which no setting changes.
    _document: ClassVar[dict[str, Any] | None] = None
    _document_lock: ClassVar[threading.Lock] = threading.Lock()

    def openapi(self) -> dict[str, Any]:
        """Returns the OpenAPI document, made once; threads that come meanwhile wait for it."""
        with self._document_lock:
            document = _Application._document
            if document is None:
                document = super().openapi()
                complete(document)
                _Application._document = document
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
        # As they are: `include_router` would read every signature again, for each application.
        routes=[route for area in _AREAS for route in area.router.routes],
    )
    app.state.service = service
    app.state.metrics = Metrics(
        service.store,
        service.settings.home,
        version("espalier"),
        cache_seconds=service.settings.metrics_cache_seconds,
        silent_seconds=service.settings.lease_seconds,
    )
    problems.install(app)
    # The last one added is the first to see a request.
    app.add_middleware(Parameters)
    app.add_middleware(HttpMethods)
    chunks = RawBodies(
        "PATCH", uploads.CHUNK_PATH, uploads.MEDIA_TYPE, service.settings.max_chunk_bytes
    )
    settings = service.settings
    app.add_middleware(
        RequestGuard,
        hosts=settings.accepted_hosts,
        max_body_bytes=settings.max_body_bytes,
        raw=chunks,
    )
    keys = KeyRing(service.store, always_required=settings.needs_keys)
    app.add_middleware(KeyGuard, keys=keys, store=service.store)
    if settings.rate_limit:
        app.add_middleware(RateLimits, per_minute=settings.rate_limit)
    app.add_middleware(RequestLog)
    app.add_middleware(RequestMetrics, metrics=app.state.metrics)
    return app
