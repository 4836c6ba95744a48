"""Searches that are evaluated outside: proposals are leased, outcomes told, leases renewed."""

from typing import TypeVar

from fastapi import APIRouter, Response
from pydantic import BaseModel

from server.outside.orders import (
    Answer,
    HeldLease,
    Lease,
    Leased,
    LeaseOrder,
    Order,
    Renewed,
    RenewOrder,
    Report,
    Reported,
    ReportOrder,
)
from server.routes.common import Id, Service, ServiceDep, problems
from server.routes.exact_route import ExactRoute
from server.schemas.outside import (
    LeasesBody,
    LeasesView,
    LeaseView,
    LostLeaseView,
    ObservationsBody,
    ProposalsBody,
    ProposalsView,
    RenewalView,
    ToldView,
)

router = APIRouter(prefix="/v1/searches/{search_id}", tags=["searches"], route_class=ExactRoute)

Kind = TypeVar("Kind", bound=Answer)


async def _carry_out(service: Service, search_id: str, order: Order, kind: type[Kind]) -> Kind:
    answer = await service.exchange.submit(service.store.project_id, search_id, order)
    assert isinstance(answer, kind)
    return answer


def _json(view: BaseModel, retry_after_s: int | None = None) -> Response:
    """Returns a view as it is: FastAPI would validate what was just made, field by field."""
    headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    return Response(view.model_dump_json(), media_type="application/json", headers=headers)


def _lease_view(lease: Lease) -> LeaseView:
    return LeaseView(
        number=lease.number,
        architecture_digest=lease.architecture.digest,
        architecture=dict(lease.architecture),
        lease=lease.token,
        fence=lease.fence,
        worker=lease.worker,
        expires_at=lease.expires_at,
    )


@router.post(
    "/proposals",
    operation_id="lease_proposals",
    response_model=ProposalsView,
    responses=problems(404, 409),
)
async def lease(search_id: Id, body: ProposalsBody, service: ServiceDep) -> Response:
    """Leases proposals, to be evaluated by the caller and told as observations.

    Where there are fewer than asked for, `shortage` says why, and `Retry-After` when to ask again;
    when the search has `ended` there is no use in that. A proposal whose lease has expired is
    leased again. 409 where the search is evaluated with its supernet.
    """
    answer = await _carry_out(service, search_id, LeaseOrder(body.count, body.worker), Leased)
    view = ProposalsView(
        items=[_lease_view(lease) for lease in answer.leases],
        status=answer.status,
        ended=answer.shortage == "ended",
        shortage=answer.shortage,
        retry_after_seconds=answer.retry_after_s,
        lease_seconds=answer.lease_seconds,
    )
    return _json(view, answer.retry_after_s)


@router.post(
    "/observations",
    operation_id="tell_observations",
    response_model=ToldView,
    responses=problems(404, 409),
)
async def tell(search_id: Id, body: ObservationsBody, service: ServiceDep) -> Response:
    """Takes note of outcomes of leased proposals: of all of them, or of none.

    Telling the same again changes nothing. 409 where another outcome was told, where the proposal
    was leased again, or where the search has ended.
    """
    reports = tuple(Report(item.number, item.lease, item.outcome) for item in body.items)
    answer = await _carry_out(service, search_id, ReportOrder(reports), Reported)
    return _json(
        ToldView(recorded=answer.num_recorded, known=answer.num_known, status=answer.status)
    )


@router.post(
    "/proposals/renew",
    operation_id="renew_leases",
    response_model=LeasesView,
    responses=problems(404, 409),
)
async def renew(search_id: Id, body: LeasesBody, service: ServiceDep) -> Response:
    """Puts off the end of leases that the caller holds; names those that are lost."""
    return await _renewed(service, search_id, body, give_back=False)


@router.post(
    "/proposals/release",
    operation_id="release_leases",
    response_model=LeasesView,
    responses=problems(404, 409),
)
async def release(search_id: Id, body: LeasesBody, service: ServiceDep) -> Response:
    """Gives leases back, so that others get the proposals at once."""
    return await _renewed(service, search_id, body, give_back=True)


async def _renewed(
    service: Service, search_id: str, body: LeasesBody, *, give_back: bool
) -> Response:
    held = tuple(HeldLease(item.number, item.lease) for item in body.items)
    answer = await _carry_out(service, search_id, RenewOrder(held, give_back), Renewed)
    return _json(
        LeasesView(
            items=[
                RenewalView(number=lease.number, lease=lease.token, expires_at=lease.expires_at)
                for lease in answer.leases
            ],
            lost=[LostLeaseView(number=number, reason=reason) for number, reason in answer.lost],
        )
    )
