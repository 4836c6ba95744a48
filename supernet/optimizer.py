"""The optimizer of a training."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from search_space.tensors import is_low_rank
from supernet.settings import TrainingSettings

RATE_SCALE = "rate_scale"
"""Where a group of parameters keeps the factor of its learning rate."""


def build_optimizer(
    module: nn.Module,
    settings: TrainingSettings,
    rate_scale: Callable[[str], float] = lambda _: 1.0,
) -> torch.optim.Optimizer:
    """Returns the optimizer over all parameters that are not frozen; only weights decay.

    SGD has Nesterov momentum. AdamW has betas 0.9 and 0.999. Both multiply the decay by the rate,
    so that what is scaled to 0 stays as it is.

    Args:
        module: whose parameters are trained.
        settings: the kind of optimizer, and its peak rate.
        rate_scale: the factor of each parameter's rate, by its name; see `set_rate`.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad:
            continue
        # Biases and norms have one dimension. A kernel transform starts at the identity, so pulling
        # it towards 0 would be no regularization (the once-for-all code does decay it). The factors
        # of a low-rank update stand for a weight, and pull it towards where it was frozen.
        is_weight = parameter.dim() > 1 and (name.endswith(".weight") or is_low_rank(name))
        decay = settings.weight_decay if is_weight else 0.0
        groups.setdefault((decay, rate_scale(name)), []).append(parameter)
    rate = settings.learning_rate
    options = [
        {"params": parameters, "weight_decay": decay, "lr": rate * scale, RATE_SCALE: scale}
        for (decay, scale), parameters in groups.items()
    ]
    if settings.optimizer == "adamw":
        return torch.optim.AdamW(options, lr=rate, fused=True)
    return torch.optim.SGD(
        options,
        lr=rate,
        momentum=settings.momentum,
        nesterov=settings.momentum > 0,
        fused=True,
    )


def set_rate(optimizer: torch.optim.Optimizer, learning_rate: float) -> None:
    """Gives every parameter the learning rate, times its own factor."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate * group[RATE_SCALE]


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
