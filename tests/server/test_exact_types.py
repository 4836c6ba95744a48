"""No numeral in quotes and no boolean passes for a number, in any body, at any depth."""

import threading
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from live import Live

from searchers.settings import SearcherSettings
from server.main import open_service
from server.routes.exact_route import ExactRoute
from server.settings import Settings
from server.strict_json import mistyped

SEARCHERS = get_args(get_args(SearcherSettings)[0])
OF_ANY_TYPE = ("architecture", "options", "values")
"""Below these names stand values of the user's own."""


def scalars(document: Any, *path: str | int) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """The numbers and booleans of a document, and where they are."""
    match document:
        case dict():
            for name, value in document.items():
                yield from scalars(value, *path, name)
        case list():
            for index, value in enumerate(document):
                yield from scalars(value, *path, index)
        case bool() | int() | float() if not set(path) & set(OF_ANY_TYPE):
            yield path, document


def changed(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The document with another value at a place."""
    if not path:
        return value
    copied = document.copy()
    copied[path[0]] = changed(document[path[0]], path[1:], value)
    return copied


def routes_with_bodies(app: FastAPI) -> list[APIRoute]:
    return [route for route in app.routes if isinstance(route, APIRoute) and route.body_field]


def examples_of(document: dict[str, Any], route: APIRoute) -> Iterator[Any]:
    """The examples of an operation's body; of searches, one with each kind of searcher."""
    (method,) = route.methods
    operation = document["paths"][route.path][method.lower()]
    content = operation["requestBody"]["content"]["application/json"]
    name = content["schema"].get("$ref", "").rpartition("/")[2]
    examples = [one["value"] for one in content.get("examples", {}).values()]
    examples += document["components"]["schemas"].get(name, {}).get("examples", [])
    assert examples, route.path
    yield from examples
    if route.path == "/v1/searches":
        for settings in SEARCHERS:
            yield {**examples[0], "searcher": {"kind": settings.model_fields["kind"].default}}


@pytest.fixture
def app(settings: Settings) -> Iterator[FastAPI]:
    with open_service(settings, stopping=threading.Event()) as app:
        yield app


def refused_places(route: APIRoute, body: Any) -> list[str] | None:
    """Where a body is of another type than it is taken for; None where it is refused anyway."""
    assert route.body_field is not None
    value, errors = route.body_field.validate(body)
    if errors:
        return None
    return [fault.pointer for fault in mistyped(body, route.body_field.serialize(value))]


@pytest.mark.parametrize("settings", ["sqlite"], indirect=True)
def test_no_number_and_no_boolean_of_any_body_may_be_of_another_type(app: FastAPI) -> None:
    document = app.openapi()
    num_changed = 0
    for route in routes_with_bodies(app):
        assert isinstance(route, ExactRoute), route.path
        field = route.body_field
        assert field is not None
        for example in examples_of(document, route):
            whole = field.serialize(field.validate(example)[0], exclude_none=True)
            assert refused_places(route, example) == [], route.path
            for path, scalar in scalars(whole):
                pointer = "".join(f"/{part}" for part in path)
                for other in (str(scalar), int(scalar) if isinstance(scalar, bool) else True):
                    refused = refused_places(route, changed(whole, path, other))
                    assert refused in (None, [pointer]), (route.path, pointer, other)
                    num_changed += 1
    assert num_changed > 1000


def test_whole_numbers_may_be_written_with_a_fraction_of_nothing(sqlite_live: Live) -> None:
    made = sqlite_live.client.post("/v1/projects", json={"id": "vision", "max_bytes": 1000.0})
    assert (made.status_code, made.json()["max_bytes"]) == (201, 1000), made.text
