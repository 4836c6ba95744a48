"""Plain networks: what a supernet's extract returns, and networks trained on their own.

Tensors carry their shape as a suffix: B batch, C channels, H height, W width, F features.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from search_space.layers import PARAMETRIC, Layer
from search_space.tensors import LOW_RANK_DOWN, LOW_RANK_UP
from supernet.plans import Operation, Plan
from supernet.tokens import LayerNorm, token_module

BATCH_NORM_MOMENTUM = 0.1
BATCH_NORM_EPSILON = 1e-5


class Network(nn.Module):
    """A network as its layers say, each with parameters of its own.

    Parameters live under the layers' names: the layer `stem.conv` owns `stem.conv.weight` in the
    state dict. Every intermediate tensor is freed after its last use.

    Args:
        layers: in execution order, the input first (`search_space.layers`).
        generator: draws the initial weights; without one they are left uninitialized, to be
            loaded.
        modules: what computes the layers with weights, by their names, instead of new ones; each is
            as `plain_module` makes them.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        *,
        generator: torch.Generator | None = None,
        modules: Mapping[str, nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.layers = tuple(layers)
        for layer in self.layers:
            if layer.op in PARAMETRIC:
                module = plain_module(layer) if modules is None else modules[layer.name]
                add_at(self, layer.name, module)
        self._plan = Plan(self.layers, self._bind)
        if generator is not None:
            initialize(self, generator)

    def _bind(self, layer: Layer) -> Operation:
        return self.get_submodule(layer.name)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(channels, height, width) that `forward` expects."""
        return self.layers[0].out_shape

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Returns logits of shape (B, num_classes)."""
        return self._plan(x_BCHW)


def plain_module(layer: Layer) -> nn.Module:
    """Returns what computes a layer with weights in a plain network; they are not initialized."""
    if layer.op == "batch_norm":
        return nn.BatchNorm2d(
            layer.in_channels, eps=BATCH_NORM_EPSILON, momentum=BATCH_NORM_MOMENTUM
        )
    if (found := token_module(layer)) is not None:
        return found
    if layer.op == "conv":
        return _Conv2d(
            layer.in_channels,
            layer.out_channels,
            layer.kernel,
            stride=layer.stride,
            padding=layer.padding,
            groups=layer.groups,
            bias=layer.bias,
        )
    assert layer.op == "linear"
    return _Linear(layer.in_channels, layer.out_channels, bias=layer.bias)


class _Conv2d(nn.Conv2d):
    """Torch's, without initial weights: those would come from torch's global generator."""

    def reset_parameters(self) -> None:
        """Leaves the weights as they are."""


class _Linear(nn.Linear):
    """Likewise."""

    def reset_parameters(self) -> None:
        """Leaves the weights as they are."""


def add_at(root: nn.Module, path: str, module: nn.Module) -> None:
    """Registers `module` under a dotted path, with containers along the way."""
    *containers, leaf = path.split(".")
    for name in containers:
        child = root._modules.get(name)
        if child is None:
            child = nn.Module()
            root.add_module(name, child)
        root = child
    root.add_module(leaf, module)


@torch.no_grad()
def initialize(module: nn.Module, generator: torch.Generator) -> None:
    """Draws all weights and biases anew, in the order of the module's parameters.

    As in the once-for-all code. Convolutions: normal with variance
    2 / (kernel^2 * out_channels / groups) (He et al. 2015, arXiv 1502.01852, eq. 14). Linear
    layers: uniform within 1 / sqrt(in_features) of zero. Biases zero; scales of norms one, shifts
    zero. Position embeddings: normal with standard deviation 0.02 (arXiv 2109.00642, released
    code). Kernel transforms are left at the identity. Of a low-rank update the factor that reads
    is uniform within 1 / sqrt(in_channels) (arXiv 2106.09685, released code), the other zero.

    In transformers (where there are layer norms) convolutions with biases do what linear layers do
    elsewhere, and are drawn like them, uniform within 1 / sqrt(fan_in): at the published widths
    about the released code's standard deviation of 0.02, and right for narrower ones, too.
    """
    names = {name for name, _ in module.named_parameters()}
    is_transformer = any(isinstance(child, LayerNorm) for child in module.modules())
    for name, parameter in module.named_parameters():
        owner, _, kind = name.rpartition(".")
        if kind in ("bias", LOW_RANK_UP):
            parameter.zero_()
        elif kind == "embedding":
            parameter.normal_(0.0, 0.02, generator=generator)
        elif parameter.dim() == 1:  # the scale of a norm
            parameter.fill_(1.0)
        elif parameter.dim() == 4 and not (is_transformer and f"{owner}.bias" in names):
            groups = getattr(module.get_submodule(owner), "groups", 1)
            fan_out = parameter[0, 0].numel() * parameter.shape[0] / groups
            parameter.normal_(0.0, math.sqrt(2.0 / fan_out), generator=generator)
        elif kind in ("weight", LOW_RANK_DOWN):
            bound = 1 / math.sqrt(parameter[0].numel())
            parameter.uniform_(-bound, bound, generator=generator)


@torch.no_grad()
def fold(network: Network) -> Network:
    """Returns a copy in eval mode whose batch norms are merged into the convolutions before them.

    The copy's layers have no batch_norm, its convolutions have biases. It computes what the
    network computes in eval mode, up to rounding.

    Raises:
        ValueError: a batch norm does not follow a convolution that nobody else reads.
    """
    folded = Network(folded_layers(network.layers))
    state = dict(network.state_dict())
    for conv, norm in absorbed_norms(network.layers).items():
        module = network.get_submodule(norm.name)
        assert isinstance(module, nn.BatchNorm2d)
        assert module.running_mean is not None
        assert module.running_var is not None
        state[f"{conv}.weight"], state[f"{conv}.bias"] = folded_weights(
            state[f"{conv}.weight"],
            state.get(f"{conv}.bias"),
            module,
            module.running_mean,
            module.running_var,
        )
    folded.load_state_dict({name: state[name] for name in folded.state_dict()})
    return folded.to(next(network.parameters()).device).eval()


def folded_weights(
    weight: Tensor, bias: Tensor | None, norm: nn.BatchNorm2d, mean: Tensor, variance: Tensor
) -> tuple[Tensor, Tensor]:
    """Returns weight and bias of a convolution that has absorbed a batch norm.

    Args:
        weight: of the convolution, (out, in / groups, kernel, kernel).
        bias: of shape (out,); None for none.
        norm: has scale and shift.
        mean: by which the norm normalizes, shape (out,).
        variance: likewise.
    """
    scale = norm.weight / torch.sqrt(variance + norm.eps)
    own = torch.zeros_like(scale) if bias is None else bias
    return weight * scale[:, None, None, None], norm.bias + (own - mean) * scale


def absorbed_norms(layers: Sequence[Layer]) -> dict[str, Layer]:
    """Returns the batch norms by the names of the convolutions that absorb them.

    Raises:
        ValueError: a batch norm does not follow a convolution that nobody else reads.
    """
    by_name = {layer.name: layer for layer in layers}
    readers = Counter(name for layer in layers for name in layer.inputs)
    absorbed: dict[str, Layer] = {}
    for layer in layers:
        if layer.op == "batch_norm":
            source = by_name[layer.inputs[0]]
            if source.op != "conv" or readers[source.name] != 1:
                raise ValueError(
                    f"{layer.name} must follow a convolution that nothing else reads, "
                    f"got {source.name} ({source.op})"
                )
            absorbed[source.name] = layer
    return absorbed


def folded_layers(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Returns a network's layers after folding: no batch norms, biases where they were.

    Raises:
        ValueError: as `absorbed_norms`.
    """
    absorbed = absorbed_norms(layers)
    renamed = {norm.name: conv for conv, norm in absorbed.items()}
    return tuple(
        replace(
            layer,
            inputs=tuple(renamed.get(name, name) for name in layer.inputs),
            bias=layer.bias or layer.name in absorbed,
        )
        for layer in layers
        if layer.name not in renamed
    )
