"""The client of the REST API: typed results, whole lists, event streams that survive restarts.

    with Client("http://127.0.0.1:8000") as client:
        supernet = client.create_supernet({"name": "first", "space": {...}, "data_set": "dat_..."})
        job = client.wait(supernet.job, on_event=print)

Methods take and return what the API's documents say. Every method raises `ClientError`: `ApiError`
where the service refuses a request, `ServiceUnreachableError` where nothing answers.
"""

from typing import Self

import httpx

from server.client.connection import DEFAULT_URL
from server.client.jobs import JobRequests
from server.client.networks import NetworkRequests
from server.client.resources import ResourceRequests
from server.client.searches import SearchRequests
from server.client.supernets import SupernetRequests
from server.client.webhooks import WebhookRequests
from server.schemas.responses import ReadyView, VersionView


class Client(
    ResourceRequests,
    SupernetRequests,
    SearchRequests,
    NetworkRequests,
    JobRequests,
    WebhookRequests,
):
    """Speaks to one service.

    Args:
        base_url: its address.
        timeout_s: how long a request may take.
        patience_s: how long `events` and `wait` go on trying while the service does not answer.
        transport: for tests; the network by default.

    Raises:
        ValueError: the address is not an http address.
    """

    def __init__(
        self,
        base_url: str = DEFAULT_URL,
        *,
        timeout_s: float = 30.0,
        patience_s: float = 60.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        super().__init__(base_url, timeout_s, patience_s, transport)

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
