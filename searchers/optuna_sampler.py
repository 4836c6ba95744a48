"""Any of our searchers as an Optuna sampler (Akiba et al. 2019, KDD).

    study = optuna.create_study(sampler=EspalierSampler(NSGA2Settings(), seed=1))

The parameters that all finished trials have in common (Optuna's intersection search space) are the
choices of a space, and a searcher of that space suggests them together. All others, such as those
of a first trial or of a branch, are independent and random.

A searcher deals with finite choices:

- categories, integers and numbers with a step are what they are, as long as they have at most
  `MAX_VALUES` values;
- all other numbers are `num_steps` values from the lowest to the highest, evenly spaced, or evenly
  in their logarithm where the distribution says so, and rounded to the step if there is one.

What a trial holds between two values counts as the nearest.
"""

import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial

from search_space.outcomes import MAX_FIGURE, Failed, Goal, Measured, Outcome
from search_space.space import Choice, Genes, SearchSpace
from searchers.protocol import Limit, Objective, Observation, Problem, Proposal, Searcher
from searchers.settings import SearcherSettings

MAX_VALUES = 1000
"""A parameter with more values is a grid of `num_steps` of them."""


class EspalierSampler(optuna.samplers.BaseSampler):
    """Suggests what a searcher proposes.

    No combination is suggested twice until all were; from then on suggestions are random. Trials
    that the searcher did not propose (first ones, enqueued ones, those of another process or of an
    earlier life of a stored study) are taken in by building it anew with them as its warm start.
    So nothing needs to be saved beside the study.

    Several trials at once are fine, in threads or processes. Constraints (`Trial.set_constraint`)
    are limits. A pruned trial counts with the last value that it reported, if it did; a failed one
    and one with an infinite value count as evaluations that failed.

    Args:
        settings: of the searcher. It must be one for several objectives if the study has several.
        seed: equal studies, settings and seeds suggest equal parameters.
        num_steps: values of a number that is continuous, or that has more than `MAX_VALUES`.
    """

    def __init__(self, settings: SearcherSettings, seed: int, *, num_steps: int = 33) -> None:
        if not 2 <= num_steps <= MAX_VALUES:
            raise ValueError(f"num_steps must be from 2 to {MAX_VALUES}, got {num_steps}")
        self._settings = settings
        self._seed = seed
        self._num_steps = num_steps
        self._random = optuna.samplers.RandomSampler(seed=seed)
        self._common = optuna.search_space.IntersectionSearchSpace(include_pruned=True)
        self._session: _Session | None = None
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        """Leaves out what is built from the study."""
        return {**self.__dict__, "_session": None, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def reseed_rng(self) -> None:
        """Takes a seed by chance, so that copies in other processes go other ways."""
        with self._lock:
            self._seed = int(np.random.default_rng().integers(2**32))
            self._session = None
            self._random.reseed_rng()

    def infer_relative_search_space(  # noqa: D102 - as in BaseSampler
        self,
        study: Study,
        trial: FrozenTrial,  # noqa: ARG002 - likewise
    ) -> dict[str, BaseDistribution]:
        with self._lock:
            common = self._common.calculate(study)
        return {name: each for name, each in common.items() if not each.single()}

    def sample_relative(  # noqa: D102 - as in BaseSampler
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        if not search_space:
            return {}
        with self._lock:
            proposal = self._up_to_date(study, trial, search_space).propose()
            return proposal or {
                name: self._random.sample_independent(study, trial, name, distribution)
                for name, distribution in search_space.items()
            }

    def sample_independent(  # noqa: D102 - as in BaseSampler
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        return self._random.sample_independent(study, trial, param_name, param_distribution)

    def _up_to_date(
        self, study: Study, trial: FrozenTrial, search_space: Mapping[str, BaseDistribution]
    ) -> "_Session":
        """Returns a session that knows all trials but the given one, a new one if it has to be."""
        others = [each for each in study.get_trials(deepcopy=False) if each.number != trial.number]
        key = (study.study_name, tuple(study.directions), tuple(search_space.items()))
        if self._session is None or self._session.key != key or not self._session.learn(others):
            seed = np.random.SeedSequence([self._seed, len(others)]).generate_state(1)
            grids = {
                name: Grid(distribution, self._num_steps)
                for name, distribution in search_space.items()
            }
            self._session = _Session(key, study, grids, others)
            self._session.start(self._settings, int(seed[0]), others)
        return self._session


class Grid:
    """The values that a searcher chooses from for one parameter.

    Args:
        distribution: of the parameter.
        num_steps: of a number that is continuous, or that has more than `MAX_VALUES` values.
    """

    def __init__(self, distribution: BaseDistribution, num_steps: int) -> None:
        self.distribution = distribution
        self._categories: tuple[Any, ...] | None = None
        if isinstance(distribution, CategoricalDistribution):
            self._categories = distribution.choices
            return
        assert isinstance(distribution, IntDistribution | FloatDistribution)
        self._numbers = _numbers(distribution, num_steps)
        self._cast = int if isinstance(distribution, IntDistribution) else float
        self._scale = np.log if distribution.log else np.asarray

    def choice(self, name: str) -> Choice:
        """Returns a choice among the positions: names of categories, numbers in order otherwise."""
        if self._categories is not None:
            return Choice(name=name, options=tuple(str(i) for i in range(len(self._categories))))
        return Choice(name=name, options=tuple(range(len(self._numbers))))

    def value(self, position: int) -> Any:
        """Returns the parameter's value at a position."""
        if self._categories is not None:
            return self._categories[position]
        return self._cast(self._numbers[position])

    def position(self, value: Any) -> int:
        """Returns the position of a value, or of the nearest."""
        if self._categories is not None:
            return int(self.distribution.to_internal_repr(value))
        distances = np.abs(self._scale(self._numbers) - self._scale(value))
        return int(np.argmin(distances))


def _numbers(
    distribution: IntDistribution | FloatDistribution, num_steps: int
) -> npt.NDArray[np.float64]:
    low, high, step = distribution.low, distribution.high, distribution.step
    num_values = 0 if step is None else round((high - low) / step) + 1
    if step is not None and num_values <= MAX_VALUES:
        steps = np.arange(num_values)
    else:
        spread = np.geomspace if distribution.log else np.linspace
        points = spread(low, high, num_steps)
        if step is None:
            return np.unique(points).astype(np.float64)
        steps = np.unique(np.round((points - low) / step))
    numbers: npt.NDArray[np.float64] = np.minimum(low + steps * step, high).astype(np.float64)
    return numbers


class _Session:
    """A searcher of the parameters that the trials of a study have in common.

    Args:
        key: what it is good for.
        study: whose directions count.
        grids: the values of each parameter, by name.
        trials: all that there are; their constraints are the problem's limits.
    """

    def __init__(
        self, key: object, study: Study, grids: Mapping[str, Grid], trials: Sequence[FrozenTrial]
    ) -> None:
        self.key = key
        self._grids = grids
        self._constraints = sorted({name for trial in trials for name in trial.constraints})
        self._values = [f"value.{i}" for i in range(len(study.directions))]
        objectives = tuple(
            Objective(metric=name, goal=_goal(direction))
            for name, direction in zip(self._values, study.directions, strict=True)
        )
        limits = tuple(
            Limit(metric=f"constraint.{i}", upper=0) for i in range(len(self._constraints))
        )
        choices = [grid.choice(f"parameter.{i}") for i, grid in enumerate(grids.values())]
        self._problem = Problem(SearchSpace("study", choices), objectives, limits)
        self._proposals: dict[bytes, Proposal] = {}  # by row
        self._told: set[bytes] = set()
        self._learned: set[int] = set()  # numbers of finished trials
        self._searcher: Searcher

    def start(self, settings: SearcherSettings, seed: int, trials: Sequence[FrozenTrial]) -> None:
        """Builds the searcher; what is known is its warm start."""
        known = [self._row(trial) for trial in trials if self._is_about(trial)]
        rows = list({row.tobytes(): row for row in known}.values())
        space = self._problem.space
        warm_start = tuple(dict(space.decode(row)) for row in rows)
        settings = settings.model_copy(update={"warm_start": warm_start})
        self._searcher = settings.build(self._problem, seed)
        for row, proposal in zip(rows, self._searcher.ask(len(rows)), strict=True):
            self._proposals[row.tobytes()] = proposal
        knows_all = self.learn([trial for trial in trials if trial.state.is_finished()])
        assert knows_all

    def learn(self, trials: Sequence[FrozenTrial]) -> bool:
        """Tells the searcher what is new, the first trial of equal ones.

        Returns:
            False if a trial is of something that the searcher did not propose or that has a new
            constraint: then the session is of no use any more.
        """
        observations = []
        for trial in trials:
            if trial.number in self._learned:
                continue
            if self._is_about(trial):
                key = self._row(trial).tobytes()
                known = set(trial.constraints) <= set(self._constraints)
                if key not in self._proposals or not known:
                    return False
                if trial.state.is_finished() and key not in self._told:
                    self._told.add(key)
                    observations.append(Observation(self._proposals[key], self._outcome(trial)))
            if trial.state.is_finished():
                self._learned.add(trial.number)
        self._searcher.tell(observations)
        return True

    def propose(self) -> dict[str, Any]:
        """Returns values of all parameters; empty when all combinations were proposed."""
        space = self._problem.space
        for proposal in self._searcher.ask(1):
            row = space.encode(proposal.architecture)
            self._proposals[row.tobytes()] = proposal
            pairs = zip(self._grids.items(), row.tolist(), strict=True)
            return {name: grid.value(position) for (name, grid), position in pairs}
        return {}

    def _is_about(self, trial: FrozenTrial) -> bool:
        """Whether a trial has all of the parameters, as they are distributed now."""
        # A thread may be filling in a running trial, its distribution before its value.
        return all(
            name in trial.params and trial.distributions[name] == grid.distribution
            for name, grid in self._grids.items()
        )

    def _row(self, trial: FrozenTrial) -> Genes:
        positions = [grid.position(trial.params[name]) for name, grid in self._grids.items()]
        return np.array(positions, dtype=np.int64)

    def _outcome(self, trial: FrozenTrial) -> Outcome:
        values = trial.values
        if values is None or len(values) != len(self._values):
            return Failed(f"the trial is {trial.state.name} and has no values")
        if not np.isfinite(values).all():
            return Failed(f"the trial has values that are not finite, {values}")
        broken = [trial.constraints.get(name, 0.0) for name in self._constraints]
        names = [*self._values, *(limit.metric for limit in self._problem.limits)]
        figures = np.clip([*values, *broken], -MAX_FIGURE, MAX_FIGURE).tolist()
        return Measured(dict(zip(names, figures, strict=True)))


def _goal(direction: StudyDirection) -> Goal:
    return "maximize" if direction == StudyDirection.MAXIMIZE else "minimize"
