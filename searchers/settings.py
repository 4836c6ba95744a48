"""The searchers that a user may choose, as one discriminated union.

A new searcher is one file with its settings class and one more name in the union here. A searcher
that cannot do every problem has a method `check(problem)`, which `build` calls as well.
"""

from typing import Annotated, Any, get_args

from pydantic import Field, ValidationError

from searchers.analytic import AnalyticSettings
from searchers.espalier import EspalierSettings
from searchers.gp import GPSettings
from searchers.linas import LINASSettings
from searchers.local_search import LocalSearchSettings
from searchers.nsga2 import NSGA2Settings
from searchers.ppo import PPOSettings
from searchers.protocol import Problem, UnsuitableProblemError
from searchers.random import RandomSettings
from searchers.regularized_evolution import RegularizedEvolutionSettings
from searchers.tpe import TPESettings

SearcherSettings = Annotated[
    AnalyticSettings
    | EspalierSettings
    | GPSettings
    | LINASSettings
    | LocalSearchSettings
    | NSGA2Settings
    | PPOSettings
    | RandomSettings
    | RegularizedEvolutionSettings
    | TPESettings,
    Field(discriminator="kind"),
]
"""Everything that has `build(problem, seed) -> Searcher`."""


def check_problem(settings: SearcherSettings, problem: Problem) -> None:
    """Returns if a searcher with these settings can do this problem.

    Raises:
        UnsuitableProblemError: it cannot; the rule names the searchers that can.
    """
    try:
        _check(settings, problem)
    except UnsuitableProblemError as error:
        able = ", ".join(able_searchers(problem))
        rule = f"{error.rule}; searchers that can do this problem: {able}"
        raise UnsuitableProblemError(error.field, rule, error.value) from None


def able_searchers(problem: Problem) -> list[str]:
    """Returns the kinds of searchers that can do a problem with their default settings, by name."""
    able = []
    for searcher in get_args(get_args(SearcherSettings)[0]):
        try:
            _check(searcher(), problem)
        except (UnsuitableProblemError, ValidationError):  # or it has fields without a default
            continue
        able.append(str(searcher.model_fields["kind"].default))
    return sorted(able)


def _check(settings: Any, problem: Problem) -> None:
    if hasattr(settings, "check"):
        settings.check(problem)
