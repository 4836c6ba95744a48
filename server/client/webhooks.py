"""The client of webhooks."""

from collections.abc import Iterator

from server.client.connection import Document, quoted
from server.client.requests import Requests
from server.schemas.responses import PageOf
from server.schemas.webhooks import DeliveryView, NewWebhookView, WebhookView


class WebhookRequests(Requests):
    """Addresses that are told of events; see `Client`."""

    def create_webhook(self, body: Document) -> NewWebhookView:
        """Registers an address; only this answer shows its secret."""
        return self._post("/v1/webhooks", body, NewWebhookView)

    def webhook(self, webhook_id: str) -> WebhookView:
        """Returns a webhook."""
        return self._get(f"/v1/webhooks/{quoted(webhook_id)}", WebhookView)

    def webhooks(self) -> Iterator[WebhookView]:
        """Yields webhooks, newest first."""
        return self._pages("/v1/webhooks", PageOf[WebhookView])

    def set_webhook_active(self, webhook_id: str, *, active: bool) -> WebhookView:
        """Switches a webhook on or off."""
        path, body = f"/v1/webhooks/{quoted(webhook_id)}", {"active": active}
        answer = self._connection.send("PATCH", path, body=body)
        return self._connection.parse(answer.content, WebhookView)

    def delete_webhook(self, webhook_id: str) -> None:
        """Deletes a webhook with its deliveries."""
        self._connection.send("DELETE", f"/v1/webhooks/{quoted(webhook_id)}")

    def ping_webhook(self, webhook_id: str) -> DeliveryView:
        """Has a message of type `ping` sent, to try the address."""
        return self._post(f"/v1/webhooks/{quoted(webhook_id)}/ping", None, DeliveryView)

    def deliveries(self, webhook_id: str) -> Iterator[DeliveryView]:
        """Yields what was sent or waits to be sent to a webhook, newest first."""
        return self._pages(f"/v1/webhooks/{quoted(webhook_id)}/deliveries", PageOf[DeliveryView])

    def retry_delivery(self, webhook_id: str, delivery_id: int) -> DeliveryView:
        """Has a delivery sent again, at once."""
        path = f"/v1/webhooks/{quoted(webhook_id)}/deliveries/{delivery_id}/retry"
        return self._post(path, None, DeliveryView)
