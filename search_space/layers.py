"""The cost-bearing view of a network: a graph of layers in execution order.

`lower(architecture)` of a family returns a tuple of `Layer`: the one description of the network
from which its costs are folded, the extracted torch module is built, the supernet's forward is
driven and the ONNX graph is written. A layer's name is the path of its parameters in the extracted
network.
"""

from dataclasses import dataclass
from typing import Literal

Op = Literal[
    "input",  # the network's input; always the first layer
    "conv",  # 2-d convolution, see `Layer.padding`
    "linear",
    "batch_norm",
    "layer_norm",  # over channels, at each position
    "position",  # adds a learned tensor of the input's shape
    "attention",  # softmax(q k / sqrt(head width)) v, of each head between all positions
    "activation",  # by `function`
    "max_pool",  # over windows of an odd kernel, padding kernel // 2
    "average_pool",  # over squares beside one another; the last may be cut off
    "pad_channels",  # channels of zeros behind
    "global_pool",  # mean over height and width, which stay as 1 x 1
    "flatten",
    "add",
    "multiply",  # broadcasts a (channels, 1, 1) gate
]
Function = Literal["", "relu", "relu6", "hard_swish", "hard_sigmoid", "gelu"]

PARAMETRIC: frozenset[Op] = frozenset(["conv", "linear", "batch_norm", "layer_norm", "position"])
"""What owns weights, under the layer's name."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One operation.

    Attributes:
        name: unique in its network; dots separate modules ("stage1.block2.expand.conv").
        op: what it computes.
        inputs: names of the earlier layers whose outputs it reads, in order.
        out_shape: (channels, height, width) or (features,), without the batch.
        in_channels: channels or features read (conv, linear, pad_channels and the norms).
        kernel: side of the square kernel (conv) or window (max_pool, average_pool).
        stride: stride in both directions (conv, max_pool, average_pool).
        groups: channel groups (conv); equal to in_channels for a depthwise convolution.
        bias: whether there is one (conv, linear).
        function: which activation.
        in_heads: attention heads to which the input's channels belong, each an equal run of them
            (attention, and the conv that reads it; 1 elsewhere).
        out_heads: likewise of the output's channels (the convs that attention reads).
    """

    name: str
    op: Op
    inputs: tuple[str, ...]
    out_shape: tuple[int, ...]
    in_channels: int = 0
    kernel: int = 1
    stride: int = 1
    groups: int = 1
    bias: bool = False
    function: Function = ""
    in_heads: int = 1
    out_heads: int = 1

    @property
    def padding(self) -> int:
        """Zeros around the input: kernel // 2; none where the kernels tile it (patches)."""
        return 0 if self.kernel == self.stride else self.kernel // 2

    @property
    def out_channels(self) -> int:
        """Channels or features of the output."""
        return self.out_shape[0]


