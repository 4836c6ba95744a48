"""What transformers need on maps of tokens: layer norm, position embeddings, attention.

A token is a pixel of a (channels, height, width) map. Nothing here remembers a size between calls:
a smaller layer is the first channels of the larger one, as in `supernet.elastic`.

Tensors carry their shape as a suffix: B batch, C channels, H height, W width, N tokens (H * W), D
channels of one head.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from search_space.layers import Layer

LAYER_NORM_EPSILON = 1e-6
"""That of the released ViT-ResNAS code."""


class LayerNorm(nn.Module):
    """A layer normalization over the channels of each token, of any number of channels.

    In a supernet the mean and the variance are those of the channels that are there. This is what
    ViT-ResNAS calls masked layer normalization (Liao et al. 2021, arXiv 2109.00642, released code):
    there the missing channels are zeros, and both moments are divided by the kept share p, as
    mean(x) / p and mean(x^2) / p - mean^2.

    Args:
        channels: at most.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Returns the normalized tensor, with its channels last in memory."""
        weight, bias = self.sliced(x_BCHW.shape[1])
        x_BHWC = x_BCHW.permute(0, 2, 3, 1)
        y_BHWC = functional.layer_norm(x_BHWC, weight.shape, weight, bias, LAYER_NORM_EPSILON)
        return y_BHWC.permute(0, 3, 1, 2)

    def sliced(self, channels: int) -> tuple[Tensor, Tensor]:
        """Returns views of scale and shift."""
        own = self._parameters  # quicker than attributes of a module
        weight, bias = own["weight"], own["bias"]
        assert weight is not None
        assert bias is not None
        if channels == weight.shape[0]:
            return weight, bias
        return weight[:channels], bias[:channels]


class PositionEmbedding(nn.Module):
    """A learned vector per token, added; of any number of channels and any size of the map.

    A map of another size than the stored one gets the stored one resampled (bicubic, as in
    Touvron et al. 2021, arXiv 2012.12877, section 4); the space's largest resolution is stored.

    Args:
        shape: (channels, height, width) at most.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.embedding = nn.Parameter(torch.zeros(shape))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Returns the sum."""
        return x_BCHW + self.sliced(*x_BCHW.shape[1:])

    def sliced(self, channels: int, height: int, width: int) -> Tensor:
        """Returns the embedding of shape (channels, height, width): a view at the stored size."""
        return resampled(self.embedding[:channels], height, width)


def resampled(embedding_CHW: Tensor, height: int, width: int) -> Tensor:
    """Returns position embeddings for a map of some size: themselves if it is theirs."""
    if embedding_CHW.shape[1:] == (height, width):
        return embedding_CHW
    resized = functional.interpolate(
        embedding_CHW[None], (height, width), mode="bicubic", align_corners=False, antialias=True
    )
    return resized[0]


def attention(q_BCHW: Tensor, k_BCHW: Tensor, v_BCHW: Tensor, heads: int) -> Tensor:
    """Returns softmax(q k / sqrt(D)) v of each head (Vaswani et al. 2017, arXiv 1706.03762).

    Args:
        q_BCHW: queries; their channels are `heads` runs of D.
        k_BCHW: keys, likewise.
        v_BCHW: values, likewise.
        heads: that divide the channels.

    Returns:
        Shape (B, C, H, W), channels last in memory.
    """
    batch, channels, height, width = q_BCHW.shape
    q, k, v = (_by_head(x_BCHW, heads) for x_BCHW in (q_BCHW, k_BCHW, v_BCHW))
    mixed_BHND = functional.scaled_dot_product_attention(q, k, v)
    mixed_BNC = mixed_BHND.transpose(1, 2).reshape(batch, height, width, channels)
    return mixed_BNC.permute(0, 3, 1, 2)


def _by_head(x_BCHW: Tensor, heads: int) -> Tensor:
    """Returns (B, heads, N, D): a view if the channels are last in memory."""
    batch, channels, height, width = x_BCHW.shape
    tokens = x_BCHW.permute(0, 2, 3, 1).reshape(batch, height * width, heads, channels // heads)
    return tokens.transpose(1, 2)


def token_module(layer: Layer) -> nn.Module | None:
    """Returns the module of a layer of transformers, None for another layer."""
    if layer.op == "layer_norm":
        return LayerNorm(layer.in_channels)
    if layer.op == "position":
        return PositionEmbedding(layer.out_shape)
    return None
