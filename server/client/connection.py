"""Requests to one service: typed answers, whole lists, errors as ours, patience in outages."""

import json
import time
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ValidationError

from server.api_keys import is_key
from server.client.errors import (
    ApiError,
    ClientError,
    NotOurServiceError,
    ServiceUnreachableError,
)
from server.schemas.responses import PageOf

TOO_MANY_REQUESTS = 429
DEFAULT_URL = "http://127.0.0.1:8000"

View = TypeVar("View", bound=BaseModel)
Document = Mapping[str, Any] | BaseModel
"""A request's body: JSON as Python values, or the pydantic model of it."""

Parameters = Mapping[str, Any]
"""Of an address's query: text and numbers; those that are None are left out."""


class Connection:
    """Sends requests to one service. Every method raises `ClientError`.

    Args:
        base_url: the service's address.
        timeout_s: how long a request may take.
        patience_s: how long an outage may last that `get` and `post` bridge.
        transport: for tests; the network if None.
        api_key: sent with every request, if there is one.

    Raises:
        ValueError: the address is not an http address, or the key is none.
    """

    def __init__(
        self,
        base_url: str,
        timeout_s: float,
        patience_s: float,
        transport: httpx.BaseTransport | None,
        api_key: str | None = None,
    ) -> None:
        url = parse_url(base_url)
        self.base_url = base_url.rstrip("/")
        # A proxy of the environment does not reach this machine's loopback addresses.
        is_local = url.host in ("localhost", "127.0.0.1", "::1")
        self._patience_s = patience_s
        self._was_reached = False
        self._http = httpx.Client(
            base_url=url,
            timeout=timeout_s,
            transport=transport,
            trust_env=not is_local,
            headers=_key_header(api_key),
        )

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def get(self, path: str, kind: type[View], parameters: Parameters | None = None) -> View:
        """Returns the document at a path; asks again where it is asked to ask less often."""
        patience = Patience(self._patience_s)
        while True:
            try:
                return self.parse(self.send("GET", path, parameters=parameters).content, kind)
            except ApiError as error:
                patience.wait(error, is_temporary=error.status == TOO_MANY_REQUESTS)

    def post(
        self,
        path: str,
        body: Document | None,
        kind: type[View],
        timeout_s: float | None = None,
        *,
        is_repeatable: bool = True,
    ) -> View:
        """Returns the document that answers a posted one.

        A connection that breaks, a service that is busy or restarts: the request is sent again with
        the same idempotency key, so that what it creates is created once. A service that was never
        reached is not waited for: its address may be wrong.

        Args:
            path: where to.
            body: what to post, if anything.
            kind: of the answer.
            timeout_s: how long it may take; that of all requests if None.
            is_repeatable: whether it may be sent again at all.
        """
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        patience = Patience(self._patience_s)
        while True:
            try:
                response = self.send("POST", path, body=body, headers=headers, timeout_s=timeout_s)
                return self.parse(response.content, kind)
            except ClientError as error:
                is_first = isinstance(error, ServiceUnreachableError) and not self._was_reached
                patience.wait(
                    error, is_temporary=error.is_temporary and is_repeatable and not is_first
                )

    def change(self, path: str, changes: Document, kind: type[View]) -> View:
        """Returns the document at a path after changing it as it was when it was read just now.

        Raises:
            ApiError: with status 412, somebody else has changed it in between.
        """
        headers = {"If-Match": self.send("GET", path).headers["ETag"]}
        return self.parse(self.send("PATCH", path, body=changes, headers=headers).content, kind)

    def patch(self, path: str, body: Document, kind: type[View]) -> View:
        """Returns the document that answers a change."""
        return self.parse(self.send("PATCH", path, body=body).content, kind)

    def pages(
        self, path: str, kind: type[PageOf[View]], parameters: Parameters | None = None
    ) -> Iterator[View]:
        """Yields the items of a list, page by page as they are asked for."""
        page = self.get(path, kind, parameters)
        yield from page.items
        while page.next is not None:
            page = self.get(page.next, kind)
            yield from page.items

    def send(
        self,
        method: str,
        path: str,
        *,
        body: Document | bytes | None = None,
        headers: Mapping[str, str] | None = None,
        parameters: Parameters | None = None,
        timeout_s: float | None = None,
    ) -> httpx.Response:
        """Returns the response to a request.

        Args:
            method: of HTTP.
            path: where to.
            body: JSON, or bytes as they are.
            headers: of the request.
            parameters: of the address's query.
            timeout_s: how long it may take; that of all requests if None.

        Raises:
            ApiError: the service refused.
            ServiceUnreachableError: no response came.
        """
        values = body.model_dump(mode="json") if isinstance(body, BaseModel) else body
        content, media_type = _content(values)
        timeout = self._http.timeout if timeout_s is None else httpx.Timeout(timeout_s)
        given = {name: value for name, value in (parameters or {}).items() if value is not None}
        try:
            # No parameters must be None: an empty mapping would remove those of the path.
            response = self._http.request(
                method,
                path,
                content=content,
                headers={**media_type, **(headers or {})},
                params=given or None,
                timeout=timeout,
            )
        except httpx.RequestError as error:
            # What was not even refused may have arrived: the service is there.
            self._was_reached |= not isinstance(error, httpx.ConnectError)
            raise self._unreachable(error) from error
        self._was_reached = True
        if not response.is_success:
            raise ApiError.of(response)
        return response

    def stream(
        self, path: str, headers: Mapping[str, str] | None = None, silence_s: float | None = None
    ) -> Iterator[bytes]:
        """Yields the content at a path as it comes; raises as `send` does.

        Args:
            path: what to get.
            headers: of the request.
            silence_s: how long nothing may come; the timeout of requests if None.
        """
        timeout = httpx.Timeout(self._http.timeout)
        if silence_s is not None:
            timeout.read = silence_s
        try:
            with self._http.stream("GET", path, headers=headers, timeout=timeout) as response:
                if not response.is_success:
                    response.read()
                    raise ApiError.of(response)
                yield from response.iter_bytes()
        except httpx.RequestError as error:
            raise self._unreachable(error) from error

    def parse(self, document: bytes | str, kind: type[View]) -> View:
        """Returns an answer's JSON as the value it is meant to be.

        Raises:
            NotOurServiceError: it is not.
        """
        try:
            return kind.model_validate_json(document)
        except ValidationError as error:
            raise NotOurServiceError(self.base_url, kind.__name__) from error

    def _unreachable(self, error: httpx.RequestError) -> ServiceUnreachableError:
        return ServiceUnreachableError(self.base_url, str(error) or type(error).__name__)


