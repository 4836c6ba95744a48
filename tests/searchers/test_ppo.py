"""Reinforcement learning: what is learned from, how, and that it helps."""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError
from toy_problems import grid, losses, search, two_losses, zdt1

from search_space.outcomes import Failed, Infeasible, Measured, Outcome
from search_space.space import Architecture
from searchers.policy import Values
from searchers.ppo import PPOSearcher, PPOSettings, clipped_slopes, num_remembered
from searchers.protocol import Limit, Objective, Observation, Problem, UnsuitableProblemError
from searchers.random import RandomSettings
from searchers.settings import SearcherSettings

SPACE = grid(4, 5)
F1 = Problem(SPACE, (Objective(metric="f1", goal="minimize"),))


def total(architecture: Architecture) -> Outcome:
    return Measured({"f1": sum(float(value) for value in architecture.values())})


def probabilities(searcher: PPOSearcher, architectures: Sequence[Architecture]) -> Values:
    """The policy's own probabilities of architectures."""
    genes = np.stack([SPACE.encode(architecture) for architecture in architectures])
    chances, _ = searcher._policy.log_probabilities(genes, np.empty((len(genes), 0)))
    return np.exp(chances.sum(axis=1))


@pytest.mark.parametrize("algorithm", ["ppo", "reinforce"])
def test_a_batch_makes_what_was_good_more_probable_and_what_was_bad_less(algorithm: str) -> None:
    document = {"algorithm": algorithm, "batch_size": 8, "entropy_weight": 0, "epochs": 2}
    searcher = PPOSettings.model_validate(document).build(F1, 0)
    proposals = searcher.ask(8)
    architectures = [proposal.architecture for proposal in proposals]
    before = probabilities(searcher, architectures)
    values = [0.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 20.0]
    searcher.tell(
        [Observation(p, Measured({"f1": v})) for p, v in zip(proposals, values, strict=True)]
    )
    gains = probabilities(searcher, architectures) / before
    assert gains[0] > 1 > gains[7]
    assert np.argmax(gains) == 0


def test_advantages_are_each_draws_own() -> None:
    searcher = PPOSettings(batch_size=4, baseline_decay=0.5).build(F1, 0)
    first = searcher.ask(8)
    for proposal in first[:4]:
        searcher.tell([Observation(proposal, Measured({"f1": float(proposal.number)}))])
    # Rewards are the shares that are worse, ties as halves.
    rewards = np.array([7, 5, 3, 1]) / 8
    weights = np.ones((4, 1))
    baseline = rewards @ [1, 2, 4, 8] / 15  # the youngest weighs most; the weights' sum is one
    assert searcher._advantages([0, 1, 2, 3], weights) == pytest.approx(rewards - baseline)


def test_rewards_that_weigh_nothing_are_forgotten() -> None:
    assert [num_remembered(decay) for decay in (0.0, 0.5, 0.95, 0.9999)] == [1, 60, 811, 10_000]
    searcher = PPOSettings(batch_size=4, baseline_decay=0.5).build(F1, 0)
    # It draws what it has drawn again and again, and learns from it each time.
    search(searcher, total, 400)
    assert searcher._num_updates * 4 > 400
    assert len(searcher._learned) == 60


def test_the_first_batchs_baseline_is_the_mean_of_the_others() -> None:
    searcher = PPOSettings(batch_size=4).build(F1, 0)
    for proposal in searcher.ask(3):
        searcher.tell([Observation(proposal, Measured({"f1": float(proposal.number)}))])
    rewards = np.array([5, 3, 1]) / 6
    expected = [rewards[0] - 2 / 6, rewards[1] - 3 / 6, rewards[2] - 4 / 6]
    assert searcher._advantages([0, 1, 2], np.ones((3, 1))) == pytest.approx(expected)


def test_the_slopes_are_those_of_the_clipped_objective() -> None:
    rng = np.random.default_rng(0)
    log_ratios, advantages = rng.normal(0, 0.4, (50, 3)), rng.normal(size=(50, 1))

    def objective(at: Values) -> Values:
        ratios = np.exp(at)
        return np.minimum(ratios * advantages, np.clip(ratios, 0.8, 1.2) * advantages)

    step = 1e-6
    expected = (objective(log_ratios + step) - objective(log_ratios - step)) / (2 * step)
    found = clipped_slopes(log_ratios, advantages, 0.2)
    assert found == pytest.approx(expected, abs=1e-6)
    assert 10 < (found == 0).sum() < 140


