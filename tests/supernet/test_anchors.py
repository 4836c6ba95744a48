"""Anchors from files, in our layout and in those of timm and Hugging Face.

The two packages are not here. Their models are written down again below, from their public code:
the same names of parameters, the same computation, in torch's own layers.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from supernet_examples import RESNET, SETTINGS, few_digits, lively, small_supernet
from torch import Tensor, nn
from torch.nn import functional

from search_space.space import Architecture
from search_space.stitching import AnchorSettings
from search_space.vit import VisionTransformerSettings
from supernet.anchor_settings import AnchorTimm
from supernet.anchors import AnchorFile, anchor_tensors
from supernet.base import Supernet
from supernet.calibrate import calibrate
from supernet.checkpoints import save_supernet
from supernet.errors import InvalidStartError
from supernet.evaluate import extract_calibrated
from supernet.network import Network
from supernet.settings import AccuracySettings
from supernet.starting_settings import check_anchor_file

WIDTH, HEADS, HIDDEN, DEPTH = 8, 2, 12, 3
PLAIN = VisionTransformerSettings.model_validate(
    {
        "input_channels": 1,
        "num_classes": 5,
        "resolutions": [12],
        "stem_width": 0,
        "patch_size": 4,
        "stages": [
            {
                "widths": [WIDTH],
                "heads": [HEADS],
                "head_widths": [WIDTH // HEADS],
                "hidden_widths": [HIDDEN],
                "num_blocks": 4,
                "skippable": [2],
            }
        ],
    }
)
"""What both packages' models can be; the anchor lacks the second block of four."""
ANCHOR = PLAIN.build().validate({"stage1.block2.exists": 0})
DATA = few_digits(40)


class TimmBlock(nn.Module):
    """As of timm's `vision_transformer.py`."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH, 1e-6), nn.LayerNorm(WIDTH, 1e-6)
        self.attn = nn.Module()
        self.attn.qkv, self.attn.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.mlp = nn.Module()
        self.mlp.fc1, self.mlp.fc2 = nn.Linear(WIDTH, HIDDEN), nn.Linear(HIDDEN, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, _ = x.shape
        qkv = self.attn.qkv(self.norm1(x)).reshape(batch, tokens, 3, HEADS, WIDTH // HEADS)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        shares = (q @ k.transpose(-2, -1) * (WIDTH // HEADS) ** -0.5).softmax(-1)
        x = x + self.attn.proj((shares @ v).transpose(1, 2).reshape(batch, tokens, WIDTH))
        return x + self.mlp.fc2(functional.gelu(self.mlp.fc1(self.norm2(x))))


class TimmModel(nn.Module):
    """As of timm's `VisionTransformer(class_token=False, global_pool="avg", fc_norm=False)`."""

    def __init__(self) -> None:
        super().__init__()
        self.patch_embed = nn.Module()
        self.patch_embed.proj = nn.Conv2d(1, WIDTH, 4, 4)
        self.pos_embed = nn.Parameter(torch.empty(1, 9, WIDTH))
        self.blocks = nn.ModuleList(TimmBlock() for _ in range(DEPTH))
        self.norm, self.head = nn.LayerNorm(WIDTH, 1e-6), nn.Linear(WIDTH, 5)

    def forward(self, images: Tensor) -> Tensor:
        x = self.patch_embed.proj(images).flatten(2).transpose(1, 2) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.head(self.norm(x).mean(1))
        return logits


