"""Any Optuna sampler as a searcher (Akiba et al. 2019, KDD): ask and tell of an in-memory study.

    OptunaSearcher(problem, optuna.samplers.NSGAIISampler(seed=1), seed=1)

A trial holds the index of the option of each active choice, so conditional choices are suggested
only where they matter, parents first. Values are losses; each limit is a constraint, by how far it
is missed or kept. What is proposed and not yet told is a running trial.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from copy import deepcopy

import numpy as np
import numpy.typing as npt
import optuna
from optuna.distributions import CategoricalDistribution, IntDistribution
from optuna.trial import Trial, TrialState, create_trial

from search_space.operators import mutate
from search_space.outcomes import MAX_FIGURE, Infeasible, Measured, Outcome
from search_space.space import Choice, Genes, Option
from searchers.ledger import Ledger
from searchers.nsga2 import constrained_order
from searchers.pareto import Losses
from searchers.protocol import Limit, Observation, Problem, Proposal, Searcher

Distribution = IntDistribution | CategoricalDistribution
INFEASIBLE = "infeasible"
"""The constraint that is broken by what cannot be had at all."""

NUM_MUTANTS = 32
"""Of a suggestion that was made before, to find a new one among."""

_driving: ContextVar[bool] = ContextVar("driving", default=False)


class OptunaSearcher(Searcher):
    """Proposes what a sampler suggests.

    A suggestion that was made before is told as a failed trial, which samplers leave out of their
    models, and the sampler is asked again, `retries` times; then a mutant of the suggestion takes
    its place, and where those were all made before, something random does. An architecture that
    cannot be had is a pruned trial with a broken constraint: TPE avoids its surroundings, others do
    not count it. A failed evaluation is a failed trial.

    Args:
        problem: what to search for.
        sampler: seeded by the caller, and used for nothing else from then on.
        seed: of the last resort alone.
        batch_size: proposals between two barriers.
        warm_start: proposed first, in this order.
        ordered: whether options that are numbers in order are suggested as integers, so that the
            sampler knows which are close; otherwise all choices are categories.
        conditional: whether inactive choices are left out of a trial; otherwise they are there
            with their first option. For samplers that model only what all trials have in common.
        num_random: measurements before which proposals are random, without the sampler.
        retries: how often to ask again for something new.
        max_trials: the most measurements that the sampler sees, those that are best by constraint
            domination, as `tempered` losses. For samplers that fit a model to values in a time that
            grows faster than their number. By default a sampler sees all, as they are.

    Raises:
        InvalidArchitectureError: a warm start is not of the space.
        ValueError: the sampler cannot do with several objectives.
    """

    def __init__(
        self,
        problem: Problem,
        sampler: optuna.samplers.BaseSampler,
        seed: int,
        *,
        batch_size: int = 20,
        warm_start: Sequence[Mapping[str, Option]] = (),
        ordered: bool = True,
        conditional: bool = True,
        num_random: int = 0,
        retries: int = 3,
        max_trials: int | None = None,
    ) -> None:
        self._problem = problem
        self._space = problem.space
        self._sampler = sampler
        self._batch_size = batch_size
        self._conditional = conditional
        self._num_random = num_random
        self._retries = retries
        self._max_trials = max_trials
        self._rng = np.random.default_rng(seed)
        self._ledger = Ledger(problem, warm_start)
        self._distributions = {
            choice.name: distribution_of(choice, ordered) for choice in self._space.choices
        }
        self._study = self._new_study(sampler)
        # What is proposed, or about to be, and not told, by row; without a trial until the sampler
        # must know of it.
        self._out: dict[bytes, Trial | None] = {}
        self._margins: list[dict[str, float]] = []  # of what is measured, in the order of telling
        self._is_current = True  # whether the study is of all that was told
        self._is_stuck = False  # since when nothing is asked of the sampler in this ask
        self._check_sampler()

    @property
    def batch_size(self) -> int:  # noqa: D102 - as in Searcher
        return self._batch_size

    def ask(self, count: int) -> Sequence[Proposal]:  # noqa: D102 - as in Searcher
        self._is_stuck = False
        with _quiet():
            proposals = self._ledger.propose(count, self._draw, self._rng)
            for proposal in proposals:
                self._out.setdefault(self._space.encode(proposal.architecture).tobytes(), None)
        return proposals

    def is_new(self, genes: Genes) -> npt.NDArray[np.bool_]:
        """Returns which canonical rows are not proposed, or about to be, shape (count,)."""
        is_held = np.array([row.tobytes() in self._out for row in genes], dtype=np.bool_)
        return self._ledger.is_new(genes) & ~is_held

    def tell(self, observations: Sequence[Observation]) -> None:  # noqa: D102 - as in Searcher
        self._ledger.record(observations)
        with _quiet():
            for observation in observations:
                row, outcome = (
                    self._space.encode(observation.proposal.architecture),
                    observation.outcome,
                )
                trial = self._out.pop(row.tobytes())
                if isinstance(outcome, Measured):
                    self._margins.append(self._constraints(outcome.metrics))
                if self._max_trials is None:  # otherwise the study begins anew
                    self._finish(trial or self._trial_of(row), outcome)
        self._is_current = False

    def _new_study(self, sampler: optuna.samplers.BaseSampler) -> optuna.Study:
        with _quiet():
            directions = [optuna.study.StudyDirection.MINIMIZE] * len(self._problem.objectives)
            return optuna.create_study(directions=directions, sampler=sampler)

    def _check_sampler(self) -> None:
        """Lets a copy of the sampler suggest once: only so it says that it cannot."""
        if len(self._problem.objectives) == 1:
            return
        sampler = deepcopy(self._sampler)
        try:
            self._suggest(self._new_study(sampler).ask())
        except ValueError as error:
            objectives = [objective.metric for objective in self._problem.objectives]
            raise ValueError(
                f"sampler {type(sampler).__name__} must be one for several objectives, "
                f"got the objectives {objectives}: {error}"
            ) from error

    def _draw(self, count: int) -> Genes:
        """Returns as many suggestions, shape (count, num_choices); those that are new are out."""
        if len(self._ledger.losses) < self._num_random:
            return self._space.sample(count, self._rng)
        if self._max_trials is not None and not self._is_current:
            self._begin_anew(self._max_trials)
        self._is_current = True
        for key, trial in self._out.items():
            if trial is None:
                self._out[key] = self._trial_of(np.frombuffer(key, dtype=np.int64))
        return np.array([self._suggest_new() for _ in range(count)], dtype=np.int64)

    def _suggest_new(self) -> Genes:
        """Returns a new suggestion, or a mutant of one that is not; at random where all fails."""
        row: Genes = self._space.sample(1, self._rng)[0]
        if self._is_stuck:
            return row
        for _ in range(1 + self._retries):
            trial = self._study.ask()
            suggested = self._suggest(trial)
            row = self._space.canonical(suggested[np.newaxis])[0]
            if not self.is_new(row[np.newaxis])[0]:
                self._study.tell(trial, state=TrialState.FAIL)
            elif (row != suggested).any():
                self._study.tell(trial, state=TrialState.FAIL)
                return self._hold(row, self._trial_of(row))
            else:
                return self._hold(row, trial)
        rate = 1 / max(self._space.num_choices, 1)
        mutants = mutate(self._space, np.tile(row, (NUM_MUTANTS, 1)), rate, self._rng)
        mutants = mutants[self.is_new(mutants)]
        if len(mutants):
            return self._hold(mutants[0], self._trial_of(mutants[0]))
        self._is_stuck = True
        return row

    def _suggest(self, trial: Trial) -> Genes:
        """Returns the genes that a trial suggests, shape (num_choices,)."""
        row = np.zeros(self._space.num_choices, dtype=np.int64)
        held: dict[str, Option] = {}
        for position, choice in enumerate(self._space.choices):
            when = choice.when if self._conditional else None
            if when is not None and held.get(when.parent) not in when.options:
                continue  # what is inactive holds nothing, so its children are inactive, too
            row[position] = _suggested(trial, choice.name, self._distributions[choice.name])
            held[choice.name] = choice.options[row[position]]
        return row

    def _trial_of(self, row: Genes) -> Trial:
        """Returns a running trial of an architecture that the sampler did not suggest."""
        self._study.enqueue_trial(self._params(row))
        trial = self._study.ask()
        self._suggest(trial)
        return trial

    def _hold(self, row: Genes, trial: Trial) -> Genes:
        self._out[row.tobytes()] = trial
        return row

    def _params(self, row: Genes) -> dict[str, int]:
        active = self._space.active(row[np.newaxis])[0] | (not self._conditional)
        positions = np.flatnonzero(active)
        return {self._space.choices[j].name: int(row[j]) for j in positions}

    def _finish(self, trial: Trial, outcome: Outcome) -> None:
        if isinstance(outcome, Measured):
            for name, value in self._constraints(outcome.metrics).items():
                trial.set_constraint(name, value)
            losses = self._problem.losses(outcome.metrics)
            self._study.tell(trial, losses.tolist())
        elif isinstance(outcome, Infeasible):
            trial.set_constraint(INFEASIBLE, 1.0)
            self._study.tell(trial, state=TrialState.PRUNED)
        else:
            self._study.tell(trial, state=TrialState.FAIL)

    def _constraints(self, metrics: Mapping[str, float]) -> dict[str, float]:
        return {
            limit.metric: margin(limit, metrics[limit.metric]) for limit in self._problem.limits
        }

    def _begin_anew(self, max_trials: int) -> None:
        """Starts a study of the best measurements, in the order of their telling."""
        genes, losses, violations = (
            self._ledger.genes,
            self._ledger.losses,
            self._ledger.violations,
        )
        kept = np.sort(constrained_order(losses, violations)[:max_trials])
        values = tempered(losses[kept])
        self._study = self._new_study(self._sampler)
        self._out = dict.fromkeys(self._out)
        for position, row_values in zip(kept.tolist(), values.tolist(), strict=True):
            params = self._params(genes[position])
            self._study.add_trial(
                create_trial(
                    params=params,
                    distributions={name: self._distributions[name] for name in params},
                    values=row_values,
                    constraints=self._margins[position],
                )
            )


def tempered(losses: Losses) -> Losses:
    """Returns losses that a model can be fitted to: the worse half within reason.

    A few broken networks, at 10 % accuracy say, would take up all of a scale. What is worse than
    the median by more than the median is worse than the best is moved there. Where half of all are
    the best, nothing is.

    Args:
        losses: shape (count, num_objectives).
    """
    if len(losses) == 0:
        return losses
    median, best = np.median(losses, axis=0), losses.min(axis=0)
    within: Losses = np.where(median > best, np.minimum(losses, 2 * median - best), losses)
    return within


def distribution_of(choice: Choice, ordered: bool) -> Distribution:
    """Returns what the index of a choice's option is suggested from."""
    numbers = [option for option in choice.options if not isinstance(option, str)]
    is_sorted = numbers in (sorted(numbers), sorted(numbers, reverse=True))
    if ordered and is_sorted and len(numbers) == len(choice.options):
        return IntDistribution(0, len(choice.options) - 1)
    return CategoricalDistribution(tuple(range(len(choice.options))))


