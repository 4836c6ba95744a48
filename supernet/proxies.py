"""Zero-cost proxies: figures of untrained networks that rank like accuracies, at times.

docs/proxies.md lists formulas, sources, published correlations and when not to trust them.
"Weights" are those of convolutions and linear layers, one tensor a layer; biases and norms are left
out of all sums. Every function works on a copy: the given module, its running statistics included,
stays as it is. Gradients are of the mean cross-entropy, with batch norms in training mode, since a
network that nobody trained has no other statistics.

Tensors carry their shape as a suffix: B batch, C channels, H height, W width.
"""

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from search_space.layers import Layer
from supernet.data import TensorData, resize
from supernet.network import Network
from supernet.proxy_settings import ProxyName, ProxySettings

NASWOT_JITTER = 1e-6
"""Added to the kernel's diagonal, whose entries count units: equal codes stay finite."""
JACOBIAN_JITTER = 1e-5
"""Added to eigenvalues, as in the released code."""
ZEN_STEP = 0.01
"""Length of a perturbation by that of the input, as in the released code."""

_NORMS: frozenset[Any] = frozenset(
    [functional.batch_norm, functional.layer_norm, functional.group_norm, functional.instance_norm]
)
_RECTIFIERS: frozenset[Any] = frozenset(
    [
        functional.relu,
        torch.relu,
        Tensor.relu,
        functional.relu6,
        functional.hardswish,
        functional.silu,
        functional.gelu,
    ]
)


class ProxyError(ValueError):
    """A network has no such figure; the message names the proxy and says why."""


@dataclass(frozen=True)
class Batch:
    """Images as a network takes them, shape (B, C, H, W), and their labels, shape (B,)."""

    images: Tensor
    labels: Tensor


def snip(module: nn.Module, batch: Batch) -> float:
    """Returns the sum over all weights of |w dL/dw| (Lee et al. 2019, arXiv 1810.02340).

    Not normalized by its total, which would be 1, as in Abdelfattah et al. 2021, arXiv 2101.08134.
    """
    network = _copy(module)
    return _saliency(_weights(network), _gradients(network, batch))


def grad_norm(module: nn.Module, batch: Batch) -> float:
    """Returns the sum over layers of the L2 norm of dL/dw (Abdelfattah et al. 2021)."""
    return sum(float(gradient.norm()) for gradient in _gradients(_copy(module), batch))


def synflow(module: nn.Module, input_shape: Sequence[int]) -> float:
    """Returns the sum over all weights of |w dR/dw| (Tanaka et al. 2020, arXiv 2006.05467).

    R is the sum of the outputs for an input of ones, with every parameter replaced by its absolute
    value, in double precision. Norms of any kind are passed over, as batch norms are in Abdelfattah
    et al. 2021. In a chain of linear and rectified layers without biases the score is exactly R
    times the number of layers.

    Args:
        module: left as it is.
        input_shape: of one input, without the batch.
    """
    network = _copy(module).double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.abs_()
    weights = _weights(network)
    with _WithoutNorms():
        total = network(torch.ones((1, *input_shape), dtype=torch.float64)).sum()
    gradients = torch.autograd.grad(total, weights, materialize_grads=True)
    return _saliency(weights, gradients)


@torch.no_grad()
def naswot(module: nn.Module, images_BCHW: Tensor) -> float:
    """Returns log det K of the activation codes (Mellor et al. 2021, arXiv 2006.04647).

    c holds for every rectifier whether its input is positive; K adds up c c' + (1 - c)(1 - c)' over
    layers, shape (B, B): on how many units two images agree. Rectifiers are relu, relu6, hard
    swish, swish and gelu, which all bend at zero.

    Raises:
        ProxyError: there is no rectifier.
    """
    observer = _RectifierCodes(len(images_BCHW))
    with observer:
        _copy(module)(images_BCHW)
    if not observer.num_layers:
        raise ProxyError("naswot needs a network with rectifiers, got none")
    return log_determinant(observer.kernel)


def log_determinant(kernel: Tensor) -> float:
    """Returns the logarithm of the determinant of a kernel of counts, shape (B, B)."""
    jitter = NASWOT_JITTER * torch.eye(len(kernel), dtype=kernel.dtype)
    return float(torch.linalg.slogdet(kernel + jitter).logabsdet)


def code_kernel(inputs_B: Tensor) -> Tensor:
    """Returns on how many units each two images agree, shape (B, B), of one rectifier's inputs."""
    code = (inputs_B.flatten(1) > 0).double()
    return code @ code.T + (1 - code) @ (1 - code).T


