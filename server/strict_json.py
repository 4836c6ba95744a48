"""Bodies of requests: JSON that the service and its databases can hold, and nothing else.

No NaN, no infinities (which Python's parser lets in and its writer lets out), no NUL characters and
no lone surrogates (which databases cannot store). No numeral in quotes for a number, either.
"""

import json
import math
import re
from collections.abc import Iterator, Sequence
from email.message import Message as EmailMessage
from itertools import islice
from typing import Any

from starlette.datastructures import Headers

from server.errors import (
    MAX_FAULTS,
    Fault,
    InvalidRequestError,
    MalformedRequestError,
    WrongMediaTypeError,
)

MAX_FIELDS = 20_000
"""Of one object: twice those of the largest architecture. Each unknown one would be a fault."""

_KINDS = {bool: "a boolean", int: "a number", float: "a number", str: "a string"}
_NOT_TEXT = re.compile("[\0\ud800-\udfff]")


def check_media_type(headers: Headers, expected: str) -> None:
    """Returns if a request says that its body is of a media type.

    Raises:
        WrongMediaTypeError: it does not.
    """
    if headers.get("content-type") == expected:
        return  # as nearly always; the parser takes its time
    message = EmailMessage()
    message["content-type"] = headers.get("content-type", "")
    if message.get_content_type() != expected:
        raise WrongMediaTypeError(
            f"the body must be {expected}, got {headers.get('content-type')!r}"
        )


def check_json(headers: Headers, body: bytes) -> None:
    """Returns if a request's body is JSON, by its own account and by its content.

    Raises:
        WrongMediaTypeError: it says that it is something else.
        MalformedRequestError: it is not.
        InvalidRequestError: it holds what cannot be stored.
    """
    check_media_type(headers, "application/json")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedRequestError(f"the body must be JSON: {error}") from None
    faults = list(islice(_forbidden_values(document), MAX_FAULTS))
    if faults:
        raise InvalidRequestError(faults)


def mistyped(given: Any, taken: Any, pointer: str = "") -> Iterator[Fault]:
    """Yields the scalars that were taken for something of another type of JSON.

    Args:
        given: a JSON document.
        taken: what it was validated as, as a JSON document again. What only one of the two has is
            not looked at: fields may be added, and others may stand for several.
        pointer: JSON pointer to the document.
    """
    match given, taken:
        case dict(), dict():
            for name in given.keys() & taken.keys():
                part = name.replace("~", "~0").replace("/", "~1")
                yield from mistyped(given[name], taken[name], f"{pointer}/{part}")
        case list(), list() if len(given) == len(taken):
            for index, (one, other) in enumerate(zip(given, taken, strict=True)):
                yield from mistyped(one, other, f"{pointer}/{index}")
        case ((bool() | int() | float() | str()), (bool() | int() | float() | str())):
            expected = _KINDS[type(taken)]
            if _KINDS[type(given)] != expected:
                yield Fault(pointer, f"must be {expected}", given)


def _forbidden_values(document: Any) -> Iterator[Fault]:
    """Yields what JSON, or the databases, cannot hold.

    Depth first, with the names that lead to where it is: pointers are made for faults only, so that
    a body of a million numbers takes no more room than it has. `levels` are the containers that are
    open, the first of which holds the document alone; `path` is one shorter.
    """
    path: list[str | int] = []
    levels: list[Iterator[tuple[str | int, Any]]] = [enumerate([document])]
    while levels:
        for name, value in levels[-1]:
            match value:
                case float() if not math.isfinite(value):
                    yield Fault(_pointer(path, name), "must be a finite number", str(value))
                case str() if _NOT_TEXT.search(value):
                    rule = "must not hold NUL characters or lone surrogates"
                    yield Fault(_pointer(path, name), rule, repr(value))
                case dict():
                    yield from _forbidden_names(value, _pointer(path, name))
                    path.append(name)
                    levels.append(iter(value.items()))
                    break
                case list():
                    path.append(name)
                    levels.append(enumerate(value))
                    break
        else:
            levels.pop()
            if path:
                path.pop()


def _forbidden_names(value: dict[str, Any], pointer: str) -> Iterator[Fault]:
    if len(value) > MAX_FIELDS:
        yield Fault(pointer, f"must have at most {MAX_FIELDS} fields", len(value))
    for name in value:
        if _NOT_TEXT.search(name):
            yield Fault(pointer, "must have names without NUL", repr(name))


def _pointer(path: Sequence[str | int], name: str | int) -> str:
    # The first name is the document's place among the levels.
    parts = [str(part).replace("~", "~0").replace("/", "~1") for part in (*path, name)[1:]]
    return "".join(f"/{part}" for part in parts)
