"""What is looked at when a searcher is submitted: can it do the problem, from where it starts?"""

from typing import Any

from search_space.families import space_settings
from search_space.space import InvalidArchitectureError, SearchSpace
from searchers.protocol import Limit, Objective, Problem, UnsuitableProblemError, WarmStart
from searchers.settings import check_problem
from server.errors import InvalidRequestError
from server.tables import SpaceRow


def check_searcher(
    row: SpaceRow,
    searcher: Any,
    objectives: tuple[Objective, ...],
    limits: tuple[Limit, ...],
    pointer: str = "/searcher",
) -> None:
    """Returns if a searcher can do a search's problem, and what it proposes first is of the space.

    Args:
        row: the space that is searched.
        searcher: settings.
        objectives: of the search.
        limits: likewise.
        pointer: of the searcher's settings in the request's body.

    Raises:
        InvalidRequestError: it cannot; the rule names the searchers that can.
    """
    space = space_settings(row.settings).build()
    _check_first(space, searcher.warm_start, pointer)
    try:
        check_problem(searcher, Problem(space, objectives, limits))
    except UnsuitableProblemError as error:
        place = "/".join([pointer, *filter(None, error.field.split("."))])
        raise InvalidRequestError.single(place, error.rule, error.value) from None


def _check_first(space: SearchSpace, first: WarmStart, pointer: str) -> None:
    for position, values in enumerate(first):
        try:
            space.encode(values)
        except InvalidArchitectureError as error:
            place = f"{pointer}/warm_start/{position}/{error.choice}"
            raise InvalidRequestError.single(place, error.rule, error.value) from None
