"""Searches whose evaluations are computed."""

from typing import Unpack

from server.schemas.job_options import DEFAULT_OPTIONS, JobOptions
from server.store.base import Transactions
from server.store.search_terms import SearchTerms
from server.store.table_searches import submit_alone
from server.tables import JobRow, Json, SearchRow


class ComputedSearchStore(Transactions):
    """Queries about searches that are evaluated by computation."""

    def add_computed_search(
        self,
        *,
        name: str,
        space_id: str,
        evaluator: Json,
        options: JobOptions = DEFAULT_OPTIONS,
        **terms: Unpack[SearchTerms],
    ) -> tuple[SearchRow, JobRow]:
        """Adds a search without a supernet, and the job that runs it.

        Args:
            name: what people call it.
            space_id: where architectures come from.
            evaluator: settings of the computation.
            options: of the job.
            terms: which problem is searched, and how.

        Raises:
            NotFoundError: there is no such space.
        """
        with self._write() as session:
            return submit_alone(session, name, space_id, evaluator, terms, options)
