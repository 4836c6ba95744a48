"""docs/comparing-searchers.md: its example runs, its log is one, its settings are some."""

import json
import re
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from search_space.families import NETWORK_FAMILIES
from search_space.family import NetworkSettings
from searchers.comparison.folder import _Line
from searchers.settings import SearcherSettings

PAGE = (Path(__file__).parents[2] / "docs" / "comparing-searchers.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)


def test_the_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = blocks("python")
    exec(compile(code, "docs/comparing-searchers.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["random", "few"]


def test_settings_and_lines_of_a_log_are_such() -> None:
    settings, log = blocks("json")
    for given in json.loads(settings).values():
        TypeAdapter(SearcherSettings).validate_python(given)
    assert [_Line.model_validate_json(line).number for line in log.splitlines()] == [0, 1]


def test_all_that_is_known_on_paper_is_named() -> None:
    known = {name for family in NETWORK_FAMILIES.values() for name in metrics_of(family)}
    assert {"macs", "deepmad_score"} <= known
    assert [name for name in known if f"`{name}`" not in PAGE] == []


def metrics_of(family: type[NetworkSettings]) -> tuple[str, ...]:
    return family.from_preset(next(iter(family.presets))).computed_metrics
