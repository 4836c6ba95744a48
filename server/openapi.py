"""What the OpenAPI document says of all operations, whatever route they are of."""

from typing import Any

from search_space.cnn import MobileNetV3Settings
from server.authentication import OPEN_PATHS
from server.openapi_links import Document, add_links, operations
from server.problems import MEDIA_TYPE, ProblemBody
from server.schemas.examples import ANSWERS

_JSON = "application/json"
_ETAG = {"description": "Names this state of it.", "schema": {"type": "string"}}
_IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "ETags of what the client has: 304 if it has not changed.",
    "schema": {"type": "string"},
}


def complete(document: Document) -> None:
    """Adds what FastAPI does not say: problems, kinds, conditional answers, links."""
    schema = ProblemBody.model_json_schema(ref_template="#/components/schemas/{model}")
    document["components"]["schemas"] |= schema.pop("$defs") | {"ProblemBody": schema}
    for name, answer in ANSWERS.items():
        document["components"]["schemas"][name]["examples"] = [answer]
    _give_examples_of_bodies(document)
    _require_discriminators(document)
    _describe_keys(document)
    for path, method, operation in operations(document):
        _describe_limits(path, operation)
        if method == "get":
            _describe_conditions(operation)
        if method == "post":
            _describe_replays(operation)
        if "428" in operation["responses"]:
            _require_condition(operation)
    add_links(document)


def _require_discriminators(document: Document) -> None:
    """Marks the `kind` of every member of a union as required, which pydantic does not.

    As a field it has a default; but without it nobody knows which member is meant.
    """
    schemas = document["components"]["schemas"]
    pending: list[Any] = [document]
    while pending:
        node = pending.pop()
        if isinstance(node, dict):
            discriminator = node.get("discriminator")
            if isinstance(discriminator, dict) and "mapping" in discriminator:
                for reference in discriminator["mapping"].values():
                    schema = schemas[reference.rsplit("/", 1)[1]]
                    names = {*schema.get("required", []), discriminator["propertyName"]}
                    schema["required"] = sorted(names)
            pending += node.values()
        elif isinstance(node, list):
            pending += node


def _give_examples_of_bodies(document: Document) -> None:
    """Shows bodies where they are unions, which have no schema of their own to hold one."""
    preset = MobileNetV3Settings.from_preset("digits").model_dump(mode="json")
    schemas = document["components"]["schemas"]
    for path, examples in (
        ("/v1/spaces", {"digits": preset}),
        (
            "/v1/searches",
            {
                "supernet": schemas["SearchBody"]["examples"][0],
                "outside": schemas["OutsideSearchBody"]["examples"][0],
            },
        ),
    ):
        body = document["paths"][path]["post"]["requestBody"]["content"][_JSON]
        body["examples"] = {name: {"value": value} for name, value in examples.items()}


def _describe_keys(document: Document) -> None:
    """Says which header a key is sent in, and which paths need none."""
    scheme = {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key. A service on loopback where none was ever made asks for none.",
    }
    document["components"]["securitySchemes"] = {"key": scheme}
    document["security"] = [{"key": []}, {}]
    for path in OPEN_PATHS:
        for operation in document["paths"][path].values():
            operation["security"] = []


def _describe_limits(path: str, operation: Document) -> None:
    if not path.startswith("/v1/"):
        return
    problem = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemBody"}}}
    seconds = {"description": "Seconds to wait.", "schema": {"type": "integer"}}
    operation["responses"].setdefault(
        "429",
        {
            "description": "Too many requests.",
            "content": problem,
            "headers": {"Retry-After": seconds},
        },
    )


def _describe_conditions(operation: Document) -> None:
    """Every JSON answer has a tag (`server.http_methods`)."""
    success = operation["responses"].get("200", {})
    if _JSON not in success.get("content", {}):
        return
    success.setdefault("headers", {})["ETag"] = _ETAG
    operation["responses"].setdefault("304", {"description": "It has not changed."})
    parameters = operation.setdefault("parameters", [])
    if not any(one["name"].lower() == "if-none-match" for one in parameters):
        parameters.append(_IF_NONE_MATCH)


def _describe_replays(operation: Document) -> None:
    """What was created before under the same idempotency key is answered with 200."""
    names = {one["name"] for one in operation.get("parameters", ())}
    made = operation["responses"].get("201")
    if made is not None and "Idempotency-Key" in names:
        again = {**made, "description": "It was created before."}
        operation["responses"].setdefault("200", again)


def _require_condition(operation: Document) -> None:
    """Marks `If-Match` as required: the route itself refuses its absence, with 428."""
    for parameter in operation["parameters"]:
        if parameter["name"].lower() == "if-match":
            parameter["required"] = True