def jacob_cov(module: nn.Module, images_BCHW: Tensor) -> float:
    """Returns the score of the Jacobians' correlations (Mellor et al. 2020, arXiv 2006.04647v1).

    With v the eigenvalues of the correlation matrix of d(sum of outputs)/d(image) between images:
    -sum(log(v + 1e-5) + 1 / (v + 1e-5)). More images than pixels make eigenvalues zero, each of
    which costs 1e5. NaN where an image's Jacobian is constant, which correlates with nothing.
    """
    inputs_BCHW = images_BCHW.detach().clone().requires_grad_()
    outputs = _copy(module)(inputs_BCHW)
    (jacobian_BCHW,) = torch.autograd.grad(outputs.sum(), [inputs_BCHW])
    correlations = torch.corrcoef(jacobian_BCHW.flatten(1).double())
    if not correlations.isfinite().all():  # a Jacobian is the same for all pixels
        return math.nan
    eigenvalues = torch.linalg.eigvalsh(correlations)
    shifted = eigenvalues.clamp(min=0) + JACOBIAN_JITTER
    return -float((shifted.log() + 1 / shifted).sum())


def zico(module: nn.Module, batches: Sequence[Batch]) -> float:
    """Returns the sum over layers of the log of summed gradients' signal by noise.

    Li et al. 2023, arXiv 2301.11300: of each weight the mean over batches of |dL/dw|, by the
    population's standard deviation of dL/dw over batches; weights whose gradient never changes are
    left out, and so are layers where none does.

    Args:
        module: left as it is.
        batches: at least 2, of equal sizes.

    Raises:
        ProxyError: there are fewer.
    """
    if len(batches) < 2:
        raise ProxyError(f"zico needs at least 2 batches, got {len(batches)}")
    network = _copy(module)
    by_batch = [_gradients(network, batch) for batch in batches]
    return sum(signal_to_noise(torch.stack(layer)) for layer in zip(*by_batch, strict=True))


def signal_to_noise(gradients: Tensor) -> float:
    """Returns the term of one layer in `zico`; gradients have shape (num_batches, ...)."""
    flat = gradients.flatten(1).double()
    noise = flat.std(0, correction=0)
    total = float((flat.abs().mean(0) / noise)[noise > 0].sum())
    return math.log(total) if total > 0 else 0.0


