"""Any pymoo algorithm as a searcher (Blank and Deb 2020, IEEE Access 8): ask and tell.

    PymooSearcher(problem, pymoo.algorithms.moo.nsga2.NSGA2(pop_size=20), seed=1)

A variable per choice runs from 0 to the number of its options less one. Each option owns an equal
part of that range, in which its index lies, so that algorithms for integers and for real numbers
both fit.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy

import numpy as np
import numpy.typing as npt
import pymoo.core.problem
from pymoo.core.algorithm import Algorithm
from pymoo.core.individual import Individual
from pymoo.core.population import Population
from pymoo.core.termination import NoTermination
from pymoo.problems.static import StaticProblem

from search_space.outcomes import Measured
from search_space.space import Genes, Option
from searchers.ledger import PATIENCE, Ledger
from searchers.protocol import Observation, Problem, Proposal, Searcher

Matrix = npt.NDArray[np.float64]


class PymooSearcher(Searcher):
    """Proposes the generations of an algorithm, one after the other.

    The algorithm goes on when all of its generation is known. Who asks for more before that gets
    random architectures, so ask for `batch_size` at once where that can be. Members of a generation
    that were proposed before (by chance, or since they differ in inactive choices alone) are not
    proposed again; the algorithm is told what is known of them. After
    `searchers.ledger.PATIENCE` generations without anything new the proposals are random. What is
    infeasible or failed is told as worse than all that was measured, and as breaking every limit. A
    warm start is proposed first; the algorithm learns of it only where it comes to the same.

    Args:
        problem: what to search for.
        algorithm: not set up yet; a copy of it is used.
        seed: of the algorithm, and of what is random here.
        warm_start: proposed first, in this order.

    Raises:
        InvalidArchitectureError: a warm start is not of the space.
        ValueError: the algorithm is for one objective and the problem has several.
    """

    def __init__(
        self,
        problem: Problem,
        algorithm: Algorithm,
        seed: int,
        *,
        warm_start: Sequence[Mapping[str, Option]] = (),
    ) -> None:
        _check_objectives(problem, algorithm)
        self._problem = problem
        self._space = problem.space
        self._rng = np.random.default_rng(seed)
        self._ledger = Ledger(problem, warm_start)
        self._varied = np.flatnonzero(self._space.num_options > 1)
        self._box = pymoo.core.problem.Problem(
            n_var=len(self._varied),
            n_obj=len(problem.objectives),
            n_ieq_constr=len(problem.limits),
            xl=np.zeros(len(self._varied)),
            xu=(self._space.num_options[self._varied] - 1).astype(np.float64),
            vtype=int,
        )
        self._algorithm = deepcopy(algorithm)
        if len(self._varied):
            self._algorithm.setup(self._box, termination=NoTermination(), seed=seed)
        self._generation: Population | Individual | None = None
        self._rows: list[bytes] = []  # of the generation
        self._queue: list[bytes] = []  # those of them that wait to be proposed
        self._told: dict[bytes, Mapping[str, float] | None] = {}  # None: infeasible or failed

    @property
    def batch_size(self) -> int:
        """The size of a generation, as far as the algorithm says; 1 where it does not."""
        return int(getattr(self._algorithm, "pop_size", None) or 1)

    def ask(self, count: int) -> Sequence[Proposal]:  # noqa: D102 - as in Searcher
        return self._ledger.propose(count, self._draw, self._rng)

    def tell(self, observations: Sequence[Observation]) -> None:  # noqa: D102 - as in Searcher
        self._ledger.record(observations)
        for observation in observations:
            outcome = observation.outcome
            metrics = outcome.metrics if isinstance(outcome, Measured) else None
            key = self._space.encode(observation.proposal.architecture).tobytes()
            self._told[key] = metrics

    def _draw(self, count: int) -> Genes:
        """Returns members of the generation; random rows where there are none to be had now."""
        for _ in range(PATIENCE):
            if self._queue or not all(row in self._told for row in self._rows):
                break
            if len(self._varied):
                self._breed()
        rows, self._queue = self._queue[:count], self._queue[count:]
        if not rows:
            return self._space.sample(count, self._rng)
        return np.stack([np.frombuffer(row, dtype=np.int64) for row in rows])

    def _breed(self) -> None:
        """Tells the algorithm of its generation, and has the next one of it."""
        if self._generation is not None:
            known = [self._told[row] for row in self._rows]
            values = StaticProblem(self._box, **_values(self._problem, known, self._worse()))
            self._algorithm.evaluator.eval(values, self._generation, algorithm=self._algorithm)
            self._algorithm.advance(infills=self._generation)
        self._generation = self._algorithm.infill()
        self._rows, self._queue = [], []
        if self._generation is not None:
            points = np.atleast_2d(self._generation.get("X")).astype(np.float64)
            genes = np.zeros((len(points), self._space.num_choices), dtype=np.int64)
            genes[:, self._varied] = options_at(points, self._space.num_options[self._varied])
            genes = self._space.canonical(genes)
            self._rows = [row.tobytes() for row in genes]
            new = [row.tobytes() for row in genes[self._ledger.is_new(genes)]]
            self._queue = list(dict.fromkeys(new))

    def _worse(self) -> Matrix:
        """Returns losses worse than all that were measured, shape (num_objectives,)."""
        losses = self._ledger.losses
        if len(losses) == 0:
            return np.zeros(len(self._problem.objectives))
        span = np.ptp(losses, axis=0)
        worse: Matrix = losses.max(axis=0) + np.where(span > 0, span, 1.0)
        return worse


def options_at(points: Matrix, num_options: Genes) -> Genes:
    """Returns the options that own the points; whole numbers are their own option.

    Args:
        points: shape (count, num_variables), each from 0 to num_options - 1; what lies beyond is
            moved to the nearest end.
        num_options: of each variable, at least 2.
    """
    widths = (num_options - 1) / num_options
    return np.clip(np.floor(points / widths).astype(np.int64), 0, num_options - 1)


def _values(
    problem: Problem, known: Sequence[Mapping[str, float] | None], worse: Matrix
) -> dict[str, Matrix]:
    """Returns what pymoo calls F and, where there are limits, G: positive where one is missed."""
    losses = [worse if metrics is None else problem.losses(metrics) for metrics in known]
    violations = [
        [1.0 if metrics is None else limit.violation(metrics[limit.metric]) for metrics in known]
        for limit in problem.limits
    ]
    values = {"F": np.stack(losses)}
    return {**values, "G": np.array(violations).T} if violations else values


def _check_objectives(problem: Problem, algorithm: Algorithm) -> None:
    """Refuses what pymoo files under single-objective optimization where there are several."""
    modules = [kind.__module__ for kind in type(algorithm).__mro__]
    filed = [
        name
        for name in modules
        if name.startswith(("pymoo.algorithms.soo", "pymoo.algorithms.moo"))
    ]
    if len(problem.objectives) > 1 and filed and filed[0].startswith("pymoo.algorithms.soo"):
        raise ValueError(
            f"algorithm {type(algorithm).__name__} must be one for several objectives, "
            f"got the objectives {[objective.metric for objective in problem.objectives]}"
        )
