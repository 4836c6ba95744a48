"""Checkpoints in the layout of the once-for-all code, written here by that code's names."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from supernet_examples import SETTINGS, random_architectures, random_images, small_supernet
from torch import Tensor

from search_space.cnn import MobileNetV3Settings
from supernet.base import Supernet
from supernet.errors import InvalidStartError
from supernet.once_for_all import renamed
from supernet.starting import FromOnceForAll


def norm(theirs: str, ours: str) -> dict[str, str]:
    kinds = ("weight", "bias", "running_mean", "running_var")
    return {f"{theirs}.{kind}": f"{ours}.norm.{kind}" for kind in kinds}


def block_names(index: int, ours: str, transforms: list[str], gated: bool) -> dict[str, str]:
    """Their names of an elastic block's tensors, each with ours."""
    theirs = f"blocks.{index}.conv"
    names = {
        f"{theirs}.inverted_bottleneck.conv.conv.weight": f"{ours}.expand.conv.weight",
        f"{theirs}.depth_conv.conv.conv.weight": f"{ours}.depthwise.conv.weight",
        f"{theirs}.point_linear.conv.conv.weight": f"{ours}.project.conv.weight",
        **norm(f"{theirs}.inverted_bottleneck.bn.bn", f"{ours}.expand"),
        **norm(f"{theirs}.depth_conv.bn.bn", f"{ours}.depthwise"),
        **norm(f"{theirs}.point_linear.bn.bn", f"{ours}.project"),
    }
    for step in transforms:
        names[f"{theirs}.depth_conv.conv.{step}_matrix"] = f"{ours}.depthwise.conv.transform_{step}"
    if gated:
        for part in ("reduce", "expand"):
            for kind in ("weight", "bias"):
                gate = f"{ours}.squeeze_excite.{part}.{kind}"
                names[f"{theirs}.depth_conv.se.fc.{part}.{kind}"] = gate
    return names


def all_names() -> dict[str, str]:
    """Their name of every tensor of the example space, with ours."""
    return {
        "first_conv.conv.weight": "stem.conv.weight",
        **norm("first_conv.bn", "stem"),
        "blocks.0.conv.depth_conv.conv.weight": "first.depthwise.conv.weight",
        **norm("blocks.0.conv.depth_conv.bn", "first.depthwise"),
        "blocks.0.conv.point_linear.conv.weight": "first.project.conv.weight",
        **norm("blocks.0.conv.point_linear.bn", "first.project"),
        **block_names(1, "stage1.block1", ["7to5", "5to3"], gated=True),
        **block_names(2, "stage1.block2", ["7to5", "5to3"], gated=True),
        **block_names(3, "stage2.block1", ["7to3"], gated=False),
        **block_names(4, "stage2.block2", ["7to3"], gated=False),
        "final_expand_layer.conv.weight": "final_expand.conv.weight",
        **norm("final_expand_layer.bn", "final_expand"),
        "feature_mix_layer.conv.weight": "feature_mix.conv.weight",
        "classifier.linear.weight": "classifier.weight",
        "classifier.linear.bias": "classifier.bias",
    }


def checkpoint(rename: Callable[[str], str] = str) -> dict[str, Tensor]:
    ours = small_supernet(1).state_dict()
    state = {rename(theirs): ours[name].clone() for theirs, name in all_names().items()}
    counts = {
        name.replace("running_mean", "num_batches_tracked"): torch.tensor(9)
        for name in state
        if name.endswith("running_mean")
    }
    return state | counts


def first_release(name: str) -> str:
    """The names of the files that were published first."""
    head, _, rest = name.partition(".conv.")
    return f"{head}.mobile_inverted_conv.{rest}" if name.startswith("blocks.") else name


def plain(name: str) -> str:
    """The names of the code's networks that are not elastic."""
    return name.replace(".conv.conv.", ".conv.").replace(".bn.bn.", ".bn.")


def fresh(settings: MobileNetV3Settings = SETTINGS) -> Supernet:
    return Supernet(settings, generator=torch.Generator().manual_seed(7)).eval()


