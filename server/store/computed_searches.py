"""Searches whose evaluations are computed."""

from server.schemas.job_options import DEFAULT_OPTIONS, JobOptions
from server.store.base import Transactions
from server.store.table_searches import submit_alone
from server.tables import JobRow, Json, SearchRow


class ComputedSearchStore(Transactions):
    """Queries about searches that are evaluated by computation."""

    def add_computed_search(
        self,
        *,
        name: str,
        space_id: str,
        searcher: Json,
        objectives: list[Json],
        limits: list[Json],
        evaluations: int,
        evaluator: Json,
        seed: int,
        options: JobOptions = DEFAULT_OPTIONS,
    ) -> tuple[SearchRow, JobRow]:
        """Adds a search without a supernet, and the job that runs it.

        Args:
            name: what people call it.
            space_id: where architectures come from.
            searcher: settings of the policy.
            objectives: what to optimize.
            limits: what to keep within.
            evaluations: how many architectures to evaluate.
            evaluator: settings of the computation.
            seed: of the policy.
            options: of the job.

        Raises:
            NotFoundError: there is no such space.
        """
        with self._write() as session:
            settings = {
                "searcher": searcher,
                "objectives": objectives,
                "limits": limits,
                "evaluations": evaluations,
                "evaluator": evaluator,
                "seed": seed,
            }
            return submit_alone(session, name, space_id, settings, options)
