"""docs/analytic.md: its examples run, one after another, and say what the page claims."""

import re
from pathlib import Path
from typing import Any

import pytest

from search_space.costs import costs
from search_space.deepmad_figures import FIGURES
from searchers.analytic import AnalyticSettings

PAGE = (Path(__file__).parents[2] / "docs" / "analytic.md").read_text(encoding="utf-8")


def test_the_examples_run(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    for code in re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE):
        exec(compile(code, "docs/analytic.md", "exec"), names)
    figures = {name: float(values[0]) for name, values in names["figures"].items()}
    assert figures["macs"] <= 1.82e9
    assert figures["effectiveness"] <= 0.3
    assert figures["shape_violation"] == 0
    # The network that was fixed as a space of its own is the one that was found.
    assert costs(names["base"].lower({})).macs == figures["macs"]
    assert 0.7e9 < costs(names["half"].lower({})).macs <= 0.9e9
    assert costs(names["larger"].lower({})).macs > 3 * figures["macs"]
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_every_figure_and_strategy_is_on_the_page() -> None:
    strategies = AnalyticSettings.model_json_schema()["properties"]["strategy"]["enum"]
    for name in (*FIGURES, *strategies):
        assert f"`{name}`" in PAGE