def _suggested(trial: Trial, name: str, distribution: Distribution) -> int:
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(name, distribution.low, distribution.high)
    index = trial.suggest_categorical(name, distribution.choices)
    assert isinstance(index, int)
    return index


def margin(limit: Limit, value: float) -> float:
    """Returns by how much a value passes the nearest side of a limit, as a fraction of the side.

    Where `Limit.violation` is 0 this is negative, the more the safer: a model learns more from it.
    """
    passed = []
    if limit.upper is not None:
        passed.append((value - limit.upper) / (abs(limit.upper) or 1.0))
    if limit.lower is not None:
        passed.append((limit.lower - value) / (abs(limit.lower) or 1.0))
    return float(np.clip(max(passed), -MAX_FIGURE, MAX_FIGURE))


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps what Optuna logs out of the log while it works for a searcher.

    Its level is the process's, and may be that of a user's own studies in other threads.
    """
    token = _driving.set(True)
    try:
        yield
    finally:
        _driving.reset(token)


def _is_for_a_user(_: logging.LogRecord) -> bool:
    return not _driving.get()


for _name in ("optuna.storages._in_memory", "optuna._gp.gp", "optuna._gp.optim_mixed"):
    # Filters count for records of the very logger that they are added to.
    logging.getLogger(_name).addFilter(_is_for_a_user)
