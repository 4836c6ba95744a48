"""Whether the process lives, whether the service can work, and which version it is."""

from importlib.metadata import version
from typing import Any, cast

from fastapi import APIRouter

from server.errors import SchemaError
from server.routes.common import ServiceDep, WholeServiceDep, problems
from server.schemas.responses import LiveView, ReadyView, VersionView

router = APIRouter(tags=["health"])


@router.get("/livez", operation_id="live", responses=problems())
async def live() -> LiveView:
    """The process answers."""
    # A coroutine: busy threads are no reason for a supervisor to kill the process.
    return LiveView(status="ok")


@router.get("/readyz", operation_id="ready", responses=problems())
def ready(service: WholeServiceDep) -> ReadyView:
    """The database answers and its schema is this program's; 503 if not.

    Where jobs wait and no runner lives, the service is degraded: it takes requests all the same.
    """
    found = service.store.readiness(service.settings.lease_seconds)
    if found.schema_revision != service.schema_revision:
        raise SchemaError(
            f"the database's schema has become {found.schema_revision}, and this process needs "
            f"{service.schema_revision}: restart the service with the version that changed it"
        )
    runner = service.runner_state()
    waits = found.waiting_jobs > 0 and found.runners == 0
    return ReadyView(
        status="degraded" if runner == "restarting" or waits else "ok",
        database="ok",
        schema_revision=service.schema_revision,
        runner=cast("Any", runner),
        runners_alive=found.runners,
        waiting_jobs=found.waiting_jobs,
    )


@router.get("/version", operation_id="version", responses=problems())
def get_version(service: ServiceDep) -> VersionView:
    """The program's version and its schema's."""
    return VersionView(
        name="espalier", version=version("espalier"), schema_revision=service.schema_revision
    )
