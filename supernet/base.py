"""The supernet: one set of weights of which every architecture of a space uses a slice."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from search_space.family import NetworkSettings
from search_space.layers import PARAMETRIC, Layer
from search_space.space import Architecture, Option, SearchSpace
from search_space.tensors import kernel_sizes, layer_tensors
from supernet.channels import by_layer, channel_groups, is_depthwise, sort_by_importance
from supernet.elastic import ElasticBatchNorm2d, ElasticConv2d, ElasticLinear
from supernet.network import Network, add_at, initialize, plain_module
from supernet.plans import Operation, Plan
from supernet.tokens import LayerNorm, PositionEmbedding, token_module

MAX_CACHED_PLANS = 256


class Supernet(nn.Module):
    """Shared weights for all networks of a space.

    The architecture is an argument of every call; nothing remembers one. In eval mode
    `supernet(x, a)` equals `supernet.extract(a)(x)` up to rounding, and the gradients of a loss are
    exactly zero outside the slice that `a` uses.

    Args:
        settings: the family's settings.
        allowed: restricts the space (`SearchSpace.restrict`); the weights are as large as what is
            left needs. With one option everywhere the supernet is one network trained alone.
        generator: draws the initial weights; by default one of seed 0.

    Attributes:
        settings: as given.
        allowed: as given.
        space: the space of `settings`, restricted.
        layers: every layer of its networks (`NetworkSettings.supernet_layers`).
    """

    def __init__(
        self,
        settings: NetworkSettings,
        *,
        allowed: Mapping[str, Sequence[Option]] | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.settings = settings
        self.allowed = {name: tuple(options) for name, options in (allowed or {}).items()}
        self.space: SearchSpace = settings.build().restrict(self.allowed)
        self.layers = settings.supernet_layers(self.space)
        kernels = kernel_sizes(settings, self.space)
        for layer in self.layers:
            if layer.op in PARAMETRIC:
                add_at(self, layer.name, _elastic(layer, kernels, settings.low_rank(layer.name)))
        self._plans: OrderedDict[str, tuple[Plan, tuple[int, ...]]] = OrderedDict()
        initialize(self, generator or torch.Generator().manual_seed(0))

    def forward(
        self, inputs: Tensor, architecture: Architecture, *, checkpointing: bool = False
    ) -> Tensor:
        """Returns the logits of one architecture.

        Args:
            inputs: (batch, channels, height, width) at the architecture's resolution.
            architecture: of the space.
            checkpointing: whether the backward pass computes most activations again instead of
                finding them in memory.

        Returns:
            Shape (batch, num_classes).

        Raises:
            InvalidArchitectureError: the architecture is not of the space.
            ValueError: the inputs have another shape.
        """
        plan, input_shape = self._known_plan(architecture)
        if inputs.shape[1:] != input_shape:
            raise ValueError(
                f"inputs must have shape (batch, channels, height, width) = (any, "
                f"{', '.join(map(str, input_shape))}), got {tuple(inputs.shape)}"
            )
        return plan.checkpointed(inputs) if checkpointing else plan(inputs)

    def plan(self, architecture: Architecture) -> Plan:
        """Returns the forward pass of one architecture, for inputs of its shape.

        Raises:
            InvalidArchitectureError: the architecture is not of the space.
        """
        return self._known_plan(architecture)[0]

    def extract(self, architecture: Architecture) -> Network:
        """Returns a plain network with a copy of the slice of the weights that it uses.

        Raises:
            InvalidArchitectureError: the architecture is not of the space.
        """
        layers = self.settings.lower(self.space.validate(architecture))
        modules = {
            layer.name: self.extract_layer(layer) for layer in layers if layer.op in PARAMETRIC
        }
        return Network(layers, modules=modules).train(self.training)

    @torch.no_grad()
    def extract_layer(self, layer: Layer) -> nn.Module:
        """Returns a plain module with a copy of the slice of the weights that a layer uses.

        Args:
            layer: with weights (`PARAMETRIC`), of a network of the space.
        """
        module = plain_module(layer).to(next(self.parameters()).device)
        target = module.state_dict()
        for kind, tensor in self._slices(layer).items():
            target[kind].copy_(tensor)
        return module

    def sort_channels(
        self, *companions: Mapping[str, Tensor], trained: Sequence[Architecture] = ()
    ) -> None:
        """Sorts hidden channels by importance so that smaller networks keep the best ones.

        The functions of the largest network and of those that are named stay as they are; all
        others change.

        Args:
            companions: further tensors that move along, by the names of their parameters (an
                optimizer's momentum).
            trained: networks that keep their channels, because they were trained already.
        """
        sort_by_importance(
            channel_groups(self.layers),
            by_layer(self.state_dict()),
            [by_layer(tensors) for tensors in companions],
            [self.settings.lower(self.space.validate(each)) for each in trained],
        )

    def _known_plan(self, architecture: Architecture) -> tuple[Plan, tuple[int, ...]]:
        known = self._plans.get(architecture.digest)
        if known is not None:
            self._plans.move_to_end(architecture.digest)
            return known
        layers = self.settings.lower(self.space.validate(architecture))
        made = Plan(layers, self.operation), layers[0].out_shape
        self._plans[architecture.digest] = made
        if len(self._plans) > MAX_CACHED_PLANS:
            self._plans.popitem(last=False)
        return made

    def operation(self, layer: Layer) -> Operation:
        """Returns what computes a layer with weights, sliced to the sizes of that layer."""
        module = self.get_submodule(layer.name)
        # `forward` itself: the checks for hooks in a module's call cost as much as slicing.
        if isinstance(module, ElasticConv2d):
            return partial(
                module.forward,
                out_channels=layer.out_channels,
                kernel=layer.kernel,
                stride=layer.stride,
                padding=layer.padding,
                in_heads=layer.in_heads,
                out_heads=layer.out_heads,
            )
        if isinstance(module, ElasticLinear):
            return partial(module.forward, out_features=layer.out_channels)
        assert isinstance(module, ElasticBatchNorm2d | LayerNorm | PositionEmbedding)
        return module.forward

    def _slices(self, layer: Layer) -> dict[str, Tensor]:
        """Returns what an extracted layer copies, by kind."""
        module = self.get_submodule(layer.name)
        parts: tuple[Tensor | None, ...]
        if isinstance(module, ElasticConv2d):
            parts = module.sliced(
                layer.in_channels,
                layer.out_channels,
                layer.kernel,
                layer.in_heads,
                layer.out_heads,
            )
        elif isinstance(module, ElasticLinear):
            parts = module.sliced(layer.in_channels, layer.out_channels)
        elif isinstance(module, PositionEmbedding):
            parts = (module.sliced(*layer.out_shape),)
        else:
            assert isinstance(module, ElasticBatchNorm2d | LayerNorm)
            parts = module.sliced(layer.in_channels)
        owned = [part for part in parts if part is not None]
        return dict(zip(layer_tensors(layer), owned, strict=True))


def _elastic(layer: Layer, kernels: Mapping[str, Sequence[int]], rank: int) -> nn.Module:
    if layer.op == "batch_norm":
        return ElasticBatchNorm2d(layer.in_channels)
    if layer.op == "linear":
        return ElasticLinear(layer.in_channels, layer.out_channels)
    if (found := token_module(layer)) is not None:
        return found
    return ElasticConv2d(
        layer.in_channels,
        layer.out_channels,
        kernels[layer.name],
        depthwise=is_depthwise(layer),
        bias=layer.bias,
        in_heads=layer.in_heads,
        out_heads=layer.out_heads,
        rank=rank,
    )
