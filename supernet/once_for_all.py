"""Checkpoints of the once-for-all MobileNetV3 (Cai et al. 2020, arXiv 1908.09791) under our names.

The layout is that of the released code's `OFAMobileNetV3` (github.com/mit-han-lab/once-for-all):
a state dict, alone or under "state_dict", with one list of all blocks, the fixed first one
included. Older files call a block's convolutions `mobile_inverted_conv` instead of `conv`, and
plain networks lack the second `conv` and `bn` of the elastic layers' names; all are read.

Both compute the same: channels are rounded alike, a smaller kernel is the centre of the larger one
through the same matrix, batch norms have epsilon 1e-5, squeeze-and-excitation is reduced to a
quarter of the channels.
"""

import re
from collections.abc import Mapping
from typing import TypeVar

from search_space.cnn import MobileNetV3Settings
from supernet.fitting import is_counter

Value = TypeVar("Value")

# In this order; each is applied to what the ones before left.
RENAMINGS = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"^first_conv\.", "stem."),
        (r"^final_expand_layer\.", "final_expand."),
        (r"^feature_mix_layer\.", "feature_mix."),
        (r"^classifier\.linear\.", "classifier."),
        (r"\.depth_conv\.se\.fc\.", ".squeeze_excite."),
        (r"\.inverted_bottleneck\.", ".expand."),
        (r"\.depth_conv\.", ".depthwise."),
        (r"\.point_linear\.", ".project."),
        (r"\.conv\.conv\.", ".conv."),
        (r"\.bn\.(?:bn\.)?", ".norm."),
        (r"\.(\d+to\d+)_matrix$", r".transform_\1"),
    )
)
BLOCK = re.compile(r"^blocks\.(\d+)\.(?:mobile_inverted_conv|conv)\.")


def renamed(state: Mapping[str, Value], settings: MobileNetV3Settings) -> dict[str, Value]:
    """Returns a once-for-all state dict under the names of a space's layers.

    Args:
        state: the checkpoint's entries by its names.
        settings: the space, whose greatest depths say which stage a block belongs to.

    Returns:
        The same values. What is not known keeps its name; counts of batches, which nothing here
        uses, are left out.
    """
    blocks = _blocks(settings)
    return {_renamed(name, blocks): value for name, value in state.items() if not is_counter(name)}


def _blocks(settings: MobileNetV3Settings) -> list[str]:
    """Returns our names of all blocks in order."""
    stages = enumerate(settings.stages, start=1)
    return ["first"] + [
        f"stage{stage}.block{block}"
        for stage, parts in stages
        for block in range(1, max(parts.depths) + 1)
    ]


def _renamed(name: str, blocks: list[str]) -> str:
    match = BLOCK.match(name)
    if match is not None and int(match[1]) < len(blocks):
        name = f"{blocks[int(match[1])]}.{name[match.end() :]}"
    for pattern, replacement in RENAMINGS:
        name = pattern.sub(replacement, name)
    return name
