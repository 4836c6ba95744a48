"""Projects: every row belongs to one; names and results are unique within theirs."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from server.migrations.sqlite_tables import remake

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

OWNED = (
    "assessed_architectures",
    "assessments",
    "data_sets",
    "evaluations",
    "exports",
    "fine_tunings",
    "job_dependencies",
    "job_events",
    "job_needs",
    "jobs",
    "measurements",
    "observations",
    "proposals",
    "refined_networks",
    "refinements",
    "searches",
    "supernets",
    "test_readings",
    "uploads",
)
LISTS = ("architecture_digest", "evaluator_digest", "space_id")
RESULT = ("space_id", "architecture_digest", "evaluator_digest")
UNIQUE = {"data_sets": ("name",), "uploads": ("sha256", "size_bytes", "name")}


def upgrade() -> None:
    """Makes the change; what is there belongs to the project "default"."""
    op.create_table(
        "projects",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("max_active_jobs", sa.BigInteger(), nullable=True),
        sa.Column("max_running_jobs", sa.BigInteger(), nullable=True),
        sa.Column("max_bytes", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_projects")),
    )
    _create_keys()
    op.execute("INSERT INTO projects (id, created_at) VALUES ('default', CURRENT_TIMESTAMP)")
    for table in OWNED:
        column = sa.Column("project_id", sa.String(), server_default="default", nullable=False)
        op.add_column(table, column)
    op.execute(
        "INSERT INTO project_artifacts (project_id, sha256) SELECT 'default', sha256 FROM artifacts"
    )
    for table, columns in UNIQUE.items():
        _replace_unique(table, columns, ("project_id", *columns))
    for name in LISTS:
        op.drop_index(op.f(f"ix_evaluations_{name}_id"), "evaluations")
        index = op.f(f"ix_evaluations_project_id_{name}_id")
        op.create_index(index, "evaluations", ["project_id", name, "id"])
    op.create_index(op.f("ix_evaluations_project_id_id"), "evaluations", ["project_id", "id"])
    op.create_index(op.f("ix_jobs_project_id_id"), "jobs", ["project_id", "id"])
    op.drop_index("uq_evaluations_result", "evaluations")
    _create_result_index("project_id", *RESULT)


def _create_keys() -> None:
    op.create_table(
        "project_artifacts",
        sa.Column("project_id", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["sha256"],
            ["artifacts.sha256"],
            name=op.f("fk_project_artifacts_sha256"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("project_id", "sha256", name=op.f("pk_project_artifacts")),
    )
    op.create_index(op.f("ix_project_artifacts_sha256"), "project_artifacts", ["sha256"])
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("project_id", sa.String(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("prefix", sa.String(), nullable=False),
        sa.Column("secret_sha256", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name=op.f("fk_api_keys_project_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        sa.UniqueConstraint("prefix", name=op.f("uq_api_keys_prefix")),
    )
    op.create_table(
        "audit_log",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("key_id", sa.String(), nullable=True),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("project_id", sa.String(), nullable=False),
        sa.Column("request_id", sa.String(), nullable=True),
        sa.Column("method", sa.String(), nullable=False),
        sa.Column("route", sa.String(), nullable=False),
        sa.Column("resource", sa.String(), nullable=True),
        sa.Column("status", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
    )
    for name in ("project_id", "key_id"):
        op.create_index(op.f(f"ix_audit_log_{name}_id"), "audit_log", [name, "id"])


def downgrade() -> None:
    """Takes the change back; fails where two projects have a name or a result in common."""
    op.drop_index("uq_evaluations_result", "evaluations")
    _create_result_index(*RESULT)
    op.drop_index(op.f("ix_jobs_project_id_id"), "jobs")
    op.drop_index(op.f("ix_evaluations_project_id_id"), "evaluations")
    for name in LISTS:
        op.drop_index(op.f(f"ix_evaluations_project_id_{name}_id"), "evaluations")
        op.create_index(op.f(f"ix_evaluations_{name}_id"), "evaluations", [name, "id"])
    for table, columns in UNIQUE.items():
        _replace_unique(table, ("project_id", *columns), columns)
    for table in OWNED:
        op.drop_column(table, "project_id")
    for table in ("audit_log", "api_keys", "project_artifacts", "projects"):
        op.drop_table(table)


def _create_result_index(*columns: str) -> None:
    op.create_index(
        "uq_evaluations_result",
        "evaluations",
        columns,
        unique=True,
        sqlite_where=sa.text("status <> 'failed'"),
        postgresql_where=sa.text("status <> 'failed'"),
    )


def _replace_unique(table: str, old: Sequence[str], new: Sequence[str]) -> None:
    connection = op.get_bind()
    old_name, new_name = (op.f(f"uq_{table}_{'_'.join(columns)}") for columns in (old, new))
    if connection.dialect.name != "sqlite":
        op.drop_constraint(old_name, table, type_="unique")
        op.create_unique_constraint(new_name, table, list(new))
        return
    old_rule = f"CONSTRAINT {old_name} UNIQUE ({', '.join(old)})"
    new_rule = f"CONSTRAINT {new_name} UNIQUE ({', '.join(new)})"
    remake(connection, table, lambda definition: definition.replace(old_rule, new_rule))
