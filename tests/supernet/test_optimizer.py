"""Rates of their own for some parameters."""

from typing import Any

import pytest
import torch
from supernet_examples import SETTINGS, few_digits
from torch import Tensor

from search_space.space import SearchSpace
from supernet.base import Supernet
from supernet.optimizer import build_optimizer, set_rate
from supernet.schedules.base import Horizon
from supernet.schedules.sandwich import Sandwich
from supernet.settings import TrainingSettings
from supernet.training import train

SCALES = {"stem": 0.25, "stage1": 0.0}
OPTIMIZERS: list[dict[str, Any]] = [{"optimizer": "adamw"}, {"momentum": 0.9}, {"momentum": 0.0}]


def scale_of(name: str) -> float:
    return SCALES.get(name.partition(".")[0], 1.0)


def moves(given: dict[str, Any], **scaled: Any) -> dict[str, Tensor]:
    """How far one step at a rate of 0.02 moves every parameter, with equal gradients."""
    supernet = Supernet(SETTINGS)
    settings = TrainingSettings.model_validate({"weight_decay": 0.3, "learning_rate": 0.7} | given)
    optimizer = build_optimizer(supernet, settings, **scaled)
    generator = torch.Generator().manual_seed(0)
    before = {}
    for name, parameter in supernet.named_parameters():
        before[name] = parameter.detach().clone()
        parameter.grad = torch.randn(parameter.shape, generator=generator)
    set_rate(optimizer, 0.02)
    optimizer.step()
    return {name: p.detach() - before[name] for name, p in supernet.named_parameters()}


@pytest.mark.parametrize("given", OPTIMIZERS, ids=["adamw", "nesterov", "sgd"])
def test_a_parameter_moves_in_proportion_to_its_scale(given: dict[str, Any]) -> None:
    whole, scaled = moves(given), moves(given, rate_scale=scale_of)
    for name, move in scaled.items():
        expected = scale_of(name) * whole[name]
        torch.testing.assert_close(move, expected, rtol=1e-3, atol=1e-7, msg=name)
        assert (move == 0).all() == (scale_of(name) == 0), name


def test_the_rate_is_the_settings_until_it_is_set() -> None:
    settings = TrainingSettings(learning_rate=0.5)
    optimizer = build_optimizer(Supernet(SETTINGS), settings, scale_of)
    assert {group["lr"] for group in optimizer.param_groups} == {0.0, 0.125, 0.5}
    assert {group["weight_decay"] for group in optimizer.param_groups} == {0.0, 3e-5}


class HalfFrozen(Sandwich):
    """The sandwich with the rates of this page."""

    def rate_scale(self, parameter_name: str) -> float:
        return scale_of(parameter_name)


class HalfFrozenSettings(TrainingSettings):
    def build_schedule(self, network: Any, space: SearchSpace, *_: Any) -> HalfFrozen:
        del network
        return HalfFrozen(space, Horizon(self.epochs, 2, self.learning_rate), 1)


def test_a_training_asks_its_schedule() -> None:
    supernet = Supernet(SETTINGS)
    before = {name: p.detach().clone() for name, p in supernet.named_parameters()}
    settings = HalfFrozenSettings(epochs=1, batch_size=20, warmup_epochs=0)
    assert train(supernet, few_digits(40), settings, seed=0)
    for name, parameter in supernet.named_parameters():
        assert torch.equal(parameter, before[name]) == (scale_of(name) == 0), name
