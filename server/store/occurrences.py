"""Occurrences of campaigns: when they fire, how they go on, how they end.

Every step is one transaction that locks the campaign's row and looks at what has happened before it
does anything, so it does not matter how many runners take it, or where one is killed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from server.campaigns.planning import Firing, plan
from server.campaigns.settings import MAX_QUEUED, CampaignSettings
from server.errors import ServerError
from server.ids import new_id
from server.job_states import TERMINAL, JobStatus
from server.store.base import clock, get, insert_new
from server.store.occurrence_rows import (
    active_occurrences,
    beyond_budget,
    export_of,
    searches_of,
    training_of,
)
from server.store.occurrence_starts import OccurrenceStarts, ended, ending, skip
from server.store.webhooks import announce
from server.tables import (
    CampaignRow,
    ExportRow,
    JobRow,
    Json,
    OccurrenceRow,
    OccurrenceSearchRow,
    PromotionRow,
    SearchRow,
)


@dataclass(frozen=True)
class Candidate:
    """A network that shall become the best of its campaign once it is exported.

    Attributes:
        search_id: what found it.
        architecture_digest: which it is.
        figures: those that decided.
        reason: why it takes the other's place.
    """

    search_id: str
    architecture_digest: str
    figures: Mapping[str, Any]
    reason: str


class OccurrenceStore(OccurrenceStarts):
    """What the duty of campaigns does to occurrences."""

    def due_campaigns(self, at: datetime | None = None) -> Sequence[CampaignRow]:
        """Returns the campaigns of which a time has come.

        Args:
            at: the time; the database's clock if None.
        """
        with self._read() as session:
            now = at or clock(session)
            statement = (
                select(CampaignRow)
                .where(CampaignRow.next_at <= now, CampaignRow.is_paused.is_(False))
                .order_by(CampaignRow.next_at)
            )
            return session.scalars(statement).all()

    def fire_campaign(self, campaign_id: str, at: datetime | None = None) -> bool:
        """Deals with the times of a campaign that have come; nothing if another runner does so now.

        Args:
            campaign_id: whose.
            at: the time; the database's clock if None.

        Returns:
            Whether there are more, for another transaction.
        """
        with self._write() as session:
            now = at or clock(session)
            campaign = session.scalar(
                select(CampaignRow)
                .where(
                    CampaignRow.id == campaign_id,
                    CampaignRow.is_paused.is_(False),
                    CampaignRow.next_at <= now,
                )
                .with_for_update(skip_locked=True)
                .execution_options(populate_existing=True)
            )
            if campaign is None:
                return False
            self._account(session, campaign, now)
            return campaign.next_at is not None and campaign.next_at <= now

    def _account(self, session: Session, campaign: CampaignRow, now: datetime) -> None:
        """Deals with the times that have come, as the campaign's policies say."""
        settings = CampaignSettings.model_validate(campaign.settings)
        grace = timedelta(seconds=settings.grace_seconds)
        due = plan(settings.schedule, settings.catch_up, grace, campaign.accounted_until, now)
        # Made in one moment, and yet listed in the order of their times.
        ids = sorted(new_id("occ", now) for _ in due.firings)
        for firing, occurrence_id in zip(due.firings, ids, strict=True):
            self._fire(session, campaign, settings, firing, now, occurrence_id=occurrence_id)
        campaign.accounted_until, campaign.next_at = due.accounted_until, due.next_at
        session.flush()

    def _fire(
        self,
        session: Session,
        campaign: CampaignRow,
        settings: CampaignSettings,
        firing: Firing,
        now: datetime,
        trigger: str = "schedule",
        occurrence_id: str | None = None,
    ) -> OccurrenceRow | None:
        """Records a time and begins what is to be done; None if it was recorded before."""
        occurrence_id = occurrence_id or new_id("occ", now)
        values: dict[str, Any] = {
            "id": occurrence_id,
            "campaign_id": campaign.id,
            "fire_at": firing.fire_at,
            "first_at": firing.first_at,
            "firings": firing.count,
            "trigger": trigger,
            "status": "queued",
            "settings": campaign.settings,
            "evaluations": 0,
            "worker_hours": 0.0,
            "created_at": now,
        }
        if insert_new(session, OccurrenceRow, [values]) == 0:
            return None
        occurrence = get(session, OccurrenceRow, occurrence_id)
        if firing.skip_reason is not None:
            skip(session, occurrence, firing.skip_reason, now)
            return occurrence
        others = [
            row for row in active_occurrences(session, campaign.id) if row.id != occurrence_id
        ]
        match settings.overlap:
            case "skip" if others:
                reason = f"occurrence {others[0].id} is not done yet, and overlap is skip"
                skip(session, occurrence, reason, now)
                return occurrence
            case "queue" if len(others) >= MAX_QUEUED:
                reason = f"{len(others)} occurrences are not done yet, and {MAX_QUEUED} may wait"
                skip(session, occurrence, reason, now)
                return occurrence
            case "cancel_old" if others:
                # Nothing is cancelled for one that would not be started.
                excess = beyond_budget(session, campaign, settings, now, instead_of=others)
                if excess is not None:
                    skip(session, occurrence, excess, now)
                    return occurrence
                for other in others:
                    self._cancel(session, other, f"occurrence {occurrence_id} took its place", now)
        self._start_next(session, campaign, now)
        return occurrence

    # --- going on ------------------------------------------------------------------------------

    def occurrences_to_advance(self) -> Sequence[OccurrenceRow]:
        """Returns the running occurrences whose jobs have ended, oldest first."""
        going = JobRow.status.not_in([status.value for status in TERMINAL])
        searching = (
            select(OccurrenceSearchRow.search_id)
            .join(SearchRow, SearchRow.id == OccurrenceSearchRow.search_id)
            .join(JobRow, JobRow.id == SearchRow.job_id)
            .where(OccurrenceSearchRow.occurrence_id == OccurrenceRow.id, going)
        )
        training = select(JobRow.id).where(JobRow.id == OccurrenceRow.training_job_id, going)
        exporting = (
            select(ExportRow.id)
            .join(JobRow, JobRow.id == ExportRow.job_id)
            .where(ExportRow.id == OccurrenceRow.export_id, going)
        )
        # A training has ended when searches wait for it, and they have when an export does.
        unfinished = or_(training.exists(), searching.exists(), exporting.exists())
        with self._read() as session:
            statement = (
                select(OccurrenceRow)
                .where(OccurrenceRow.status == "running", ~unfinished)
                .order_by(OccurrenceRow.id)
            )
            return session.scalars(statement).all()

    def settle_training(self, occurrence_id: str, at: datetime | None = None) -> None:
        """Submits the searches of an occurrence whose training has ended; fails it otherwise."""
        with self._write() as session:
            step = _locked(session, occurrence_id, "training")
            if step is None:
                return
            campaign, occurrence = step
            now = at or clock(session)
            job = training_of(session, occurrence)
            if job is None:
                reason = f"its training, job {occurrence.training_job_id}, was deleted"
                self._finish(session, campaign, occurrence, "failed", reason, now)
                return
            if job.state not in TERMINAL:
                return
            if job.state is not JobStatus.SUCCEEDED:
                reason = f"its training, job {job.id}, {ended(job)}"
                self._finish(session, campaign, occurrence, ending([job]), reason, now)
                return
            assert occurrence.supernet_id is not None
            settings = CampaignSettings.model_validate(occurrence.settings)
            now_named = campaign.settings["template"]["search"]["supernet"]
            if now_named == settings.template.search.supernet:  # nobody chose another meanwhile
                campaign.supernet_id = occurrence.supernet_id
            try:
                with session.begin_nested():
                    self._joining(session)._submit_searches(campaign, occurrence, settings)
            except (ServerError, ValidationError) as error:
                reason = f"its searches could not be submitted: {error}"
                self._finish(session, campaign, occurrence, "failed", reason, now)

    def conclude_searches(
        self,
        occurrence_id: str,
        results: Mapping[str, Json],
        reference: Json | None,
        candidate: Candidate | None,
        verdict: str,
        at: datetime | None = None,
    ) -> None:
        """Records what the searches of an occurrence gave, and exports the candidate.

        Args:
            occurrence_id: whose searches have all ended.
            results: of those that succeeded, by search.
            reference: from which their hypervolumes are measured.
            candidate: the network that shall be exported and promoted.
            verdict: why that one, or why none.
            at: the time; the database's clock if None.
        """
        with self._write() as session:
            step = _locked(session, occurrence_id, "searching")
            if step is None:
                return
            campaign, occurrence = step
            now = at or clock(session)
            rows = searches_of(session, occurrence_id)
            for row, _, _ in rows:
                if row.search_id in results:
                    row.result = results[row.search_id]
                    row.hypervolume = row.result["hypervolume"]
            campaign.reference = reference
            occurrence.candidate = {"verdict": verdict}
            failures = [
                f"{search.id} {ended(job)}"
                for _, search, job in rows
                if job.state is not JobStatus.SUCCEEDED
            ]
            reason = None
            if failures:
                reason = f"{len(failures)} of {len(rows)} searches: {'; '.join(failures[:5])}"
            if not results:
                jobs = [job for _, _, job in rows]
                self._finish(session, campaign, occurrence, ending(jobs), reason, now)
                return
            occurrence.reason = reason
            if candidate is None:
                self._finish(session, campaign, occurrence, "succeeded", reason, now)
                return
            self._export(session, campaign, occurrence, candidate, now)

    def _export(
        self,
        session: Session,
        campaign: CampaignRow,
        occurrence: OccurrenceRow,
        candidate: Candidate,
        now: datetime,
    ) -> None:
        settings = CampaignSettings.model_validate(occurrence.settings)
        assert settings.promotion is not None
        try:
            export, _ = self._joining(session).add_export(
                candidate.search_id,
                candidate.architecture_digest,
                report_test=settings.promotion.report_test,
                options=settings.template.search.job,
            )
        except ServerError as error:
            reason = f"its best network could not be exported: {error}"
            self._finish(session, campaign, occurrence, "failed", reason, now)
            return
        occurrence.stage, occurrence.export_id = "exporting", export.id
        occurrence.candidate = {
            "verdict": candidate.reason,
            "architecture_digest": candidate.architecture_digest,
            "figures": dict(candidate.figures),
        }
        session.flush()

    def settle_export(self, occurrence_id: str, at: datetime | None = None) -> None:
        """Promotes the network of an occurrence whose export has ended; fails it otherwise."""
        with self._write() as session:
            step = _locked(session, occurrence_id, "exporting")
            if step is None:
                return
            campaign, occurrence = step
            now = at or clock(session)
            found = export_of(session, occurrence)
            if found is None:
                reason = f"its export {occurrence.export_id} was deleted"
                self._finish(session, campaign, occurrence, "failed", reason, now)
                return
            export, job = found
            if job.state not in TERMINAL:
                return
            if job.state is not JobStatus.SUCCEEDED:
                reason = f"its export, job {job.id}, {ended(job)}"
                self._finish(session, campaign, occurrence, ending([job]), reason, now)
                return
            self._promote(session, campaign, occurrence, export, now)
            self._finish(session, campaign, occurrence, "succeeded", occurrence.reason, now)

    def _promote(
        self,
        session: Session,
        campaign: CampaignRow,
        occurrence: OccurrenceRow,
        export: ExportRow,
        now: datetime,
    ) -> None:
        """Makes an exported network the best of its campaign."""
        assert occurrence.candidate is not None
        assert occurrence.supernet_id is not None
        promotion = PromotionRow(
            id=new_id("pro", now),
            campaign_id=campaign.id,
            occurrence_id=occurrence.id,
            export_id=export.id,
            architecture_digest=export.architecture_digest,
            supernet_id=occurrence.supernet_id,
            figures=occurrence.candidate["figures"],
            reason=occurrence.candidate["verdict"],
            created_at=now,
        )
        session.add(promotion)
        session.flush()
        data = {
            "campaign": campaign.name,
            "occurrence": occurrence.id,
            "export": export.id,
            "architecture_digest": export.architecture_digest,
            "reason": promotion.reason,
        }
        announce(session, campaign.project_id, "campaign.promoted", data, now)


def _locked(
    session: Session, occurrence_id: str, stage: str
) -> tuple[CampaignRow, OccurrenceRow] | None:
    """Returns an occurrence that is in a stage, under the lock on its campaign; None if it is not.

    Another runner may have taken the step, or somebody may have cancelled or deleted it.
    """
    occurrence = session.get(OccurrenceRow, occurrence_id)
    if occurrence is None:
        return None
    campaign = locked_campaign(session, occurrence.campaign_id)
    session.refresh(occurrence)
    is_there = occurrence.status == "running" and occurrence.stage == stage
    return (campaign, occurrence) if is_there else None


def locked_campaign(session: Session, campaign_id: str) -> CampaignRow:
    """Returns a campaign with a lock on its row.

    Raises:
        NotFoundError: there is none.
    """
    statement = select(CampaignRow).where(CampaignRow.id == campaign_id).with_for_update()
    row = session.scalar(statement.execution_options(populate_existing=True))
    return row if row is not None else get(session, CampaignRow, campaign_id)
