"""Searches whose evaluations are a table's."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session

from search_space.space import digest_of
from server.ids import new_id
from server.schemas.job_options import DEFAULT_OPTIONS, JobOptions
from server.store.base import Artifact, Transactions, add_artifact, clock, get
from server.store.jobs import submit_job
from server.tables import JobRow, Json, SearchRow, SpaceRow


class TableSearchStore(Transactions):
    """Queries about searches that are evaluated by a table."""

    def add_table_search(
        self,
        *,
        name: str,
        space_id: str,
        table: Artifact,
        searcher: Json,
        objectives: list[Json],
        limits: list[Json],
        evaluations: int,
        choices: Sequence[str],
        metrics: Sequence[str],
        seed: int,
        options: JobOptions = DEFAULT_OPTIONS,
    ) -> tuple[SearchRow, JobRow]:
        """Adds a search without a supernet, and the job that runs it.

        Searches that read the same columns of the same table share their evaluations.

        Args:
            name: what people call it.
            space_id: where architectures come from.
            table: its file.
            searcher: settings of the policy.
            objectives: what to optimize.
            limits: what to keep within.
            evaluations: how many architectures to evaluate.
            choices: columns that tell architectures apart.
            metrics: columns of figures.
            seed: of the policy.
            options: of the job.

        Raises:
            NotFoundError: there is no such space.
        """
        with self._write() as session:
            add_artifact(session, table, clock(session))
            evaluator = {
                "kind": "table",
                "table_version": table.sha256,
                "choices": list(choices),
                "metrics": list(metrics),
            }
            settings = {
                "searcher": searcher,
                "objectives": objectives,
                "limits": limits,
                "evaluations": evaluations,
                "evaluator": evaluator,
                "seed": seed,
            }
            return submit_alone(session, name, space_id, settings, options)


def submit_alone(
    session: Session, name: str, space_id: str, settings: dict[str, Any], options: JobOptions
) -> tuple[SearchRow, JobRow]:
    """Adds a search that the runner evaluates by itself, without a supernet, and its job.

    Args:
        session: of a transaction that writes.
        name: what people call it.
        space_id: where architectures come from.
        settings: searcher, objectives, limits, evaluations, evaluator and seed.
        options: of the job.

    Raises:
        NotFoundError: there is no such space.
    """
    now = clock(session)
    space = get(session, SpaceRow, space_id)
    search_id = new_id("sea", now)
    settings = {**settings, "evaluator_digest": digest_of(settings["evaluator"])}
    # No resources of Ray's: nothing is evaluated by workers.
    spec = {"search_id": search_id, "space_id": space.id, "space": space.settings, **settings}
    job = submit_job(session, "search", spec, now, **options.terms(now))
    search = SearchRow(
        id=search_id,
        name=name,
        supernet_id=None,
        space_id=space.id,
        job_id=job.id,
        resources={},
        created_at=now,
        **settings,
    )
    session.add(search)
    session.flush()
    return search, job
