"""ETags of what has no revision: digests of what is shown; a change may name the one it has seen.

Unlike descriptions (`server.routes.describing`), these may be changed without `If-Match`.
"""

from typing import Annotated, TypeVar

from fastapi import Header, Response
from pydantic import BaseModel

from search_space.space import digest_of
from server.http_methods import matches

View = TypeVar("View", bound=BaseModel)

IfMatch = Annotated[str | None, Header(description="The ETag that the change is based on.")]


def tag_of(shown: BaseModel) -> str:
    """Returns the ETag of what is shown."""
    return f'"{digest_of(shown.model_dump(mode="json"))}"'


def tagged(response: Response, shown: View) -> View:
    """Adds the header `ETag` to the answer that shows something."""
    response.headers["ETag"] = tag_of(shown)
    response.headers["Cache-Control"] = "no-cache"
    return shown


def is_expected(shown: BaseModel, if_match: str | None) -> bool:
    """Returns whether a change may go on: no `If-Match` was given, or it names what is there."""
    return if_match is None or matches(tag_of(shown), if_match)
