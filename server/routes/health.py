"""Whether the process lives, whether the service can work, and which version it is."""

from importlib.metadata import version
from typing import Any, cast

from fastapi import APIRouter

from server.routes.common import ServiceDep, problems
from server.schemas.responses import LiveView, ReadyView, VersionView

router = APIRouter(tags=["health"])


@router.get("/livez", operation_id="live", responses=problems())
def live() -> LiveView:
    """The process answers."""
    return LiveView(status="ok")


@router.get("/readyz", operation_id="ready", responses=problems())
def ready(service: ServiceDep) -> ReadyView:
    """The database answers; 503 if it does not. Without a runner the service is degraded."""
    service.store.ping()
    runner = service.runner_state()
    return ReadyView(
        status="degraded" if runner == "restarting" else "ok",
        database="ok",
        schema_revision=service.schema_revision,
        runner=cast("Any", runner),
    )


@router.get("/version", operation_id="version", responses=problems())
def get_version(service: ServiceDep) -> VersionView:
    """The program's version and its schema's."""
    return VersionView(
        name="espalier", version=version("espalier"), schema_revision=service.schema_revision
    )
