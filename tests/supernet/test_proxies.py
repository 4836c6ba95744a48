"""Zero-cost proxies: closed forms, invariants, and that they leave everything as it was."""

import copy
import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from supernet_examples import EXAMPLES, few_digits
from torch import Tensor, nn

from search_space.cnn import MobileNetV3Settings
from search_space.layers import LayerGraph
from search_space.outcomes import METRIC_GOALS
from supernet.network import Network
from supernet.proxies import (
    Batch,
    ProxyError,
    code_kernel,
    grad_norm,
    jacob_cov,
    log_determinant,
    naswot,
    proxy_metrics,
    signal_to_noise,
    snip,
    synflow,
    trunk,
    zen,
    zico,
)
from supernet.proxy_settings import PROXY_NAMES, ProxySettings

FAMILY = MobileNetV3Settings.from_preset("tiny")
LAYERS = FAMILY.lower(FAMILY.build().largest())
DATA = few_digits(40)
ALL = ProxySettings.model_validate({"names": PROXY_NAMES, "batch_size": 16, "zen_repeats": 2})


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def network() -> Network:
    return Network(LAYERS, generator=generator())


def batch(seed: int = 0, count: int = 6) -> Batch:
    images = torch.randn((count, 1, 8, 8), generator=generator(seed))
    return Batch(images, torch.arange(count) % 10)


def linear(*matrices: list[list[float]]) -> nn.Sequential:
    layers = []
    for rows in matrices:
        weight = torch.tensor(rows, dtype=torch.float32)
        layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
        layer.weight.data = weight
        layers.append(layer)
    return nn.Sequential(*layers)


# --- closed forms ------------------------------------------------------------------------------


def test_synflow_of_two_matrices_by_hand() -> None:
    # |W2| |W1| 1 = [1 2] [3 3.5]' = 10; each of the two layers scores R.
    assert synflow(linear([[1, -2], [3, 0.5]], [[-1, 2]]), (2,)) == pytest.approx(20)


@pytest.mark.parametrize("num_layers", [1, 3, 6])
def test_synflow_of_a_chain_without_biases_is_its_output_times_its_layers(num_layers: int) -> None:
    torch_rng = generator(3)
    chain: list[nn.Module] = []
    for _ in range(num_layers):
        conv = nn.Conv2d(3, 3, 3, padding=1, bias=False)
        conv.weight.data.normal_(generator=torch_rng)
        chain += [conv, nn.BatchNorm2d(3), nn.ReLU()]
    total = torch.ones((1, 3, 5, 5), dtype=torch.float64)
    for conv in chain[::3]:
        assert isinstance(conv, nn.Conv2d)
        total = nn.functional.conv2d(total, conv.weight.detach().abs().double(), padding=1)
    found = synflow(nn.Sequential(*chain), (3, 5, 5))
    assert found == pytest.approx(num_layers * float(total.sum()))


def test_naswot_of_three_codes_by_hand() -> None:
    codes = torch.tensor([[1.0, -1, 1, 1], [1, 1, -1, 1], [-1, -1, 1, -1]])
    kernel = code_kernel(codes)
    assert kernel.tolist() == [[4, 2, 2], [2, 4, 0], [2, 0, 4]]
    assert log_determinant(kernel) == pytest.approx(math.log(32), abs=1e-5)
    assert math.log(32) == pytest.approx(3.465736, abs=1e-6)
    assert naswot(nn.ReLU(), codes) == pytest.approx(math.log(32), abs=1e-5)


