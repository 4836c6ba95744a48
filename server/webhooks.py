"""Sends deliveries to webhooks: signed, retried, and to nobody inside the operator's network.

Messages and signatures are those of https://www.standardwebhooks.com, so that its libraries can
verify them; `verify` does it with Python alone.
"""

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import json
import socket
import ssl
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from datetime import UTC, datetime

import httpx
import structlog

from server.store import ClaimedDelivery, Store

logger = structlog.get_logger(__name__)

TIMEOUT_S = 10.0
"""For the whole of an attempt: who answers by drips is late as well."""
PER_TURN = 20
"""Deliveries that are tried side by side; a turn takes as long as the slowest of them."""
MAX_ERROR_LENGTH = 500
"""What went wrong may quote what a receiver has sent."""
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""Addresses that lead to the IPv4 address in their last 32 bits (RFC 6052)."""

Result = tuple[int | None, str | None]
"""The status of the response, if there was one, and what went wrong, if anything."""

MAX_AGE_S = 300.0
"""How old a message may be that `verify` accepts."""


_FROM_ADDRESSES = str.maketrans("-_", "+/")
"""Secrets that were made at first are base 64 of the alphabet for addresses, without padding."""


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
    text = secret.removeprefix("whsec_").translate(_FROM_ADDRESSES)
    key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
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
        deliveries = store.claim_deliveries(PER_TURN)
        if not deliveries:
            return
        results = asyncio.run(attempt_all(deliveries, private_hosts))
        for delivery, (status, error) in zip(deliveries, results, strict=True):
            store.settle_delivery(delivery, status, error)
            logger.info(
                "webhook",
                delivery=delivery.id,
                attempt=delivery.attempt,
                status=status,
                error=error,
            )

    return turn


async def attempt_all(
    deliveries: Sequence[ClaimedDelivery], private_hosts: Collection[str]
) -> Sequence[Result]:
    """Sends deliveries once, side by side; returns what came of each."""
    # Names are looked up in threads: one that takes long must not be in the way of another.
    with ThreadPoolExecutor(len(deliveries)) as threads:
        asyncio.get_running_loop().set_default_executor(threads)
        tls = httpx.create_ssl_context()
        return await asyncio.gather(*(attempt(one, private_hosts, tls) for one in deliveries))


async def attempt(
    delivery: ClaimedDelivery, private_hosts: Collection[str], tls: ssl.SSLContext
) -> Result:
    """Sends a delivery once; whatever goes wrong with it is a part of the result."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            status = await _send(delivery, private_hosts, tls)
    except TimeoutError:
        return None, f"the answer must come within {TIMEOUT_S:g} s"
    except RefusedAddressError as error:
        return None, str(error)
    except Exception as error:  # the receiver's fault, whatever it is, must not become others'
        return None, f"{type(error).__name__}: {error}"[:MAX_ERROR_LENGTH]
    if 200 <= status < 300:
        return status, None
    return status, f"the answer must be 2xx, got {status}"


async def _send(
    delivery: ClaimedDelivery, private_hosts: Collection[str], tls: ssl.SSLContext
) -> int:
    """Returns the status of the answer to a delivery."""
    url = httpx.URL(delivery.url)
    body = body_of(delivery)
    message_id, timestamp = f"msg_{delivery.id}", int(delivery.claimed_at.timestamp())
    address = await asyncio.to_thread(resolve, url, private_hosts)
    # To the address that was checked: a name may mean another one a moment later.
    request = httpx.Request(
        "POST",
        url.copy_with(host=address),
        content=body,
        headers={
            "Content-Type": "application/json",
            "User-Agent": "espalier",
            "Host": url.netloc.decode(),
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(delivery.secret, message_id, timestamp, body),
        },
        extensions={"sni_hostname": url.host},
    )
    # Neither redirects nor proxies: both would lead past the check.
    async with httpx.AsyncHTTPTransport(verify=tls) as transport:
        answer = await transport.handle_async_request(request)
        async with aclosing(answer):
            return answer.status_code


def resolve(url: httpx.URL, private_hosts: Collection[str]) -> str:
    """Returns an address of the URL's host that may be spoken to.

    Raises:
        RefusedAddressError: it is not public, and not among those that the operator named.
        OSError: the name means nothing.
    """
    port = url.port or {"http": 80, "https": 443}[url.scheme]
    found = socket.getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
    address = str(found[0][4][0])
    if url.host not in private_hosts and not _is_public(address):
        raise RefusedAddressError(
            f"{url.host} must be public or in the setting webhook_private_hosts; it is {address}"
        )
    return address


def _is_public(text: str) -> bool:
    """Whether an address leads out, also where it is an IPv4 address in the clothes of IPv6."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            address = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        else:
            address = address.ipv4_mapped or address.sixtofour or address
    return address.is_global and not address.is_multicast
