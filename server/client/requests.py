"""What all groups of the client's requests share."""

import httpx

from server.client.connection import Connection


class Requests:
    """Speaks to one service; the arguments are those of `Client`."""

    def __init__(
        self,
        base_url: str,
        timeout_s: float,
        patience_s: float,
        transport: httpx.BaseTransport | None,
        api_key: str | None,
    ) -> None:
        self._connection = Connection(base_url, timeout_s, patience_s, transport, api_key)
        self._get = self._connection.get
        self._post = self._connection.post
        self._change = self._connection.change
        self._pages = self._connection.pages
        self._patience_s = patience_s
