"""docs/stitching.md: its documents are accepted, its example runs, its tables are complete."""

import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest

from search_space.stitching import StitchSettings
from server.schemas.requests import SearchBody, SupernetBody
from server.schemas.stitches import StitchFitView
from supernet.anchor_settings import AnchorSource, AnchorsStart
from supernet.least_squares import FALLBACK_RIDGE, MAX_CONDITION
from supernet.schedules.stitching import StitchingSettings

PAGE = (Path(__file__).parents[2] / "docs" / "stitching.md").read_text(encoding="utf-8")
ANCHOR, STITCHED, SEARCH = (
    json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
)


def test_the_anchor_is_one_network_and_the_first_of_the_stitched_space() -> None:
    anchor, stitched = (SupernetBody.model_validate(body) for body in (ANCHOR, STITCHED))
    assert isinstance(stitched.space, StitchSettings)
    assert anchor.space == stitched.space.anchors[0].network
    assert stitched.space.anchors[0].network.build().size == 1
    for body in (anchor, stitched):
        assert not isinstance(body.space, str)
        schedule = body.training.build_schedule(body.space, body.space.build(), 1000, 1)
        assert schedule.horizon.epochs == body.training.epochs
    assert isinstance(stitched.training.schedule, StitchingSettings)


def test_the_start_has_a_source_for_each_anchor_and_the_search_finds_all_networks() -> None:
    stitched = SupernetBody.model_validate(STITCHED)
    assert isinstance(stitched.start, AnchorsStart)
    assert isinstance(stitched.space, StitchSettings)
    assert len(stitched.start.anchors) == len(stitched.space.anchors)
    search = SearchBody.model_validate(SEARCH)
    assert search.evaluations == stitched.space.build().size


@pytest.mark.parametrize("source", get_args(get_args(AnchorSource)[0]))
def test_every_source_has_a_row(source: Any) -> None:
    assert f'| `{{"kind": "{source.model_fields["kind"].default}"' in PAGE


def test_every_field_is_explained() -> None:
    for name, field in AnchorsStart.model_fields.items():
        if name not in ("kind", "anchors"):
            assert f"| `{name}` | {field.default:g} |" in PAGE
    for name in StitchFitView.model_fields.keys() - {"layer"}:
        assert f"`{name}`" in PAGE
    for reason in ("asked", "few_rows", "dependent_inputs"):
        assert f"`{reason}`" in PAGE


def test_figures_are_those_of_the_program() -> None:
    assert f"10^{round(len(str(int(MAX_CONDITION))) - 1)}" in PAGE
    assert FALLBACK_RIDGE == 10**-4
    assert "a ridge of 10^-4" in PAGE


def test_the_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
    exec(compile(code, "docs/stitching.md", "exec"), {})
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in lines] == [
        "stitch1to2.layer1",
        "stitch1to2.layer2",
        "1:1-3",
        "2:1-3",
    ]
