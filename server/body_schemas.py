"""What the OpenAPI document knows of bodies and pydantic does not say: the kinds there are."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Schema = Mapping[str, Any]


def tags_at(document: Schema, path: str, method: str, place: Sequence[str | int]) -> list[str]:
    """Returns what tells the members of the union at a place of a body apart.

    Args:
        document: of OpenAPI.
        path: template of the operation's path.
        method: of the operation, in lower case.
        place: pydantic's location in the body, which also names members of unions.

    Returns:
        The values of its discriminator, sorted; none where there is no such union.
    """
    body = document["paths"][path][method]["requestBody"]["content"]["application/json"]
    here: list[Schema] = [body["schema"]]
    for part in place:
        # What is in no schema is the name of a member: all members are looked into anyway.
        here = [inner for one in here for inner in _inside(document, one, part)] or here
    for one in here:
        for member in _members(document, one):
            mapping = member.get("discriminator", {}).get("mapping")
            if mapping:
                return sorted(mapping)
    return []


def _inside(document: Schema, schema: Schema, part: str | int) -> Iterator[Schema]:
    """Yields the schemas of a field or an item."""
    for member in _members(document, schema):
        if isinstance(part, int):
            if isinstance(member.get("items"), dict):
                yield member["items"]
        elif part in member.get("properties", {}):
            yield member["properties"][part]


def _members(document: Schema, schema: Schema) -> Iterator[Schema]:
    """Yields a schema and, if it is a union, all that it may be instead."""
    reference = schema.get("$ref")
    if reference is not None:
        schema = document["components"]["schemas"][reference.rpartition("/")[2]]
    yield schema
    for name in ("oneOf", "anyOf"):
        for member in schema.get(name, ()):
            yield from _members(document, member)
