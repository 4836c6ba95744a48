"""Other projects' searchers on our problems, as their own documentation uses them.

Each gets the problem in its own terms: Optuna a categorical parameter for each choice and the sum
of relative violations as a constraint; pymoo an integer variable for each choice, rounding, and the
same constraint. Populations have 20 members, as ours have: with their own defaults (50 and 100)
most of these budgets would be random.

They may propose an architecture again. It is then told what it was told before, and not counted:
that is in their favour, since their budgets are of distinct architectures, as ours are.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from search_space.outcomes import Measured, Outcome
from search_space.space import Architecture, Option, SearchSpace
from searchers.comparison.playing import Run, Trial, trial_of
from searchers.comparison.problems import KnownProblem
from searchers.protocol import Observation, Proposal

POPULATION_SIZE = 20
PATIENCE = 20
"""Proposals for each evaluation of the budget after which a peer that repeats itself is stopped."""

Clock = Callable[[], float]


class Book:
    """Looks outcomes up and keeps the first evaluation of each architecture."""

    def __init__(self, known: KnownProblem, evaluations: int) -> None:
        self._known = known
        self._evaluations = evaluations
        self._seen: set[tuple[int, ...]] = set()
        self.trials: list[Trial] = []
        self.num_proposed = 0

    @property
    def is_full(self) -> bool:
        """Whether the budget is spent, or nothing new comes any more."""
        too_many = self.num_proposed >= PATIENCE * self._evaluations
        return len(self.trials) >= self._evaluations or too_many

    def evaluate(self, architecture: Architecture) -> Outcome:
        """Returns the outcome of an architecture; counts it if it is new."""
        outcome = self._known.outcome(architecture)
        self.num_proposed += 1
        proposal = Proposal(len(self.trials), architecture)
        trial = trial_of(self._known.problem.space, Observation(proposal, outcome))
        if trial.choices not in self._seen and not self.is_full:
            self._seen.add(trial.choices)
            self.trials.append(trial)
        return outcome


def play_optuna(
    sampler_name: str, known: KnownProblem, seed: int, evaluations: int, clock: Clock
) -> Run:
    """Runs a sampler of Optuna's by ask and tell.

    Args:
        sampler_name: `nsga2` or `tpe`.
        known: the problem.
        seed: of the sampler.
        evaluations: distinct architectures.
        clock: seconds.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sampler: optuna.samplers.BaseSampler
    if sampler_name == "nsga2":
        sampler = optuna.samplers.NSGAIISampler(population_size=POPULATION_SIZE, seed=seed)
    else:
        sampler = optuna.samplers.TPESampler(seed=seed)
    problem = known.problem
    study = optuna.create_study(directions=[o.goal for o in problem.objectives], sampler=sampler)
    book = Book(known, evaluations)
    seconds = 0.0
    while not book.is_full:
        started = clock()
        trial = study.ask()
        architecture = _suggested(problem.space, trial)
        seconds += clock() - started
        outcome = book.evaluate(architecture)
        started = clock()
        if isinstance(outcome, Measured):
            trial.set_constraint("limits", problem.violation(outcome.metrics))
            study.tell(trial, [outcome.metrics[o.metric] for o in problem.objectives])
        else:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        seconds += clock() - started
    return Run(tuple(book.trials), len(book.trials) < evaluations, seconds, 0.0)


def _suggested(space: SearchSpace, trial: Any) -> Architecture:
    values: dict[str, Option] = {}
    for choice in space.choices:
        when = choice.when
        if when is None or (when.parent in values and values[when.parent] in when.options):
            values[choice.name] = trial.suggest_categorical(choice.name, choice.options)
    return Architecture(values)


def play_pymoo(known: KnownProblem, seed: int, evaluations: int, clock: Clock) -> Run:
    """Runs pymoo's NSGA-II by ask and tell, a generation at a time."""
    from pymoo.algorithms.moo.nsga2 import NSGA2
    from pymoo.core.evaluator import Evaluator
    from pymoo.core.problem import Problem
    from pymoo.operators.crossover.sbx import SBX
    from pymoo.operators.mutation.pm import PM
    from pymoo.operators.repair.rounding import RoundingRepair
    from pymoo.operators.sampling.rnd import IntegerRandomSampling
    from pymoo.problems.static import StaticProblem

    space = known.problem.space
    described = Problem(
        n_var=space.num_choices,
        n_obj=len(known.problem.objectives),
        n_ieq_constr=1,
        xl=np.zeros(space.num_choices),
        xu=space.num_options - 1,
        vtype=int,
    )
    # As pymoo's page on discrete variables has it.
    algorithm = NSGA2(
        pop_size=POPULATION_SIZE,
        sampling=IntegerRandomSampling(),
        crossover=SBX(prob=1.0, eta=3.0, vtype=float, repair=RoundingRepair()),
        mutation=PM(prob=1.0, eta=3.0, vtype=float, repair=RoundingRepair()),
        eliminate_duplicates=True,
    )
    book = Book(known, evaluations)
    started = clock()
    algorithm.setup(described, termination=("n_gen", 10**6), seed=seed, verbose=False)
    seconds = clock() - started
    while not book.is_full:
        started = clock()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of casts inside pymoo
            infills = algorithm.ask()
        seconds += clock() - started
        if infills is None or len(infills) == 0:  # it has found nothing new for long, and ends
            break
        rows = infills.get("X").astype(np.int64)
        outcomes = [book.evaluate(space.decode(row)) for row in rows]
        losses, violations = _figures(known, outcomes)
        started = clock()
        Evaluator().eval(StaticProblem(described, F=losses, G=violations), infills)
        algorithm.tell(infills=infills)
        seconds += clock() - started
    return Run(tuple(book.trials), len(book.trials) < evaluations, seconds, 0.0)


def _figures(
    known: KnownProblem, outcomes: Sequence[Outcome]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Returns losses and violations as pymoo takes them; what has no figures violates most."""
    problem = known.problem
    losses = np.full((len(outcomes), len(problem.objectives)), 1e30)
    violations = np.full((len(outcomes), 1), 1e30)
    for position, outcome in enumerate(outcomes):
        if isinstance(outcome, Measured):
            losses[position] = problem.losses(outcome.metrics)
            violations[position] = problem.violation(outcome.metrics)
    return losses, violations


PEERS: Mapping[str, Callable[[KnownProblem, int, int, Clock], Run]] = {
    "optuna-nsga2": lambda *rest: play_optuna("nsga2", *rest),
    "optuna-tpe": lambda *rest: play_optuna("tpe", *rest),
    "pymoo-nsga2": play_pymoo,
}
