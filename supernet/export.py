"""Exported networks: an ONNX graph, the weights, and a card that says all about them.

The ONNX graph is written directly from the network's layers, which takes milliseconds where torch's
exporter takes seconds; so every candidate of a search can be measured as what would be shipped.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import safetensors
import safetensors.torch
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from search_space.layers import PARAMETRIC, Layer
from search_space.tensors import layer_tensors
from supernet.files import sha256_of, write_durably
from supernet.network import Network
from supernet.token_nodes import COMPOUND, CONSTANTS, token_constants

_LIBRARIES = (np, onnx, safetensors, torch)
OPSET = 17
IR_VERSION = 8
"""Those of ONNX 1.12 (June 2022): read by every ONNX Runtime since 1.12."""

ONNX_FILE, WEIGHTS_FILE, CARD_FILE = "network.onnx", "network.safetensors", "card.json"
INPUT_NAME, OUTPUT_NAME = "images", "logits"


_UNREADABLE = (
    OSError,  # a file is missing
    json.JSONDecodeError,
    KeyError,  # the card lacks an entry
    TypeError,  # a layer lacks a field
    RuntimeError,  # the weights do not fit the layers
    safetensors.SafetensorError,
)


class InvalidExportError(ValueError):
    """A folder does not hold a complete export."""


@dataclass(frozen=True)
class ExportedFile:
    """One file of an export.

    Attributes:
        path: where it is.
        sha256: of its content.
        size_bytes: its length.
    """

    path: Path
    sha256: str
    size_bytes: int


def onnx_model(network: Network) -> onnx.ModelProto:
    """Returns the network's ONNX graph in eval mode.

    The input `images` is float32 of shape (batch, channels, height, width) at the network's
    resolution, normalized, batch free; the output `logits` is (batch, num_classes).
    """
    first, last = network.layers[0], network.layers[-1]
    nodes, initializers = [], []
    for layer in network.layers[1:]:
        module = network.get_submodule(layer.name) if layer.op in PARAMETRIC else None
        tensors = _tensors(layer, module)
        initializers += [
            numpy_helper.from_array(tensor.detach().cpu().contiguous().numpy(), name)
            for name, tensor in tensors.items()
        ]
        inputs = [INPUT_NAME if name == first.name else name for name in layer.inputs]
        output = OUTPUT_NAME if layer is last else layer.name
        nodes += _nodes(layer, module, [*inputs, *tensors], output)
    graph = helper.make_graph(
        nodes,
        "network",
        [_value_info(INPUT_NAME, first)],
        [_value_info(OUTPUT_NAME, last)],
        initializers,
    )
    return helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="espalier",
    )


def _value_info(name: str, layer: Layer) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", *layer.out_shape])


def _nodes(
    layer: Layer, module: nn.Module | None, inputs: Sequence[str], output: str
) -> list[onnx.NodeProto]:
    """Returns the nodes that compute a layer: one where ONNX has an operator for it."""
    if (compound := COMPOUND.get(layer.function or layer.op)) is not None:
        return compound(layer, inputs, output)
    op_type, attributes = _operator(layer, module)
    return [helper.make_node(op_type, inputs, [output], layer.name, **attributes)]


def _tensors(layer: Layer, module: nn.Module | None) -> dict[str, Tensor]:
    """Returns a layer's constants by their names in the graph, in the order its nodes want."""
    if layer.op in CONSTANTS or layer.function in CONSTANTS:
        return token_constants(layer)
    if layer.function == "relu6":
        return {f"{layer.name}.min": torch.tensor(0.0), f"{layer.name}.max": torch.tensor(6.0)}
    if module is None:
        return {}
    return {f"{layer.name}.{kind}": getattr(module, kind) for kind in layer_tensors(layer)}


