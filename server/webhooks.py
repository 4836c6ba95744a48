"""Sends deliveries to webhooks: signed, retried, and to nobody inside the operator's network.

Messages and signatures are those of https://www.standardwebhooks.com, so that its libraries can
verify them; `verify` does it with Python alone.
"""

import base64
import hashlib
import hmac
import ipaddress
import json
import socket
from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from datetime import UTC, datetime

import httpx
import structlog

from server.store import ClaimedDelivery, Store

logger = structlog.get_logger(__name__)

TIMEOUT_S = 10.0
PER_TURN = 20
"""Deliveries tried in one turn: other duties wait meanwhile."""

MAX_AGE_S = 300.0
"""How old a message may be that `verify` accepts."""


class RefusedAddressError(Exception):
    """The webhook's host is not one that the service may speak to."""


class InvalidSignatureError(ValueError):
    """A message was not signed with the webhook's secret, or is too old."""


def body_of(delivery: ClaimedDelivery) -> bytes:
    """Returns what is sent; the same for all attempts."""
    document = {
        "type": delivery.type,
        "timestamp": delivery.created_at.astimezone(UTC).isoformat(),
        "data": delivery.data,
    }
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def sign(secret: str, message_id: str, timestamp: int, body: bytes) -> str:
    """Returns a message's signature: `v1,` and the base 64 of its HMAC-SHA256.

    Args:
        secret: the webhook's, `whsec_` and the base 64 of the key.
        message_id: in the header `webhook-id`.
        timestamp: in the header `webhook-timestamp`, seconds since 1970.
        body: the bytes that are sent.
    """
    encoded = secret.removeprefix("whsec_")
    key = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def verify(secret: str, headers: Mapping[str, str], body: bytes, now: datetime) -> None:
    """Returns if a received message is the service's; for those who receive them.

    Args:
        secret: the webhook's.
        headers: of the request, with names in lower case.
        body: of the request, as it came.
        now: aware.

    Raises:
        InvalidSignatureError: it is not, or it is older than five minutes.
    """
    try:
        message_id, timestamp = headers["webhook-id"], int(headers["webhook-timestamp"])
        given = headers["webhook-signature"].split(" ")
    except (KeyError, ValueError):
        raise InvalidSignatureError("the webhook's headers must be there") from None
    if abs(now.timestamp() - timestamp) > MAX_AGE_S:
        raise InvalidSignatureError(f"the message must not be older than {MAX_AGE_S:.0f} s")
    expected = sign(secret, message_id, timestamp, body).encode()
    if not any(hmac.compare_digest(expected, one.encode()) for one in given):
        raise InvalidSignatureError("the signature must be made with the webhook's secret")


def delivering(private_hosts: Collection[str]) -> Callable[[Store], None]:
    """Returns a duty's turn: it tries the deliveries that are due.

    Args:
        private_hosts: names and addresses that may be spoken to although they lie in a private
            network or on this machine.
    """

    def turn(store: Store) -> None:
        for _ in range(PER_TURN):
            delivery = store.claim_delivery()
            if delivery is None:
                return
            status, error = attempt(delivery, private_hosts, delivery.claimed_at)
            store.settle_delivery(delivery, status, error)
            logger.info(
                "webhook",
                delivery=delivery.id,
                attempt=delivery.attempt,
                status=status,
                error=error,
            )

    return turn


def attempt(
    delivery: ClaimedDelivery, private_hosts: Collection[str], now: datetime
) -> tuple[int | None, str | None]:
    """Sends a delivery once.

    Returns:
        The status of the response, if there was one, and what went wrong, if anything.
    """
    url = httpx.URL(delivery.url)
    body = body_of(delivery)
    timestamp = int(now.timestamp())
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "espalier",
        "webhook-id": f"msg_{delivery.id}",
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(delivery.secret, f"msg_{delivery.id}", timestamp, body),
    }
    try:
        address = resolve(url, private_hosts)
        # To the address that was checked: a name may mean another one a moment later.
        request = httpx.Request(
            "POST",
            url.copy_with(host=address),
            content=body,
            headers={**headers, "Host": url.netloc.decode()},
            extensions={
                "sni_hostname": url.host,
                "timeout": httpx.Timeout(TIMEOUT_S).as_dict(),
            },
        )
        # Neither redirects nor proxies: both would lead past the check.
        with (
            httpx.HTTPTransport() as transport,
            closing(transport.handle_request(request)) as answer,
        ):
            status = answer.status_code
    except (RefusedAddressError, OSError) as error:
        return None, str(error)
    except httpx.HTTPError as error:
        return None, f"{type(error).__name__}: {error}"
    if 200 <= status < 300:
        return status, None
    return status, f"the answer must be 2xx, got {status}"


def resolve(url: httpx.URL, private_hosts: Collection[str]) -> str:
    """Returns an address of the URL's host that may be spoken to.

    Raises:
        RefusedAddressError: it is private, and not among those that the operator named.
        OSError: the name means nothing.
    """
    port = url.port or {"http": 80, "https": 443}[url.scheme]
    found = socket.getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
    address = str(found[0][4][0])
    is_public = ipaddress.ip_address(address.partition("%")[0]).is_global
    if not is_public and url.host not in private_hosts:
        raise RefusedAddressError(
            f"{url.host} must be public or in the setting webhook_private_hosts; it is {address}"
        )
    return address
