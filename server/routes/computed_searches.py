"""Searches whose evaluations are computed: what they may be about."""

from search_space.families import space_settings
from searchers.analytic import AnalyticSettings
from server.errors import Fault, InvalidRequestError
from server.routes import spaces
from server.routes.common import Service
from server.routes.searcher_checks import check_searcher
from server.schemas.computed_searches import ComputedSearchBody
from server.tables import SpaceRow

NEEDS_COMPUTED = "must not be analytic unless the evaluator is of kind computed"


def prepare(body: ComputedSearchBody, service: Service) -> SpaceRow:
    """Returns the space that a search is about.

    Raises:
        InvalidRequestError: its networks, or a metric of it, cannot be computed.
        NotFoundError: there is no such space.
    """
    row = spaces.resolve(service.store, body.space, "/space")
    family = spaces.network_settings(space_settings(row.settings), "/space")
    rule = f"must be one of {', '.join(family.computed_metrics)}"
    faults = [
        Fault(f"/{field}/{position}/metric", rule, part.metric)
        for field, parts in (("objectives", body.objectives), ("limits", body.limits))
        for position, part in enumerate(parts)
        if part.metric not in family.computed_metrics
    ]
    if faults:
        raise InvalidRequestError(faults)
    check_searcher(row, body.searcher, body.objectives, body.limits)
    return row


def analytic_faults(searcher: object, prefix: str = "") -> list[Fault]:
    """Returns what is wrong with the searcher of a search that is evaluated in another way."""
    if isinstance(searcher, AnalyticSettings):
        return [Fault(f"{prefix}/searcher/kind", NEEDS_COMPUTED, searcher.kind)]
    return []
