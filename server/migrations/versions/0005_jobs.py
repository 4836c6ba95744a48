"""The life of jobs: who waits for what and how long, what is tried again, who is at work."""

import re
from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from server.migrations.sqlite_tables import remake

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

AWAITED = (("searches", "evaluator_digest"), ("assessments", "supernet_version"))
"""What is known only once the supernet is trained."""


def upgrade() -> None:
    """Makes the change."""
    moment = sa.DateTime(timezone=True)
    for added in (
        sa.Column("submitted_by", sa.String(), nullable=True),
        sa.Column("deadline_at", moment, nullable=True),
        sa.Column("not_before", moment, nullable=True),
        sa.Column("retry", sa.JSON(), nullable=True),
        sa.Column("failed_attempts", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("pause_requested", sa.Boolean(), nullable=False, server_default=sa.false()),
    ):
        op.add_column("jobs", added)
    op.create_table(
        "job_dependencies",
        sa.Column("job_id", sa.String(), nullable=False),
        sa.Column("depends_on", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_job_dependencies_job_id")),
        sa.ForeignKeyConstraint(
            ["depends_on"], ["jobs.id"], name=op.f("fk_job_dependencies_depends_on")
        ),
        sa.PrimaryKeyConstraint("job_id", "depends_on", name=op.f("pk_job_dependencies")),
    )
    op.create_index(
        op.f("ix_job_dependencies_depends_on"), "job_dependencies", ["depends_on"], unique=False
    )
    op.create_table(
        "job_needs",
        sa.Column("job_id", sa.String(), nullable=False),
        sa.Column("resource", sa.String(), nullable=False),
        sa.Column("amount", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_job_needs_job_id")),
        sa.PrimaryKeyConstraint("job_id", "resource", name=op.f("pk_job_needs")),
    )
    op.create_table(
        "runners",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("num_cpus", sa.Double(), nullable=False),
        sa.Column("num_gpus", sa.Double(), nullable=False),
        sa.Column("custom", sa.JSON(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("started_at", moment, nullable=False),
        sa.Column("seen_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runners")),
    )
    for table, column in AWAITED:
        _set_nullable(table, column, nullable=True)


def downgrade() -> None:
    """Takes the change back, and with it what still waits for a supernet."""
    for table, column in AWAITED:
        kind = {"searches": "search", "assessments": "assess"}[table]
        gone = f"SELECT job_id FROM {table} WHERE {column} IS NULL"  # noqa: S608 -- our own words
        op.execute(f"CREATE TEMPORARY TABLE gone AS {gone}")
        op.execute(f"DELETE FROM {table} WHERE {column} IS NULL")  # noqa: S608 -- likewise
        for name, key in (
            ("job_events", "job_id"),
            ("job_needs", "job_id"),
            ("job_dependencies", "job_id"),
            ("job_dependencies", "depends_on"),
        ):
            op.execute(f"DELETE FROM {name} WHERE {key} IN (SELECT job_id FROM gone)")  # noqa: S608 -- likewise
        op.execute(f"DELETE FROM jobs WHERE kind = '{kind}' AND id IN (SELECT job_id FROM gone)")  # noqa: S608 -- likewise
        op.execute("DROP TABLE gone")
        _set_nullable(table, column, nullable=False)
    for name in ("runners", "job_needs", "job_dependencies"):
        op.drop_table(name)
    for name in (
        "pause_requested",
        "failed_attempts",
        "retry",
        "not_before",
        "deadline_at",
        "submitted_by",
    ):
        op.drop_column("jobs", name)


def _set_nullable(table: str, column: str, *, nullable: bool) -> None:
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        op.alter_column(table, column, existing_type=sa.String(), nullable=nullable)
        return
    old, new = f"{column} VARCHAR NOT NULL", f"{column} VARCHAR"
    if not nullable:
        old, new = rf"{column} VARCHAR(?! NOT NULL)", old
    remake(connection, table, lambda definition: re.sub(old, new, definition))
