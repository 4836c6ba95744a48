"""Changes of what people write on rows, which nobody loses: `If-Match` is required.

A tag holds the row's revision, which its changes raise, and a digest of all that is shown.
`If-Match` goes by the revision: a tag stays good for a change while only the row's job moves on,
and the revision alone, in quotes, is good as well.
"""

import re
from collections.abc import Collection
from typing import Annotated, Any

from fastapi import Header, Response
from pydantic import BaseModel

from search_space.space import digest_of
from server.errors import PreconditionRequiredError
from server.routes.common import problems
from server.schemas.descriptions import DescriptionPatch

_TAG = re.compile(r'"(\d{1,18})(-[0-9a-f]{16})?"')

IfMatch = Annotated[
    str | None,
    Header(description="The ETag of what is to be changed, or `*`. It must be given."),
]
RESPONSES: dict[int | str, dict[str, Any]] = problems(404, 409, 412, 428)
"""The declared errors of a route that changes a description."""


def tag(response: Response, revision: int, view: BaseModel) -> None:
    """Adds the header `ETag` to the answer that shows a row."""
    digest = digest_of(view.model_dump(mode="json"))
    response.headers["ETag"] = f'"{revision}-{digest}"'
    response.headers["Cache-Control"] = "no-cache"


def expected_revisions(if_match: str | None) -> Collection[int] | None:
    """Returns the revisions that a request allows; None for any.

    Raises:
        PreconditionRequiredError: it does not say.
    """
    if if_match is None:
        raise PreconditionRequiredError(
            "If-Match must be given: the ETag of what you have seen, or * for whatever there is"
        )
    if if_match.strip() == "*":
        return None
    tags = (_TAG.fullmatch(part.strip()) for part in if_match.split(","))
    return [int(found[1]) for found in tags if found]


def changes(body: DescriptionPatch) -> dict[str, Any]:
    """Returns the fields that the request gives."""
    return body.model_dump(include=body.model_fields_set)