def test_a_ratio_out_of_all_bounds_is_finite() -> None:
    assert np.isfinite(clipped_slopes(np.array([[1e4]]), np.array([[-1.0]]), 0.2)).all()


def test_repeats_are_learned_from_without_an_evaluation() -> None:
    # 625 architectures, of which a policy that has learned draws few: updates outnumber batches.
    searcher = PPOSettings(batch_size=5, learning_rate=0.1).build(F1, 0)
    history = search(searcher, total, 100)
    assert len({proposal.architecture for proposal, _ in history}) == 100
    assert searcher._num_updates > 1.5 * 100 / 5
    best = min(o.metrics["f1"] for _, o in history if isinstance(o, Measured))
    assert best == 0


def test_draws_of_what_is_out_are_learned_from_when_it_is_told() -> None:
    small = Problem(grid(1, 3), F1.objectives)
    searcher = PPOSettings(batch_size=50).build(small, 0)
    proposals = searcher.ask(3)
    num_draws = sum(map(len, searcher._out.values()))
    assert num_draws > 3
    searcher.tell([Observation(proposal, Measured({"f1": 1.0})) for proposal in proposals])
    assert len(searcher._lessons) + 50 * searcher._num_updates >= num_draws


def test_failures_teach_nothing() -> None:
    searcher = PPOSettings(batch_size=4).build(F1, 0)
    searcher.tell([Observation(p, Failed("worker died")) for p in searcher.ask(8)])
    assert searcher._num_updates == 0
    searcher.tell([Observation(p, Infeasible("too large")) for p in searcher.ask(8)])
    assert searcher._num_updates > 0


def test_a_warm_start_is_learned_from() -> None:
    good = dict(SPACE.smallest())
    first = tuple(dict(SPACE.decode(row)) for row in SPACE.sample(19, np.random.default_rng(5)))
    searcher = PPOSettings(batch_size=20, warm_start=(good, *first)).build(F1, 0)
    proposals = searcher.ask(20)
    before = probabilities(searcher, [SPACE.smallest()])
    searcher.tell([Observation(p, total(p.architecture)) for p in proposals])
    searcher.ask(1)
    assert (probabilities(searcher, [SPACE.smallest()]) > before).all()


def test_the_portions_of_telling_do_not_matter() -> None:
    problem = two_losses(SPACE)
    at_once, in_two = (PPOSettings(batch_size=6).build(problem, 0) for _ in range(2))
    proposals = at_once.ask(20)
    in_two.ask(20)
    told = [Observation(proposal, zdt1(proposal.architecture)) for proposal in proposals[::-1]]
    at_once.tell(told)
    in_two.tell(told[:7])
    in_two.tell(told[7:])
    assert at_once.ask(20) == in_two.ask(20)


@pytest.mark.parametrize(
    "document",
    [{}, {"hidden_size": 0, "learning_rate": 0.03}, {"algorithm": "reinforce"}],
    ids=str,
)
def test_it_learns_to_propose_what_is_good(document: dict[str, Any]) -> None:
    problem = Problem(grid(8, 4), F1.objectives)
    settings = PPOSettings.model_validate({"batch_size": 10} | document)

    def mean_of_last(settings: SearcherSettings, seed: int) -> float:
        history = search(settings.build(problem, seed), total, 200)[-60:]
        return float(np.mean([o.metrics["f1"] for _, o in history if isinstance(o, Measured)]))

    learned = [mean_of_last(settings, seed) for seed in range(2)]
    random = [mean_of_last(RandomSettings(), seed) for seed in range(2)]
    assert min(random) > 3.5  # half of 8
    assert max(learned) < 2.5