class LayerGraph:
    """Collects layers in execution order; each method appends one and returns its name.

    A family's `lower` uses it to write a network down as it would be computed.
    """

    def __init__(self, input_shape: tuple[int, int, int]) -> None:
        self._layers: dict[str, Layer] = {}
        self.input = self._append(Layer("input", "input", (), input_shape))

    def _append(self, layer: Layer) -> str:
        assert layer.name not in self._layers, f"two layers named {layer.name}"
        self._layers[layer.name] = layer
        return layer.name

    def shape(self, name: str) -> tuple[int, ...]:
        """Returns the output shape, without the batch, of a layer."""
        return self._layers[name].out_shape

    def layers(self) -> tuple[Layer, ...]:
        """Returns all layers in execution order."""
        return tuple(self._layers.values())

    def conv(
        self,
        name: str,
        x: str,
        out_channels: int,
        *,
        kernel: int = 1,
        stride: int = 1,
        groups: int = 1,
        bias: bool = False,
        in_heads: int = 1,
        out_heads: int = 1,
    ) -> str:
        """Appends a convolution: odd `kernel`, or patches (`kernel` = `stride`) that tile x."""
        channels, height, width = self.shape(x)
        assert kernel != stride or height % stride == width % stride == 0, f"{name} must tile {x}"
        layer = Layer(
            name,
            "conv",
            (x,),
            (out_channels, *self._strided(x, stride)[1:]),
            channels,
            kernel,
            stride,
            groups,
            bias,
            in_heads=in_heads,
            out_heads=out_heads,
        )
        return self._append(layer)

    def _strided(self, x: str, stride: int) -> tuple[int, int, int]:
        """Returns a layer's output shape with height and width divided, rounded up.

        With padding k // 2 and odd k: floor((n + 2 (k // 2) - k) / s) + 1 = ceil(n / s).
        """
        channels, height, width = self.shape(x)
        return (channels, -(-height // stride), -(-width // stride))

    def batch_norm(self, name: str, x: str) -> str:
        """Appends a batch normalization over channels."""
        shape = self.shape(x)
        return self._append(Layer(name, "batch_norm", (x,), shape, in_channels=shape[0]))

    def layer_norm(self, name: str, x: str) -> str:
        """Appends a layer normalization over the channels of each position."""
        shape = self.shape(x)
        return self._append(Layer(name, "layer_norm", (x,), shape, in_channels=shape[0]))

    def position(self, name: str, x: str) -> str:
        """Appends a learned position embedding: one vector per position, added."""
        return self._append(Layer(name, "position", (x,), self.shape(x)))

    def attention(self, name: str, q: str, k: str, v: str, heads: int) -> str:
        """Appends self-attention between all positions, per head (arXiv 1706.03762, eq. 1)."""
        shape = self.shape(q)
        assert self.shape(k) == self.shape(v) == shape, f"{name} needs q, k and v of one shape"
        assert shape[0] % heads == 0
        return self._append(Layer(name, "attention", (q, k, v), shape, in_heads=heads))

    def activation(self, name: str, x: str, function: Function) -> str:
        """Appends an element-wise activation."""
        return self._append(Layer(name, "activation", (x,), self.shape(x), function=function))

    def max_pool(self, name: str, x: str, *, kernel: int, stride: int) -> str:
        """Appends the maximum of each window, with odd `kernel` and padding kernel // 2."""
        shape = self._strided(x, stride)
        return self._append(Layer(name, "max_pool", (x,), shape, kernel=kernel, stride=stride))

    def average_pool(self, name: str, x: str, size: int) -> str:
        """Appends the mean over squares of `size` pixels, cut off where x ends."""
        shape = self._strided(x, size)
        return self._append(Layer(name, "average_pool", (x,), shape, kernel=size, stride=size))

    def pad_channels(self, name: str, x: str, channels: int) -> str:
        """Appends channels of zeros behind those of x, up to `channels`."""
        found, height, width = self.shape(x)
        assert channels >= found, f"{name} pads {found} channels to {channels}"
        out_shape = (channels, height, width)
        return self._append(Layer(name, "pad_channels", (x,), out_shape, in_channels=found))

    def global_pool(self, name: str, x: str) -> str:
        """Appends the mean over height and width, kept as a (channels, 1, 1) tensor."""
        return self._append(Layer(name, "global_pool", (x,), (self.shape(x)[0], 1, 1)))

    def flatten(self, name: str, x: str) -> str:
        """Appends a reshape to (features,)."""
        channels, height, width = self.shape(x)
        return self._append(Layer(name, "flatten", (x,), (channels * height * width,)))

    def linear(self, name: str, x: str, out_features: int) -> str:
        """Appends a linear layer with bias."""
        (features,) = self.shape(x)
        return self._append(
            Layer(name, "linear", (x,), (out_features,), in_channels=features, bias=True)
        )

    def add(self, name: str, x: str, y: str) -> str:
        """Appends the sum of two tensors of one shape."""
        assert self.shape(x) == self.shape(y), f"{name} adds {self.shape(x)} to {self.shape(y)}"
        return self._append(Layer(name, "add", (x, y), self.shape(x)))

    def multiply(self, name: str, x: str, gate: str) -> str:
        """Appends the product of a (channels, height, width) tensor and a (channels, 1, 1) gate."""
        assert self.shape(x)[0] == self.shape(gate)[0]
        return self._append(Layer(name, "multiply", (x, gate), self.shape(x)))
