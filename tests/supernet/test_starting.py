"""Where trainings start: what is filled, what stays as drawn, what is refused."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from supernet_examples import SETTINGS, lively, random_architectures, random_images, small_supernet
from torch import Tensor

from search_space.cnn import MobileNetV3Settings
from supernet.base import Supernet
from supernet.checkpoints import save_supernet
from supernet.errors import InvalidStartError
from supernet.starting import FromSupernet, FromWeights, StartingPoint

FOUR_CLASSES = SETTINGS.model_copy(update={"num_classes": 4})
HEAD = ("classifier.weight", "classifier.bias")


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    save_supernet(tmp_path / "supernet.safetensors", small_supernet(1))
    return tmp_path / "supernet.safetensors"


def fresh(settings: MobileNetV3Settings = SETTINGS, **arguments: Any) -> Supernet:
    return Supernet(settings, generator=torch.Generator().manual_seed(7), **arguments).eval()


def only(architecture: Mapping[str, Any]) -> dict[str, tuple[Any, ...]]:
    return {name: (value,) for name, value in architecture.items()}


def write_weights(path: Path, **changes: Tensor | None) -> Path:
    """Writes a supernet's tensors, some replaced and those given as None left out."""
    tensors = small_supernet(1).state_dict() | {
        name.replace("__", "."): tensor for name, tensor in changes.items()
    }
    kept = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    safetensors.torch.save_file(kept, path)
    return path


def refusal(start: StartingPoint, supernet: Supernet) -> InvalidStartError:
    """The error that a start is refused with; the supernet must stay as it was."""
    before = {name: tensor.clone() for name, tensor in supernet.state_dict().items()}
    with pytest.raises(InvalidStartError) as caught:
        start.apply(supernet)
    assert all(torch.equal(before[name], found) for name, found in supernet.state_dict().items())
    copy = pickle.loads(pickle.dumps(caught.value))  # as it comes back from a worker
    assert str(copy) == str(caught.value)
    return caught.value


def test_an_earlier_supernet_is_taken_whole(stored: Path) -> None:
    supernet, source = fresh(), small_supernet(1)
    FromSupernet(stored).apply(supernet)
    for architecture in random_architectures(supernet.space, 4):
        x = random_images(architecture)
        assert torch.equal(supernet(x, architecture), source(x, architecture))


@pytest.mark.parametrize("kind", [FromSupernet, FromWeights])
def test_other_classes_get_a_head_drawn_anew(
    stored: Path, kind: type[FromSupernet | FromWeights]
) -> None:
    supernet, source = fresh(FOUR_CLASSES), small_supernet(1).state_dict()
    kind(stored).apply(supernet)
    drawn = fresh(FOUR_CLASSES).state_dict()
    for name, tensor in supernet.state_dict().items():
        assert torch.equal(tensor, (drawn if name in HEAD else source)[name]), name
    assert supernet.classifier.weight.std() > 0


@pytest.mark.parametrize("settings", [SETTINGS, FOUR_CLASSES], ids=["same", "other classes"])
def test_one_network_of_a_supernet_is_what_it_computes_there(
    stored: Path, settings: MobileNetV3Settings
) -> None:
    source = small_supernet(1)
    for architecture in random_architectures(source.space, 4):
        supernet = fresh(settings, allowed=only(architecture))
        FromSupernet(stored, architecture).apply(supernet)
        found = supernet.extract(architecture)
        if settings == SETTINGS:
            x = random_images(architecture)
            assert torch.allclose(found(x), source(x, architecture), atol=1e-5)
        wanted = source.extract(architecture).state_dict()
        for name, tensor in found.state_dict().items():
            if name not in HEAD or settings == SETTINGS:
                assert torch.equal(tensor, wanted[name]), name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"stem_width": 8, "first_block_width": 8},
            "stem_width must be 8, as in the training's space, got 4",
        ),
        (
            {"resolutions": (8,)},
            r"resolutions must be \[8\], as in the training's space, got \[8, 12\]",
        ),
        (
            {"stages": (SETTINGS.stages[0].model_copy(update={"widths": (4, 6)}),)},
            r"stages must be \[\{.*",
        ),
        (
            {
                "stages": (
                    SETTINGS.stages[0].model_copy(update={"widths": (4, 6)}),
                    SETTINGS.stages[1],
                )
            },
            "stages.0.widths.1 must be 6, as in the training's space, got 8",
        ),
    ],
)
def test_a_supernet_of_another_space_is_refused(
    stored: Path, changes: dict[str, Any], message: str
) -> None:
    supernet = fresh(SETTINGS.model_copy(update=changes))
    assert refusal(FromSupernet(stored), supernet)
    with pytest.raises(InvalidStartError, match=f"^{message}"):
        FromSupernet(stored).apply(supernet)


def test_a_restricted_supernet_starts_from_an_equally_restricted_one(tmp_path: Path) -> None:
    allowed = {"resolution": (8,)}
    restricted = lively(fresh(allowed=allowed), 3)
    save_supernet(tmp_path / "a", restricted)
    supernet = fresh(allowed=allowed)
    FromSupernet(tmp_path / "a").apply(supernet)
    assert torch.equal(supernet.stem.conv.weight, restricted.stem.conv.weight)
    error = refusal(FromSupernet(tmp_path / "a"), fresh())
    assert str(error) == "allowed must be {} as in the training, got {'resolution': (8,)}"


