"""Runners: who is at work, and what their clusters offer."""

from fastapi import APIRouter

from server.routes.common import ServiceDep, problems
from server.schemas.jobs import RunnersView, RunnerView

router = APIRouter(prefix="/v1/runners", tags=["runners"])


@router.get("", operation_id="list_runners", responses=problems())
def list_all(service: ServiceDep) -> RunnersView:
    """The runners that are known, the newest first.

    One that ended in order is gone from the list; one that fell silent stays for a week.
    """
    return RunnersView(
        items=[
            RunnerView(
                id=row.id,
                host=row.host,
                is_alive=is_alive,
                num_cpus=row.num_cpus,
                num_gpus=row.num_gpus,
                custom=row.custom,
                version=row.version,
                started_at=row.started_at,
                seen_at=row.seen_at,
            )
            for row, is_alive in service.store.runners(service.settings.lease_seconds)
        ]
    )
