"""The periodic work of campaigns: times that have come, occurrences that can go on.

Any number of runners may do it at once and be killed anywhere: every step is a transaction of the
store's that looks at what has happened before. A campaign that cannot go on stops no other.
"""

from collections.abc import Callable
from datetime import datetime
from functools import partial

import structlog

from server.campaigns.results import choose_best, fronts_of, result_of
from server.campaigns.settings import CampaignSettings
from server.errors import DatabaseUnavailableError
from server.job_states import TERMINAL, JobStatus
from server.store import Store
from server.tables import OccurrenceRow

logger = structlog.get_logger(__name__)

INTERVAL_S = 2.0
"""How late a campaign may fire, on average half of it."""


def advance_campaigns(store: Store, at: datetime | None = None) -> None:
    """Fires what is due and takes every occurrence as far as it goes now.

    Args:
        store: of the service itself.
        at: the time; the database's clock if None.

    Raises:
        DatabaseUnavailableError: the database does not answer.
    """
    for campaign in store.due_campaigns(at):
        _alone(
            partial(_fire, store.within(campaign.project_id), campaign.id, at), campaign=campaign.id
        )
    for occurrence in store.occurrences_to_advance():
        _alone(
            partial(_go_on, store.within(occurrence.project_id), occurrence, at),
            occurrence=occurrence.id,
        )


def _alone(step: Callable[[], None], **what: str) -> None:
    """Takes a step; what goes wrong there is logged and stops no other campaign."""
    try:
        step()
    except DatabaseUnavailableError:
        raise
    except Exception:
        logger.exception("campaign cannot go on", **what)


def _fire(store: Store, campaign_id: str, at: datetime | None) -> None:
    while store.fire_campaign(campaign_id, at):
        pass


def _go_on(store: Store, occurrence: OccurrenceRow, at: datetime | None) -> None:
    match occurrence.stage:
        case "training":
            store.settle_training(occurrence.id, at)
        case "searching":
            _conclude(store, occurrence, at)
        case "exporting":
            store.settle_export(occurrence.id, at)


def _conclude(store: Store, occurrence: OccurrenceRow, at: datetime | None) -> None:
    """Compares the fronts of an occurrence whose searches have ended, and chooses the best."""
    searches = store.occurrence_searches(occurrence.id)
    if any(one.job.state not in TERMINAL for one in searches):
        return
    campaign = store.find_campaign(occurrence.campaign_id)
    settings = CampaignSettings.model_validate(occurrence.settings)
    succeeded = [one for one in searches if one.job.state is JobStatus.SUCCEEDED]
    found, reference = fronts_of(store, campaign, succeeded)
    results = {
        one.row.search.id: result_of(
            one, store.last_campaign_result(campaign.id, one.row.row.place_digest)
        )
        for one in found
    }
    best = store.best_of_campaign(campaign.id)
    candidate, verdict = choose_best(settings.promotion, occurrence, found, best)
    store.conclude_searches(occurrence.id, results, reference, candidate, verdict, at)
