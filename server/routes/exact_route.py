"""Operations whose bodies are taken as they are typed.

Pydantic would take `"20"` and `true` for numbers, and 1 for a boolean. Its strict mode does not
serve: it also refuses 45.0 for a whole number, which JSON does not tell from 45, and lists for
tuples. So what a body is taken for is compared with what was given.
"""

from collections.abc import Callable, Coroutine
from itertools import islice
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from server.errors import MAX_FAULTS, InvalidRequestError
from server.strict_json import mistyped


class ExactRoute(APIRoute):
    """An operation whose body is taken as it is typed."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Returns what answers a request.

        Raises:
            InvalidRequestError: by what is returned, for what `mistyped` finds. Bodies that are
                wrong in other ways are left to FastAPI.
        """
        answer = super().get_route_handler()
        field = self.body_field
        if field is None:
            return answer

        async def answer_exact(request: Request) -> Response:
            if await request.body():
                given = await request.json()
                value, errors = field.validate(given)
                if not errors:
                    faults = list(islice(mistyped(given, field.serialize(value)), MAX_FAULTS))
                    if faults:
                        raise InvalidRequestError(faults)
            return await answer(request)

        return answer_exact
