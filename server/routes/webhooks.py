"""Webhooks: addresses that are told of events."""

from typing import Annotated, Any, cast

from fastapi import APIRouter, Path, Response

from server.routes import content_tags
from server.routes.common import Id, ServiceDep, problems
from server.routes.creating import creates
from server.routes.exact_route import ExactRoute
from server.routes.lists import ListDep
from server.schemas.responses import PageOf
from server.schemas.webhooks import (
    PING,
    DeliveryView,
    NewWebhookView,
    WebhookBody,
    WebhookPatch,
    WebhookView,
)
from server.tables import DeliveryRow, WebhookRow

router = APIRouter(prefix="/v1/webhooks", tags=["webhooks"], route_class=ExactRoute)


def _fields(row: WebhookRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "url": row.url,
        "events": row.events,
        "active": row.active,
        "created_at": row.created_at,
    }


def view(row: WebhookRow) -> WebhookView:
    """Returns a row as it is answered: without the secret."""
    return WebhookView(**_fields(row))


def delivery_view(row: DeliveryRow) -> DeliveryView:
    """Returns a row as it is answered."""
    return DeliveryView(
        id=row.id,
        webhook=row.webhook_id,
        type=row.type,
        data=row.data,
        status=cast("Any", row.status),
        attempts=row.attempts,
        next_attempt_at=row.next_attempt_at,
        response_status=row.response_status,
        error=row.error,
        created_at=row.created_at,
        delivered_at=row.delivered_at,
    )


@router.post("", status_code=201, operation_id="create_webhook", responses=problems(409))
@creates
def create(body: WebhookBody, service: ServiceDep, response: Response) -> NewWebhookView:
    """Registers an address; the answer alone shows the secret that signs what is sent there."""
    row = service.store.add_webhook(body.name, body.url, body.events)
    response.headers["Location"] = f"/v1/webhooks/{row.id}"
    return NewWebhookView(**_fields(row), secret=row.secret)


@router.get("", operation_id="list_webhooks", responses=problems())
def list_all(parameters: ListDep, service: ServiceDep) -> PageOf[WebhookView]:
    """Webhooks, newest first."""
    return parameters.page(service.store.list_webhooks(parameters.limit, parameters.before), view)


@router.get("/{webhook_id}", operation_id="get_webhook", responses=problems(404))
def get(webhook_id: Id, service: ServiceDep, response: Response) -> WebhookView:
    """One webhook. Send its ETag with a change as If-Match."""
    return content_tags.tagged(response, view(service.store.get_webhook(webhook_id)))


@router.patch("/{webhook_id}", operation_id="change_webhook", responses=problems(404, 412))
def change(
    webhook_id: Id,
    body: WebhookPatch,
    service: ServiceDep,
    response: Response,
    if_match: content_tags.IfMatch = None,
) -> WebhookView:
    """Switches a webhook off or on; what happens while it is off is never sent."""

    def is_expected(row: WebhookRow) -> bool:
        return content_tags.is_expected(view(row), if_match)

    row = service.store.set_webhook_active(webhook_id, is_expected, active=body.active)
    return content_tags.tagged(response, view(row))


@router.delete(
    "/{webhook_id}", status_code=204, operation_id="delete_webhook", responses=problems(404)
)
def delete(webhook_id: Id, service: ServiceDep) -> None:
    """Deletes a webhook with its deliveries."""
    service.store.delete_webhook(webhook_id)


@router.post(
    "/{webhook_id}/ping", status_code=202, operation_id="ping_webhook", responses=problems(404, 409)
)
@creates
def ping(webhook_id: Id, service: ServiceDep) -> DeliveryView:
    """Sends a message of type `ping`, to try the address."""
    return delivery_view(service.store.ping_webhook(webhook_id, PING))


@router.get("/{webhook_id}/deliveries", operation_id="list_deliveries", responses=problems(404))
def list_deliveries(
    webhook_id: Id, parameters: ListDep, service: ServiceDep
) -> PageOf[DeliveryView]:
    """What was sent or waits to be sent to a webhook, newest first."""
    page = service.store.list_deliveries(webhook_id, parameters.limit, parameters.number())
    return parameters.page(page, delivery_view)


@router.post(
    "/{webhook_id}/deliveries/{delivery_id}/retry",
    status_code=202,
    operation_id="retry_delivery",
    responses=problems(404, 409),
)
@creates
def retry(
    webhook_id: Id,
    delivery_id: Annotated[int, Path(ge=1, lt=2**63)],
    service: ServiceDep,
) -> DeliveryView:
    """Sends a delivery again, at once."""
    return delivery_view(service.store.retry_delivery(webhook_id, delivery_id))
