import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from supernet_examples import SETTINGS, VIT, lively, random_architectures, small_supernet

from search_space.masking import MaskError
from search_space.space import Architecture, InvalidArchitectureError
from search_space.vit import VisionTransformerSettings
from supernet.base import Supernet
from supernet.masked import containing, masked_forward

ONE_RESOLUTION = VIT.model_copy(update={"resolutions": (16,)})
WITH_STEM = lively(Supernet(ONE_RESOLUTION))
WITHOUT = lively(Supernet(ONE_RESOLUTION.model_copy(update={"stem_width": 0})))


def images(count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 1, 16, 16, generator=generator)


def separately(
    supernet: Supernet, x: torch.Tensor, architectures: list[Architecture], own: torch.Tensor
) -> torch.Tensor:
    """Each sub-batch in a pass of its own."""
    logits = torch.zeros(len(x), 10)
    for number, architecture in enumerate(architectures):
        chosen = own == number
        if chosen.any():
            logits = logits.index_put((chosen,), supernet(x[chosen], architecture))
    return logits


def gradients(supernet: Supernet, logits: torch.Tensor) -> dict[str, torch.Tensor]:
    supernet.zero_grad()
    (logits * torch.linspace(-1, 1, logits.numel()).view_as(logits)).sum().backward()
    return {
        name: torch.zeros_like(p) if p.grad is None else p.grad.clone()
        for name, p in supernet.named_parameters()
    }


def check_equal(supernet: Supernet, architectures: list[Architecture], own: torch.Tensor) -> None:
    x = images(len(own))
    found = masked_forward(supernet, x, architectures, own)
    expected = separately(supernet, x, architectures, own)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    found_gradients = gradients(supernet, found)
    for name, gradient in gradients(supernet, expected).items():
        scale = max(1.0, float(gradient.abs().max()))
        torch.testing.assert_close(
            found_gradients[name] / scale, gradient / scale, rtol=0, atol=1e-5
        )


@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 4),
    own=st.lists(st.integers(0, 3), min_size=1, max_size=6),
)
@settings(max_examples=25)
def test_one_masked_pass_equals_passes_one_by_one(seed: int, count: int, own: list[int]) -> None:
    genes = WITH_STEM.space.sample(count, np.random.default_rng(seed))
    architectures = [WITH_STEM.space.decode(row) for row in genes]
    assignment = torch.tensor(own) % count
    check_equal(WITH_STEM.eval(), architectures, assignment)
    check_equal(WITHOUT.train(), architectures, assignment)


def test_the_extremes_of_the_tiny_preset_share_a_pass() -> None:
    supernet = lively(Supernet(VisionTransformerSettings.from_preset("tiny")))
    architectures = random_architectures(supernet.space, 4)
    x = torch.randn(8, 1, 8, 8)
    own = torch.arange(8) % 4
    found = masked_forward(supernet, x, architectures, own)
    expected = separately(supernet, x, architectures, own)
    scale = float(expected.detach().abs().max())
    torch.testing.assert_close(found / scale, expected / scale, rtol=1e-5, atol=1e-5)


def test_what_no_architecture_has_gets_no_gradient() -> None:
    supernet = copy.deepcopy(WITHOUT)
    smallest = supernet.space.smallest()
    logits = masked_forward(supernet, images(4), [smallest], torch.zeros(4, dtype=torch.int64))
    logits.sum().backward()
    layers = {layer.name for layer in supernet.settings.lower(smallest)}
    for name, parameter in supernet.named_parameters():
        assert (parameter.grad is not None) == (name.rpartition(".")[0] in layers), name