class HuggingFaceBlock(nn.Module):
    """As transformers' `IJepaLayer`."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.Module()
        self.attention.attention = nn.Module()
        for name in ("query", "key", "value"):
            self.attention.attention.add_module(name, nn.Linear(WIDTH, WIDTH))
        self.attention.output = nn.Module()
        self.attention.output.dense = nn.Linear(WIDTH, WIDTH)
        self.intermediate, self.output = nn.Module(), nn.Module()
        self.intermediate.dense = nn.Linear(WIDTH, HIDDEN)
        self.output.dense = nn.Linear(HIDDEN, WIDTH)
        self.layernorm_before = nn.LayerNorm(WIDTH, 1e-6)
        self.layernorm_after = nn.LayerNorm(WIDTH, 1e-6)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, _ = x.shape
        y, layers = self.layernorm_before(x), self.attention.attention
        q, k, v = (
            layer(y).view(batch, tokens, HEADS, -1).transpose(1, 2)
            for layer in (layers.query, layers.key, layers.value)
        )
        shares = functional.softmax(q @ k.transpose(2, 3) * (WIDTH // HEADS) ** -0.5, dim=-1)
        y = (shares @ v).transpose(1, 2).reshape(batch, tokens, WIDTH)
        x = self.attention.output.dense(y) + x
        y = functional.gelu(self.intermediate.dense(self.layernorm_after(x)))
        result: Tensor = self.output.dense(y) + x
        return result


class HuggingFaceModel(nn.Module):
    """As transformers' `IJepaForImageClassification`."""

    def __init__(self) -> None:
        super().__init__()
        self.ijepa = nn.Module()
        self.ijepa.embeddings = nn.Module()
        self.ijepa.embeddings.position_embeddings = nn.Parameter(torch.empty(1, 9, WIDTH))
        self.ijepa.embeddings.patch_embeddings = nn.Module()
        self.ijepa.embeddings.patch_embeddings.projection = nn.Conv2d(1, WIDTH, 4, 4)
        self.ijepa.encoder = nn.Module()
        self.ijepa.encoder.layer = nn.ModuleList(HuggingFaceBlock() for _ in range(DEPTH))
        self.ijepa.layernorm = nn.LayerNorm(WIDTH, 1e-6)
        self.classifier = nn.Linear(WIDTH, 5)

    def forward(self, images: Tensor) -> Tensor:
        embeddings = self.ijepa.embeddings
        x = embeddings.patch_embeddings.projection(images).flatten(2).transpose(1, 2)
        x = x + embeddings.position_embeddings
        for block in self.ijepa.encoder.layer:
            x = block(x)
        logits: Tensor = self.classifier(self.ijepa.layernorm(x).mean(1))
        return logits


MODELS: dict[str, Callable[[], nn.Module]] = {"timm": TimmModel, "hugging_face": HuggingFaceModel}


def model_of(kind: str) -> nn.Module:
    """A package's model, none of whose parameters is a constant."""
    model, generator = MODELS[kind](), torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0.0, 0.5, generator=generator)
    return model.eval()


def network_of(file: AnchorFile, settings: Any, architecture: Architecture) -> Network:
    network = Network(settings.lower(architecture))
    tensors = anchor_tensors(file, settings, architecture, DATA)
    network.load_state_dict(tensors, strict=False)
    assert not network.load_state_dict(tensors, strict=False).unexpected_keys
    return network.eval()


@pytest.mark.parametrize("kind", MODELS)
def test_a_packages_model_computes_the_same_under_our_names(tmp_path: Path, kind: Any) -> None:
    model = model_of(kind)
    safetensors.torch.save_model(model, tmp_path / "model.safetensors")
    network = network_of(AnchorFile(kind, tmp_path / "model.safetensors"), PLAIN, ANCHOR)
    images = torch.randn(3, 1, 12, 12, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        assert torch.allclose(network(images), model(images), atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"blocks.1.attn.qkv.bias": None}, "1 missing (blocks.1.attn.qkv.bias)"),
        ({"cls_token": torch.ones(1, 1, WIDTH)}, "1 unexpected (cls_token)"),
        (
            {"pos_embed": torch.ones(1, 10, WIDTH)},
            "1 of another shape (pos_embed (1, 10, 8) instead of (1, 9, 8))",
        ),
        (
            {"head.weight": torch.ones(7, WIDTH), "head.bias": torch.ones(7)},
            (
                "2 of another shape (head.weight (7, 8) instead of (5, 8), "
                "head.bias (7,) instead of (5,))"
            ),
        ),
        (
            {"norm.bias": torch.full((WIDTH,), torch.inf)},
            "1 not of finite floating-point numbers (norm.bias)",
        ),
    ],
)
def test_tensors_that_do_not_fit_are_named_as_the_file_names_them(
    tmp_path: Path, changes: dict[str, Tensor | None], fault: str
) -> None:
    tensors = {**model_of("timm").state_dict(), **changes}
    kept = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    safetensors.torch.save_file(kept, tmp_path / "file")
    with pytest.raises(InvalidStartError) as caught:
        anchor_tensors(AnchorFile("timm", tmp_path / "file"), PLAIN, ANCHOR, DATA)
    assert (caught.value.field, caught.value.value) == ("tensors", fault)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (SETTINGS, "kind must not be timm for an anchor of kind mobilenetv3, only for one of vit"),
        (PLAIN.model_copy(update={"stem_width": 2}), "kind must be of an anchor with stem_width 0"),
        (PLAIN.model_copy(update={"stages": PLAIN.stages * 2}), "kind must .* with one stage"),
    ],
)
def test_packages_have_plain_transformers_only(tmp_path: Path, settings: Any, message: str) -> None:
    safetensors.torch.save_model(model_of("timm"), tmp_path / "file")
    with pytest.raises(InvalidStartError, match=f"^{message}"):
        anchor_tensors(
            AnchorFile("timm", tmp_path / "file"), settings, settings.build().largest(), DATA
        )