def _key_header(api_key: str | None) -> dict[str, str]:
    if api_key is None:
        return {}
    if not is_key(api_key):  # the message does not tell what was given instead
        raise ValueError("the API key must look like esp_XXXXXXXX_..., as it was shown when made")
    return {"Authorization": f"Bearer {api_key}"}


def _content(body: Mapping[str, Any] | bytes | None) -> tuple[str | bytes | None, dict[str, str]]:
    """Returns a body as it is sent, and the header that says what it is."""
    match body:
        case None:
            return None, {}
        case bytes():
            return body, {"Content-Type": "application/octet-stream"}
        case _:
            # Not httpx's own encoding, which raises on NaN where the service names the field.
            return json.dumps(body), {"Content-Type": "application/json"}


class Patience:
    """Waits between attempts, longer each time, until one outage has lasted too long.

    Args:
        total_s: how long an outage may last.
    """

    def __init__(self, total_s: float) -> None:
        self._total_s = total_s
        self.renew()

    def renew(self) -> None:
        """Notes that the service answered: the next outage is a new one."""
        self._give_up_at: float | None = None
        self._delay_s = 0.1

    def wait(self, error: ClientError, *, is_temporary: bool | None = None) -> None:
        """Returns after a while; raises the error where trying again is of no use.

        Args:
            error: what has happened.
            is_temporary: whether trying again may be of use; by default the error knows.
        """
        if is_temporary is None:
            is_temporary = error.is_temporary
        now = time.monotonic()
        if self._give_up_at is None:
            self._give_up_at = now + self._total_s
        delay_s = self._delay_s
        if isinstance(error, ApiError) and error.retry_after_s is not None:
            delay_s = max(delay_s, error.retry_after_s)
        if not is_temporary or now + delay_s > self._give_up_at:
            raise error
        time.sleep(delay_s)
        self._delay_s = min(2 * self._delay_s, 2.0)


def quoted(identifier: str) -> str:
    """Returns an identifier as one part of a path, whatever it holds."""
    return quote(identifier, safe="")


def parse_url(base_url: str) -> httpx.URL:
    """Returns the parsed address of a service.

    Raises:
        ValueError: it is not an http address.
    """
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as error:
        raise ValueError(f"the address must be a URL: {error}, got {base_url!r}") from None
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError(f"the address must begin with http:// or https://, got {base_url!r}")
    return url
