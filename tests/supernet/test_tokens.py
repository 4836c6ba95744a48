import math

import pytest
import torch
from torch.nn import functional

from supernet.tokens import LAYER_NORM_EPSILON, LayerNorm, PositionEmbedding, attention


def lively_norm(channels: int) -> LayerNorm:
    norm = LayerNorm(channels)
    with torch.no_grad():
        norm.weight.normal_()
        norm.bias.normal_()
    return norm


def masked_layer_norm(x_BCHW: torch.Tensor, norm: LayerNorm, kept: int) -> torch.Tensor:
    """ViT-ResNAS: all channels are there, those not kept are zeros; p is the kept share."""
    p = kept / x_BCHW.shape[1]
    mean = x_BCHW.mean(1, keepdim=True) / p
    variance = x_BCHW.square().mean(1, keepdim=True) / p - mean.square()
    z = (x_BCHW - mean) / torch.sqrt(variance + LAYER_NORM_EPSILON)
    return norm.weight[:, None, None] * z + norm.bias[:, None, None]


@pytest.mark.parametrize("kept", [1, 3, 8])
def test_the_sliced_layer_norm_is_the_masked_one_of_vit_resnas(kept: int) -> None:
    norm = lively_norm(8)
    x = torch.randn(2, kept, 3, 5)
    padded = functional.pad(x, (0, 0, 0, 0, 0, 8 - kept))
    expected = masked_layer_norm(padded, norm, kept)[:, :kept]
    torch.testing.assert_close(norm(x), expected, rtol=1e-4, atol=1e-4)


def test_each_token_is_normalized_by_itself() -> None:
    norm, x = LayerNorm(6), torch.randn(2, 6, 4, 4) * 3 + 2
    y = norm(x)
    torch.testing.assert_close(y.mean(1), torch.zeros(2, 4, 4), rtol=0, atol=1e-5)
    torch.testing.assert_close(y.var(1, unbiased=False), torch.ones(2, 4, 4), rtol=0, atol=1e-4)
    torch.testing.assert_close(norm(x[:, :, 1:2, 2:3]), y[:, :, 1:2, 2:3])


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_attention_is_softmax_of_scaled_products_times_values(
    memory_format: torch.memory_format,
) -> None:
    maps = [torch.randn(2, 6, 3, 2).contiguous(memory_format=memory_format) for _ in range(3)]
    found = attention(*maps, heads=2)
    q, k, v = (x.flatten(2) for x in maps)
    for head in (slice(0, 3), slice(3, 6)):
        scores = torch.einsum("bdn,bdm->bnm", q[:, head], k[:, head]) / math.sqrt(3)
        expected = torch.einsum("bnm,bdm->bdn", scores.softmax(-1), v[:, head])
        torch.testing.assert_close(found[:, head], expected.view(2, 3, 3, 2))


def test_a_position_embedding_of_another_size_is_resampled() -> None:
    position = PositionEmbedding((4, 6, 6))
    with torch.no_grad():  # a ramp along the height, the same in each column
        position.embedding.copy_(torch.arange(6.0)[:, None].expand(4, 6, 6))
    assert position.sliced(3, 6, 6).data_ptr() == position.embedding.data_ptr()
    small = position.sliced(3, 2, 2)
    assert small.shape == (3, 2, 2)
    torch.testing.assert_close(small[0].mean(), torch.tensor(2.5))
    assert float((small[0, 1, 0] - small[0, 0, 0]).detach()) == pytest.approx(3.0, abs=0.5)
    x = torch.zeros(5, 3, 2, 2)
    assert torch.equal(position(x), small.expand(5, -1, -1, -1))
