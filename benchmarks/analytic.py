"""Candidates per second of a search whose objectives are computed, against one at a time.

DeepMAD's space (preset `imagenet`) at a ResNet-18 budget: costs, scores and rules of many networks
as arrays, against lowering one after another to layers and folding its costs; and the whole
evolutionary search (mutation, deduplication, computation, selection) within the budget. The public
implementation builds torch modules for every candidate and looked at about 11 in a second (measured
on two cores).
"""

import numpy as np
from harness import Figure, interleaved, parse_arguments, report

from search_space.costs import costs
from search_space.deepmad import DeepMADSettings
from search_space.space import Genes
from searchers.analytic import AnalyticSettings
from searchers.protocol import Limit, Objective, Problem

FAMILY = DeepMADSettings.from_preset("imagenet")
SPACE = FAMILY.build()
COUNT = 20_000
COUNT_PLAIN = 50
SCORE = Objective(metric="deepmad_score", goal="maximize")
LIMITS = (
    Limit(metric="macs", upper=1.82e9),
    Limit(metric="num_params", upper=11.69e6),
    Limit(metric="effectiveness", upper=0.3),
    Limit(metric="shape_violation", upper=0),
)


def plain_macs(genes: Genes) -> list[int]:
    """Costs by the layers, one network after another; scores would come on top."""
    return [costs(FAMILY.lower(SPACE.decode(row))).macs for row in genes]


def best_score(candidates: int, seed: int) -> float:
    """Returns the score of the first proposal of a search."""
    problem = Problem(SPACE, (SCORE,), LIMITS)
    (first,) = AnalyticSettings(candidates=candidates).build(problem, seed).ask(1)
    figures = FAMILY.compute(SPACE.encode(first.architecture)[None])
    assert all(limit.violation(float(figures[limit.metric][0])) == 0 for limit in LIMITS)
    return float(figures["deepmad_score"][0])


def main() -> None:
    """Times, checks and reports."""
    arguments = parse_arguments(__doc__)
    candidates = 100_000 if arguments.quick else 500_000
    genes = SPACE.sample(COUNT, np.random.default_rng(0))
    few = genes[:COUNT_PLAIN]
    assert FAMILY.compute(few)["macs"].tolist() == plain_macs(few)
    both = Problem(SPACE, (SCORE, Objective(metric="macs")), LIMITS[1:])

    def search(problem: Problem) -> None:
        AnalyticSettings(candidates=candidates).build(problem, 0).ask(1)

    timings = interleaved(
        {
            "arrays": lambda: FAMILY.compute(genes),
            "plain": lambda: plain_macs(few),
            "search": lambda: search(Problem(SPACE, (SCORE,), LIMITS)),
            "front": lambda: search(both),
        },
        repeats=3 if arguments.quick else 7,
    )
    together = COUNT / timings["arrays"].median_s
    plain = COUNT_PLAIN / timings["plain"].median_s
    searched = candidates / timings["search"].median_s
    figures = [
        Figure("computed as arrays", together, "architectures/s"),
        Figure("costs by layers, one at a time", plain, "architectures/s"),
        Figure("arrays, against one at a time", together / plain, "x"),
        Figure("search, one objective", searched, "candidates/s", ">= 100000"),
        Figure("search, two objectives", candidates / timings["front"].median_s, "candidates/s"),
        Figure("search, against the public implementation's 11/s", searched / 11, "x"),
    ]
    for number in (candidates // 10, candidates):
        scores = [best_score(number, seed) for seed in range(3)]
        figures.append(Figure(f"median score of 3 seeds, {number:,}", np.median(scores), ""))
    report(f"Analytic search on {SPACE}", figures, arguments)


if __name__ == "__main__":
    main()
