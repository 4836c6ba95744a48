"""Any of our searchers as a search algorithm of Ray Tune (Liaw et al. 2018, arXiv 1807.05118).

    algorithm = TuneSearcher(Recipe(NSGA2Settings(), seed=1))
    ray.tune.Tuner(train, param_space={"width": ray.tune.choice([8, 16])}, tune_config=...)

This room knows no searchers: what it needs of one are two protocols, which a
`searchers.recipe.Recipe` keeps.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import Any, Protocol

import ray.tune.search
from ray.tune.search.sample import Categorical, Domain, Integer, Quantized

from search_space.outcomes import Failed, Goal, Measured, Outcome
from search_space.space import Architecture, Choice, Option, SearchSpace

FORMAT = 1
"""Of what `TuneSearcher.save` writes."""
_GOALS: Mapping[str, Goal] = {"min": "minimize", "max": "maximize"}


class Policy(Protocol):
    """Proposes architectures one by one; deterministic given its recipe and its asks and tells."""

    def ask(self) -> tuple[int, Architecture] | None:
        """Returns a new architecture and its number; None when there are no others."""
        ...

    def tell(self, number: int, outcome: Outcome) -> None:
        """Takes note of what came of the architecture of a number, once."""
        ...


class PolicyRecipe(Protocol):
    """What builds a policy when the space is known."""

    @property
    def document(self) -> Mapping[str, Any]:
        """All of it as JSON values: equal documents build equal policies."""
        ...

    @property
    def limited(self) -> Sequence[str]:
        """The metrics that limits are about; every result must hold them."""
        ...

    def build(self, space: SearchSpace, goals: Mapping[str, Goal]) -> Policy:
        """Returns a policy that knows nothing yet; objectives are metrics, with a goal each."""
        ...


class TuneSearcher(ray.tune.search.Searcher):  # type: ignore[misc]  # Ray ships no types
    """Suggests what a policy proposes: no configuration twice, and an end when there is no other.

    Searched are the parameters of Tune's `param_space` that are `choice`, `grid_search` (as a
    choice), `randint` or `qrandint`, at any depth; numbers keep their order for the policy. What is
    not to be searched stays as it is.

    A trial's last result counts, also where a scheduler stopped it early. One that ended in an
    error, or without a finite number for each metric, counts as an evaluation that failed; so does
    one with a number that is not finite for a limit of the recipe. Limits need their metrics
    reported, too.

    What is saved is JSON, the recipe and the log of suggestions and results, by which a restored
    searcher goes on as if nothing had happened.

    Args:
        recipe: of the policy.
        metric: to optimize, or several; by default that of `ray.tune.TuneConfig`.
        mode: "min" or "max", one for each metric; likewise.
    """

    CKPT_FILE_TMPL = "searcher-state-{}.json"

    def __init__(
        self,
        recipe: PolicyRecipe,
        metric: str | list[str] | None = None,
        mode: str | list[str] | None = None,
    ) -> None:
        super().__init__(metric=metric, mode=mode)
        self._metric: str | list[str] | None = metric
        self._mode: str | list[str] | None = mode
        self._recipe = recipe
        self._parameters: list[_Parameter] = []
        self._choices: list[dict[str, Any]] | None = None  # the space, as JSON values
        self._log: list[dict[str, Any]] = []
        self._numbers: dict[str, int] = {}  # of proposals, by trial; without those that are told
        self._policy: Policy | None = None  # what the log makes of the recipe

    def __getstate__(self) -> dict[str, Any]:
        """Leaves the policy out: Tune pickles its configuration, and the log says all of it."""
        return {**self.__dict__, "_policy": None}

    def set_search_properties(
        self, metric: str | None, mode: str | None, config: Mapping[str, Any], **spec: Any
    ) -> bool:
        """Takes what to search from Tune; False if something else is being searched already.

        Raises:
            ValueError: a parameter does not have finitely many values.
        """
        del spec
        parameters = list(_parameters(config))
        choices = [parameter.choice.model_dump(mode="json") for parameter in parameters]
        if self._choices not in (None, choices):
            return False
        self._parameters, self._choices = parameters, choices
        self._metric = self._metric or metric
        self._mode = self._mode or mode
        return True

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """Returns the searched part of a configuration; `FINISHED` when there is no other.

        Raises:
            RuntimeError: Tune has not said what to search or what to optimize.
        """
        policy = self._up_to_date()
        proposal = policy.ask()
        self._log.append(_asked(trial_id, proposal))
        if proposal is None:
            return str(self.FINISHED)
        number, architecture = proposal
        self._numbers[trial_id] = number
        configuration: dict[str, Any] = {}
        for parameter in self._parameters:
            *folders, name = parameter.path
            place = configuration
            for folder in folders:
                place = place.setdefault(folder, {})
            place[name] = parameter.value(architecture)
        return configuration

    def on_trial_complete(
        self, trial_id: str, result: Mapping[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tells the policy what came of a trial.

        A trial that is not known, or that ends a second time, is passed over: Tune runs trials
        again when it is resumed.
        """
        policy = self._up_to_date()
        if trial_id not in self._numbers:
            return
        event = self._told(trial_id, None if error else result)
        policy.tell(self._numbers[trial_id], _outcome(event))
        del self._numbers[trial_id]
        self._log.append(event)

    def save(self, checkpoint_path: str) -> None:
        """Writes recipe and log as JSON."""
        state = {
            "format": FORMAT,
            "recipe": self._recipe.document,
            "metric": self._metric,
            "mode": self._mode,
            "choices": self._choices,
            "log": self._log,
        }
        Path(checkpoint_path).write_text(json.dumps(state), encoding="utf-8")

    def restore(self, checkpoint_path: str) -> None:
        """Goes back to what was saved.

        Raises:
            ValueError: it is of another recipe, or of other parameters.
        """
        state = json.loads(Path(checkpoint_path).read_text(encoding="utf-8"))
        recipe = json.loads(json.dumps(self._recipe.document))
        for name, mine in (("format", FORMAT), ("recipe", recipe), ("choices", self._choices)):
            if mine is not None and state[name] != mine:
                raise ValueError(f"{name} must be the saved one, {state[name]}, got {mine}")
        self._metric, self._mode = state["metric"], state["mode"]
        self._choices, self._log = state["choices"], state["log"]
        self._policy = None

    def _up_to_date(self) -> Policy:
        """Returns the policy, built from the recipe and the log where there is none."""
        if self._policy is not None:
            return self._policy
        if not self._parameters or not self._metric or not self._mode:
            raise RuntimeError(
                "a metric, a mode and a param_space with something to search must be given to "
                f"Tune, got {self._metric!r}, {self._mode!r} and {len(self._parameters)} parameters"
            )
        metrics = _listed(self._metric)
        modes = _listed(self._mode)
        goals = {metric: _GOALS[mode] for metric, mode in zip(metrics, modes, strict=True)}
        space = SearchSpace("tune", [parameter.choice for parameter in self._parameters])
        self._policy = policy = self._recipe.build(space, goals)
        self._numbers = {}
        for position, event in enumerate(self._log):
            if "number" not in event:
                policy.tell(self._numbers.pop(event["trial"]), _outcome(event))
                continue
            asked = _asked(event["trial"], policy.ask())
            if asked != event:
                raise ValueError(f"event {position} of the log must be {asked}, got {event}")
            if event["number"] is not None:
                self._numbers[event["trial"]] = event["number"]
        return policy

    def _told(self, trial_id: str, result: Mapping[str, Any] | None) -> dict[str, Any]:
        """Returns the event of a trial's end: its numbers, or why it failed."""
        if result is None:
            return {"trial": trial_id, "failed": "the trial ended in an error"}
        figures = {
            name: float(value)
            for name, value in result.items()
            if isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)
        }
        wanted = [*_listed(self._metric), *(m for m in self._recipe.limited if m in result)]
        missing = [metric for metric in wanted if metric not in figures]
        if missing:
            return {"trial": trial_id, "failed": f"no finite number for {missing}"}
        return {"trial": trial_id, "metrics": figures}


