"""Lists: filters, order, times, and cursors that belong to one query."""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, TypeVar, cast

from fastapi import Depends, Query, Request, Response
from pydantic import BeforeValidator

from server.errors import InvalidRequestError
from server.schemas.requests import Name
from server.schemas.responses import PageOf
from server.store import Page, Part
from server.store.listing import SortField

Row = TypeVar("Row")
View = TypeVar("View")

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_OWN = ("limit", "cursor")
_DEFAULT_SORT = ("sort", "-created_at")


def _moment(value: Any) -> datetime:
    rule = "must be a time of RFC 3339, such as 2026-01-31T12:00:00Z"
    if not isinstance(value, str) or not _RFC3339.fullmatch(value):
        raise ValueError(rule)
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{rule}: {error}") from None


Moment = Annotated[datetime, BeforeValidator(_moment)]
NameQuery = Annotated[Name | None, Query(description="Only those called exactly so.")]
IdQuery = Annotated[
    str | None,
    Query(max_length=100, pattern=r"^[0-9a-z_]+$", description="Only of this one, by its id."),
]


@dataclass(frozen=True)
class ListParameters:
    """Which part of a list is asked for.

    Attributes:
        request: the request.
        response: what it is answered; gets the header `Link`.
        limit: items of a page.
        before: where the page before ended.
        part: the same, with order and times where the list has them.
    """

    request: Request
    response: Response
    limit: int
    before: str | None
    part: Part

    def number(self) -> int | None:
        """Returns where the page before ended, in lists in the order of a number.

        Raises:
            InvalidRequestError: the cursor has none.
        """
        if self.before is None:
            return None
        if not (self.before.isascii() and self.before.isdigit() and len(self.before) < 19):
            rule = "must come from the next of a page"
            raise InvalidRequestError.single("cursor", rule, self.before)
        return int(self.before)

    def page(self, page: Page[Row], view: Callable[[Row], View]) -> PageOf[View]:
        """Returns the answer for rows of the store."""
        return self.answer([view(row) for row in page.rows], page.next)

    def answer(self, items: Sequence[View], key: str | None) -> PageOf[View]:
        """Returns the answer for items and the key after which the next page begins."""
        following = None
        if key is not None:
            cursor = _encode(_query_of(self.request), key)
            url = self.request.url.include_query_params(limit=self.limit, cursor=cursor)
            following = f"{url.path}?{url.query}"
            self.response.headers["Link"] = f'<{following}>; rel="next"'
        return PageOf(items=list(items), next=following)


Limit = Annotated[int, Query(ge=1, le=500, description="Items per page.")]
Cursor = Annotated[
    str | None,
    Query(
        max_length=4000,
        description="From the `next` of a page before, with the same filters and order.",
    ),
]
CreatedAfter = Annotated[Moment | None, Query(description="Only what was made then or later.")]
CreatedBefore = Annotated[Moment | None, Query(description="Only what was made earlier.")]


def list_parameters(
    request: Request, response: Response, limit: Limit = 50, cursor: Cursor = None
) -> ListParameters:
    """Reads the parameters of a list that has one order.

    Raises:
        InvalidRequestError: the cursor is not of this list.
    """
    before = None if cursor is None else _decode(_query_of(request), cursor)
    return ListParameters(request, response, limit, before, Part(after=before))


def dated_parameters(
    plain: Annotated[ListParameters, Depends(list_parameters)],
    sort: Annotated[
        Literal["-created_at", "created_at"], Query(description="`-`: newest first.")
    ] = "-created_at",
    created_after: CreatedAfter = None,
    created_before: CreatedBefore = None,
) -> ListParameters:
    """Reads the parameters of a list that is sorted by time.

    Raises:
        InvalidRequestError: as `list_parameters`, or no time lies between those given.
    """
    return _sorted(plain, sort, created_after, created_before)


def named_parameters(
    plain: Annotated[ListParameters, Depends(list_parameters)],
    sort: Annotated[
        Literal["-created_at", "created_at", "name", "-name"],
        Query(description="`-`: newest first, or from the last name."),
    ] = "-created_at",
    created_after: CreatedAfter = None,
    created_before: CreatedBefore = None,
) -> ListParameters:
    """Reads the parameters of a list that is sorted by time or name; raises likewise."""
    return _sorted(plain, sort, created_after, created_before)


ListDep = Annotated[ListParameters, Depends(list_parameters)]
DatedListDep = Annotated[ListParameters, Depends(dated_parameters)]
NamedListDep = Annotated[ListParameters, Depends(named_parameters)]


def _sorted(
    plain: ListParameters, sort: str, after: datetime | None, before: datetime | None
) -> ListParameters:
    if after is not None and before is not None and after >= before:
        given = plain.request.query_params["created_after"]
        rule = f"must be earlier than created_before, {before.isoformat()}"
        raise InvalidRequestError.single("created_after", rule, given)
    field = cast("SortField", sort.removeprefix("-"))
    part = Part(field, sort.startswith("-"), plain.before, after, before)
    return ListParameters(plain.request, plain.response, plain.limit, plain.before, part)


def _query_of(request: Request) -> str:
    """Returns a digest of what a list shows and in which order, whatever part of it."""
    given = sorted(
        item
        for item in request.query_params.multi_items()
        if item[0] not in _OWN and item != _DEFAULT_SORT
    )
    return hashlib.sha256(json.dumps([request.url.path, given]).encode()).hexdigest()[:16]


def _encode(query: str, key: str) -> str:
    return base64.urlsafe_b64encode(json.dumps([query, key]).encode()).decode().rstrip("=")


def _decode(query: str, cursor: str) -> str:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
        found, key = json.loads(text)
        if not isinstance(found, str) or not isinstance(key, str) or "\0" in key:
            raise ValueError
        key.encode()  # no lone surrogates
    except (ValueError, TypeError, RecursionError):
        rule = "must come from the next of a page"
        raise InvalidRequestError.single("cursor", rule, cursor) from None
    if found != query:
        rule = "must be used with its own list, filters and order: it belongs to another query"
        raise InvalidRequestError.single("cursor", rule, cursor)
    return key
