"""Evaluates architectures by a stored table: no weights, no workers."""

from collections.abc import Iterator, Mapping, Sequence

from search_space.outcomes import Outcome
from search_space.space import Architecture
from search_space.table import InvalidTableError
from search_space.table_files import read_table
from server.errors import DamagedArtifactError
from server.execution.context import JobContext, JobFailedError
from server.execution.evaluation import Evaluator
from workers.protocol import Latency


class TableEvaluator(Evaluator):
    """Looks outcomes up.

    Args:
        context: of a search job whose evaluator names a table by the digest of its file.

    Raises:
        JobFailedError: the file is not what was stored.
    """

    def __init__(self, context: JobContext) -> None:
        self._context = context
        settings = context.job.spec["evaluator"]
        version = settings["table_version"]
        try:
            path = context.artifacts.path(version)
            self._table = read_table(path, settings["choices"], settings["metrics"])
        except (DamagedArtifactError, InvalidTableError) as error:
            raise JobFailedError(f"the table cannot be read: {error}") from error
        self._provenance = {"source": "table", "table_version": version}

    def evaluate(self, batch: Sequence[Architecture]) -> Iterator[Mapping[str, Outcome]]:
        """As of every evaluator, all at once; what is not in the table is infeasible."""
        self._context.check_stop()
        yield {a.digest: self._table.outcome(a, self._provenance) for a in batch}

    def measure_again(
        self,
        finalists: Sequence[Architecture],  # noqa: ARG002 - of no use here
    ) -> Mapping[str, Latency]:
        """Nothing is measured again: a table says the same thing twice."""
        return {}

    def forget_all_but(self, digests: set[str]) -> None:
        """Nothing is kept but the table."""
