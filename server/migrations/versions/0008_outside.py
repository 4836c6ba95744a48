"""Searches whose architectures are evaluated outside the service: leases of proposals."""

import re
from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from server.migrations.sqlite_tables import remake

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

OLD_KINDS = ("train", "search", "export", "refine", "assess")
NEW_KINDS = ("train", "search", "outside", "export", "refine", "assess")

_GONE = "SELECT id FROM searches WHERE supernet_id IS NULL"
_GONE_JOBS = "SELECT job_id FROM gone_jobs"


def upgrade() -> None:
    """Makes the change."""
    _set_kinds(NEW_KINDS)
    _set_nullable_supernet(nullable=True)
    op.add_column("searches", sa.Column("log_length", sa.BigInteger(), nullable=True))
    op.create_table(
        "proposal_leases",
        sa.Column("search_id", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("project_id", sa.String(), server_default="default", nullable=False),
        sa.Column("token", sa.String(), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("worker", sa.String(), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["search_id", "number"],
            ["proposals.search_id", "proposals.number"],
            name=op.f("fk_proposal_leases_search_id_number"),
        ),
        sa.PrimaryKeyConstraint("search_id", "number", name=op.f("pk_proposal_leases")),
    )
    op.create_index(
        op.f("ix_proposal_leases_search_id_step"),
        "proposal_leases",
        ["search_id", "step"],
        unique=False,
    )


def downgrade() -> None:
    """Takes the change back, and with it all searches without a supernet.

    These are those that are evaluated outside or by a table; what they measured goes with them.
    """
    op.drop_table("proposal_leases")
    for table in ("measurements", "observations", "evaluations", "proposals"):
        op.execute(f"DELETE FROM {table} WHERE search_id IN ({_GONE})")  # noqa: S608 -- our own words
    op.execute(
        "CREATE TEMPORARY TABLE gone_jobs AS SELECT job_id FROM searches WHERE supernet_id IS NULL"
    )
    op.execute("DELETE FROM searches WHERE supernet_id IS NULL")
    for table, key in (
        ("job_events", "job_id"),
        ("job_needs", "job_id"),
        ("job_dependencies", "job_id"),
        ("job_dependencies", "depends_on"),
        ("jobs", "id"),
    ):
        op.execute(f"DELETE FROM {table} WHERE {key} IN ({_GONE_JOBS})")  # noqa: S608 -- likewise
    op.execute("DROP TABLE gone_jobs")
    op.drop_column("searches", "log_length")
    _set_nullable_supernet(nullable=False)
    _set_kinds(OLD_KINDS)


def _set_kinds(kinds: Sequence[str]) -> None:
    """Lets jobs be of these kinds."""
    listed = ", ".join(f"'{kind}'" for kind in kinds)
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        op.drop_constraint(op.f("ck_jobs_kind"), "jobs", type_="check")
        op.create_check_constraint(op.f("ck_jobs_kind"), "jobs", f"kind IN ({listed})")
        return
    pattern = r"CONSTRAINT ck_jobs_kind CHECK \(kind IN \([^)]*\)\)"
    changed = f"CONSTRAINT ck_jobs_kind CHECK (kind IN ({listed}))"
    remake(connection, "jobs", lambda definition: re.sub(pattern, changed, definition))


def _set_nullable_supernet(*, nullable: bool) -> None:
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        op.alter_column("searches", "supernet_id", existing_type=sa.String(), nullable=nullable)
        return
    strict, loose = "supernet_id VARCHAR NOT NULL", "supernet_id VARCHAR"
    old, new = (strict, loose) if nullable else (rf"{loose}(?! NOT NULL)", strict)
    remake(connection, "searches", lambda definition: re.sub(old, new, definition))