def test_a_network_that_is_not_the_one_in_training_is_refused(stored: Path) -> None:
    smallest, largest = (fresh().space.smallest(), fresh().space.largest())
    for supernet in (fresh(), fresh(allowed=only(smallest))):
        error = refusal(FromSupernet(stored, largest), supernet)
        assert error.field == "architecture"
        assert error.rule == "must be the one network that the training is restricted to"
        assert error.value == dict(largest)
    error = refusal(FromSupernet(stored, {**largest, "resolution": 9}), fresh())
    assert str(error) == "architecture.resolution must be one of (8, 12), got 9"


def test_what_is_no_supernet_is_refused(tmp_path: Path) -> None:
    for path in (write_weights(tmp_path / "weights"), tmp_path / "missing"):
        error = refusal(FromSupernet(path), fresh())
        assert (error.field, error.value) == ("path", str(path))
        assert error.rule.startswith("must be a stored supernet (")


def test_weights_of_the_largest_network_are_taken(tmp_path: Path) -> None:
    counts = {"stem__norm__num_batches_tracked": torch.tensor(3)}
    whole = write_weights(tmp_path / "whole", **counts)
    supernet, source = fresh(), small_supernet(1)
    FromWeights(whole).apply(supernet)
    largest = supernet.space.largest()
    x = random_images(largest)
    assert torch.equal(supernet(x, largest), source(x, largest))


def test_kernel_transforms_may_be_missing_and_stay_at_the_identity(tmp_path: Path) -> None:
    source = small_supernet(1)
    transforms = [name for name in source.state_dict() if ".transform_" in name]
    assert transforms
    path = write_weights(
        tmp_path / "plain", **{name.replace(".", "__"): None for name in transforms}
    )
    supernet = fresh()
    FromWeights(path).apply(supernet)
    for name, tensor in supernet.state_dict().items():
        wanted = torch.eye(len(tensor)) if name in transforms else source.state_dict()[name]
        assert torch.equal(tensor, wanted), name


def test_weights_of_half_precision_are_widened(tmp_path: Path) -> None:
    half = small_supernet(1).stem.conv.weight.detach().half()
    supernet = fresh()
    FromWeights(write_weights(tmp_path / "half", stem__conv__weight=half)).apply(supernet)
    assert supernet.stem.conv.weight.dtype == torch.float32
    assert torch.equal(supernet.stem.conv.weight, half.float())


def test_tensors_that_do_not_fit_are_all_counted_and_the_first_named(tmp_path: Path) -> None:
    path = write_weights(
        tmp_path / "odd",
        stem__conv__weight=None,
        stem__norm__weight=None,
        stem__norm__bias=None,
        stem__norm__running_mean=None,
        stem__extra=torch.ones(1),
        first__project__conv__weight=torch.ones(5, 4, 1, 1),
        first__project__norm__bias=torch.tensor([0, 1, torch.nan, 2]),
    )
    error = refusal(FromWeights(path), fresh())
    assert error.field == "tensors"
    assert error.rule == "must be those of the space's largest network"
    assert error.value == (
        "4 missing (stem.conv.weight, stem.norm.weight, stem.norm.bias, ...); "
        "1 unexpected (stem.extra); "
        "1 of another shape (first.project.conv.weight (5, 4, 1, 1) instead of (4, 4, 1, 1)); "
        "1 not of finite floating-point numbers (first.project.norm.bias)"
    )


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"classifier__weight": torch.ones(10, 5)}, "of another shape (classifier.weight"),
        ({"classifier__bias": torch.ones(3)}, "of another shape (classifier.bias"),
        ({"classifier__bias": None}, "missing (classifier.bias)"),
        ({"classifier__bias": torch.ones(3), "classifier__weight": torch.ones(4, 24)}, "weight"),
        ({"classifier__bias": torch.ones(3), "classifier__weight": torch.ones(3)}, "weight"),
        ({"stem__norm__bias": torch.ones(4, dtype=torch.int64)}, "(stem.norm.bias)"),
        ({"stem__norm__bias": torch.ones(4).to(torch.float8_e4m3fn)}, "(stem.norm.bias)"),
    ],
)
def test_a_damaged_head_is_no_head_of_other_classes(
    tmp_path: Path, changes: dict[str, Tensor | None], fault: str
) -> None:
    error = refusal(FromWeights(write_weights(tmp_path / "odd", **changes)), fresh())
    assert fault in str(error)


def test_what_is_no_safetensors_file_is_refused(tmp_path: Path) -> None:
    damaged = write_weights(tmp_path / "damaged")
    damaged.write_bytes(damaged.read_bytes()[:-8])
    torch.save({}, tmp_path / "torch")
    for path in (damaged, tmp_path / "torch", tmp_path / "missing"):
        error = refusal(FromWeights(path), fresh())
        assert error.rule.startswith("must be a safetensors file (")
