"""The client of campaigns."""

from collections.abc import Iterator
from typing import Literal

from server.client.connection import Document, quoted
from server.client.requests import Requests
from server.schemas.campaigns import (
    BestView,
    CampaignView,
    NextView,
    OccurrenceReport,
    OccurrenceView,
    PromotionView,
)
from server.schemas.responses import Moment, PageOf


class CampaignRequests(Requests):
    """Campaigns, by their names or ids; see `Client`."""

    def create_campaign(self, body: Document) -> CampaignView:
        """Begins a campaign."""
        return self._post("/v1/campaigns", body, CampaignView)

    def campaign(self, campaign: str) -> CampaignView:
        """Returns a campaign."""
        return self._get(_path(campaign), CampaignView)

    def campaigns(self) -> Iterator[CampaignView]:
        """Yields campaigns, newest first."""
        return self._pages("/v1/campaigns", PageOf[CampaignView])

    def change_campaign(
        self, campaign: str, changes: Document, revision: int | None = None
    ) -> CampaignView:
        """Replaces some settings of a campaign.

        Args:
            campaign: whose.
            changes: the new values.
            revision: refuse unless the campaign is still at this one.
        """
        headers = {} if revision is None else {"If-Match": f'"{revision}"'}
        response = self._connection.send("PATCH", _path(campaign), body=changes, headers=headers)
        return self._connection.parse(response.content, CampaignView)

    def delete_campaign(self, campaign: str) -> None:
        """Removes a campaign and its history."""
        self._connection.send("DELETE", _path(campaign))

    def pause_campaign(self, campaign: str) -> CampaignView:
        """Stops a campaign from firing."""
        return self._post(f"{_path(campaign)}/pause", None, CampaignView)

    def resume_campaign(self, campaign: str) -> CampaignView:
        """Lets a campaign fire again."""
        return self._post(f"{_path(campaign)}/resume", None, CampaignView)

    def run_campaign(self, campaign: str) -> OccurrenceView:
        """Fires a campaign now, beside its schedule."""
        return self._post(f"{_path(campaign)}/run", None, OccurrenceView)

    def next_times(self, campaign: str, count: int = 10) -> list[Moment]:
        """Returns the next times of a campaign's schedule."""
        return self._get(f"{_path(campaign)}/next", NextView, {"count": count}).items

    def occurrences(
        self, campaign: str, *, status: str | None = None, trigger: str | None = None
    ) -> Iterator[OccurrenceView]:
        """Yields occurrences of a campaign, newest first."""
        parameters = {"status": status, "trigger": trigger}
        return self._pages(f"{_path(campaign)}/occurrences", PageOf[OccurrenceView], parameters)

    def occurrence(self, campaign: str, occurrence_id: str) -> OccurrenceView:
        """Returns an occurrence of a campaign."""
        return self._get(f"{_path(campaign)}/occurrences/{quoted(occurrence_id)}", OccurrenceView)

    def occurrence_report(self, campaign: str, occurrence_id: str) -> OccurrenceReport:
        """Returns what an occurrence gave, compared with the one before."""
        path = f"{_path(campaign)}/occurrences/{quoted(occurrence_id)}/report"
        return self._get(path, OccurrenceReport)

    def occurrence_picture(
        self, campaign: str, occurrence_id: str, image_format: Literal["png", "svg"]
    ) -> bytes:
        """Returns hypervolume over time, up to an occurrence, as a picture."""
        path = f"{_path(campaign)}/occurrences/{quoted(occurrence_id)}/report.{image_format}"
        return self._connection.send("GET", path).content

    def promotions(self, campaign: str) -> Iterator[PromotionView]:
        """Yields the networks that became a campaign's best, newest first."""
        return self._pages(f"{_path(campaign)}/promotions", PageOf[PromotionView])

    def best(self, campaign: str) -> BestView:
        """Returns a campaign's best network; `download` its files."""
        return self._get(f"{_path(campaign)}/best", BestView)


def _path(campaign: str) -> str:
    return f"/v1/campaigns/{quoted(campaign)}"
