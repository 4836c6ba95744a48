"""Searches whose evaluations are a table's."""

from collections.abc import Sequence

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
            now = clock(session)
            add_artifact(session, table, now)
            space = get(session, SpaceRow, space_id)
            evaluator = {
                "kind": "table",
                "table_version": table.sha256,
                "choices": list(choices),
                "metrics": list(metrics),
            }
            search_id = new_id("sea", now)
            settings = {
                "searcher": searcher,
                "objectives": objectives,
                "limits": limits,
                "evaluations": evaluations,
                "evaluator": evaluator,
                "evaluator_digest": digest_of(evaluator),
                "seed": seed,
            }
            # No resources of Ray's: the runner looks up by itself.
            spec = {
                "search_id": search_id,
                "space_id": space.id,
                "space": space.settings,
                **settings,
            }
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
