"""Answers under idempotency keys, descriptions and labels, an index for every list."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

DESCRIBED = ("data_sets", "supernets", "searches")
LISTS = {
    "assessments": ("id", "supernet_id"),
    "campaigns": ("id",),
    "data_sets": ("id",),
    "evaluations": ("search_id", "status"),
    "exports": ("id", "architecture_digest", "search_id"),
    "jobs": ("kind", "status"),
    "refinements": ("id", "name", "search_id"),
    "searches": ("id", "name", "supernet_id", "space_id"),
    "supernets": ("id", "name", "space_id", "data_set_id"),
    "uploads": ("id", "name"),
    "webhooks": ("id",),
}
"""What lists of a project are filtered and sorted by."""

INDEXES = (
    *(
        (table, *dict.fromkeys(("project_id", column, "id")))
        for table, columns in LISTS.items()
        for column in columns
    ),
    ("jobs", "project_id", "kind", "status", "id"),
    ("spaces", "created_at", "id"),
    ("spaces", "kind", "created_at", "id"),
)
REPLACED = (("refinements", "search_id"), ("exports", "architecture_digest", "id"))
"""What longer ones serve as well."""


def upgrade() -> None:
    """Makes the change: what there was has no description and no labels."""
    op.create_table(
        "idempotency_answers",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("caller", sa.String(), nullable=False),
        sa.Column("route", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("status", sa.BigInteger(), nullable=False),
        sa.Column("headers", sa.JSON(), nullable=False),
        sa.Column("body", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_idempotency_answers")),
    )
    op.create_index("ix_idempotency_answers_expires_at", "idempotency_answers", ["expires_at"])
    for table in DESCRIBED:
        op.add_column(table, sa.Column("description", sa.String(), nullable=True))
        op.add_column(table, sa.Column("labels", sa.JSON(), nullable=False, server_default="{}"))
        op.add_column(
            table, sa.Column("revision", sa.BigInteger(), nullable=False, server_default="0")
        )
    for table, *columns in INDEXES:
        op.create_index(_name(table, columns), table, columns)
    for table, *columns in REPLACED:
        op.drop_index(_name(table, columns), table)


def downgrade() -> None:
    """Takes the change back; labels and remembered answers are lost."""
    for table, *columns in REPLACED:
        op.create_index(_name(table, columns), table, columns)
    for table, *columns in reversed(INDEXES):
        op.drop_index(_name(table, columns), table)
    for table in reversed(DESCRIBED):
        for column in ("revision", "labels", "description"):
            op.drop_column(table, column)
    op.drop_index("ix_idempotency_answers_expires_at", "idempotency_answers")
    op.drop_table("idempotency_answers")


def _name(table: str, columns: Sequence[str]) -> str:
    return f"ix_{table}_{'_'.join(columns)}"
