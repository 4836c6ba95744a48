"""Our searchers as a search algorithm of Ray Tune; without a cluster but for the last test."""

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import ray.tune
from ray.tune.search import ConcurrencyLimiter

from search_space.space import SearchSpace
from searchers.nsga2 import NSGA2Settings
from searchers.protocol import Limit
from searchers.random import RandomSettings
from searchers.recipe import Recipe
from workers import cluster
from workers.tune_searcher import TuneSearcher

RECIPE = Recipe(NSGA2Settings(population_size=4), seed=3)
PARAMETERS = {
    "model": {"width": ray.tune.choice([8, 16, 32]), "act": ray.tune.choice([len, abs, None])},
    "layers": ray.tune.randint(1, 4),
    "batch": ray.tune.qrandint(10, 30, 10),
    "bias": ray.tune.grid_search([True, False]),
    "epochs": 5,
}


def searcher(recipe: Recipe = RECIPE, **options: Any) -> TuneSearcher:
    made = TuneSearcher(recipe, **options)
    assert made.set_search_properties("loss", "min", PARAMETERS)
    return made


def loss(config: dict[str, Any]) -> float:
    return config["layers"] + config["batch"] / 10 + config["model"]["width"] / 8


def play(made: Any, trials: range) -> list[dict[str, Any]]:
    configs = []
    for number in trials:
        configs.append(config := made.suggest(f"t{number}"))
        if number % 5 == 4:
            made.on_trial_complete(f"t{number}", error=True)
        elif number % 5 != 3:  # those remain out
            result = {"loss": loss(config), "name": "x", "nan": float("nan"), "done": True}
            made.on_trial_complete(f"t{number}", result)
    return configs


def test_configurations_are_of_the_parameters_and_new() -> None:
    made = searcher()
    configs = play(made, range(3 * 3 * 3 * 3 * 2))
    assert made.suggest("one more") == ray.tune.search.Searcher.FINISHED
    assert len({repr(config) for config in configs}) == len(configs)
    assert {config["model"]["act"] for config in configs} == {len, abs, None}
    assert {config["layers"] for config in configs} == {1, 2, 3}
    assert {config["batch"] for config in configs} == {10, 20, 30}
    assert {config["bias"] for config in configs} == {True, False}
    assert all(set(config) == {"model", "layers", "batch", "bias"} for config in configs)


def test_what_trials_were_worth_counts() -> None:
    early, late = (play(searcher(), range(60))[part] for part in (slice(4), slice(40, None)))
    assert sum(map(loss, late)) / len(late) < sum(map(loss, early)) / len(early) - 0.5
    upwards = TuneSearcher(RECIPE, metric="loss", mode="max")
    upwards.set_search_properties(None, None, PARAMETERS)
    assert sum(map(loss, play(upwards, range(60))[40:])) > sum(map(loss, late))


def test_a_restored_searcher_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    made = searcher()
    play(made, range(13))
    made.save_to_dir(str(tmp_path), "now")
    (path,) = tmp_path.glob("searcher-state-*.json")
    assert json.loads(path.read_text())["recipe"] == RECIPE.document
    restored = searcher()
    restored.restore_from_dir(str(tmp_path))
    early = TuneSearcher(RECIPE)  # restored before Tune says what to search
    early.restore(str(path))
    assert early.set_search_properties("loss", "min", PARAMETERS)
    copied = pickle.loads(pickle.dumps(made))
    for trial in ("t3", "t8"):
        for each in (made, restored, early, copied):
            each.on_trial_complete(trial, {"loss": 1.0})
            each.on_trial_complete(trial, {"loss": 2.0})  # resumed by Tune: the first end counts
    expected = play(made, range(13, 25))
    assert [play(each, range(13, 25)) for each in (restored, early, copied)] == [expected] * 3


def test_a_log_of_something_else_is_refused(tmp_path: Path) -> None:
    made, path = searcher(), tmp_path / "state.json"
    play(made, range(6))
    made.save(str(path))
    with pytest.raises(ValueError, match="recipe must be the saved one"):
        searcher(Recipe(RandomSettings(), seed=3)).restore(str(path))
    other = TuneSearcher(RECIPE)
    other.set_search_properties("loss", "min", {"x": ray.tune.choice([1, 2])})
    with pytest.raises(ValueError, match="choices must be the saved one"):
        other.restore(str(path))
    state = json.loads(path.read_text())
    state["log"][0]["architecture"] = "0" * 16
    path.write_text(json.dumps(state))
    spoiled = searcher()
    spoiled.restore(str(path))
    with pytest.raises(ValueError, match="event 0 of the log must be"):
        spoiled.suggest("next")