@pytest.mark.parametrize(
    "rectifier",
    [nn.ReLU(), nn.ReLU6(), nn.Hardswish(), nn.SiLU(), nn.GELU(), torch.relu, Tensor.relu],
)
def test_every_rectifier_is_seen_once_and_its_output_stays(
    rectifier: Callable[[Tensor], Tensor],
) -> None:
    class Twice(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return rectifier(rectifier(x) - 0.1)

    x = torch.randn((4, 30), generator=generator())
    kernel = code_kernel(x) + code_kernel(rectifier(x) - 0.1)
    assert naswot(Twice(), x) == pytest.approx(log_determinant(kernel))


def test_images_with_equal_codes_leave_naswot_finite() -> None:
    assert math.isfinite(naswot(nn.ReLU(), torch.ones((3, 4))))


def test_naswot_needs_rectifiers() -> None:
    with pytest.raises(ProxyError, match="naswot needs a network with rectifiers"):
        naswot(nn.Linear(2, 2), torch.ones((3, 2)))


def test_zico_of_one_layer_by_hand() -> None:
    # The third weight's gradient never changes; (0.15 / 0.05) + (0.2 / 0.1) = 5.
    gradients = torch.tensor([[0.2, -0.1, 0.4], [0.1, -0.3, 0.4]])
    assert signal_to_noise(gradients) == pytest.approx(1.609438, abs=1e-6)
    assert signal_to_noise(torch.ones((2, 3))) == 0


def test_gradient_scores_are_those_of_the_loss_gradient() -> None:
    module = linear([[1, -2], [3, 0.5]], [[-1, 2], [0.5, 1]])
    x, labels = torch.tensor([[0.3, -0.8], [1.0, 0.2]]), torch.tensor([0, 1])
    weights = list(module.parameters())
    loss = nn.functional.cross_entropy(module(x), labels)
    expected = torch.autograd.grad(loss, weights)
    assert grad_norm(module, Batch(x, labels)) == pytest.approx(
        sum(math.sqrt(float((g**2).sum())) for g in expected)
    )
    assert snip(module, Batch(x, labels)) == pytest.approx(
        sum(float((w.detach() * g).abs().sum()) for w, g in zip(weights, expected, strict=True))
    )


def test_jacobians_that_do_not_correlate_score_minus_one_an_image() -> None:
    class Squares(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x**2 / 2  # the Jacobian of the summed outputs is x itself

    rows = torch.tensor([[1.0, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]])
    assert jacob_cov(Squares(), rows) == pytest.approx(-3, abs=1e-4)
    # One eigenvalue of zero costs 1e5.
    assert jacob_cov(Squares(), torch.cat([rows, rows[:1]])) == pytest.approx(-1e5, rel=1e-3)


def test_zen_of_one_linear_layer_is_what_normal_weights_give() -> None:
    # E |0.01 w x'| summed over m outputs is 0.01 m E|N(0, |x'|^2)|, about 0.01 m sqrt(2 n / pi).
    num_inputs, num_outputs = 400, 50
    module = nn.Linear(num_inputs, num_outputs, bias=False)
    expected = math.log(0.01 * num_outputs * math.sqrt(2 * num_inputs / math.pi))
    found = zen(module, (num_inputs,), generator(), batch_size=64, repeats=4)
    assert found == pytest.approx(expected, abs=0.05)


def test_zen_gives_back_what_a_batch_norm_takes_away() -> None:
    conv = nn.Conv2d(8, 32, 3, bias=False)
    plain = zen(conv, (8, 10, 10), generator(), repeats=4)
    normalized = nn.Sequential(conv, nn.BatchNorm2d(32))
    assert zen(normalized, (8, 10, 10), generator(), repeats=4) == pytest.approx(plain, abs=0.05)


def test_the_trunk_ends_before_the_head() -> None:
    layers = trunk(LAYERS)
    assert layers[-1].name == "final_expand.activation"
    assert any(layer.op == "global_pool" for layer in layers)  # those of squeeze-and-excitation


# --- what holds for all ------------------------------------------------------------------------

PROXIES: dict[str, Callable[[nn.Module], float]] = {
    "grad_norm": lambda module: grad_norm(module, batch()),
    "jacob_cov": lambda module: jacob_cov(module, batch().images),
    "naswot": lambda module: naswot(module, batch().images),
    "snip": lambda module: snip(module, batch()),
    "synflow": lambda module: synflow(module, (1, 8, 8)),
    "zen": lambda module: zen(module, (1, 8, 8), generator(), repeats=2),
    "zico": lambda module: zico(module, [batch(0), batch(1)]),
}


def test_no_proxy_is_missing() -> None:
    assert tuple(PROXIES) == PROXY_NAMES


@pytest.mark.parametrize("name", PROXIES)
def test_the_module_and_torchs_own_generator_stay_as_they_are(name: str) -> None:
    module = network().eval()
    module.requires_grad_(requires_grad=False)
    before, state = copy.deepcopy(module.state_dict()), torch.get_rng_state()
    first = PROXIES[name](module)
    assert math.isfinite(first)
    assert PROXIES[name](module) == first
    after = module.state_dict()
    assert all(torch.equal(tensor, after[key]) for key, tensor in before.items())
    assert not module.training
    assert all(p.grad is None and not p.requires_grad for p in module.parameters())
    assert torch.equal(torch.get_rng_state(), state)


def test_zico_needs_two_batches() -> None:
    with pytest.raises(ProxyError, match="at least 2 batches, got 1"):
        zico(network(), [batch()])


def test_settings_determine_all_figures_and_each_alone_is_the_same() -> None:
    found = proxy_metrics(LAYERS, DATA, ALL)
    assert tuple(found) == PROXY_NAMES
    for name in PROXY_NAMES:
        alone = ALL.model_copy(update={"names": (name,)})
        assert proxy_metrics(LAYERS, DATA, alone) == {name: found[name]}
    other = proxy_metrics(LAYERS, DATA, ALL.model_copy(update={"seed": 1}))
    assert all(other[name] != found[name] for name in PROXY_NAMES)
    assert found["synflow"] == pytest.approx(math.log(synflow(network(), (1, 8, 8))))


@pytest.mark.parametrize("name", EXAMPLES)
def test_networks_of_every_family_have_every_proxy(name: str) -> None:
    settings = EXAMPLES[name]
    layers = settings.lower(settings.build().largest())
    found = proxy_metrics(layers, DATA, ALL)
    assert np.isfinite(list(found.values())).all()


def test_what_is_not_finite_is_refused_by_name() -> None:
    graph = LayerGraph((1, 8, 8))  # every pixel counts alike, so that Jacobians are constant
    graph.linear("classifier", graph.flatten("flatten", graph.global_pool("pool", graph.input)), 10)
    settings = ALL.model_copy(update={"names": ("jacob_cov",)})
    with pytest.raises(ProxyError, match="jacob_cov must be finite, got nan"):
        proxy_metrics(graph.layers(), DATA, settings)


@pytest.mark.parametrize("names", [(), ("snip", "snip"), ("accuracy",)])
def test_names_are_known_and_distinct(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="names"):
        ProxySettings.model_validate({"names": names})


def test_the_page_names_every_proxy_and_its_settings() -> None:
    page = (Path(__file__).parents[2] / "docs" / "proxies.md").read_text(encoding="utf-8")
    for name in PROXY_NAMES:
        assert len(re.findall(rf"^\| `{name}` \|", page, flags=re.MULTILINE)) == 1
        assert METRIC_GOALS[name] == "maximize"
    for name in ProxySettings.model_fields.keys() - {"kind"}:
        assert f"`{name}`" in page
