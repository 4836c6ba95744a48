"""Vision transformers of timm and of Hugging Face under our names; imports no torch.

What is read are safetensors files in the layouts of timm's `VisionTransformer` (with
`class_token=False, global_pool="avg", fc_norm=False`) and of transformers'
`IJepaForImageClassification`. Both compute what `search_space.vit` does with one stage and no stem:
a convolution over patches, learned positions, blocks that normalize first, a norm, the mean of all
tokens, a linear layer; layer norms have epsilon 1e-6, GELU is the exact one. Neither package is
needed. How many heads a block has a file does not say: that is the settings' to know.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from search_space.family import NetworkSettings
from search_space.layers import Layer
from search_space.space import Option
from search_space.tensors import Shape, network_tensors
from search_space.vit import VisionTransformerSettings
from supernet.errors import InvalidStartError

LayoutName = Literal["timm", "hugging_face"]

BLOCK = re.compile(r"stage1\.(block\d+)\.(.+)")
PATCHES = "patches.conv"
POSITION = "patches.position.embedding"


@dataclass(frozen=True)
class Layout:
    """What a package calls the layers of a vision transformer.

    Attributes:
        position: the tensor of position embeddings.
        whole: layers outside of the blocks by our names.
        block: what the names of a block's layers begin with, given its number from 0.
        parts: layers of a block by our names. Several of ours that are one of theirs lie in it one
            behind the other, in this order.
    """

    position: str
    whole: Mapping[str, str]
    block: str
    parts: Mapping[str, str]


LAYOUTS: Mapping[LayoutName, Layout] = {
    "timm": Layout(
        position="pos_embed",
        whole={PATCHES: "patch_embed.proj", "norm": "norm", "classifier": "head"},
        block="blocks.{}.",
        parts={
            "attention.norm": "norm1",
            "attention.query": "attn.qkv",
            "attention.key": "attn.qkv",
            "attention.value": "attn.qkv",
            "attention.project": "attn.proj",
            "feed_forward.norm": "norm2",
            "feed_forward.expand": "mlp.fc1",
            "feed_forward.project": "mlp.fc2",
        },
    ),
    "hugging_face": Layout(
        position="ijepa.embeddings.position_embeddings",
        whole={
            PATCHES: "ijepa.embeddings.patch_embeddings.projection",
            "norm": "ijepa.layernorm",
            "classifier": "classifier",
        },
        block="ijepa.encoder.layer.{}.",
        parts={
            "attention.norm": "layernorm_before",
            "attention.query": "attention.attention.query",
            "attention.key": "attention.attention.key",
            "attention.value": "attention.attention.value",
            "attention.project": "attention.output.dense",
            "feed_forward.norm": "layernorm_after",
            "feed_forward.expand": "intermediate.dense",
            "feed_forward.project": "output.dense",
        },
    ),
}


@dataclass(frozen=True)
class Origin:
    """Where a tensor of ours lies in a package's file.

    Attributes:
        name: the tensor's there.
        shape: of that tensor.
        part: which of its `num_parts` equal parts along the first dimension is ours, from 0.
        num_parts: how many of ours lie in it.
    """

    name: str
    shape: Shape
    part: int = 0
    num_parts: int = 1


def origins(
    network: NetworkSettings, layers: Sequence[Layer], layout: LayoutName
) -> dict[str, Origin]:
    """Returns where each tensor of a network lies in a file of a package's layout, by our name.

    Args:
        network: the family, which says whether the layout can hold it.
        layers: of one of its networks.
        layout: the package's.

    Raises:
        InvalidStartError: the layout cannot hold networks of the family.
    """
    _check_family(network, layout)
    blocks = list(dict.fromkeys(found[1] for layer in layers if (found := _in_block(layer.name))))
    names = LAYOUTS[layout]
    return {
        name: _origin(name, shape, names, blocks) for name, shape in network_tensors(layers).items()
    }


def tensors_of_file(
    kind: Literal["weights"] | LayoutName,
    network: NetworkSettings,
    architecture: Mapping[str, Option],
) -> dict[str, Shape]:
    """Returns names and shapes of the tensors that an anchor's file must hold.

    Args:
        kind: "weights" for our own names, else a package's layout.
        network: the anchor's family.
        architecture: which of its networks the anchor is.

    Raises:
        InvalidStartError: the layout cannot hold networks of the family.
    """
    layers = network.lower(architecture)
    if kind == "weights":
        return network_tensors(layers)
    return {origin.name: origin.shape for origin in origins(network, layers, kind).values()}


def _check_family(network: NetworkSettings, layout: LayoutName) -> None:
    if not isinstance(network, VisionTransformerSettings):
        rule = f"must not be {layout} for an anchor of kind {network.kind}, only for one of vit"
        raise InvalidStartError("kind", rule, layout)
    if network.stem_width:
        rule = f"must be of an anchor with stem_width 0 for a file of {layout}"
        raise InvalidStartError("kind", rule, f"stem_width {network.stem_width}")
    if len(network.stages) > 1:
        rule = f"must be of an anchor with one stage for a file of {layout}"
        raise InvalidStartError("kind", rule, f"{len(network.stages)} stages")


def _in_block(name: str) -> re.Match[str] | None:
    return BLOCK.fullmatch(name)


def _origin(name: str, shape: Shape, layout: Layout, blocks: Sequence[str]) -> Origin:
    if name == POSITION:
        channels, height, width = shape
        return Origin(layout.position, (1, height * width, channels))
    layer, _, kind = name.rpartition(".")
    found = _in_block(layer)
    if found is None:
        return Origin(f"{layout.whole[layer]}.{kind}", shape)
    theirs = layout.parts[found[2]]
    fused = [ours for ours, other in layout.parts.items() if other == theirs]
    linear = (shape[0] * len(fused), *shape[1:2])  # a 1 x 1 convolution of ours
    return Origin(
        f"{layout.block.format(blocks.index(found[1]))}{theirs}.{kind}",
        linear,
        fused.index(found[2]),
        len(fused),
    )
