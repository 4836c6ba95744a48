"""`espalier webhook`: addresses that are told of events."""

from collections.abc import Iterable
from typing import Annotated

import typer
from rich.table import Table

from server.cli.common import JsonOption, LimitOption, UrlOption, newest, open_client, show
from server.cli.tables import moment_text, new_table
from server.client import DEFAULT_URL
from server.schemas.webhooks import EVENT_TYPES, DeliveryView, WebhookView

app = typer.Typer(help="Addresses that are told of events.", no_args_is_help=True)

WebhookArgument = Annotated[str, typer.Argument(metavar="WEBHOOK", help="A webhook's id.")]


@app.command("create")
def create(
    name: Annotated[str, typer.Argument(help="What to call it.")],
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="Where to send to.")],
    events: Annotated[
        list[str], typer.Option("--event", help=f"Of {', '.join(EVENT_TYPES)}; all by default.")
    ] = [],  # noqa: B006 -- typer copies it
    as_json: JsonOption = False,
    url: UrlOption = DEFAULT_URL,
) -> None:
    """Register an address; the secret that signs what is sent is shown now and never again."""
    body = {"name": name, "url": address, "events": events or list(EVENT_TYPES)}
    with open_client(url) as client:
        webhook = client.create_webhook(body)
    show(f"webhook {webhook.id}\nsecret {webhook.secret}", webhook, as_json=as_json)


@app.command("list")
def list_webhooks(
    limit: LimitOption = 20, as_json: JsonOption = False, url: UrlOption = DEFAULT_URL
) -> None:
    """List webhooks, newest first."""
    with open_client(url) as client:
        webhooks = newest(client.webhooks(), limit)
    show(_webhooks_table(webhooks), webhooks, as_json=as_json)


@app.command("deliveries")
def list_deliveries(
    webhook_id: WebhookArgument,
    limit: LimitOption = 20,
    as_json: JsonOption = False,
    url: UrlOption = DEFAULT_URL,
) -> None:
    """List what was sent to a webhook, newest first, and what came of it."""
    with open_client(url) as client:
        deliveries = newest(client.deliveries(webhook_id), limit)
    show(_deliveries_table(deliveries), deliveries, as_json=as_json)


@app.command("ping")
def ping(webhook_id: WebhookArgument, url: UrlOption = DEFAULT_URL) -> None:
    """Send a message of type `ping`, to try the address."""
    with open_client(url) as client:
        delivery = client.ping_webhook(webhook_id)
    typer.echo(f"delivery {delivery.id}")


@app.command("retry")
def retry(
    webhook_id: WebhookArgument,
    delivery_id: Annotated[int, typer.Argument(metavar="DELIVERY", help="Its number.")],
    url: UrlOption = DEFAULT_URL,
) -> None:
    """Send a delivery again, at once."""
    with open_client(url) as client:
        client.retry_delivery(webhook_id, delivery_id)


@app.command("switch")
def switch(
    webhook_id: WebhookArgument,
    active: Annotated[bool, typer.Option("--on/--off", help="Whether it is told of events.")],
    url: UrlOption = DEFAULT_URL,
) -> None:
    """Switch a webhook on or off."""
    with open_client(url) as client:
        client.set_webhook_active(webhook_id, active=active)


@app.command("delete")
def delete(webhook_id: WebhookArgument, url: UrlOption = DEFAULT_URL) -> None:
    """Delete a webhook with its deliveries."""
    with open_client(url) as client:
        client.delete_webhook(webhook_id)


def _webhooks_table(webhooks: Iterable[WebhookView]) -> Table:
    table = new_table("webhook", "name", "address", "active")
    for webhook in webhooks:
        table.add_row(webhook.id, webhook.name, webhook.url, "yes" if webhook.active else "no")
    return table


def _deliveries_table(deliveries: Iterable[DeliveryView]) -> Table:
    table = new_table("number", "event", "status", "tried", "made", "error", right=("number",))
    for one in deliveries:
        made = moment_text(one.created_at)
        tried = str(one.attempts)
        table.add_row(str(one.id), one.type, one.status, tried, made, one.error or "")
    return table