def test_in_training_the_batch_norms_of_the_stem_see_the_whole_batch() -> None:
    architectures = random_architectures(WITH_STEM.space, 3)
    together, alone = (copy.deepcopy(WITH_STEM).train() for _ in range(2))
    x, own = images(9), torch.arange(9) % 3
    logits = masked_forward(together, x, architectures, own)
    for number, architecture in enumerate(architectures):
        expected = alone(x, architecture)[own == number]
        torch.testing.assert_close(logits[own == number], expected, rtol=1e-5, atol=1e-5)
        if number == 0:
            torch.testing.assert_close(
                together.get_buffer("stem.conv1.norm.running_mean"),
                alone.get_buffer("stem.conv1.norm.running_mean"),
            )


def test_the_pass_is_no_larger_than_its_architectures_need() -> None:
    space = WITHOUT.space
    smallest, largest = space.smallest(), space.largest()
    assert containing(space, [smallest]) == smallest
    assert containing(space, [smallest, largest]) == largest
    deep = space.validate(
        {
            **smallest,
            "stage1.block2.exists": 1,
            "stage1.block2.heads": 1,
            "stage1.block2.head_width": 2,
            "stage1.block2.hidden_width": 8,
        }
    )
    wide = space.validate({**smallest, "stage1.width": 8})
    assert dict(containing(space, [deep, wide])) == {**deep, "stage1.width": 8}


def test_it_works_under_autocast() -> None:
    architectures = random_architectures(WITHOUT.space, 2)
    x, own = images(4), torch.tensor([0, 1, 0, 1])
    expected = masked_forward(WITHOUT, x, architectures, own)
    with torch.autocast("cpu", torch.bfloat16):
        found = masked_forward(WITHOUT, x, architectures, own)
    assert found.dtype == torch.bfloat16
    scale = float(expected.detach().abs().max())
    torch.testing.assert_close(found.float() / scale, expected / scale, rtol=0, atol=0.05)


def test_networks_that_a_mask_cannot_make_of_one_are_refused() -> None:
    supernet = small_supernet()  # of a convolutional family
    architectures = [supernet.space.smallest(), supernet.space.largest()]
    with pytest.raises(MaskError, match="input must have one height and width"):
        masked_forward(supernet, torch.zeros(2, 1, 12, 12), architectures, torch.tensor([0, 1]))


def test_bad_calls_are_refused_with_rule_and_value() -> None:
    space = WITHOUT.space
    pair = [space.smallest(), space.largest()]
    x, own = images(3), torch.tensor([0, 1, 1])
    with pytest.raises(ValueError, match="at least one, got none"):
        masked_forward(WITHOUT, x, [], own)
    with pytest.raises(ValueError, match=r"\(any, 1, 16, 16\), got \(3, 1, 8, 8\)"):
        masked_forward(WITHOUT, x[:, :, :8, :8], pair, own)
    with pytest.raises(ValueError, match=r"int64 of shape \(3,\), got torch.int64 of shape \(2,\)"):
        masked_forward(WITHOUT, x, pair, own[:2])
    with pytest.raises(ValueError, match="must be int64"):
        masked_forward(WITHOUT, x, pair, own.float())
    with pytest.raises(ValueError, match="must lie in 0 to 1, got 0 to 2"):
        masked_forward(WITHOUT, x, pair, torch.tensor([0, 1, 2]))
    with pytest.raises(InvalidArchitectureError):
        masked_forward(WITHOUT, x, [SETTINGS.build().largest()], own)


def test_recomputed_masked_passes_keep_fewer_activations_and_give_the_same_gradients() -> None:
    architectures = random_architectures(WITHOUT.space, 4)
    own, x = torch.arange(8) % 4, images(8)
    kept, found = [], []
    for checkpointing in (False, True):
        sizes: list[int] = []

        def note(tensor: torch.Tensor, sizes: list[int] = sizes) -> torch.Tensor:
            sizes.append(tensor.numel())
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            logits = masked_forward(WITHOUT, x, architectures, own, checkpointing=checkpointing)
        found.append(gradients(WITHOUT, logits))
        kept.append(sum(sizes))
    assert kept[1] < 0.5 * kept[0]
    torch.testing.assert_close(found[1], found[0], rtol=1e-5, atol=1e-6)