@pytest.mark.parametrize("rename", [str, first_release, plain])
@pytest.mark.parametrize("wrapped", [True, False], ids=["state_dict", "bare"])
@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_every_tensor_finds_its_place(
    tmp_path: Path, rename: Callable[[str], str], wrapped: bool, zipped: bool
) -> None:
    content: Any = checkpoint(rename)
    content = {"state_dict": content, "epoch": 120} if wrapped else content
    path = tmp_path / "checkpoint.pth"
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    supernet, source = fresh(), small_supernet(1)
    FromOnceForAll(path).apply(supernet)
    for name, tensor in source.state_dict().items():
        assert torch.equal(supernet.state_dict()[name], tensor), name
    for architecture in random_architectures(supernet.space, 3):
        x = random_images(architecture)
        assert torch.equal(supernet(x, architecture), source(x, architecture))


def test_the_published_network_has_the_space_of_the_imagenet_preset() -> None:
    """21 blocks: the fixed one and five stages of four (Cai et al. 2020, section 4.1)."""
    settings = MobileNetV3Settings.from_preset("imagenet")
    names = {f"blocks.{index}.conv.point_linear.bn.bn.bias": index for index in (0, 1, 4, 5, 20)}
    assert renamed(names, settings) == {
        "first.project.norm.bias": 0,
        "stage1.block1.project.norm.bias": 1,
        "stage1.block4.project.norm.bias": 4,
        "stage2.block1.project.norm.bias": 5,
        "stage5.block4.project.norm.bias": 20,
    }


def test_other_classes_get_a_head_drawn_anew(tmp_path: Path) -> None:
    torch.save(checkpoint(), tmp_path / "a")
    settings = SETTINGS.model_copy(update={"num_classes": 3})
    supernet = fresh(settings)
    FromOnceForAll(tmp_path / "a").apply(supernet)
    assert torch.equal(supernet.classifier.weight, fresh(settings).classifier.weight)
    assert torch.equal(supernet.feature_mix.conv.weight, small_supernet(1).feature_mix.conv.weight)


def test_a_network_of_another_size_is_refused_by_its_tensors(tmp_path: Path) -> None:
    state = checkpoint()
    state["blocks.5.conv.point_linear.bn.bn.bias"] = torch.zeros(8)
    state["first_conv.conv.weight"] = torch.zeros(16, 3, 3, 3)
    del state["classifier.linear.bias"]
    torch.save(state, tmp_path / "a")
    with pytest.raises(InvalidStartError) as caught:
        FromOnceForAll(tmp_path / "a").apply(fresh())
    assert caught.value.value == (
        "1 missing (classifier.bias); "
        "1 unexpected (blocks.5.conv.project.norm.bias); "
        "1 of another shape (stem.conv.weight (16, 3, 3, 3) instead of (4, 1, 3, 3))"
    )


class Command:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("made-by-a-checkpoint",)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_checkpoint_runs_no_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zipped: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": Command()}, "bad.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(InvalidStartError, match=r"path must be .* \(it asks for \w+\.mkdir\)"):
        FromOnceForAll(tmp_path / "bad.pth").apply(fresh())
    assert [path.name for path in tmp_path.iterdir()] == ["bad.pth"]


@pytest.mark.parametrize("content", [[1, 2], {"state_dict": 3}, {"epoch": 3}, torch.ones(2)])
def test_a_file_without_a_state_dict_is_refused(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "a")
    with pytest.raises(InvalidStartError, match="path must hold a state dict, alone or as"):
        FromOnceForAll(tmp_path / "a").apply(fresh())


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    torch.save(checkpoint(), tmp_path / "a")
    whole = (tmp_path / "a").read_bytes()
    for name, content in (("cut", whole[:-100]), ("other", b"PK\x03\x04"), ("empty", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InvalidStartError, match="path must be a file of nothing but tensors"):
            FromOnceForAll(tmp_path / name).apply(fresh())
