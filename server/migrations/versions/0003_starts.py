"""Where trainings start, and what teaches them."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Makes the change: all supernets there are were trained from scratch."""
    op.add_column(
        "supernets",
        sa.Column("start", sa.JSON(), nullable=False, server_default='{"kind": "scratch"}'),
    )
    op.add_column("supernets", sa.Column("teacher", sa.JSON(), nullable=True))


def downgrade() -> None:
    """Takes the change back."""
    op.drop_column("supernets", "teacher")
    op.drop_column("supernets", "start")
