"""Links of the OpenAPI document: what can be asked next about what an answer names.

What an operation makes, changes or shows, by its `id`, is linked to the operations of that
resource: all of them where it is made or read, reading and deleting it where it is changed. Of a
list the first item is linked to what reads it. What names another resource is linked to what reads
that.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Document = dict[str, Any]

_JSON = "application/json"
_PARAMETER = re.compile(r"\{(\w+)\}")
_NAMED = ("job", "search", "supernet", "space", "data_set", "project", "campaign", "webhook")
"""Fields with the id of another resource. Not `key`: of a new one that is the secret."""


@dataclass(frozen=True)
class _Resource:
    """What an address like `/v1/searches/{search_id}` stands for.

    Attributes:
        template: of its path.
        operations: by their ids: their methods and paths, all of which have its parameters only.
    """

    template: str
    operations: Mapping[str, tuple[str, str]]

    def named(self, method: str) -> list[str]:
        """Returns the ids of the operations of a method on the resource as a whole."""
        place = (method, self.template)
        return [name for name, found in self.operations.items() if found == place]


def operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    """Yields path, method and operation."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def add_links(document: Document) -> None:
    """Adds links to all answers that name something."""
    resources = {one.template: one for one in _resources(document)}
    shown = _shown(document, resources)
    for path, method, operation in operations(document):
        for status in ("200", "201", "202"):
            response = operation["responses"].get(status, {})
            links = _to_named(document, response)
            for pointer, name in _described(document, response):
                resource = resources.get(shown.get(name, "")) or _by_path(path, resources)
                if resource is not None:
                    links |= _to_resource(document, path, method, name, pointer, resource)
            if links:
                response["links"] = links


def _resources(document: Document) -> Iterator[_Resource]:
    parents = {
        path[: found.end()]
        for path in document["paths"]
        for found in re.finditer(r"/\{\w+\}(?=/|$)", path)
    }
    for template in sorted(parents):
        own = re.compile(re.escape(template) + r"(/[^{}]+)?")
        yield _Resource(
            template,
            {
                operation["operationId"]: (method, path)
                for path, method, operation in operations(document)
                if own.fullmatch(path)
            },
        )


def _shown(document: Document, resources: Mapping[str, _Resource]) -> dict[str, str]:
    """Returns the template of the resource that a schema shows, by the schema's name."""
    found = {}
    for template in resources:
        response = document["paths"].get(template, {}).get("get", {}).get("responses", {})
        for _, name in _described(document, response.get("200", {})):
            found[name] = template
    return found


def _described(document: Document, response: Document) -> Iterator[tuple[str, str]]:
    """Yields where an answer has the `id` of what it shows, and the name of the schema of that."""
    schema = response.get("content", {}).get(_JSON, {}).get("schema", {})
    name = _name_of(schema)
    whole = document["components"]["schemas"].get(name, schema)
    item = _name_of(whole.get("properties", {}).get("items", {}).get("items", {}))
    for pointer, one in (("", name), ("/items/0", item)):
        if "id" in _properties(document, one):
            yield pointer, one


def _by_path(path: str, resources: Mapping[str, _Resource]) -> _Resource | None:
    """Returns what is in a collection: the one at the path, or the one of its name."""
    for collection in (path, "/v1/" + path.rpartition("/")[2]):
        for template, resource in resources.items():
            if template.rpartition("/")[0] == collection:
                return resource
    return None


def _to_resource(
    document: Document, path: str, method: str, name: str, pointer: str, resource: _Resource
) -> Document:
    *outer, own = _PARAMETER.findall(resource.template)
    parameters = {own: f"$response.body#{pointer}/id"}
    for parameter in outer:
        if f"{{{parameter}}}" in path:
            parameters[parameter] = f"$request.path.{parameter}"
        elif parameter in _properties(document, name):
            parameters[parameter] = f"$response.body#{pointer}/{parameter}"
        else:
            return {}
    reading = resource.named("get")
    targets = list(resource.operations)
    if pointer:
        targets = reading or targets
    elif path.startswith(resource.template) and (method, path) != ("get", resource.template):
        targets = reading + resource.named("delete")
    return {
        target: {"operationId": target, "parameters": parameters}
        for target in targets
        if resource.operations[target] != (method, path)
    }


def _to_named(document: Document, response: Document) -> Document:
    schema = response.get("content", {}).get(_JSON, {}).get("schema", {})
    fields = _properties(document, _name_of(schema))
    reading = {
        operation["operationId"]: _PARAMETER.findall(path)
        for path, _, operation in operations(document)
    }
    return {
        field: {
            "operationId": f"get_{field}",
            "parameters": {reading[f"get_{field}"][-1]: f"$response.body#/{field}"},
        }
        for field in _NAMED
        if fields.get(field, {}).get("type") == "string"
    }


def _name_of(schema: Document) -> str:
    return str(schema.get("$ref", "")).rpartition("/")[2]


def _properties(document: Document, name: str) -> Document:
    properties: Document = document["components"]["schemas"].get(name, {}).get("properties", {})
    return properties
