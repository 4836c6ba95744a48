"""The optimizer of a training."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from search_space.tensors import is_low_rank
from supernet.settings import TrainingSettings


def build_optimizer(module: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    """Returns the optimizer over all parameters that are not frozen; only weights decay.

    SGD has Nesterov momentum. AdamW has betas 0.9 and 0.999.
    """
    decays: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad:
            continue
        # Biases and norms have one dimension. A kernel transform starts at the identity, so pulling
        # it towards 0 would be no regularization (the once-for-all code does decay it). The factors
        # of a low-rank update stand for a weight, and pull it towards where it was frozen.
        is_weight = parameter.dim() > 1 and (name.endswith(".weight") or is_low_rank(name))
        (decays if is_weight else others).append(parameter)
    groups = [
        {"params": decays, "weight_decay": settings.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)
    return torch.optim.SGD(
        groups,
        lr=settings.learning_rate,
        momentum=settings.momentum,
        nesterov=settings.momentum > 0,
        fused=True,
    )


def optimizer_state(optimizer: torch.optim.Optimizer, module: nn.Module) -> dict[str, Tensor]:
    """Returns the optimizer's tensors by kind and parameter ("momentum_buffer/stem.conv.weight").

    Empty before the first step.
    """
    return {
        f"{kind}/{name}": value
        for name, parameter in module.named_parameters()
        for kind, value in optimizer.state.get(parameter, {}).items()
        if isinstance(value, Tensor)
    }


def load_optimizer_state(
    optimizer: torch.optim.Optimizer, module: nn.Module, tensors: Mapping[str, Tensor]
) -> None:
    """Takes what `optimizer_state` returned."""
    parameters = dict(module.named_parameters())
    for key, tensor in tensors.items():
        kind, _, name = key.partition("/")
        parameter = parameters[name]
        optimizer.state[parameter][kind] = tensor.to(parameter.device, copy=True)


def moments(state: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """Returns the tensors that have the shapes of the parameters: one mapping by name per kind."""
    kinds: dict[str, dict[str, Tensor]] = {}
    for key, tensor in state.items():
        kind, _, name = key.partition("/")
        if kind != "step":
            kinds.setdefault(kind, {})[name] = tensor
    return list(kinds.values())
