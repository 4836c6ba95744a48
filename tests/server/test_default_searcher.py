"""Who names no searcher is given one that does every problem, and that brings no torch along."""

import subprocess
import sys
from typing import Any

import pytest
from outside_examples import search_body as outside_search
from pydantic import TypeAdapter
from table_examples import table_search

from searchers.analytic import AnalyticSettings
from searchers.espalier import EspalierSettings
from server.schemas.outside import AnySearchBody

SUPERNET_SEARCH = {
    "name": "of a supernet",
    "supernet": "net_1",
    "objectives": [{"metric": "top1_percent"}],
    "evaluations": 8,
}
COMPUTED_SEARCH = {
    "name": "on paper",
    "space": {"kind": "mobilenetv3", "preset": "digits"},
    "objectives": [{"metric": "macs"}],
    "evaluations": 8,
    "evaluator": {"kind": "computed"},
}


@pytest.mark.parametrize(
    ("body", "searcher"),
    [
        (SUPERNET_SEARCH, EspalierSettings()),
        (outside_search(), EspalierSettings()),
        (table_search(), EspalierSettings()),
        (COMPUTED_SEARCH, AnalyticSettings()),
    ],
    ids=["supernet", "outside", "table", "computed"],
)
def test_each_kind_of_search_has_a_default(body: dict[str, Any], searcher: object) -> None:
    unnamed = {name: value for name, value in body.items() if name != "searcher"}
    assert TypeAdapter[Any](AnySearchBody).validate_python(unnamed).searcher == searcher


# Searches that are evaluated outside have their searcher in the API process.
PROPOSE = """
import sys
import server.main
from search_space.custom import CustomSettings
from search_space.outcomes import Measured
from searchers.espalier import EspalierSettings
from searchers.protocol import Objective, Observation, Problem

choices = [{"name": name, "options": [0, 1, 2, 3]} for name in "abcd"]
space = CustomSettings(name="cubes", choices=choices).build()
goals = (Objective(metric="f", goal="minimize"), Objective(metric="g", goal="maximize"))
searcher = EspalierSettings().build(Problem(space, goals), seed=0)
for _ in range(3):
    told = []
    for proposal in searcher.ask(searcher.batch_size):
        a, b, c, d = proposal.architecture.values()
        told.append(Observation(proposal, Measured({"f": a + b * c, "g": b + c * d})))
    searcher.tell(told)
assert searcher.prediction_quality(), "the processes were never fitted"
heavy = {"torch", "ray", "onnxruntime", "sklearn", "optuna", "scipy.stats", "matplotlib"}
print(sorted(heavy & set(sys.modules)))
"""


def test_the_default_searcher_brings_nothing_heavy_into_the_api_process() -> None:
    done = subprocess.run([sys.executable, "-c", PROPOSE], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "[]\n"), done.stderr