def test_results_without_the_metric_are_failures_and_limits_count() -> None:
    recipe = Recipe(NSGA2Settings(population_size=4), 1, (Limit(metric="size", upper=3),))
    made = searcher(recipe)
    for number in range(8):
        made.suggest(f"t{number}")
        made.on_trial_complete(f"t{number}", {"loss": float("inf"), "size": 1})
    made.suggest("unlimited")
    with pytest.raises(ValueError, match="'size' must be measured"):
        made.on_trial_complete("unlimited", {"loss": 1.0})
    made.on_trial_complete("unlimited", {"loss": 1.0, "size": 4})
    made.suggest("diverged")
    made.on_trial_complete("diverged", {"loss": 1.0, "size": float("nan")})
    assert made._log[-1] == {"trial": "diverged", "failed": "no finite number for ['size']"}
    made.on_trial_complete("unknown", {"loss": 1.0})


def test_several_metrics_are_several_objectives() -> None:
    made = searcher(metric=["loss", "size"], mode=["min", "max"])
    for number in range(10):
        config = made.suggest(f"t{number}")
        made.on_trial_complete(f"t{number}", {"loss": loss(config), "size": config["layers"]})
    assert made.metric == ["loss", "size"]
    assert made.suggest("next")


def test_a_concurrency_limiter_holds_suggestions_back() -> None:
    limited = ConcurrencyLimiter(searcher(), max_concurrent=2)
    assert limited.suggest("a")
    assert limited.suggest("b")
    assert limited.suggest("c") is None
    limited.on_trial_complete("a", {"loss": 1.0})
    assert limited.suggest("c")


def test_what_tune_must_say() -> None:
    with pytest.raises(RuntimeError, match="None, None and 0 parameters"):
        TuneSearcher(RECIPE).suggest("a")
    for domain in (ray.tune.uniform(0, 1), ray.tune.loguniform(1, 9)):
        with pytest.raises(ValueError, match=r"model\.rate must have finitely many values"):
            TuneSearcher(RECIPE).set_search_properties("loss", "min", {"model": {"rate": domain}})
    made = searcher()
    assert made.set_search_properties("loss", "min", PARAMETERS)
    assert not made.set_search_properties("loss", "min", {"x": ray.tune.choice([1, 2])})


def test_a_recipe_builds_equal_policies_and_refuses_unknown_numbers() -> None:
    space = SearchSpace("fixed", [])
    policy = RECIPE.build(space, {"loss": "minimize"})
    asked = policy.ask()
    assert asked is not None
    assert (asked[0], dict(asked[1])) == (0, {})
    assert policy.ask() is None
    with pytest.raises(ValueError, match="number must be of a proposal not yet told, got 7"):
        policy.tell(7, None)  # type: ignore[arg-type]


@pytest.mark.ray
def test_a_tuner_searches(ray_cluster: cluster.ClusterResources, tmp_path: Path) -> None:
    def train(config: dict[str, Any]) -> None:
        ray.tune.report({"loss": config["width"] * config["layers"], "epochs": config["epochs"]})

    algorithm = TuneSearcher(RECIPE)
    tuner = ray.tune.Tuner(
        train,
        param_space={
            "width": ray.tune.choice([8, 16, 32]),
            "layers": ray.tune.randint(1, 4),
            "epochs": 5,
        },
        tune_config=ray.tune.TuneConfig(
            metric="loss",
            mode="min",
            search_alg=ConcurrencyLimiter(algorithm, max_concurrent=2),
            num_samples=4,
        ),
        run_config=ray.tune.RunConfig(name="tuner", storage_path=str(tmp_path), verbose=0),
    )
    results = tuner.fit()
    configs = [result.config for result in results]
    assert len({(config["width"], config["layers"]) for config in configs}) == 4
    assert {config["epochs"] for config in configs} == {5}
    assert {r.metrics["loss"] for r in results} == {c["width"] * c["layers"] for c in configs}
    (saved,) = (tmp_path / "tuner").glob("searcher-state-*.json")
    log = json.loads(saved.read_text())["log"]
    assert sorted("metrics" in event for event in log) == [False] * 4 + [True] * 4
