"""Errors of the client, named by what the caller should do about them.

ClientError
+-- ApiError                 mend the request: the service refused it and says why
+-- ServiceUnreachableError  start the service, or mend the address
+-- NotOurServiceError       mend the address: something else answers there
+-- DamagedDownloadError     download again: what arrived is not what the service has
"""

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx

_TEMPORARY = frozenset({429, 502, 503, 504})
_MAX_DETAIL_LENGTH = 200


class ClientError(Exception):
    """Base of all of them.

    Attributes:
        is_temporary: whether the same request may succeed a little later.
    """

    is_temporary = False


@dataclass(frozen=True)
class FieldFault:
    """One thing wrong with a request.

    Attributes:
        field: its path in the body (`limits[0].upper`), or the name of a parameter; empty for the
            body as a whole.
        rule: what would be accepted.
        value: what was given, as JSON.
    """

    field: str
    rule: str
    value: Any

    def __str__(self) -> str:
        return f"{self.field or 'the body'} {self.rule}, got {self.value!r}"


class ApiError(ClientError):
    """The service refused a request; `str` has one line for each thing wrong with it.

    Attributes:
        status: of the response.
        title: the status in words.
        detail: what is the case.
        errors: the faults of the request's fields, where there are any.
        retry_after_s: when the service wants to be asked again, where it says so.
    """

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        errors: Sequence[FieldFault] = (),
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__("\n".join(map(str, errors)) or detail or f"{status} {title}")
        self.status = status
        self.title = title
        self.detail = detail
        self.errors = tuple(errors)
        self.retry_after_s = retry_after_s

    @property
    def is_temporary(self) -> bool:  # type: ignore[override]  # what is fixed elsewhere depends here
        """Whether the same request may succeed a little later."""
        # A conflict that says when to ask again ends by itself.
        is_passing = self.status == HTTPStatus.CONFLICT and self.retry_after_s is not None
        return self.status in _TEMPORARY or is_passing

    @classmethod
    def of(cls, response: httpx.Response) -> "ApiError":
        """Returns the error that a response (whose body was read) is about."""
        given = response.headers.get("Retry-After", "")
        retry_after_s = float(given) if given.isascii() and given.isdigit() else None
        try:
            problem = response.json()
            errors = [
                FieldFault(field_path(fault["pointer"]), fault["rule"], fault["value"])
                for fault in problem.get("errors", ())
            ]
            title, detail = problem["title"], problem["detail"]
            return cls(response.status_code, title, detail, errors, retry_after_s)
        except (ValueError, KeyError, TypeError, AttributeError):
            # Not from the service itself but from a proxy, say; its page is not for this reader.
            title = response.reason_phrase
            is_page = "html" in response.headers.get("Content-Type", "")
            text = "" if is_page else " ".join(response.text.split())[:_MAX_DETAIL_LENGTH]
            detail = f"{response.status_code} {title}" + (f": {text}" if text else "")
            return cls(response.status_code, title, detail, (), retry_after_s)


class ServiceUnreachableError(ClientError):
    """Nothing answers at the service's address, or not in time."""

    is_temporary = True

    def __init__(self, base_url: str, reason: object) -> None:
        super().__init__(f"the service at {base_url} cannot be reached: {reason}")
        self.base_url = base_url


class NotOurServiceError(ClientError):
    """What answers is not this API."""

    def __init__(self, base_url: str, expected: str) -> None:
        super().__init__(f"{base_url} answered with something else than a {expected} of this API")


class DamagedDownloadError(ClientError):
    """A downloaded file does not have the digest that the service states; it was discarded."""


def field_path(pointer: str) -> str:
    """Returns a JSON pointer as people write paths: `/limits/0/upper` as `limits[0].upper`."""
    if not pointer.startswith("/"):
        return pointer
    path = ""
    for part in pointer[1:].split("/"):
        name = part.replace("~1", "/").replace("~0", "~")
        path += f"[{name}]" if name.isdigit() else f".{name}"
    return path.removeprefix(".")
