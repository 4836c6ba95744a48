"""Campaigns as their owners see them: made, changed, paused, run, looked at."""

from datetime import datetime
from typing import Any

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from server.campaigns.planning import Firing, pass_over
from server.campaigns.schedules import OnceSchedule
from server.campaigns.settings import CampaignSettings
from server.errors import ConflictError, InvalidRequestError, NotFoundError, PreconditionFailedError
from server.ids import new_id
from server.store.base import Page, clock, get, insert_new
from server.store.campaign_results import CampaignResultStore
from server.store.listing import NEWEST, Part, page_of, with_values
from server.store.occurrence_rows import active_occurrences
from server.store.occurrences import OccurrenceStore, locked_campaign
from server.tables import (
    CampaignRow,
    OccurrenceRow,
    OccurrenceSearchRow,
    PromotionRow,
)


class CampaignStore(OccurrenceStore, CampaignResultStore):
    """Queries about campaigns."""

    def add_campaign(self, settings: CampaignSettings, at: datetime | None = None) -> CampaignRow:
        """Adds a campaign; it fires at the times that come after now.

        Args:
            settings: of the campaign.
            at: the time; the database's clock if None.

        Raises:
            ConflictError: there is one of that name.
            InvalidRequestError: it would never fire.
        """
        with self._write() as session:
            now = at or clock(session)
            values: dict[str, Any] = {
                "id": new_id("cam", now),
                "name": settings.name,
                "settings": settings.model_dump(mode="json"),
                "revision": 1,
                "is_paused": False,
                "supernet_id": settings.template.search.supernet,
                "num_started": 0,
                "accounted_until": now,
                "next_at": _next_time(settings, now),
                "created_at": now,
            }
            if insert_new(session, CampaignRow, [values]) == 0:
                raise _name_taken(settings.name)
            return get(session, CampaignRow, values["id"])

    def find_campaign(self, name_or_id: str) -> CampaignRow:
        """Returns a campaign by its name or its id.

        Raises:
            NotFoundError: there is none.
        """
        with self._read() as session:
            return _find(session, name_or_id)

    def list_campaigns(self, limit: int, part: Part = NEWEST) -> Page[CampaignRow]:
        """Returns campaigns."""
        with self._read() as session:
            return page_of(session, select(CampaignRow), CampaignRow, limit, part, prefix="cam")

    def change_campaign(
        self,
        campaign_id: str,
        settings: CampaignSettings,
        revision: int,
        at: datetime | None = None,
    ) -> CampaignRow:
        """Changes settings; what is running or waiting keeps those that it was fired with.

        Times that had come before the change are dealt with as they would have been without it.

        Args:
            campaign_id: whose.
            settings: the new ones, all of them.
            revision: of the campaign that they are a change of.
            at: the time; the database's clock if None.

        Raises:
            NotFoundError: there is no such campaign.
            PreconditionFailedError: its revision is another one.
            InvalidRequestError: it would never fire.
            ConflictError: there is another one of the new name.
        """
        with self._write() as session:
            now = at or clock(session)
            campaign = locked_campaign(session, campaign_id)
            if revision != campaign.revision:
                raise PreconditionFailedError(
                    f"campaign {campaign.name!r} must be at revision {revision}, it is at "
                    f"{campaign.revision}: read it again"
                )
            new = settings.model_dump(mode="json")
            if new == campaign.settings:
                return campaign
            if not campaign.is_paused:
                self._account(session, campaign, now)
            if new["schedule"] != campaign.settings["schedule"]:
                if campaign.is_paused:
                    self._pass_over_pause(session, campaign, now)
                campaign.accounted_until = now
                campaign.next_at = _next_time(settings, now)
            if (
                new["template"]["search"]["supernet"]
                != (campaign.settings["template"]["search"]["supernet"])
            ):
                campaign.supernet_id = settings.template.search.supernet
            if settings.name != campaign.name:
                taken = select(CampaignRow.id).where(CampaignRow.name == settings.name)
                if session.scalar(taken) is not None:
                    raise _name_taken(settings.name)
            campaign.name, campaign.settings = settings.name, new
            campaign.revision += 1
            session.flush()
            return campaign

    def pause_campaign(self, name_or_id: str, at: datetime | None = None) -> CampaignRow:
        """Stops a campaign from firing; what is running goes on. Twice is once.

        Raises:
            NotFoundError: there is no such campaign.
        """
        with self._write() as session:
            now = at or clock(session)
            campaign = locked_campaign(session, _find(session, name_or_id).id)
            if not campaign.is_paused:
                self._account(session, campaign, now)
                campaign.is_paused = True
                session.flush()
            return campaign

    def resume_campaign(self, name_or_id: str, at: datetime | None = None) -> CampaignRow:
        """Lets a campaign fire again; the times in between are skipped. Twice is once.

        Raises:
            NotFoundError: there is no such campaign.
        """
        with self._write() as session:
            now = at or clock(session)
            campaign = locked_campaign(session, _find(session, name_or_id).id)
            if campaign.is_paused:
                self._pass_over_pause(session, campaign, now)
                campaign.is_paused = False
                self._start_next(session, campaign, now)
                session.flush()
            return campaign

    def _pass_over_pause(self, session: Session, campaign: CampaignRow, now: datetime) -> None:
        """Records the times that came while a campaign was paused."""
        settings = CampaignSettings.model_validate(campaign.settings)
        firings, following = pass_over(
            settings.schedule, campaign.accounted_until, now, "the campaign was paused"
        )
        for firing in firings:
            self._fire(session, campaign, settings, firing, now)
        campaign.accounted_until, campaign.next_at = max(campaign.accounted_until, now), following

    def run_campaign(self, name_or_id: str, at: datetime | None = None) -> OccurrenceRow:
        """Fires a campaign now, beside its schedule; its overlap policy and its budget hold.

        Raises:
            NotFoundError: there is no such campaign.
            ConflictError: it fires at this very moment already.
        """
        with self._write() as session:
            now = at or clock(session)
            campaign = locked_campaign(session, _find(session, name_or_id).id)
            settings = CampaignSettings.model_validate(campaign.settings)
            occurrence = self._fire(session, campaign, settings, Firing(now, now), now, "manual")
            if occurrence is None:
                raise ConflictError(f"campaign {campaign.name!r} fires at this moment already")
            session.refresh(occurrence)
            return occurrence

    def delete_campaign(self, name_or_id: str) -> None:
        """Removes a campaign and its history; what its jobs made stays.

        Raises:
            NotFoundError: there is no such campaign.
            ConflictError: an occurrence is running; those that wait have nothing to lose.
        """
        with self._write() as session:
            campaign = locked_campaign(session, _find(session, name_or_id).id)
            for occurrence in active_occurrences(session, campaign.id):
                if occurrence.status == "running":
                    raise ConflictError(
                        f"campaign {campaign.name!r} cannot be deleted: occurrence {occurrence.id} "
                        f"is running; pause it, and cancel the jobs or wait for them"
                    )
            mine = select(OccurrenceRow.id).where(OccurrenceRow.campaign_id == campaign.id)
            for statement in (
                delete(PromotionRow).where(PromotionRow.campaign_id == campaign.id),
                delete(OccurrenceSearchRow).where(OccurrenceSearchRow.occurrence_id.in_(mine)),
                delete(OccurrenceRow).where(OccurrenceRow.campaign_id == campaign.id),
                delete(CampaignRow).where(CampaignRow.id == campaign.id),
            ):
                session.execute(statement.execution_options(synchronize_session=False))

    # --- occurrences ---------------------------------------------------------------------------

    def get_occurrence(self, campaign_id: str, occurrence_id: str) -> OccurrenceRow:
        """Returns an occurrence of a campaign.

        Raises:
            NotFoundError: there is none.
        """
        with self._read() as session:
            row = get(session, OccurrenceRow, occurrence_id)
            if row.campaign_id != campaign_id:
                raise NotFoundError("occurrence", occurrence_id)
            return row

    def list_occurrences(
        self,
        campaign_id: str,
        limit: int,
        part: Part = NEWEST,
        *,
        status: str | None = None,
        trigger: str | None = None,
    ) -> Page[OccurrenceRow]:
        """Returns occurrences of a campaign."""
        given = {"campaign_id": campaign_id, "status": status, "trigger": trigger}
        statement = with_values(select(OccurrenceRow), OccurrenceRow, given)
        with self._read() as session:
            return page_of(session, statement, OccurrenceRow, limit, part, prefix="occ")


def _find(session: Session, name_or_id: str) -> CampaignRow:
    """Returns a campaign by its name or its id, which no name looks like.

    Raises:
        NotFoundError: there is none.
    """
    row = session.scalar(
        select(CampaignRow).where(or_(CampaignRow.id == name_or_id, CampaignRow.name == name_or_id))
    )
    if row is None:
        raise NotFoundError("campaign", name_or_id)
    return row


def _next_time(settings: CampaignSettings, now: datetime) -> datetime:
    """Returns the first time after now.

    Raises:
        InvalidRequestError: there is none.
    """
    following = next(settings.schedule.after(now), None)
    if following is None:
        assert isinstance(settings.schedule, OnceSchedule)
        rule = f"must be after now, {now.isoformat(timespec='seconds')}"
        raise InvalidRequestError.single(
            "/schedule/at", rule, settings.schedule.at.isoformat(timespec="seconds")
        )
    return following


def _name_taken(name: str) -> ConflictError:
    return ConflictError(f"there is a campaign {name!r} already: names are unique")