def _listed(given: str | list[str] | None) -> list[str]:
    return [given] if isinstance(given, str) else given or []


def _asked(trial_id: str, proposal: tuple[int, Architecture] | None) -> dict[str, Any]:
    """Returns the event of a suggestion."""
    number, digest = (None, None) if proposal is None else (proposal[0], proposal[1].digest)
    return {"trial": trial_id, "number": number, "architecture": digest}


def _outcome(event: Mapping[str, Any]) -> Outcome:
    return Failed(event["failed"]) if "failed" in event else Measured(event["metrics"])


class _Parameter:
    """A parameter to search.

    Args:
        path: its keys, from the outermost on.
        values: what it may be.
    """

    def __init__(self, path: tuple[str, ...], values: Sequence[Any]) -> None:
        self.path = path
        self._values = values
        # What JSON does not have, such as a function, goes by its position.
        plain = all(type(value) in (int, float, str) for value in values)
        options: list[Option] = [*values] if plain else [str(i) for i in range(len(values))]
        self.choice = Choice(name=".".join(path), options=tuple(options))

    def value(self, architecture: Mapping[str, Option]) -> Any:
        return self._values[self.choice.options.index(architecture[self.choice.name])]


def _parameters(config: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[_Parameter]:
    """Yields what is to be searched.

    Raises:
        ValueError: a parameter does not have finitely many values.
    """
    for key, value in config.items():
        here = (*path, str(key))
        if isinstance(value, Domain):
            yield _Parameter(here, _values(".".join(here), value))
        elif isinstance(value, Mapping) and value.keys() == {"grid_search"}:
            yield _Parameter(here, value["grid_search"])
        elif isinstance(value, Mapping):
            yield from _parameters(value, here)


def _values(name: str, domain: Domain) -> Sequence[Any]:
    if isinstance(domain, Categorical):
        return list(domain.categories)
    if isinstance(domain, Integer):
        sampler = domain.get_sampler()
        if not isinstance(sampler, Quantized) or sampler.q == 1:
            return range(domain.lower, domain.upper)
        step = int(sampler.q)
        return range(math.ceil(domain.lower / step) * step, domain.upper + 1, step)
    raise ValueError(
        f"{name} must have finitely many values, by tune.choice, tune.grid_search, tune.randint or "
        f"tune.qrandint, got {type(domain).__name__}{domain.domain_str}"
    )
