"""Time that searchers take themselves: asks and tells, with an evaluator that costs nothing.

On 45 choices of three options each (3e21 architectures, as the once-for-all MobileNetV3 space has
in its public encoding) and two objectives that are sums over the choices:

- searchers without a model of the metrics, per evaluation, when there are 2,000 and 10,000 of them,
  in batches of 20 and one by one: the later ones must not take longer than the first;
- all asks and tells of NSGA-II at 10,000 evaluations, beside Optuna's NSGA-II with the same
  population (asked one by one, as Optuna does; it has no batches);
- a search of 250 evaluations by `linas` with the public system's own values. That system took
  363 s for it on two cores of a shared machine (its predictors and its inner search, driven by its
  own loop).

Seconds are those of the processor, so that a busy machine counts less; the evaluator's hundredths
of a millisecond are in them. `--quick` stops at 2,000 evaluations, and compares with Optuna there.
"""

import time

import numpy as np
import optuna
from harness import Figure, parse_arguments, report

from search_space.outcomes import Measured
from search_space.space import Architecture, Choice, SearchSpace
from searchers.linas import LINASSettings
from searchers.local_search import LocalSearchSettings
from searchers.nsga2 import NSGA2Settings
from searchers.ppo import PPOSettings
from searchers.protocol import Objective, Observation, Problem
from searchers.random import RandomSettings
from searchers.regularized_evolution import RegularizedEvolutionSettings
from searchers.settings import SearcherSettings

NUM_CHOICES, NUM_OPTIONS, BATCH_SIZE, SEED = 45, 3, 20, 0
FEW, MANY = 2000, 10_000
NUM_PPO = 500
"""Evaluations by `ppo`, whose network takes some hundredths of a second to learn from each."""
PUBLIC_LINAS_S = 363
SEARCHERS: dict[str, SearcherSettings] = {
    "random": RandomSettings(),
    "nsga2": NSGA2Settings(population_size=BATCH_SIZE),
    "regularized_evolution": RegularizedEvolutionSettings(),
    "local_search": LocalSearchSettings(),
    "local_search with restarts": LocalSearchSettings(at_optimum="restart"),
}
METRICS = ("f1", "f2")
TABLES = np.random.default_rng(SEED).random((len(METRICS), NUM_CHOICES, NUM_OPTIONS))
COLUMNS = np.arange(NUM_CHOICES)


def losses_of(options: list[int]) -> list[float]:
    """Returns the two losses of an architecture."""
    return [float(value) for value in TABLES[:, COLUMNS, options].sum(axis=1)]


def evaluate(architecture: Architecture) -> Measured:
    """Costs next to nothing, and is not counted."""
    options = [int(value) for value in architecture.values()]
    return Measured(dict(zip(METRICS, losses_of(options), strict=True)))


def problem() -> Problem:
    """Two sums over the choices."""
    options = tuple(range(NUM_OPTIONS))
    choices = [Choice(name=f"c{i}", options=options) for i in range(NUM_CHOICES)]
    objectives = tuple(Objective(metric=metric, goal="minimize") for metric in METRICS)
    return Problem(SearchSpace("flat", choices), objectives)


def search(settings: SearcherSettings, evaluations: int, batch_size: int) -> list[float]:
    """Returns the seconds that were taken when each fifth of the evaluations was told."""
    started_at = time.process_time()
    taken: list[float] = []
    searcher = settings.build(problem(), SEED)
    done = 0
    while done < evaluations:
        proposals = searcher.ask(min(batch_size, evaluations - done))
        searcher.tell([Observation(p, evaluate(p.architecture)) for p in proposals])
        done += len(proposals)
        if 5 * done >= evaluations * (len(taken) + 1):
            taken.append(time.process_time() - started_at)
    return taken


def optunas(evaluations: int) -> float:
    """Returns the seconds that Optuna's NSGA-II takes."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    started_at = time.process_time()
    sampler = optuna.samplers.NSGAIISampler(population_size=BATCH_SIZE, seed=SEED)
    study = optuna.create_study(directions=["minimize"] * len(METRICS), sampler=sampler)
    names = [f"c{i}" for i in range(NUM_CHOICES)]
    options = tuple(range(NUM_OPTIONS))
    wanted: dict[str, optuna.distributions.BaseDistribution] = {
        name: optuna.distributions.CategoricalDistribution(options) for name in names
    }
    for _ in range(evaluations):
        trial = study.ask(wanted)
        study.tell(trial, losses_of([trial.params[name] for name in names]))
    return time.process_time() - started_at


def figures_of(evaluations: int) -> list[Figure]:
    """Returns the figures of searchers without a model."""
    figures = []
    for name, settings in SEARCHERS.items():
        for batch_size in (BATCH_SIZE, 1):
            how = "one by one" if batch_size == 1 else f"in batches of {batch_size}"
            taken = search(settings, evaluations, batch_size)
            figures.append(Figure(f"{name}, {evaluations:,} {how}", taken[-1], "s"))
            # The last fifth against the second one: at first many proposals are random.
            growth = (taken[4] - taken[3]) / (taken[1] - taken[0])
            figures.append(Figure(f"{name} {how}, last fifth / second", growth, "x", "<= 3"))
    ppo_ms = 1000 * search(PPOSettings(), NUM_PPO, BATCH_SIZE)[-1] / NUM_PPO
    return [*figures, Figure("ppo, for each evaluation", ppo_ms, "ms")]


def main() -> None:
    """Times and reports."""
    arguments = parse_arguments(__doc__)
    evaluations = FEW if arguments.quick else MANY
    figures = figures_of(evaluations)
    (ours,) = (f.value for f in figures if f.name == f"nsga2, {evaluations:,} one by one")
    theirs = optunas(evaluations)
    figures += [
        Figure(f"Optuna's NSGA-II, {evaluations:,} one by one", theirs, "s"),
        Figure("nsga2 against Optuna's NSGA-II", theirs / ours, "x", ">= 1"),
    ]
    public = LINASSettings.model_validate(
        {"population_size": 50, "inner_population_size": 50, "inner_evaluations": 20_000}
    )
    search(LINASSettings(inner_evaluations=100), 60, BATCH_SIZE)  # imports scikit-learn
    for name, settings in (("as the public system's", public), ("by default", LINASSettings())):
        taken = search(settings, 250, settings.population_size)[-1]
        figures += [
            Figure(f"linas {name}, 250 evaluations", taken, "s", "<= 4"),
            Figure(f"linas {name}, against 363 s", PUBLIC_LINAS_S / taken, "x"),
        ]
    report("Asks and tells of searchers", figures, arguments)


if __name__ == "__main__":
    main()
