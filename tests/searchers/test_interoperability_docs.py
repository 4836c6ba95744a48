"""docs/interoperability.md: its examples run."""

import re
from pathlib import Path
from typing import Any

import optuna
import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "interoperability.md").read_text(encoding="utf-8")


def test_the_examples_run(capsys: pytest.CaptureFixture[str]) -> None:
    level = optuna.logging.get_verbosity()
    names: dict[str, Any] = {}
    codes = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.DOTALL | re.MULTILINE)
    try:
        for code in codes:
            exec(compile(code, "docs/interoperability.md", "exec"), names)
    finally:
        optuna.logging.set_verbosity(level)
    assert len(codes) == 3
    assert all(trial.constraints["memory"] <= 0 for trial in names["study"].best_trials)
    assert capsys.readouterr().out.splitlines()[-1].endswith("trials on the front")
    assert names["tuner"].fit
    named = re.findall(r"`((?:searchers|workers)\.\w+)\.(\w+)`", PAGE)
    assert len(named) == 4
    for module, name in named:
        assert hasattr(__import__(module, fromlist=[name]), name)
