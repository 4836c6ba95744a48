"""The tables of campaigns: schedules, what came of each of their times, what was promoted."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from server.tables.base import Json, ProjectOwned, Table, one_of


class CampaignRow(ProjectOwned, Table):
    """A campaign; `settings` describe it completely.

    Times up to `accounted_until` have been dealt with; `next_at` is the first one after it, null if
    there is none. `supernet_id` is what is searched now: the template's, until it is trained anew.
    It and everything in `settings` refers to rows without holding them. `reference` is the point,
    by metric, from which hypervolumes are measured. `revision` counts changes of the settings.
    """

    __tablename__ = "campaigns"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    settings: Mapped[Json]
    revision: Mapped[int]
    is_paused: Mapped[bool]
    supernet_id: Mapped[str]
    num_started: Mapped[int]
    accounted_until: Mapped[datetime]
    next_at: Mapped[datetime | None] = mapped_column(index=True)
    reference: Mapped[Json | None]
    created_at: Mapped[datetime]

    __table_args__ = (UniqueConstraint("project_id", "name"), Index(None, "project_id", "id"))


class OccurrenceRow(ProjectOwned, Table):
    """A time of a campaign and what came of it.

    The constraint on (campaign, time) is what makes each fire once. A row that was skipped may
    stand for several times in a row (`firings` of them, since `first_at`). `number` counts those
    that were started, from 0. `settings` are the campaign's when it fired.
    """

    __tablename__ = "occurrences"

    id: Mapped[str] = mapped_column(primary_key=True)
    campaign_id: Mapped[str] = mapped_column(ForeignKey("campaigns.id"))
    fire_at: Mapped[datetime]
    first_at: Mapped[datetime]
    firings: Mapped[int]
    trigger: Mapped[str]
    status: Mapped[str]
    stage: Mapped[str | None]
    reason: Mapped[str | None]
    number: Mapped[int | None]
    settings: Mapped[Json]
    supernet_id: Mapped[str | None]
    training_job_id: Mapped[str | None]
    export_id: Mapped[str | None]
    candidate: Mapped[Json | None]
    evaluations: Mapped[int]
    worker_hours: Mapped[float]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        UniqueConstraint("campaign_id", "fire_at"),
        one_of("trigger", ["schedule", "manual"]),
        one_of("status", ["queued", "running", "succeeded", "failed", "cancelled", "skipped"]),
        one_of("stage", ["training", "searching", "exporting"]),
        Index(None, "campaign_id", "id"),
        Index(None, "status", "id"),
    )


class OccurrenceSearchRow(ProjectOwned, Table):
    """A search of an occurrence.

    `place` is what is varied between the searches; equal places of two occurrences with the same
    objectives have equal digests and are compared. `result`, with the front, and `hypervolume` are
    null until the occurrence's searches have ended, and stay so if this one did not succeed.
    """

    __tablename__ = "occurrence_searches"

    occurrence_id: Mapped[str] = mapped_column(ForeignKey("occurrences.id"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    search_id: Mapped[str] = mapped_column(ForeignKey("searches.id"), unique=True)
    place: Mapped[Json]
    place_digest: Mapped[str] = mapped_column(index=True)
    hypervolume: Mapped[float | None]
    result: Mapped[Json | None]


class PromotionRow(ProjectOwned, Table):
    """A network that became the best of its campaign; `figures` are those that decided."""

    __tablename__ = "promotions"

    id: Mapped[str] = mapped_column(primary_key=True)
    campaign_id: Mapped[str] = mapped_column(ForeignKey("campaigns.id"))
    occurrence_id: Mapped[str] = mapped_column(ForeignKey("occurrences.id"), unique=True)
    export_id: Mapped[str] = mapped_column(ForeignKey("exports.id"))
    architecture_digest: Mapped[str]
    supernet_id: Mapped[str]
    figures: Mapped[Json]
    reason: Mapped[str]
    created_at: Mapped[datetime]

    __table_args__ = (Index(None, "campaign_id", "id"),)
