"""What the benchmarks share, and one benchmark from command line to JSON."""

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    return importlib.import_module("harness")


@pytest.mark.parametrize(
    ("goal", "met"),
    [(None, None), (">= 2", True), ("> 2", False), ("<= 2.0", True), ("< 2", False)],
)
def test_goals_are_compared(harness: ModuleType, goal: str | None, met: bool | None) -> None:
    assert harness.Figure("ratio", 2.0, "x", goal).meets_goal() is met


@pytest.mark.parametrize(
    ("value", "goal"), [(float("nan"), None), (1.0, "2"), (1.0, "== 2"), (1.0, ">= two")]
)
def test_figures_that_cannot_be_read_are_refused(
    harness: ModuleType, value: float, goal: str | None
) -> None:
    with pytest.raises(ValueError, match=r"figure ratio|goal of ratio|convert"):
        harness.Figure("ratio", value, "x", goal)


def test_alternatives_take_turns_and_change_places(harness: ModuleType) -> None:
    calls: list[str] = []
    timings = harness.interleaved(
        {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, repeats=3, warmup=1
    )
    assert calls == ["b", "a", "a", "b", "b", "a", "a", "b"]
    assert [len(timing.seconds) for timing in timings.values()] == [3, 3]
    low, high = timings["a"].spread_s
    assert 0 <= low <= timings["a"].median_s <= high


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1234567.8, "1,234,568"), (0.000123456, "0.0001235"), (-2.5, "-2.500")],
)
def test_numbers_are_written_to_be_read(harness: ModuleType, value: float, text: str) -> None:
    assert harness.readable(value) == text


def test_a_benchmark_writes_its_figures(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    command = [sys.executable, str(BENCHMARKS / "space_ops.py"), "--quick", "--json", str(path)]
    table = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120).stdout
    figures = json.loads(path.read_text(encoding="utf-8"))
    assert "canonical" in table
    assert {figure["name"] for figure in figures} >= {
        "sample",
        "canonical",
        "mutate",
        "features",
        "cost",
    }
    assert all(set(figure) == {"name", "value", "unit", "goal"} for figure in figures)
