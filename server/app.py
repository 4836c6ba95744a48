"""The FastAPI application over the parts of the service; imports neither torch nor ray."""

from importlib.metadata import version
from typing import Any

from fastapi import FastAPI

from server import problems
from server.authentication import OPEN_PATHS, KeyGuard, KeyRing
from server.metrics import Metrics, RequestMetrics
from server.middleware import RawBodies, RequestGuard, RequestLog
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


class _Application(FastAPI):
    """FastAPI with what its OpenAPI document lacks."""

    def openapi(self) -> dict[str, Any]:
        """Returns the OpenAPI document, made once."""
        is_new = self.openapi_schema is None
        document = super().openapi()
        if is_new:
            _describe_problems(document)
            _require_discriminators(document)
            _describe_keys(document)
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
    app.state.metrics = Metrics(
        service.store,
        service.settings.home,
        version("espalier"),
        cache_seconds=service.settings.metrics_cache_seconds,
        silent_seconds=service.settings.lease_seconds,
    )
    for routes in (
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
    ):
        app.include_router(routes.router)
    problems.install(app)
    # The last one added is the first to see a request.
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
    app.add_middleware(RequestLog)
    app.add_middleware(RequestMetrics, metrics=app.state.metrics)
    return app


def _describe_problems(document: dict[str, Any]) -> None:
    """Adds the schema that the routes' declared errors refer to."""
    schema = problems.ProblemBody.model_json_schema(ref_template="#/components/schemas/{model}")
    document["components"]["schemas"] |= schema.pop("$defs") | {"ProblemBody": schema}


def _describe_keys(document: dict[str, Any]) -> None:
    """Says which header a key is sent in, and which paths need none."""
    scheme = {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key. A service on loopback where none was ever made asks for none.",
    }
    document["components"]["securitySchemes"] = {"key": scheme}
    document["security"] = [{"key": []}, {}]
    for path in OPEN_PATHS:
        for operation in document["paths"][path].values():
            operation["security"] = []


def _require_discriminators(document: dict[str, Any]) -> None:
    """Marks the `kind` of every member of a union as required, which pydantic does not.

    As a field it has a default; but without it nobody knows which member is meant.
    """
    schemas = document["components"]["schemas"]
    pending: list[Any] = [document]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            discriminator = node.get("discriminator")
            if isinstance(discriminator, dict) and "mapping" in discriminator:
                for reference in discriminator["mapping"].values():
                    schema = schemas[reference.rsplit("/", 1)[1]]
                    names = {*schema.get("required", []), discriminator["propertyName"]}
                    schema["required"] = sorted(names)
            pending += node.values()
        elif isinstance(node, list):
            pending += node
