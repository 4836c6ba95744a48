"""Answers under idempotency keys, descriptions and labels, an index for every list."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0007"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

DESCRIBED = ("data_sets", "supernets", "searches")
INDEXES = (
    ("uploads", "name", "id"),
    ("spaces", "created_at", "id"),
    ("spaces", "kind", "created_at", "id"),
    ("supernets", "name", "id"),
    ("supernets", "space_id", "id"),
    ("supernets", "data_set_id", "id"),
    ("searches", "name", "id"),
    ("searches", "supernet_id", "id"),
    ("searches", "space_id", "id"),
    ("evaluations", "search_id", "id"),
    ("evaluations", "status", "id"),
    ("exports", "search_id", "id"),
    ("refinements", "name", "id"),
    ("refinements", "search_id", "id"),
    ("jobs", "status", "id"),
    ("jobs", "kind", "status", "id"),
)


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
    op.drop_index("ix_refinements_search_id", "refinements")  # the longer one serves


def downgrade() -> None:
    """Takes the change back; labels and remembered answers are lost."""
    op.create_index("ix_refinements_search_id", "refinements", ["search_id"])
    for table, *columns in reversed(INDEXES):
        op.drop_index(_name(table, columns), table)
    for table in reversed(DESCRIBED):
        for column in ("revision", "labels", "description"):
            op.drop_column(table, column)
    op.drop_index("ix_idempotency_answers_expires_at", "idempotency_answers")
    op.drop_table("idempotency_answers")


def _name(table: str, columns: Sequence[str]) -> str:
    return f"ix_{table}_{'_'.join(columns)}"