def _operator(layer: Layer, module: nn.Module | None) -> tuple[str, Mapping[str, Any]]:
    """Returns the ONNX operator of a layer and its attributes."""
    if layer.op == "conv":
        return "Conv", {
            "kernel_shape": [layer.kernel] * 2,
            "pads": [layer.padding] * 4,
            "strides": [layer.stride] * 2,
            "group": layer.groups,
        }
    if layer.op == "max_pool":
        return "MaxPool", {
            "kernel_shape": [layer.kernel] * 2,
            "pads": [layer.kernel // 2] * 4,
            "strides": [layer.stride] * 2,
        }
    if layer.op == "average_pool":
        return "AveragePool", {
            "kernel_shape": [layer.kernel] * 2,
            "strides": [layer.stride] * 2,
            "ceil_mode": 1,
        }
    if layer.op == "batch_norm":
        assert isinstance(module, nn.BatchNorm2d)
        return "BatchNormalization", {"epsilon": module.eps}
    return _OPERATORS[layer.function or layer.op]


_OPERATORS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "linear": ("Gemm", {"transB": 1}),
    "relu": ("Relu", {}),
    "relu6": ("Clip", {}),
    "hard_swish": ("HardSwish", {}),
    "hard_sigmoid": ("HardSigmoid", {"alpha": 1 / 6, "beta": 0.5}),
    "global_pool": ("GlobalAveragePool", {}),
    "flatten": ("Flatten", {"axis": 1}),
    "pad_channels": ("Pad", {}),
    "position": ("Add", {}),
    "add": ("Add", {}),
    "multiply": ("Mul", {}),
}


def write_export(
    folder: Path, network: Network, card: Mapping[str, Any]
) -> dict[str, ExportedFile]:
    """Writes `network.onnx`, `network.safetensors` and, last, `card.json`.

    Args:
        folder: made if missing; files of those names are replaced.
        network: in eval mode, usually folded.
        card: JSON values that say where the network comes from. To it are added `layers`, `input`,
            `output`, `files` (size and SHA-256 of both others) and `versions` (of libraries).

    Returns:
        The files by name.

    Raises:
        OSError: a file could not be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}
    contents = {
        ONNX_FILE: onnx_model(network).SerializeToString(deterministic=True),
        WEIGHTS_FILE: safetensors.torch.save(state),
    }
    digests = {
        name: {"size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in contents.items()
    }
    full_card = {
        **card,
        "layers": layers_to_json(network.layers),
        "input": {
            "name": INPUT_NAME,
            "dtype": "float32",
            "shape": ["batch", *network.layers[0].out_shape],
        },
        "output": {
            "name": OUTPUT_NAME,
            "dtype": "float32",
            "shape": ["batch", *network.layers[-1].out_shape],
        },
        "files": digests,
        "versions": {module.__name__: module.__version__ for module in _LIBRARIES},
    }
    text = json.dumps(full_card, indent=2, sort_keys=True, allow_nan=False) + "\n"
    contents[CARD_FILE] = text.encode()
    for name, content in contents.items():
        write_durably(folder / name, content)
    return {
        name: ExportedFile(folder / name, hashlib.sha256(content).hexdigest(), len(content))
        for name, content in contents.items()
    }


def load_export(folder: Path) -> Network:
    """Returns the network of an export, bitwise as it was written, in eval mode.

    Raises:
        InvalidExportError: a file is missing or is not the one that the card was written with.
    """
    try:
        card = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
        path = folder / WEIGHTS_FILE
        if sha256_of(path) != card["files"][WEIGHTS_FILE]["sha256"]:
            raise InvalidExportError(f"{path} must be the file that {CARD_FILE} names, got another")
        network = Network(layers_from_json(card["layers"]))
        network.load_state_dict(safetensors.torch.load_file(path))
    except _UNREADABLE as error:
        raise InvalidExportError(f"{folder} must hold a complete export ({error!r})") from error
    return network.eval()


def layers_to_json(layers: Sequence[Layer]) -> list[dict[str, Any]]:
    """Returns layers as JSON values; `layers_from_json` gives them back."""
    return [asdict(layer) for layer in layers]


def layers_from_json(values: Sequence[Mapping[str, Any]]) -> tuple[Layer, ...]:
    """Returns the layers that `layers_to_json` wrote down.

    Raises:
        TypeError: a field is unknown or missing.
    """
    return tuple(
        Layer(**{**value, "inputs": tuple(value["inputs"]), "out_shape": tuple(value["out_shape"])})
        for value in values
    )
