"""Campaigns, their occurrences and promotions; data sets that take the place of others."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

STATUSES = "'queued', 'running', 'succeeded', 'failed', 'cancelled', 'skipped'"


def _project() -> sa.Column[str]:
    return sa.Column("project_id", sa.String(), server_default="default", nullable=False)


def upgrade() -> None:
    """Makes the change."""
    op.add_column("data_sets", sa.Column("supersedes_id", sa.String(), nullable=True))
    op.create_index(op.f("ix_data_sets_supersedes_id"), "data_sets", ["supersedes_id"])
    op.create_table(
        "campaigns",
        _project(),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("is_paused", sa.Boolean(), nullable=False),
        sa.Column("supernet_id", sa.String(), nullable=False),
        sa.Column("num_started", sa.BigInteger(), nullable=False),
        sa.Column("accounted_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reference", sa.JSON(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaigns")),
        sa.UniqueConstraint("project_id", "name", name=op.f("uq_campaigns_project_id_name")),
    )
    op.create_index(op.f("ix_campaigns_next_at"), "campaigns", ["next_at"])
    _create_occurrences()
    _create_promotions()


def _create_occurrences() -> None:
    op.create_table(
        "occurrences",
        _project(),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("campaign_id", sa.String(), nullable=False),
        sa.Column("fire_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("firings", sa.BigInteger(), nullable=False),
        sa.Column("trigger", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("stage", sa.String(), nullable=True),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.Column("settings", sa.JSON(), nullable=False),
        sa.Column("supernet_id", sa.String(), nullable=True),
        sa.Column("training_job_id", sa.String(), nullable=True),
        sa.Column("export_id", sa.String(), nullable=True),
        sa.Column("candidate", sa.JSON(), nullable=True),
        sa.Column("evaluations", sa.BigInteger(), nullable=False),
        sa.Column("worker_hours", sa.Double(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "trigger IN ('schedule', 'manual')", name=op.f("ck_occurrences_trigger")
        ),
        sa.CheckConstraint(f"status IN ({STATUSES})", name=op.f("ck_occurrences_status")),
        sa.CheckConstraint(
            "stage IN ('training', 'searching', 'exporting')", name=op.f("ck_occurrences_stage")
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_occurrences_campaign_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_occurrences")),
        sa.UniqueConstraint(
            "campaign_id", "fire_at", name=op.f("uq_occurrences_campaign_id_fire_at")
        ),
    )
    op.create_index(op.f("ix_occurrences_campaign_id_id"), "occurrences", ["campaign_id", "id"])
    op.create_index(op.f("ix_occurrences_status_id"), "occurrences", ["status", "id"])
    op.create_table(
        "occurrence_searches",
        _project(),
        sa.Column("occurrence_id", sa.String(), nullable=False),
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("search_id", sa.String(), nullable=False),
        sa.Column("place", sa.JSON(), nullable=False),
        sa.Column("place_digest", sa.String(), nullable=False),
        sa.Column("hypervolume", sa.Double(), nullable=True),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(
            ["occurrence_id"], ["occurrences.id"], name=op.f("fk_occurrence_searches_occurrence_id")
        ),
        sa.ForeignKeyConstraint(
            ["search_id"], ["searches.id"], name=op.f("fk_occurrence_searches_search_id")
        ),
        sa.PrimaryKeyConstraint("occurrence_id", "position", name=op.f("pk_occurrence_searches")),
        sa.UniqueConstraint("search_id", name=op.f("uq_occurrence_searches_search_id")),
    )
    op.create_index(
        op.f("ix_occurrence_searches_place_digest"), "occurrence_searches", ["place_digest"]
    )


def _create_promotions() -> None:
    op.create_table(
        "promotions",
        _project(),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("campaign_id", sa.String(), nullable=False),
        sa.Column("occurrence_id", sa.String(), nullable=False),
        sa.Column("export_id", sa.String(), nullable=False),
        sa.Column("architecture_digest", sa.String(), nullable=False),
        sa.Column("supernet_id", sa.String(), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_promotions_campaign_id")
        ),
        sa.ForeignKeyConstraint(
            ["occurrence_id"], ["occurrences.id"], name=op.f("fk_promotions_occurrence_id")
        ),
        sa.ForeignKeyConstraint(
            ["export_id"], ["exports.id"], name=op.f("fk_promotions_export_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promotions")),
        sa.UniqueConstraint("occurrence_id", name=op.f("uq_promotions_occurrence_id")),
    )
    op.create_index(op.f("ix_promotions_campaign_id_id"), "promotions", ["campaign_id", "id"])


def downgrade() -> None:
    """Takes the change back."""
    for table in ("promotions", "occurrence_searches", "occurrences", "campaigns"):
        op.drop_table(table)
    op.drop_index(op.f("ix_data_sets_supersedes_id"), table_name="data_sets")
    op.drop_column("data_sets", "supersedes_id")
