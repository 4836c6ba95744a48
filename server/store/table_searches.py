"""Searches whose evaluations are a table's."""

from collections.abc import Sequence
from typing import Unpack

from sqlalchemy.orm import Session

from search_space.space import digest_of
from server.ids import new_id
from server.schemas.job_options import DEFAULT_OPTIONS, JobOptions
from server.store.base import Artifact, Transactions, add_artifact, clock, get
from server.store.jobs import submit_job
from server.store.search_terms import SearchTerms
from server.tables import JobRow, Json, SearchRow, SpaceRow


class TableSearchStore(Transactions):
    """Queries about searches that are evaluated by a table."""

    def add_table_search(
        self,
        *,
        name: str,
        space_id: str,
        table: Artifact,
        choices: Sequence[str],
        metrics: Sequence[str],
        options: JobOptions = DEFAULT_OPTIONS,
        **terms: Unpack[SearchTerms],
    ) -> tuple[SearchRow, JobRow]:
        """Adds a search without a supernet, and the job that runs it.

        Searches that read the same columns of the same table share their evaluations.

        Args:
            name: what people call it.
            space_id: where architectures come from.
            table: its file.
            choices: columns that tell architectures apart.
            metrics: columns of figures.
            options: of the job.
            terms: which problem is searched, and how.

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
            return submit_alone(session, name, space_id, evaluator, terms, options)


def submit_alone(
    session: Session,
    name: str,
    space_id: str,
    evaluator: Json,
    terms: SearchTerms,
    options: JobOptions,
) -> tuple[SearchRow, JobRow]:
    """Adds a search that the runner evaluates by itself, without a supernet, and its job.

    Args:
        session: of a transaction that writes.
        name: what people call it.
        space_id: where architectures come from.
        evaluator: its settings.
        terms: which problem is searched, and how.
        options: of the job.

    Raises:
        NotFoundError: there is no such space.
    """
    now = clock(session)
    space = get(session, SpaceRow, space_id)
    search_id = new_id("sea", now)
    settings = {**terms, "evaluator": evaluator, "evaluator_digest": digest_of(evaluator)}
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
