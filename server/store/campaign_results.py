"""What campaigns gave: searches and their hypervolumes, what was used up, what was promoted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from server.store.base import Page, Transactions
from server.store.listing import NEWEST, Part, page_of
from server.store.occurrence_rows import last_result, searches_of
from server.tables import (
    JobRow,
    Json,
    OccurrenceRow,
    OccurrenceSearchRow,
    PromotionRow,
    SearchRow,
)

MAX_HISTORY = 1000
"""Occurrences that one report looks back on."""


@dataclass(frozen=True)
class Usage:
    """What a campaign has used up so far; planned evaluations of what is running included."""

    evaluations: int
    worker_hours: float


@dataclass(frozen=True)
class OccurrenceSearch:
    """A search of an occurrence, with its job."""

    row: OccurrenceSearchRow
    search: SearchRow
    job: JobRow


@dataclass(frozen=True)
class Volume:
    """The hypervolume of a search of an occurrence."""

    occurrence: str
    number: int
    fire_at: datetime
    hypervolume: float


class CampaignResultStore(Transactions):
    """Queries about what came of campaigns."""

    def campaign_usages(self, campaign_ids: Sequence[str]) -> dict[str, Usage]:
        """Returns what campaigns have used up, by their ids."""
        statement = (
            select(
                OccurrenceRow.campaign_id,
                func.sum(OccurrenceRow.evaluations),
                func.sum(OccurrenceRow.worker_hours),
            )
            .where(OccurrenceRow.campaign_id.in_(campaign_ids))
            .group_by(OccurrenceRow.campaign_id)
        )
        with self._read() as session:
            used = {
                campaign_id: Usage(int(evaluations), float(hours))
                for campaign_id, evaluations, hours in session.execute(statement)
            }
        return {campaign_id: used.get(campaign_id, Usage(0, 0.0)) for campaign_id in campaign_ids}

    def occurrence_searches(self, occurrence_id: str) -> list[OccurrenceSearch]:
        """Returns the searches of an occurrence in their order."""
        with self._read() as session:
            return [OccurrenceSearch(*found) for found in searches_of(session, occurrence_id)]

    def occurrence_search_ids(self, occurrence_ids: Sequence[str]) -> dict[str, list[str]]:
        """Returns the ids of the searches of occurrences in their order, by occurrence."""
        statement = (
            select(OccurrenceSearchRow.occurrence_id, OccurrenceSearchRow.search_id)
            .where(OccurrenceSearchRow.occurrence_id.in_(occurrence_ids))
            .order_by(OccurrenceSearchRow.position)
        )
        found: dict[str, list[str]] = {occurrence_id: [] for occurrence_id in occurrence_ids}
        with self._read() as session:
            for occurrence_id, search_id in session.execute(statement):
                found[occurrence_id].append(search_id)
        return found

    def last_campaign_result(self, campaign_id: str, place_digest: str) -> Json | None:
        """Returns what the last search in a place of the matrix gave; None if none did."""
        with self._read() as session:
            return last_result(session, campaign_id, place_digest)

    def campaign_volumes(self, campaign_id: str, until: int) -> dict[str, list[Volume]]:
        """Returns the hypervolumes in each place of the matrix over time, by the place's digest.

        Args:
            campaign_id: whose.
            until: the number of the last occurrence; of those before, `MAX_HISTORY` are shown.
        """
        statement = (
            select(
                OccurrenceSearchRow.place_digest,
                OccurrenceRow.id,
                OccurrenceRow.number,
                OccurrenceRow.fire_at,
                OccurrenceSearchRow.hypervolume,
            )
            .join(OccurrenceSearchRow, OccurrenceSearchRow.occurrence_id == OccurrenceRow.id)
            .where(
                OccurrenceRow.campaign_id == campaign_id,
                OccurrenceRow.number <= until,
                OccurrenceRow.number > until - MAX_HISTORY,
                OccurrenceSearchRow.hypervolume.is_not(None),
            )
            .order_by(OccurrenceRow.number)
        )
        volumes: dict[str, list[Volume]] = {}
        with self._read() as session:
            for place_digest, occurrence_id, number, fire_at, volume in session.execute(statement):
                assert number is not None
                assert volume is not None
                found = Volume(occurrence_id, number, fire_at, volume)
                volumes.setdefault(place_digest, []).append(found)
        return volumes

    def best_of_campaign(self, campaign_id: str) -> PromotionRow | None:
        """Returns the last promotion of a campaign; None if there was none."""
        return self.best_of_campaigns([campaign_id]).get(campaign_id)

    def best_of_campaigns(self, campaign_ids: Sequence[str]) -> dict[str, PromotionRow]:
        """Returns the last promotion of each campaign that has one, by the campaign's id."""
        last = (
            select(func.max(PromotionRow.id))
            .where(PromotionRow.campaign_id.in_(campaign_ids))
            .group_by(PromotionRow.campaign_id)
        )
        with self._read() as session:
            rows = session.scalars(select(PromotionRow).where(PromotionRow.id.in_(last)))
            return {row.campaign_id: row for row in rows}

    def list_promotions(
        self, campaign_id: str, limit: int, part: Part = NEWEST
    ) -> Page[PromotionRow]:
        """Returns promotions of a campaign."""
        statement = select(PromotionRow).where(PromotionRow.campaign_id == campaign_id)
        with self._read() as session:
            return page_of(session, statement, PromotionRow, limit, part, prefix="pro")
