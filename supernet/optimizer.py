"""The optimizer of a training and its learning rate."""

import math

import torch
from torch import nn

from supernet.settings import TrainingSettings


def learning_rate(settings: TrainingSettings, steps_per_epoch: int, step: int) -> float:
    """Returns the rate of one step: linear warm-up, then half a cosine down to 0.

    The cosine is that of Loshchilov and Hutter 2017 (arXiv 1608.03983, eq. 5) without restarts.
    """
    num_steps = settings.epochs * steps_per_epoch
    warmup = min(settings.warmup_epochs * steps_per_epoch, num_steps)
    if step < warmup:
        return settings.learning_rate * min(1.0, (step + 1) / warmup)
    progress = (step - warmup) / (num_steps - warmup)
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))


def sgd(module: nn.Module, settings: TrainingSettings) -> torch.optim.SGD:
    """Returns SGD with Nesterov momentum over all parameters; only weights decay."""
    decays: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for name, parameter in module.named_parameters():
        # Biases and batch norms have one dimension. A kernel transform starts at the identity, so
        # pulling it towards 0 would be no regularization (the once-for-all code does decay it).
        is_weight = parameter.dim() > 1 and name.endswith(".weight")
        (decays if is_weight else others).append(parameter)
    return torch.optim.SGD(
        [
            {"params": decays, "weight_decay": settings.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ],
        lr=settings.learning_rate,
        momentum=settings.momentum,
        nesterov=settings.momentum > 0,
        fused=True,
    )