def test_with_random_weights_one_policy_learns_both_ends_of_the_front() -> None:
    problem = two_losses(grid(3, 16))
    searcher = PPOSettings(batch_size=10).build(problem, 0)
    found = losses(search(searcher, zdt1, 300))[-100:]
    low, high = np.quantile(found[:, 0], [0.1, 0.9])
    assert high - low > 0.4
    assert np.median(found[:, 1]) < np.median(
        losses(search(RandomSettings().build(problem, 0), zdt1, 300))[:, 1]
    )


def test_limits_are_kept_once_they_can_be() -> None:
    problem = two_losses(grid(5, 32), Limit(metric="f1", upper=0.1))
    history = search(PPOSettings(batch_size=10).build(problem, 0), zdt1, 400)
    feasible = losses(history)[:, 0] <= 0.1
    assert feasible[:20].mean() < 0.4
    assert feasible[-100:].mean() > 0.6


def test_a_reward_that_is_not_defined_for_the_problem_is_refused() -> None:
    settings = PPOSettings.model_validate(
        {"reward": {"kind": "mnasnet", "metric": "f2", "target": 1}}
    )
    with pytest.raises(
        UnsuitableProblemError, match=r"searchers that can do this problem: .*nsga2"
    ):
        settings.build(two_losses(SPACE), 0)


def test_mnasnets_reward_finds_what_is_good_within_the_target() -> None:
    problem = Problem(
        grid(6, 5),
        (Objective(metric="quality", goal="maximize"), Objective(metric="cost", goal="minimize")),
    )

    def evaluate(architecture: Architecture) -> Outcome:
        size = sum(float(value) for value in architecture.values())  # from 0 to 6
        return Measured({"quality": 50 + size, "cost": 1 + size})

    reward = {"kind": "mnasnet", "metric": "cost", "target": 3, "alpha": 0, "beta": -1}
    settings = PPOSettings.model_validate({"reward": reward, "batch_size": 10})
    history = search(settings.build(problem, 0), evaluate, 200)
    is_cheap = [o.metrics["cost"] <= 3 for _, o in history if isinstance(o, Measured)]
    assert np.mean(is_cheap[:20]) < 0.4
    assert np.mean(is_cheap[-50:]) > 0.6


def test_the_documented_controllers_are_settings() -> None:
    page = (Path(__file__).parents[2] / "docs" / "searchers.md").read_text(encoding="utf-8")
    documents = re.findall(r"^```json\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)
    controllers = [json.loads(text) for text in documents if '"ppo"' in text]
    assert len(controllers) == 3
    for document in controllers:
        settings = TypeAdapter[SearcherSettings](SearcherSettings).validate_python(document)
        assert isinstance(settings, PPOSettings)
        problem = Problem(
            SPACE,
            (Objective(metric="top1_percent"), Objective(metric="latency_ms")),
        )
        if document["reward"].get("metric") == "num_params":
            problem = Problem(
                SPACE, (Objective(metric="top1_percent"), Objective(metric="num_params"))
            )
        assert len(settings.build(problem, 0).ask(3)) == 3


def test_neither_torch_nor_ray_is_needed() -> None:
    # Searches that are evaluated outside live in the API process, which has neither.
    code = (
        "import sys; from searchers.settings import SearcherSettings;"
        "from searchers.ppo import PPOSettings; from search_space.cnn import MobileNetV3Settings;"
        "from searchers.protocol import *;"
        "p = Problem(MobileNetV3Settings().build(), (Objective(metric='top1_percent'),));"
        "PPOSettings().build(p, 0).ask(3);"
        "assert not {'torch', 'ray'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])


@pytest.mark.parametrize(
    "document",
    [
        {"algorithm": "a2c"},
        {"learning_rate": 0},
        {"clip": 1},
        {"baseline_decay": 1},
        {"hidden_size": -1},
        {"tanh_constant": 0},
        {"reward": {"kind": "mnasnet", "metric": "latency_ms"}},
        {"reward": {"kind": "mnasnet", "metric": "latency_ms", "target": 1, "beta": 0.1}},
        {"reward": {"kind": "scalarized", "weights": [1, 0]}},
        {"reward": {"kind": "scalarized", "weights": [float("nan")]}},
    ],
    ids=str,
)
def test_bad_settings_are_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PPOSettings.model_validate(document)
