"""The client of the REST API: typed results, whole lists, event streams that survive restarts.

    with Client("http://127.0.0.1:8000") as client:
        supernet = client.create_supernet({"name": "first", "space": {...}, "data_set": "dat_..."})
        job = client.wait(supernet.job, on_event=print)

Methods take and return what the API's documents say. Every method raises `ClientError`: `ApiError`
where the service refuses a request, `ServiceUnreachableError` where nothing answers.
"""

import os
from typing import Self

import httpx

from server.client.access import AccessRequests
from server.client.campaigns import CampaignRequests
from server.client.connection import DEFAULT_URL
from server.client.jobs import JobRequests
from server.client.networks import NetworkRequests
from server.client.outside import OutsideRequests
from server.client.resources import ResourceRequests
from server.client.searches import SearchRequests
from server.client.supernets import SupernetRequests
from server.client.webhooks import WebhookRequests
from server.schemas.responses import ReadyView, VersionView

KEY_VARIABLE = "ESPALIER_API_KEY"


class Client(
    ResourceRequests,
    SupernetRequests,
    SearchRequests,
    OutsideRequests,
    NetworkRequests,
    CampaignRequests,
    JobRequests,
    AccessRequests,
    WebhookRequests,
):
    """Speaks to one service.

    Args:
        base_url: its address.
        timeout_s: how long a request may take.
        patience_s: how long `events`, `wait` and what creates go on trying while the service does
            not answer. What creates is sent again with the same idempotency key: it creates once.
        transport: for tests; the network by default.
        api_key: what the service knows the caller by; by default what the environment variable
            `ESPALIER_API_KEY` holds, if it is set.

    Raises:
        ValueError: the address is not an http address, or the key is none.
    """

    def __init__(
        self,
        base_url: str = DEFAULT_URL,
        *,
        timeout_s: float = 30.0,
        patience_s: float = 60.0,
        transport: httpx.BaseTransport | None = None,
        api_key: str | None = None,
    ) -> None:
        key = api_key or os.environ.get(KEY_VARIABLE) or None
        super().__init__(base_url, timeout_s, patience_s, transport, key)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._connection.close()

    @property
    def base_url(self) -> str:
        """The service's address."""
        return self._connection.base_url

    def ready(self) -> ReadyView:
        """Returns whether the service can work; an `ApiError` says that it cannot."""
        return self._get("/readyz", ReadyView)

    def version(self) -> VersionView:
        """Returns which program answers."""
        return self._get("/version", VersionView)
