"""How stitched supernets begin: anchors as they were, stitching layers by least squares."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from supernet_examples import RESNET, few_digits, lively, random_architectures
from torch import Tensor

from search_space.stitching import StitchSettings
from supernet.anchors import AnchorFile
from supernet.base import Supernet
from supernet.checkpoints import CheckpointFolder, save_supernet
from supernet.data import TensorData, resize
from supernet.errors import InvalidStartError
from supernet.evaluate import extract_calibrated
from supernet.network import Network
from supernet.plans import Plan
from supernet.schedules.sandwich import SandwichSettings
from supernet.settings import AccuracySettings, TrainingSettings
from supernet.stitching import FromAnchors, fill_anchors, fit_stitches
from supernet.training import train

DATA = few_digits(60)


def transformer(width: int, depth: int = 3, resolutions: tuple[int, ...] = (8,)) -> dict[str, Any]:
    stage = {
        "widths": [width],
        "heads": [2],
        "head_widths": [width // 2],
        "hidden_widths": [2 * width],
        "num_blocks": depth,
        "skippable": [],
    }
    sizes = {"input_channels": 1, "num_classes": 10, "resolutions": resolutions, "patch_size": 2}
    return {"network": {"kind": "vit", "stem_width": 0, "stages": [stage], **sizes}}


def stitched(*anchors: dict[str, Any], **fields: Any) -> StitchSettings:
    return StitchSettings.model_validate({"anchors": anchors, **fields})


TRANSFORMERS = stitched(transformer(6), transformer(8))
CONVOLUTIONS = stitched(
    {
        "network": RESNET.model_dump(mode="json"),
        "architecture": {**RESNET.build().smallest(), "resolution": 12, "stage1.depth": 2}
        | {"stage1.block2.expand_ratio": 0.5},
    },
    {"network": RESNET.model_dump(mode="json")},
)


def trained(settings: StitchSettings, seed: int = 0) -> list[Network]:
    """Anchors none of whose tensors is a constant, with batch-norm statistics of the data."""
    found = []
    for number, anchor in enumerate(settings.anchors):
        supernet = Supernet(anchor.network, generator=torch.Generator().manual_seed(seed + number))
        architecture = supernet.space.validate(anchor.architecture)
        lively(supernet, seed + number)
        found.append(extract_calibrated(supernet, architecture, DATA, AccuracySettings()))
    return found


def filled(settings: StitchSettings, anchors: list[Network]) -> Supernet:
    supernet = Supernet(settings, generator=torch.Generator().manual_seed(9)).eval()
    fill_anchors(supernet, [weights(anchor) for anchor in anchors])
    return supernet


def weights(network: Network) -> dict[str, Tensor]:
    state = network.state_dict()
    return {name: tensor for name, tensor in state.items() if "num_batches" not in name}


def images(resolution: int) -> Tensor:
    return resize(DATA.normalize(DATA.validation.images[:20]), resolution)


def ending_at(network: Network, name: str) -> Network:
    end = [layer.name for layer in network.layers].index(name) + 1
    cut = Network(network.layers[:end])
    cut.load_state_dict(network.state_dict(), strict=False)
    return cut.eval()


def output(network: Network, name: str, data: TensorData, resolution: int) -> Tensor:
    """What a layer of an anchor gives for all training images, from a network that ends there."""
    with torch.no_grad():
        x = ending_at(network, name)(resize(data.normalize(data.train.images), resolution))
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1]).double()


@pytest.mark.parametrize("settings", [TRANSFORMERS, CONVOLUTIONS], ids=["vit", "resnet"])
def test_anchors_compute_in_the_supernet_what_they_computed(settings: StitchSettings) -> None:
    anchors = trained(settings)
    supernet = filled(settings, anchors)
    x = images(settings.resolutions[-1])
    for anchor, architecture in zip(anchors, settings.anchor_architectures(), strict=True):
        with torch.no_grad():
            assert torch.allclose(supernet(x, architecture), anchor(x), atol=1e-5)


@pytest.mark.parametrize("settings", [TRANSFORMERS, CONVOLUTIONS], ids=["vit", "resnet"])
def test_stitching_layers_solve_least_squares_between_the_anchors(settings: StitchSettings) -> None:
    anchors = trained(settings)
    supernet = filled(settings, anchors)
    fits = fit_stitches(supernet, DATA, images=1000)
    state = supernet.state_dict()
    layers = settings.stitch_layers()
    assert [fit.layer for fit in fits] == [layer.name for layer in layers]
    assert any(len(layer.pairs) > 1 for layer in layers) == (settings is TRANSFORMERS)
    for layer, fit in zip(layers, fits, strict=True):
        (x, y) = (
            torch.cat(
                [
                    output(
                        anchors[number - 1], name.partition(".")[2], DATA, settings.resolutions[-1]
                    )
                    for name in names
                ]
            )
            for number, names in zip(
                (layer.front_anchor, layer.back_anchor), zip(*layer.pairs, strict=True), strict=True
            )
        )
        whole = torch.cat([x, torch.ones(len(x), 1).double()], 1)
        wanted = torch.linalg.lstsq(whole, y, driver="gelsd").solution
        weight, bias = state[f"{layer.name}.weight"][:, :, 0, 0], state[f"{layer.name}.bias"]
        assert fit.num_rows == len(x)
        assert (fit.num_unknowns, fit.ridge, fit.reason) == (x.shape[1] + 1, 0.0, None)
        residual = y - whole @ wanted
        found = y - x @ weight.double().T - bias.double()
        assert float((found**2).sum()) == pytest.approx(float((residual**2).sum()), rel=1e-4)
        share = (residual**2).sum() / ((y - y.mean(0)) ** 2).sum()
        assert fit.unexplained_share == pytest.approx(float(share), rel=1e-3, abs=1e-6)


def test_a_layer_between_equal_anchors_does_nothing_so_that_all_stitches_are_the_anchor() -> None:
    twins = stitched(transformer(8), transformer(8), scheme={"kind": "two_way"})
    anchor = trained(twins)[0]
    supernet = filled(twins, [anchor, anchor])
    fits = fit_stitches(supernet, DATA)
    assert max(fit.unexplained_share for fit in fits) < 1e-9
    x = images(8)
    for row in supernet.space.sample(6, np.random.default_rng(0)):
        with torch.no_grad():
            found = supernet(x, supernet.space.decode(row))
            assert torch.allclose(found, anchor(x), atol=1e-3)


def test_fewer_rows_than_unknowns_are_regularized_and_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    wide = stitched(transformer(20), transformer(24), scheme={"kind": "one_way", "kernel": 1})
    supernet = filled(wide, trained(wide))
    with caplog.at_level(logging.WARNING):
        fits = fit_stitches(supernet, DATA, images=1)
    assert {(fit.num_rows, fit.num_unknowns, fit.reason) for fit in fits} == {(16, 21, "few_rows")}
    assert all(fit.ridge > 0 for fit in fits)
    assert (
        "stitch1to2.layer1 is regularized (ridge 0.0001, few_rows): 16 rows for 21" in caplog.text
    )
    assert all(torch.isfinite(tensor).all() for tensor in supernet.state_dict().values())


def test_the_fit_is_a_function_of_the_seed_and_of_the_ridge() -> None:
    anchors = trained(TRANSFORMERS)

    def weight(**arguments: Any) -> Tensor:
        supernet = filled(TRANSFORMERS, anchors)
        fit_stitches(supernet, DATA, images=10, **arguments)
        return supernet.state_dict()["stitch1to2.layer1.weight"].clone()

    assert torch.equal(weight(), weight(seed=0))
    assert not torch.equal(weight(), weight(seed=1))
    assert weight(ridge=10.0).norm() < 0.5 * weight().norm()


def test_anchors_of_a_smaller_resolution_bring_their_positions_along() -> None:
    """The supernet keeps positions of its largest resolution; theirs are resampled to it."""
    anchors = (
        transformer(6, resolutions=(8, 12)) | {"architecture": {"resolution": 8}},
        transformer(8, resolutions=(8, 12)),
    )
    settings = stitched(*anchors, resolutions=[8, 12])
    networks = trained(settings)
    supernet = filled(settings, networks)
    state = supernet.state_dict()
    assert state["anchor1.patches.position.embedding"].shape == (6, 6, 6)
    small = networks[0].state_dict()["patches.position.embedding"]
    assert small.shape == (6, 4, 4)
    assert state["anchor1.patches.position.embedding"].mean() == pytest.approx(
        float(small.mean()), abs=0.05
    )
    assert all(fit.reason is None for fit in fit_stitches(supernet, DATA))


def test_outputs_of_layers_are_those_of_networks_that_end_there() -> None:
    network = trained(TRANSFORMERS)[0]
    names = ("input", "stage1.block2.feed_forward.add", "patches.position")
    x = images(8)
    with torch.no_grad():
        found = Plan(network.layers, lambda layer: network.get_submodule(layer.name)).outputs(
            x, names
        )
        assert found.keys() == {*names}
        assert torch.equal(found["input"], x)
        for name in names[1:]:
            assert torch.equal(found[name], ending_at(network, name)(x))


def from_files(folder: Path, settings: StitchSettings) -> FromAnchors:
    """Files of two anchors: a supernet, and weights."""
    save_supernet(folder / "first", lively(Supernet(settings.anchors[0].network)))
    safetensors.torch.save_file(weights(trained(settings)[1]), folder / "second")
    files = (AnchorFile("supernet", folder / "first"), AnchorFile("weights", folder / "second"))
    return FromAnchors(files, images=20, seed=3)


@pytest.mark.parametrize("settings", [TRANSFORMERS, CONVOLUTIONS], ids=["vit", "resnet"])
def test_a_supernet_begins_with_what_is_in_the_files(
    tmp_path: Path, settings: StitchSettings
) -> None:
    supernet = Supernet(settings, generator=torch.Generator().manual_seed(0))
    start = from_files(tmp_path, settings)
    fits = start.apply(supernet, DATA)
    assert supernet.training
    first = lively(Supernet(settings.anchors[0].network))
    known = first.space.validate(settings.anchors[0].architecture)
    own = extract_calibrated(first, known, DATA, AccuracySettings())
    again = filled(settings, [own, trained(settings)[1]])
    assert fit_stitches(again, DATA, images=20, seed=3) == fits
    for name, tensor in again.state_dict().items():
        assert torch.equal(supernet.state_dict()[name], tensor), name


def test_what_does_not_fit_says_which_anchor(tmp_path: Path) -> None:
    start = from_files(tmp_path, TRANSFORMERS)
    swapped = FromAnchors(start.anchors[::-1])
    with pytest.raises(
        InvalidStartError,
        match=r"^anchors\.0\.tensors must .* \(patches\.conv\.weight \(8, 1, 2, 2\)",
    ):
        swapped.apply(Supernet(TRANSFORMERS), DATA)
    with pytest.raises(InvalidStartError, match=r"^anchors must be 2, as in the space, got 1$"):
        FromAnchors(start.anchors[:1]).apply(Supernet(TRANSFORMERS), DATA)
    with pytest.raises(InvalidStartError, match=r"^kind must be 'stitch', got 'resnet'$"):
        start.apply(Supernet(RESNET), DATA)


def test_an_anchor_that_overflows_is_named() -> None:
    """Its layers would be no numbers, and neither would what is reported of them."""
    supernet = filled(TRANSFORMERS, trained(TRANSFORMERS))
    with torch.no_grad():
        supernet.get_parameter("anchor2.stage1.block1.feed_forward.project.bias").fill_(3e38)
        supernet.get_parameter("anchor2.stage1.block2.feed_forward.project.bias").fill_(3e38)
    with pytest.raises(
        InvalidStartError,
        match=r"^anchors\.1 must compute finite numbers, which stage1\.block2\..* not, got nan",
    ):
        fit_stitches(supernet, DATA, images=4)


LOW_RANK = CONVOLUTIONS.model_copy(update={"rank": 2})
TRAINING = TrainingSettings(
    epochs=2,
    batch_size=20,
    learning_rate=0.01,
    warmup_epochs=0,
    gradient_clip=1.0,
    schedule=SandwichSettings(num_random=2),
)


def started(folder: Path) -> Supernet:
    supernet = Supernet(LOW_RANK, generator=torch.Generator().manual_seed(0))
    from_files(folder, LOW_RANK).apply(supernet, DATA)
    return supernet


def test_low_rank_updates_are_trained_beside_what_was_solved_and_resumed(tmp_path: Path) -> None:
    supernet = started(tmp_path)
    before = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    assert train(supernet, DATA, TRAINING, seed=0)
    after = supernet.state_dict()
    changed = {name for name, tensor in after.items() if not torch.equal(tensor, before[name])}
    layers = [layer.name for layer in LOW_RANK.stitch_layers()]
    parts = {"weight": False, "bias": True, "low_rank_up": True, "low_rank_down": True}
    assert len(layers) > 0
    for layer in layers:
        assert {part: f"{layer}.{part}" in changed for part in parts} == parts

    stopped = started(tmp_path)
    steps = iter([False] * 4 + [True])
    folder = CheckpointFolder(tmp_path / "checkpoints")
    arguments: dict[str, Any] = {"seed": 0, "checkpoints": folder}
    assert not train(stopped, DATA, TRAINING, should_stop=lambda: next(steps), **arguments)
    # What goes on has no anchors any more: all is in the checkpoint, the solved weights as well.
    resumed = Supernet(LOW_RANK, generator=torch.Generator().manual_seed(8))
    assert train(resumed, DATA, TRAINING, **arguments)
    for name, tensor in resumed.state_dict().items():
        assert torch.equal(tensor, after[name]), name

    fit_stitches(supernet, DATA)
    x = images(12)
    for layer in layers:
        module = supernet.get_submodule(layer)
        merged = module.sliced(module.weight.shape[1], module.weight.shape[0], 1)[0]
        assert torch.equal(merged, module.weight)
    for architecture in random_architectures(supernet.space, 4):
        with torch.no_grad():
            found = supernet.eval()(x, architecture)
            assert torch.allclose(supernet.extract(architecture)(x), found, atol=1e-4)
