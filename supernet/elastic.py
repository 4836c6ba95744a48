"""Elastic layers: one set of weights for every size; the size is an argument of each call.

A smaller layer is the first channels of the larger one; a smaller kernel is the centre of the
larger one, seen through a learned square matrix (Cai et al. 2020, arXiv 1908.09791, section 3.3).
Nothing here remembers a size between calls.

Tensors carry their shape as a suffix: B batch, C channels, H height, W width, F features.
"""

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from search_space.tensors import LOW_RANK_DOWN, LOW_RANK_UP, low_rank_tensors, transform_name
from supernet.depthwise import depthwise_conv2d
from supernet.network import BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM


def leading_of_heads(tensor: Tensor, dim: int, max_heads: int, heads: int, channels: int) -> Tensor:
    """Returns the first `channels` // `heads` channels of each of the first `heads` heads.

    Dimension `dim` of the tensor holds `max_heads` equal runs of channels. Fewer whole heads are
    one run, so a view; narrower heads are gathered into a new tensor.
    """
    size = tensor.shape[dim]
    if size == channels:
        return tensor
    width, max_width = channels // heads, size // max_heads
    if width == max_width or max_heads == 1:
        return tensor.narrow(dim, 0, channels)
    rest = tensor.shape[dim + 1 :]
    by_head = tensor.view(*tensor.shape[:dim], max_heads, max_width, *rest)
    by_head = by_head.narrow(dim, 0, heads).narrow(dim + 1, 0, width)
    return by_head.reshape(*tensor.shape[:dim], channels, *rest)


def leading(tensor: Tensor, *sizes: int) -> Tensor:
    """Returns the view of the first `sizes[i]` entries along each dimension i.

    A dimension that is taken whole costs nothing, so full-size layers run unsliced.
    """
    for dim, size in enumerate(sizes):
        if size != tensor.shape[dim]:
            tensor = tensor.narrow(dim, 0, size)
    return tensor


