"""Refinements and assessments: their tables, their kinds of jobs, readings of the test split."""

import re
from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from server.migrations.sqlite_tables import remake

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

OLD_KINDS = ("train", "search", "export")
NEW_KINDS = ("refine", "assess")


def upgrade() -> None:
    """Makes the change."""
    _set_kinds(*OLD_KINDS, *NEW_KINDS)
    _create_refinements()
    _create_assessments()
    with op.batch_alter_table("test_readings") as batch:
        batch.alter_column("export_id", existing_type=sa.String(), nullable=True)
        batch.add_column(sa.Column("refinement_id", sa.String(), nullable=True))
        batch.create_foreign_key(
            op.f("fk_test_readings_refinement_id"), "refinements", ["refinement_id"], ["id"]
        )
        batch.create_unique_constraint(op.f("uq_test_readings_refinement_id"), ["refinement_id"])
        batch.create_check_constraint(
            op.f("ck_test_readings_subject"), "(export_id IS NULL) <> (refinement_id IS NULL)"
        )


def _create_refinements() -> None:
    op.create_table(
        "refinements",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("search_id", sa.String(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("selection", sa.JSON(), nullable=False),
        sa.Column("training", sa.JSON(), nullable=False),
        sa.Column("distillation", sa.Double(), nullable=False),
        sa.Column("runs", sa.BigInteger(), nullable=False),
        sa.Column("evaluator", sa.JSON(), nullable=False),
        sa.Column("resources", sa.JSON(), nullable=False),
        sa.Column("export", sa.Boolean(), nullable=False),
        sa.Column("report_test", sa.Boolean(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("job_id", sa.String(), nullable=False),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_refinements_job_id")),
        sa.ForeignKeyConstraint(
            ["search_id"], ["searches.id"], name=op.f("fk_refinements_search_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refinements")),
        sa.UniqueConstraint("job_id", name=op.f("uq_refinements_job_id")),
    )
    op.create_index(op.f("ix_refinements_search_id"), "refinements", ["search_id"], unique=False)
    op.create_table(
        "refined_networks",
        sa.Column("refinement_id", sa.String(), nullable=False),
        sa.Column("architecture_digest", sa.String(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.Column("architecture", sa.JSON(), nullable=False),
        sa.Column("found", sa.JSON(), nullable=False),
        sa.Column("version", sa.String(), nullable=True),
        sa.Column("soup", sa.JSON(), nullable=True),
        sa.Column("before", sa.JSON(), nullable=True),
        sa.Column("after", sa.JSON(), nullable=True),
        sa.Column("files", sa.JSON(), nullable=False),
        sa.Column("card", sa.JSON(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["refinement_id"], ["refinements.id"], name=op.f("fk_refined_networks_refinement_id")
        ),
        sa.ForeignKeyConstraint(
            ["version"], ["artifacts.sha256"], name=op.f("fk_refined_networks_version")
        ),
        sa.PrimaryKeyConstraint(
            "refinement_id", "architecture_digest", name=op.f("pk_refined_networks")
        ),
    )
    op.create_table(
        "fine_tunings",
        sa.Column("refinement_id", sa.String(), nullable=False),
        sa.Column("architecture_digest", sa.String(), nullable=False),
        sa.Column("run", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("accuracy", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["refinement_id", "architecture_digest"],
            ["refined_networks.refinement_id", "refined_networks.architecture_digest"],
            name=op.f("fk_fine_tunings_refinement_id"),
        ),
        sa.ForeignKeyConstraint(
            ["version"], ["artifacts.sha256"], name=op.f("fk_fine_tunings_version")
        ),
        sa.PrimaryKeyConstraint(
            "refinement_id", "architecture_digest", "run", name=op.f("pk_fine_tunings")
        ),
    )


def _create_assessments() -> None:
    op.create_table(
        "assessments",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("supernet_id", sa.String(), nullable=False),
        sa.Column("supernet_version", sa.String(), nullable=False),
        sa.Column("samples", sa.BigInteger(), nullable=False),
        sa.Column("strata", sa.BigInteger(), nullable=False),
        sa.Column("accuracy", sa.JSON(), nullable=False),
        sa.Column("standalone", sa.JSON(), nullable=True),
        sa.Column("resources", sa.JSON(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("job_id", sa.String(), nullable=False),
        sa.Column("summary", sa.JSON(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_assessments_job_id")),
        sa.ForeignKeyConstraint(
            ["supernet_id"], ["supernets.id"], name=op.f("fk_assessments_supernet_id")
        ),
        sa.ForeignKeyConstraint(
            ["supernet_version"],
            ["artifacts.sha256"],
            name=op.f("fk_assessments_supernet_version"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assessments")),
        sa.UniqueConstraint("job_id", name=op.f("uq_assessments_job_id")),
    )
    op.create_index(
        op.f("ix_assessments_supernet_id_id"), "assessments", ["supernet_id", "id"], unique=False
    )
    op.create_table(
        "assessed_architectures",
        sa.Column("assessment_id", sa.String(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("architecture_digest", sa.String(), nullable=False),
        sa.Column("architecture", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.Column("provenance", sa.JSON(), nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("standalone", sa.JSON(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "status IN ('measured', 'infeasible', 'failed')",
            name=op.f("ck_assessed_architectures_status"),
        ),
        sa.ForeignKeyConstraint(
            ["assessment_id"],
            ["assessments.id"],
            name=op.f("fk_assessed_architectures_assessment_id"),
        ),
        sa.PrimaryKeyConstraint("assessment_id", "number", name=op.f("pk_assessed_architectures")),
    )


def downgrade() -> None:
    """Takes the change back, and with it all refinements, assessments and their jobs."""
    op.execute("DELETE FROM test_readings WHERE refinement_id IS NOT NULL")
    with op.batch_alter_table("test_readings") as batch:
        batch.drop_constraint(op.f("ck_test_readings_subject"), type_="check")
        batch.drop_constraint(op.f("uq_test_readings_refinement_id"), type_="unique")
        batch.drop_constraint(op.f("fk_test_readings_refinement_id"), type_="foreignkey")
        batch.drop_column("refinement_id")
        batch.alter_column("export_id", existing_type=sa.String(), nullable=False)
    op.drop_table("assessed_architectures")
    op.drop_table("assessments")
    op.drop_table("fine_tunings")
    op.drop_table("refined_networks")
    op.drop_table("refinements")
    gone = _listed(NEW_KINDS)
    op.execute(
        f"DELETE FROM job_events WHERE job_id IN (SELECT id FROM jobs WHERE kind IN ({gone}))"  # noqa: S608 -- our own words
    )
    op.execute(f"DELETE FROM jobs WHERE kind IN ({gone})")  # noqa: S608 -- likewise
    _set_kinds(*OLD_KINDS)


def _set_kinds(*kinds: str) -> None:
    """Lets jobs be of these kinds."""
    condition = f"kind IN ({_listed(kinds)})"
    connection = op.get_bind()
    if connection.dialect.name != "sqlite":
        op.drop_constraint(op.f("ck_jobs_kind"), "jobs", type_="check")
        op.create_check_constraint(op.f("ck_jobs_kind"), "jobs", condition)
        return
    pattern = r"CONSTRAINT ck_jobs_kind CHECK \(kind IN \([^)]*\)\)"
    changed = f"CONSTRAINT ck_jobs_kind CHECK ({condition})"
    remake(connection, "jobs", lambda definition: re.sub(pattern, changed, definition))


def _listed(words: Sequence[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)
