"""Metrics for Prometheus."""

from fastapi import APIRouter, Request, Response

from server.metrics import Metrics
from server.routes.common import ServiceDep, problems

router = APIRouter(tags=["health"])


@router.get(
    "/metrics",
    operation_id="metrics",
    response_class=Response,
    responses={
        200: {
            "description": "Prometheus' text format, or OpenMetrics if the client takes that.",
            "content": {
                "text/plain": {"schema": {"type": "string"}},
                "application/openmetrics-text": {"schema": {"type": "string"}},
            },
        },
        **problems(),
    },
)
def metrics(request: Request, _service: ServiceDep) -> Response:
    """Requests of this process, and figures of the whole database, a few seconds old at most."""
    # Through the service as every route, so that whoever must show a key there must here.
    metrics = request.app.state.metrics
    assert isinstance(metrics, Metrics)
    content, media_type = metrics.answer(request.headers.get("accept", ""))
    return Response(content, headers={"Content-Type": media_type, "Cache-Control": "no-store"})
