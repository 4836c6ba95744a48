import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from supernet_examples import random_architectures, small_supernet

from supernet.export import (
    InvalidExportError,
    layers_from_json,
    layers_to_json,
    load_export,
    onnx_model,
    write_export,
)
from supernet.network import Network, fold


def extracted(index: int = 1) -> Network:
    supernet = small_supernet()
    return supernet.extract(random_architectures(supernet.space, 4)[index])


def run(model: onnx.ModelProto, x: torch.Tensor) -> np.ndarray:
    session = onnxruntime.InferenceSession(model.SerializeToString())
    (logits,) = session.run(["logits"], {"images": x.numpy()})
    return logits


def test_the_batch_is_free_and_the_rest_is_fixed() -> None:
    network = extracted()
    model = onnx_model(network)
    for count in (1, 7):
        x = torch.zeros(count, *network.input_shape)
        assert run(model, x).shape == (count, 10)
    shape = model.graph.input[0].type.tensor_type.shape.dim
    assert [d.dim_param or d.dim_value for d in shape] == ["batch", *network.input_shape]


@pytest.mark.filterwarnings("ignore::FutureWarning")  # torch's exporter uses what torch deprecates
def test_the_graph_equals_the_one_of_torchs_exporter(tmp_path: Path) -> None:
    network = fold(extracted())
    x = torch.randn(2, *network.input_shape)
    batch = torch.export.Dim("batch")
    path = tmp_path / "torch.onnx"
    program = torch.export.export(network, (x,), dynamic_shapes=({0: batch},))
    torch.onnx.export(program, f=path, dynamo=True, input_names=["images"], verbose=False)
    session = onnxruntime.InferenceSession(path)
    (expected,) = session.run(None, {session.get_inputs()[0].name: x.numpy()})
    np.testing.assert_allclose(run(onnx_model(network), x), expected, rtol=1e-4, atol=1e-5)


def test_equal_networks_have_equal_bytes() -> None:
    first, second = (onnx_model(extracted()).SerializeToString() for _ in range(2))
    assert first == second


def test_an_export_comes_back_bitwise(tmp_path: Path) -> None:
    network = fold(extracted())
    files = write_export(tmp_path / "new" / "folder", network, {"architecture": {"a": 1}})
    loaded = load_export(tmp_path / "new" / "folder")
    assert loaded.layers == network.layers
    assert not loaded.training
    x = torch.randn(3, *network.input_shape)
    assert torch.equal(loaded(x), network(x))
    assert set(files) == {"network.onnx", "network.safetensors", "card.json"}
    for file in files.values():
        assert file.path.stat().st_size == file.size_bytes


def test_the_card_says_what_was_given_and_what_was_written(tmp_path: Path) -> None:
    network = fold(extracted())
    files = write_export(tmp_path, network, {"seed": 3})
    card = json.loads((tmp_path / "card.json").read_text())
    assert card["seed"] == 3
    assert layers_from_json(card["layers"]) == network.layers
    assert card["input"]["shape"] == ["batch", *network.input_shape]
    for name in ("network.onnx", "network.safetensors"):
        assert card["files"][name]["sha256"] == files[name].sha256
    assert set(card["versions"]) == {"numpy", "onnx", "safetensors", "torch"}


def test_layers_survive_json() -> None:
    layers = extracted().layers
    assert layers_from_json(json.loads(json.dumps(layers_to_json(layers)))) == layers


def test_incomplete_or_mixed_exports_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidExportError, match="complete export"):
        load_export(tmp_path)
    write_export(tmp_path, fold(extracted(0)), {})
    weights = (tmp_path / "network.safetensors").read_bytes()
    write_export(tmp_path, fold(extracted(1)), {})
    (tmp_path / "network.safetensors").write_bytes(weights)
    with pytest.raises(InvalidExportError, match=r"must be the file that card\.json names"):
        load_export(tmp_path)


def test_cards_cannot_hold_what_json_cannot(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_export(tmp_path, extracted(), {"loss": float("nan")})
    assert not (tmp_path / "card.json").exists()
