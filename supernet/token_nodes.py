"""The ONNX nodes of layers that take several operators: layer norm, attention, GELU.

Opset 17 has LayerNormalization, over the last axes only; it has neither attention nor GELU, which
ONNX Runtime puts together again from the nodes written here.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import onnx
import torch
from onnx import helper
from torch import Tensor

from search_space.layers import Layer
from supernet.tokens import LAYER_NORM_EPSILON

Compound = Callable[[Layer, Sequence[str], str], list[onnx.NodeProto]]


def token_constants(layer: Layer) -> dict[str, Tensor]:
    """Returns the constants of a layer by their names in the graph, in the order of its nodes."""
    channels, height, width = layer.out_shape
    values: dict[str, Tensor] = {}
    if layer.op == "attention":
        by_head = [0, layer.in_heads, channels // layer.in_heads, height * width]  # 0: the batch
        values = {
            "by_head": torch.tensor(by_head),
            "scale": torch.tensor(1 / math.sqrt(by_head[2])),
            "whole": torch.tensor([0, channels, height, width]),
        }
    elif layer.op == "pad_channels":
        values = {"pads": torch.tensor([0, 0, 0, 0, 0, channels - layer.in_channels, 0, 0])}
    else:
        assert layer.function == "gelu"
        values = {
            "sqrt2": torch.tensor(math.sqrt(2)),
            "one": torch.tensor(1.0),
            "half": torch.tensor(0.5),
        }
    return {f"{layer.name}.{name}": tensor for name, tensor in values.items()}


class _Writer:
    """Appends nodes; values between them are named after the layer and numbered."""

    def __init__(self, layer: Layer, output: str) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self._name, self._output = layer.name, output

    def add(self, op_type: str, *inputs: str, is_last: bool = False, **attributes: object) -> str:
        """Appends a node and returns the name of its output."""
        name = f"{self._name}.{len(self.nodes)}"
        output = self._output if is_last else name
        self.nodes.append(helper.make_node(op_type, inputs, [output], name, **attributes))
        return output


def _layer_norm(layer: Layer, inputs: Sequence[str], output: str) -> list[onnx.NodeProto]:
    x, weight, bias = inputs
    to = _Writer(layer, output)
    y = to.add("Transpose", x, perm=[0, 2, 3, 1])
    y = to.add("LayerNormalization", y, weight, bias, axis=-1, epsilon=LAYER_NORM_EPSILON)
    to.add("Transpose", y, perm=[0, 3, 1, 2], is_last=True)
    return to.nodes


def _attention(layer: Layer, inputs: Sequence[str], output: str) -> list[onnx.NodeProto]:
    *maps, by_head, scale, whole = inputs
    to = _Writer(layer, output)
    q, k, v = (to.add("Reshape", x, by_head) for x in maps)  # (batch, heads, width, tokens)
    q = to.add("Transpose", q, perm=[0, 1, 3, 2])
    scores = to.add("MatMul", to.add("Mul", q, scale), k)
    shares = to.add("Transpose", to.add("Softmax", scores, axis=-1), perm=[0, 1, 3, 2])
    to.add("Reshape", to.add("MatMul", v, shares), whole, is_last=True)
    return to.nodes


def _gelu(layer: Layer, inputs: Sequence[str], output: str) -> list[onnx.NodeProto]:
    """The exact form, x (1 + erf(x / sqrt 2)) / 2 (Hendrycks and Gimpel 2016, 1606.08415)."""
    x, sqrt2, one, half = inputs
    to = _Writer(layer, output)
    y = to.add("Add", to.add("Erf", to.add("Div", x, sqrt2)), one)
    to.add("Mul", to.add("Mul", x, y), half, is_last=True)
    return to.nodes


COMPOUND: Mapping[str, Compound] = {
    "layer_norm": _layer_norm,
    "attention": _attention,
    "gelu": _gelu,
}
"""By function or op."""

CONSTANTS = frozenset(["attention", "pad_channels", "gelu"])
"""Functions and ops with constants that are no weights."""