def test_a_network_of_a_supernet_comes_with_statistics_of_its_own(tmp_path: Path) -> None:
    source = small_supernet(1)
    save_supernet(tmp_path / "supernet", source)
    for architecture in (source.space.smallest(), source.space.largest()):
        found = network_of(AnchorFile("supernet", tmp_path / "supernet"), SETTINGS, architecture)
        wanted = extract_calibrated(source, architecture, DATA, AccuracySettings()).state_dict()
        for name, tensor in found.state_dict().items():
            if not name.endswith("num_batches_tracked"):
                assert torch.equal(tensor, wanted[name]), name
        means = source.extract(architecture).state_dict()["stem.norm.running_mean"]
        assert not torch.equal(found.state_dict()["stem.norm.running_mean"], means)


def test_a_supernet_of_another_space_or_of_other_classes_is_refused(tmp_path: Path) -> None:
    save_supernet(tmp_path / "supernet", small_supernet(1))
    file = AnchorFile("supernet", tmp_path / "supernet")
    for changes, message in (
        ({"num_classes": 4}, "num_classes must be 4, as in the training's space, got 10"),
        ({"head_width": 8}, "head_width must be 8, as in the training's space, got 24"),
    ):
        settings = SETTINGS.model_copy(update=changes)
        with pytest.raises(InvalidStartError, match=f"^{message}"):
            anchor_tensors(file, settings, settings.build().largest(), DATA)


def test_weights_of_one_network_keep_their_statistics(tmp_path: Path) -> None:
    supernet = lively(Supernet(RESNET))
    architecture = supernet.space.smallest()
    network = supernet.extract(architecture)
    calibrate(network, torch.rand(8, *network.input_shape), 4)
    safetensors.torch.save_model(network, tmp_path / "weights")
    found = network_of(AnchorFile("weights", tmp_path / "weights"), RESNET, architecture)
    images = torch.randn(3, *network.input_shape, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        assert torch.equal(found(images), network(images))
    with pytest.raises(InvalidStartError, match=r"25 missing \(stem\.block1\.conv\.weight"):
        network_of(AnchorFile("weights", tmp_path / "weights"), RESNET, supernet.space.largest())


@pytest.mark.parametrize("kind", ["supernet", "weights", "timm", "hugging_face"])
def test_what_is_no_such_file_is_refused(tmp_path: Path, kind: Any) -> None:
    (tmp_path / "notes").write_text("hello")
    for path in (tmp_path / "notes", tmp_path / "missing"):
        with pytest.raises(InvalidStartError, match=r"^path must be a "):
            anchor_tensors(AnchorFile(kind, path), PLAIN, ANCHOR, DATA)


def test_a_file_is_looked_at_before_a_job_takes_it(tmp_path: Path) -> None:
    safetensors.torch.save_model(model_of("timm"), tmp_path / "file")
    (tmp_path / "notes").write_text("hello")
    plain = AnchorSettings(network=PLAIN, architecture=ANCHOR)
    source = AnchorTimm(path="file")
    check_anchor_file(source, tmp_path / "file", plain)
    for file, anchor, message in (
        ("file", AnchorSettings(network=PLAIN), r"path must hold .* \(blocks\.3\.norm1\.weight"),
        ("file", AnchorSettings(network=SETTINGS), "kind must not be timm for an anchor of kind"),
        ("notes", plain, "path must name a safetensors file"),
    ):
        with pytest.raises(InvalidStartError, match=f"^{message}"):
            check_anchor_file(source, tmp_path / file, anchor)
