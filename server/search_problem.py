"""The problem of a search, from its rows."""

from search_space.families import space_settings
from searchers.protocol import Limit, Objective, Problem
from server.tables import SearchRow, SpaceRow


def problem_of(search: SearchRow, space: SpaceRow) -> Problem:
    """Returns the problem that a search in a space solves."""
    return Problem(
        space_settings(space.settings).build(),
        tuple(Objective.model_validate(objective) for objective in search.objectives),
        tuple(Limit.model_validate(limit) for limit in search.limits),
    )
