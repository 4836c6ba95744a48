"""Every error has one shape."""

from typing import Annotated

import anyio
import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel, Field, ValidationError

import server.errors as errors
from server import problems
from server.errors import (
    Fault,
    ForbiddenError,
    InvalidRequestError,
    KeyInFlightError,
    NotFoundError,
    ServerError,
    TooManyRequestsError,
    UnsatisfiableRangeError,
    WrongOffsetError,
)
from server.middleware import RequestLog

KINDS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, ServerError) and kind is not ServerError
]


def test_every_error_has_a_status() -> None:
    for kind in KINDS:
        assert any(base in problems.STATUSES for base in kind.__mro__), kind


def test_the_tree_in_the_docstring_is_complete() -> None:
    assert errors.__doc__ is not None
    for kind in KINDS:
        assert f"+-- {kind.__name__} " in errors.__doc__


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_becomes_a_problem(kind: type[ServerError]) -> None:
    arguments = {
        InvalidRequestError: ([Fault("/a/b", "must be one", 2)],),
        NotFoundError: ("job", "x"),
        ForbiddenError: ("submit", ["read"]),
        WrongOffsetError: (3, 5),
        UnsatisfiableRangeError: ("bytes=9-", 5),
        TooManyRequestsError: ("at most 5 a minute", 7),
    }
    error = kind(*arguments.get(kind, ("what is the case",)))
    response = problems.response_to(error)
    assert response.media_type == "application/problem+json"
    assert 400 <= response.status_code < 600
    assert str(error).encode() in response.body
    passes = response.status_code in (429, 503) or kind is KeyInFlightError
    assert ("Retry-After" in response.headers) == passes


def test_long_values_are_cut() -> None:
    error = InvalidRequestError.single("/a", "must be short", "x" * 10_000)
    assert len(problems.response_to(error).body) < 1000


class Words(BaseModel):
    words: tuple[Annotated[str, Field(max_length=1)], ...] = Field(min_length=2)
    letters: frozenset[str] = Field(frozenset({"a", "b"}), min_length=2)


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({"words": ["a", "bc"]}, ["/words/1"]),
        ({"words": ["a"]}, ["/words"]),
        ({"words": ["bc"]}, ["/words/0", "/words"]),
        ({"words": ["a", "b"], "letters": ["a", "a"]}, ["/letters"]),
    ],
)
def test_a_list_with_faults_in_it_is_not_called_too_short_as_well(
    body: dict[str, list[str]], pointers: list[str]
) -> None:
    with pytest.raises(ValidationError) as raised:
        Words.model_validate(body)
    errors = [{**one, "loc": ("body", *one["loc"])} for one in raised.value.errors()]
    assert [fault.pointer for fault in problems.faults_of(errors, body)] == pointers


def test_a_bug_is_a_problem_without_its_details() -> None:
    app = FastAPI()
    problems.install(app)
    app.add_middleware(RequestLog)

    @app.get("/bug")
    async def bug() -> None:
        raise RuntimeError("the secret of the house")

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get("/bug", headers={"X-Request-ID": "mine"})

    response = anyio.run(ask)
    assert response.status_code == 500
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["request_id"] == response.headers["X-Request-ID"] == "mine"
    assert "secret" not in response.text