@torch.no_grad()
def zen(
    module: nn.Module,
    input_shape: Sequence[int],
    generator: torch.Generator,
    *,
    batch_size: int = 16,
    repeats: int = 32,
) -> float:
    """Returns how much features move with their input (Lin et al. 2021, arXiv 2102.01063).

    log E |f(x) - f(x + 0.01 x')| + sum over batch norms of log sqrt(mean variance), the mean over
    repetitions, each with weights, x and x' drawn from N(0, 1), scales 1, shifts and biases 0. The
    absolute differences are summed over an image's features.

    Unlike the paper shortcuts are not removed, and the variances are those of x alone, not running
    averages.

    Args:
        module: gives features (of a network, what lies before its global pooling: `trunk`).
        input_shape: of one input, without the batch.
        generator: draws.
        batch_size: inputs in each repetition.
        repeats: how many.
    """
    network = _copy(module)
    norms = [child for child in network.modules() if isinstance(child, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    shape = (batch_size, *input_shape)
    scores = []
    for _ in range(repeats):
        _draw_normal(network, generator)
        x = torch.randn(shape, generator=generator)
        features = network(x)
        scales = sum(0.5 * float(_variance(norm).mean().log()) for norm in norms)
        moved = network(x + ZEN_STEP * torch.randn(shape, generator=generator))
        distance = (features - moved).abs().flatten(1).sum(1).mean()
        scores.append(float(distance.log()) + scales)
    return float(np.mean(scores))


def trunk(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Returns a network's layers without its head: all up to what the last global pooling reads."""
    last_pool = [layer for layer in layers if layer.op == "global_pool"][-1]
    names = [layer.name for layer in layers]
    return tuple(layers[: names.index(last_pool.inputs[0]) + 1])


def proxy_metrics(
    layers: Sequence[Layer], data: TensorData, settings: ProxySettings
) -> dict[str, float]:
    """Returns the proxies of a network that is initialized anew, by name.

    The seed draws images of the training split, without augmentation, and the weights
    (`supernet.network.initialize`); each proxy is what it would be if it were the only one.

    Args:
        layers: of the network.
        data: whose training images are looked at.
        settings: which proxies, and how.

    Returns:
        `synflow` as the logarithm of the score, which grows exponentially with the depth; all
        others as their functions give them.

    Raises:
        ProxyError: a network has no such figure, or it is not finite.
    """
    network = Network(layers, generator=torch.Generator().manual_seed(settings.seed))
    first, second = _two_batches(data, network.input_shape[1], settings)
    shape = network.input_shape

    def zen_of_trunk() -> float:
        generator = torch.Generator().manual_seed(settings.seed)
        features = Network(trunk(layers), generator=generator)
        return zen(
            features,
            shape,
            generator,
            batch_size=settings.zen_batch_size,
            repeats=settings.zen_repeats,
        )

    known: Mapping[ProxyName, Callable[[], float]] = {
        "grad_norm": lambda: grad_norm(network, first),
        "jacob_cov": lambda: jacob_cov(network, first.images),
        "naswot": lambda: naswot(network, first.images),
        "snip": lambda: snip(network, first),
        "synflow": lambda: _logarithm(synflow(network, shape)),
        "zen": zen_of_trunk,
        "zico": lambda: zico(network, [first, second]),
    }
    found: dict[str, float] = {name: known[name]() for name in settings.names}
    for name, value in found.items():
        if not math.isfinite(value):
            raise ProxyError(f"{name} must be finite, got {value}")
    return found


def _two_batches(data: TensorData, resolution: int, settings: ProxySettings) -> tuple[Batch, Batch]:
    count = min(settings.batch_size, len(data.train) // 2)
    rng = np.random.default_rng(settings.seed)
    chosen = torch.from_numpy(rng.choice(len(data.train), 2 * count, replace=False))
    images = resize(data.normalize(data.train.images[chosen]), resolution)
    labels = data.train.labels[chosen]
    return Batch(images[:count], labels[:count]), Batch(images[count:], labels[count:])


def _logarithm(value: float) -> float:
    return math.log(value) if value > 0 else -math.inf


def _copy(module: nn.Module) -> nn.Module:
    """Returns a copy in training mode, all of whose parameters have gradients."""
    return copy.deepcopy(module).train().requires_grad_()


def _weights(network: nn.Module) -> list[Tensor]:
    owners = (child for child in network.modules() if isinstance(child, nn.Conv2d | nn.Linear))
    return [owner.weight for owner in owners]


def _gradients(network: nn.Module, batch: Batch) -> tuple[Tensor, ...]:
    """Returns dL/dw of each layer's weights; zeros where the loss does not depend on them."""
    loss = functional.cross_entropy(network(batch.images), batch.labels)
    return torch.autograd.grad(loss, _weights(network), materialize_grads=True)


def _saliency(weights: Sequence[Tensor], gradients: Sequence[Tensor]) -> float:
    pairs = zip(weights, gradients, strict=True)
    return sum(float((weight.detach() * gradient).abs().sum()) for weight, gradient in pairs)


def _draw_normal(network: nn.Module, generator: torch.Generator) -> None:
    """Draws all weights from N(0, 1); scales of norms become 1, shifts and biases 0."""
    for parameter in network.parameters():
        parameter.zero_()
    for weight in _weights(network):
        weight.normal_(generator=generator)
    for child in network.modules():
        own = getattr(child, "weight", None)
        if isinstance(own, Tensor) and own.dim() == 1:
            own.fill_(1.0)


def _variance(norm: nn.BatchNorm2d) -> Tensor:
    assert norm.running_var is not None
    return norm.running_var


class _WithoutNorms(TorchFunctionMode):
    """Passes over normalizations, of modules and of functions alike."""

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:  # the signature is torch's
        if func in _NORMS:
            return args[0]
        return func(*args, **(kwargs or {}))


class _RectifierCodes(TorchFunctionMode):
    """Adds up the kernels of all rectifiers' inputs, of modules and of functions alike."""

    def __init__(self, num_images: int) -> None:
        super().__init__()
        self.kernel = torch.zeros((num_images, num_images), dtype=torch.float64)
        self.num_layers = 0

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:  # the signature is torch's
        options = kwargs or {}
        is_relu6 = func is functional.hardtanh and options.get("min_val") == 0  # nn.ReLU6
        if func in _RECTIFIERS or is_relu6:
            self.kernel += code_kernel(args[0])
            self.num_layers += 1
        return func(*args, **options)
