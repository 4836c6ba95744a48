"""A small table, and searches that it evaluates."""

import itertools
from pathlib import Path
from typing import Any

CHOICES = ("kernel", "width", "depth", "ratio")
OPTIONS = ((3, 5, 7), (8, 16, 24, 32), (1, 2, 3, 4), (1, 2, 3))
NUM_ROWS = 100


def table_text() -> str:
    """100 of the 144 architectures, with two figures at odds; one of them lacks its latency."""
    lines = [",".join((*CHOICES, "accuracy", "latency_ms"))]
    for number, cells in enumerate(itertools.product(*OPTIONS)):
        if number % 13 in (1, 5, 8, 11):
            continue
        kernel, width, depth, ratio = cells
        accuracy = 50 + 3 * kernel + width**0.5 * depth + ratio + (7 * number % 11) / 10
        latency = "" if number == 0 else f"{kernel * width * depth * (1 + ratio) / 100:.6g}"
        lines.append(",".join((*map(str, cells), f"{accuracy:.6g}", latency)))
    return "\n".join(lines[: NUM_ROWS + 1]) + "\n"


def write_table(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "table.csv"
    path.write_text(table_text(), encoding="utf-8")
    return path


def table_search(**changes: Any) -> dict[str, Any]:
    """The body of a search by the table in the data folder."""
    body = {
        "name": "by table",
        "searcher": {"kind": "nsga2", "population_size": 10},
        "objectives": [{"metric": "accuracy", "goal": "maximize"}, {"metric": "latency_ms"}],
        "evaluations": 60,
        "evaluator": {"kind": "table", "path": "table.csv", "choices": list(CHOICES)},
        "seed": 3,
    }
    return body | changes
