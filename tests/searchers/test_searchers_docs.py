"""docs/searchers.md: its example runs, its table is complete."""

import re
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from searchers.predictors.settings import PredictorSettings
from searchers.settings import SearcherSettings

PAGE = (Path(__file__).parents[2] / "docs" / "searchers.md").read_text(encoding="utf-8")


def test_the_example_runs_and_finds_a_front(capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, Any] = {}
    for code in re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE):
        exec(compile(code, "docs/searchers.md", "exec"), names)
    front, measurements = names["front"], names["measurements"]
    assert front.feasible
    assert all(measurements[i]["peak_activations"] <= 4000 for i in front.points)
    assert len(capsys.readouterr().out.splitlines()) == len(front.points) > 3


@pytest.mark.parametrize("settings", get_args(get_args(SearcherSettings)[0]))
def test_the_table_names_every_searcher_and_its_defaults(settings: Any) -> None:
    (row,) = re.findall(rf"^\| `{settings().kind}` .*$", PAGE, flags=re.MULTILINE)
    fields = {name: field for name, field in settings.model_fields.items() if name != "kind"}
    for name, field in fields.items():
        default = field.get_default(call_default_factory=True)
        # Settings within settings have a table of their own.
        shown = default.kind if isinstance(default, BaseModel) else default
        assert f"`{name}` ({shown})" in row


@pytest.mark.parametrize("settings", get_args(get_args(PredictorSettings)[0]))
def test_the_table_of_predictors_names_every_setting(settings: Any) -> None:
    (row,) = re.findall(rf"^\| `{settings().kind}` .*$", PAGE, flags=re.MULTILINE)
    for name in settings.model_fields.keys() - {"kind"}:
        assert f"`{name}`" in row
