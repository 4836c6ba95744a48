"""What every family of networks must do; a new one is in here by being in the union."""

import json
from typing import get_args

import numpy as np
import pytest
from pydantic import ValidationError

from search_space.families import FAMILIES, NETWORK_FAMILIES, space_settings

KINDS = sorted(NETWORK_FAMILIES)
PRESETS = [(kind, name) for kind in KINDS for name in NETWORK_FAMILIES[kind].presets]


@pytest.mark.parametrize(
    ("kind", "preset", "digest"),
    [
        ("mobilenetv3", "digits", "a59026bc8e8c7dde"),
        ("mobilenetv3", "cifar", "20d75764ab516242"),
        ("mobilenetv3", "imagenet", "2d1b1d2b976294f7"),
    ],
)
def test_spaces_that_were_built_before_keep_their_digests(
    kind: str, preset: str, digest: str
) -> None:
    assert NETWORK_FAMILIES[kind].from_preset(preset).build().digest == digest


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_names_every_preset_and_a_short_description(kind: str) -> None:
    family = NETWORK_FAMILIES[kind]
    literal = get_args(family.model_fields["preset"].annotation)[0]
    assert get_args(literal) == tuple(family.presets)
    assert (family.__doc__ or "").splitlines()[0].endswith(".")
    assert set(family.model_fields) >= family.younger_fields


@pytest.mark.parametrize(("kind", "preset"), PRESETS)
def test_settings_survive_json_and_keep_their_digest(kind: str, preset: str) -> None:
    settings = space_settings({"kind": kind, "preset": preset})
    assert isinstance(settings, FAMILIES[kind])
    again = space_settings(json.loads(settings.model_dump_json()))
    assert again == settings
    assert again.build().digest == settings.build().digest
    assert "preset" not in settings.model_dump()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("preset", [["digits"], 3, "unheard of"])
def test_a_preset_that_is_not_there_is_refused(kind: str, preset: object) -> None:
    with pytest.raises(ValidationError, match="preset"):
        space_settings({"kind": kind, "preset": preset})


@pytest.mark.parametrize(("kind", "preset"), PRESETS)
def test_every_architecture_is_a_part_of_the_supernet(kind: str, preset: str) -> None:
    settings = NETWORK_FAMILIES[kind].from_preset(preset)
    space = settings.build()
    every = settings.supernet_layers(space)
    largest = {layer.name: layer for layer in every}
    assert len(largest) == len(every)
    assert every[-1].name == settings.lower(space.largest())[-1].name
    rows = space.sample(20, np.random.default_rng(0))
    for architecture in (space.smallest(), *map(space.decode, rows)):
        layers = settings.lower(architecture)
        assert layers[0].op == "input"
        assert layers[0].out_shape == settings.input_shape(architecture)
        assert layers[-1].out_shape == (settings.num_classes,)
        for layer in layers:
            whole = largest[layer.name]
            assert layer.op == whole.op, layer.name
            assert layer.in_channels <= whole.in_channels, layer.name
            assert layer.out_channels <= whole.out_channels, layer.name
            assert layer.kernel <= whole.kernel, layer.name
