"""What the layers say a network costs against what torch observes when it runs."""

import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from supernet_examples import EXAMPLES
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode, sdpa_flop_count

from search_space.costs import costs
from search_space.families import NETWORK_FAMILIES
from supernet.network import Network, fold


def networks() -> Iterator[Network]:
    """Several of every example, and one of every preset."""
    presets = [
        family.from_preset(name) for family in NETWORK_FAMILIES.values() for name in family.presets
    ]
    for settings, count in [(s, 8) for s in EXAMPLES.values()] + [(s, 1) for s in presets]:
        space = settings.build()
        for row in space.sample(count, np.random.default_rng(0)):
            generator = torch.Generator().manual_seed(0)
            yield Network(settings.lower(space.decode(row)), generator=generator).eval()


class AllocationMode(TorchDispatchMode):
    """Counts the elements alive in outputs of operations, by their memory.

    Of several outputs the first counts: the others are for a backward pass (statistics of norms
    and of attention, places of the maxima of windows).
    """

    def __init__(self, network: nn.Module, *inputs: torch.Tensor) -> None:
        super().__init__()
        self.ignored = {p.untyped_storage().data_ptr() for p in network.state_dict().values()}
        self.alive: weakref.WeakKeyDictionary[torch.UntypedStorage, int] = (
            weakref.WeakKeyDictionary()
        )
        self.peak = 0
        self.observe(inputs)

    def observe(self, tensors: object) -> None:
        for tensor in tree_leaves(tensors):
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in self.ignored:
                self.alive[storage] = storage.nbytes() // tensor.element_size()
        self.peak = max(self.peak, sum(self.alive.values()))

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        outputs = func(*args, **(kwargs or {}))
        self.observe(outputs[0] if isinstance(outputs, tuple) else outputs)
        return outputs


class ProductMode(TorchDispatchMode):
    """Counts the elements that convolutions and matrix products write."""

    def __init__(self) -> None:
        super().__init__()
        self.num_elements = 0

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        output = func(*args, **(kwargs or {}))
        aten = torch.ops.aten
        if func.overloadpacket in (aten.convolution, aten.addmm, aten.bmm):
            self.num_elements += output.numel()
        return output


def fused_attention_flops(q: Any, k: Any, v: Any, *args: Any, **kwargs: Any) -> int:
    return int(sdpa_flop_count(q, k, v))


# torch's counter knows the fused attention of every device but this one.
UNCOUNTED = {torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: fused_attention_flops}


@torch.no_grad()
@pytest.mark.parametrize("form", [lambda network: network, fold], ids=["plain", "folded"])
def test_costs_equal_what_torch_observes(form: Callable[[Network], Network]) -> None:
    for plain in networks():
        network = form(plain)
        found = costs(network.layers)
        x = torch.randn(1, *network.input_shape)
        with FlopCounterMode(display=False, custom_mapping=UNCOUNTED) as counter:
            network(x)
        assert counter.get_total_flops() == 2 * found.macs
        assert sum(parameter.numel() for parameter in network.parameters()) == found.num_params
        with AllocationMode(network, x) as mode:
            network(x)
        assert mode.peak == found.peak_activations
        with sdpa_kernel(SDPBackend.MATH), ProductMode() as products:
            network(x)
        assert products.num_elements == found.num_activations