class ElasticConv2d(nn.Module):
    """A convolution of any number of channels and any of its kernel sizes.

    Args:
        in_channels: at most.
        out_channels: at most.
        kernel_sizes: odd, ascending.
        depthwise: one channel per group; in and out channels are then always equal.
        bias: whether there is one.
        in_heads: attention heads at most that the input's channels are divided into; 1 for none.
        out_heads: likewise of the output's channels, where the input's are not divided.
        rank: of an update of a frozen weight; 0 for none, and a weight that learns.

    The weight is that of the largest kernel. From each kernel size to the next smaller one leads a
    matrix `transform_7to5` (kernel^2 x kernel^2 of the smaller one, shared by all channels,
    initially the identity); size 3 of (3, 5, 7) is cropped and transformed twice. The once-for-all
    code has them for depthwise convolutions only.

    With a rank r the weight is a frozen one plus (1 / r) `low_rank_up` `low_rank_down`, which learn
    (low-rank adaptation, Hu et al. 2021, arXiv 2106.09685, with alpha = 1), as in the stitching
    layers of SN-Netv2 (arXiv 2307.00154). `low_rank_up` begins with zeros, so the update does, too.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_sizes: Sequence[int],
        *,
        depthwise: bool = False,
        bias: bool = False,
        in_heads: int = 1,
        out_heads: int = 1,
        rank: int = 0,
    ) -> None:
        super().__init__()
        assert in_heads == 1 or out_heads == 1, "heads are read or written"
        self.kernel_sizes = tuple(kernel_sizes)
        self.depthwise = depthwise
        self.groups = in_channels if depthwise else 1
        self.in_heads, self.out_heads = in_heads, out_heads
        kernel = self.kernel_sizes[-1]
        self.weight = nn.Parameter(
            torch.empty(out_channels, in_channels // self.groups, kernel, kernel)
        )
        self.register_parameter("bias", nn.Parameter(torch.empty(out_channels)) if bias else None)
        for small, large in itertools.pairwise(self.kernel_sizes):
            self.register_parameter(transform_name(small, large), nn.Parameter(torch.eye(small**2)))
        self.rank = rank
        if rank:
            assert self.kernel_sizes == (1,), "low-rank updates are those of 1 x 1 convolutions"
            self.weight.requires_grad = False
            for kind, shape in low_rank_tensors(in_channels, out_channels, rank).items():
                self.register_parameter(kind, nn.Parameter(torch.zeros(shape)))

    def forward(
        self,
        x_BCHW: Tensor,
        out_channels: int,
        kernel: int,
        stride: int,
        padding: int,
        in_heads: int = 1,
        out_heads: int = 1,
    ) -> Tensor:
        """Returns (B, out_channels, ceil(H / stride), ceil(W / stride))."""
        in_channels = x_BCHW.shape[1]
        weight, bias = self.sliced(in_channels, out_channels, kernel, in_heads, out_heads)
        if self.depthwise:
            return depthwise_conv2d(x_BCHW, weight, bias, stride)
        return functional.conv2d(x_BCHW, weight, bias, stride, padding)

    def sliced(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        in_heads: int = 1,
        out_heads: int = 1,
    ) -> tuple[Tensor, Tensor | None]:
        """Returns weight and bias of the given sizes.

        They are views where no kernel transform or low-rank update takes part and no head is
        narrower than stored.
        """
        own = self._parameters  # attribute access of modules is slow, and this runs every call
        full: Tensor | None = own["weight"]
        bias: Tensor | None = own["bias"]
        assert full is not None
        if self.rank:
            full = full + self._update().view_as(full)
        if bias is not None:
            bias = leading_of_heads(bias, 0, self.out_heads, out_heads, out_channels)
        # Heads last: narrower ones are copied, and what is not needed is gone by then.
        if self.out_heads > 1:
            weight = full.narrow(1, 0, in_channels) if in_channels < full.shape[1] else full
            weight = leading_of_heads(weight, 0, self.out_heads, out_heads, out_channels)
        elif self.in_heads > 1:
            weight = leading(full, out_channels)
            weight = leading_of_heads(weight, 1, self.in_heads, in_heads, in_channels)
        else:
            weight = leading(full, out_channels, 1 if self.depthwise else in_channels)
        if kernel != self.kernel_sizes[-1]:
            weight = self._transformed(weight, kernel)
        return weight, bias

    def _update(self) -> Tensor:
        """Returns what the frozen weight is changed by, (out_channels, in_channels)."""
        up, down = self.get_parameter(LOW_RANK_UP), self.get_parameter(LOW_RANK_DOWN)
        return up @ down / self.rank

    def _transformed(self, weight: Tensor, kernel: int) -> Tensor:
        for small, large in reversed(list(itertools.pairwise(self.kernel_sizes))):
            if small < kernel:
                break
            margin = (large - small) // 2
            centre = weight[:, :, margin : margin + small, margin : margin + small]
            transform = self.get_parameter(transform_name(small, large))
            flat = functional.linear(centre.flatten(1 if self.depthwise else 2), transform)
            weight = flat.view(centre.shape)
        return weight


class ElasticLinear(nn.Module):
    """A linear layer with bias of any number of features.

    Args:
        in_features: at most.
        out_features: at most.
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(out_features, in_features))
        self.bias = nn.Parameter(torch.empty(out_features))

    def forward(self, x_BF: Tensor, out_features: int) -> Tensor:
        """Returns (B, out_features)."""
        return functional.linear(x_BF, *self.sliced(x_BF.shape[1], out_features))

    def sliced(self, in_features: int, out_features: int) -> tuple[Tensor, Tensor]:
        """Returns views of weight and bias of the given sizes."""
        return leading(self.weight, out_features, in_features), leading(self.bias, out_features)


class ElasticBatchNorm2d(nn.Module):
    """A batch normalization of any number of channels; all sizes share scale, shift, statistics.

    The running statistics mix every size that was trained, so they fit none of them: networks are
    evaluated on extracted copies whose statistics are estimated anew (`supernet.calibrate`).

    Args:
        channels: at most.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Returns the normalized tensor: by its own statistics in training, else by the running."""
        weight, bias, mean, variance = self.sliced(x_BCHW.shape[1])
        return functional.batch_norm(
            x_BCHW,
            mean,
            variance,
            weight,
            bias,
            self.training,
            BATCH_NORM_MOMENTUM,
            BATCH_NORM_EPSILON,
        )

    def sliced(self, channels: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Returns views of scale, shift, running mean and running variance."""
        own, buffers = self._parameters, self._buffers  # quicker than attributes of a module
        weight, bias = own["weight"], own["bias"]
        mean, variance = buffers["running_mean"], buffers["running_var"]
        assert weight is not None
        assert bias is not None
        assert mean is not None
        assert variance is not None
        if channels == weight.shape[0]:
            return weight, bias, mean, variance
        return weight[:channels], bias[:channels], mean[:channels], variance[:channels]
