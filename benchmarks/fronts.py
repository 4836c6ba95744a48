"""Fronts and hypervolumes of many points, against moocore and against comparing pair by pair.

Random points in two and three objectives, of which few are on the front, and as many points that
all are. Comparing pair by pair is what a straightforward implementation does; it is timed on a
tenth of the points. moocore is written in C.
"""

import moocore
import numpy as np
import numpy.typing as npt
from harness import Figure, interleaved, parse_arguments, report

from searchers.pareto import hypervolume, non_dominated

COUNT = 10_000
COUNT_PLAIN = 1_000
COUNT_VOLUME = 1_000

Losses = npt.NDArray[np.float64]


def points(num_objectives: int, *, all_on_front: bool) -> Losses:
    """Returns losses, on a sphere's surface where all shall be on the front."""
    losses = np.abs(np.random.default_rng(0).normal(size=(COUNT, num_objectives)))
    return 1 - losses / np.linalg.norm(losses, axis=1, keepdims=True) if all_on_front else losses


def pair_by_pair(losses: Losses) -> list[bool]:
    """Returns which points no other dominates."""
    rows = losses.tolist()
    return [
        not any(
            other != row and all(a <= b for a, b in zip(other, row, strict=True)) for other in rows
        )
        for row in rows
    ]


def figures_of(num_objectives: int, *, all_on_front: bool, repeats: int) -> list[Figure]:
    """Checks that all agree; returns milliseconds and ratios."""
    losses = points(num_objectives, all_on_front=all_on_front)
    some = losses[:COUNT_PLAIN]
    assert non_dominated(losses).tolist() == moocore.is_nondominated(losses).tolist()
    assert non_dominated(some).tolist() == pair_by_pair(some)
    reference = np.full(num_objectives, 4.0)
    front = losses[non_dominated(losses)][:COUNT_VOLUME]
    ours, theirs = hypervolume(front, reference), moocore.hypervolume(front, ref=reference)
    assert np.isclose(ours, theirs), (ours, theirs)
    timings = interleaved(
        {
            "front": lambda: non_dominated(losses),
            "moocore's front": lambda: moocore.is_nondominated(losses),
            "front of some": lambda: non_dominated(some),
            "pair by pair": lambda: pair_by_pair(some),
            "volume": lambda: hypervolume(front, reference),
            "moocore's volume": lambda: moocore.hypervolume(front, ref=reference),
        },
        repeats=repeats,
    )

    def ratio(name: str, peer: str) -> float:
        return timings[peer].median_s / timings[name].median_s

    case = f"{num_objectives} objectives, {'all' if all_on_front else 'few'} on the front"
    return [
        Figure(f"{case}: front of {COUNT:,}", timings["front"].median_s * 1000, "ms", "<= 50"),
        Figure(f"{case}: front, against moocore", ratio("front", "moocore's front"), "x"),
        Figure(f"{case}: front, against pairs", ratio("front of some", "pair by pair"), "x"),
        Figure(f"{case}: volume of {len(front):,}", timings["volume"].median_s * 1000, "ms"),
        Figure(f"{case}: volume, against moocore", ratio("volume", "moocore's volume"), "x"),
    ]


def main() -> None:
    """Times, checks and reports."""
    arguments = parse_arguments(__doc__)
    figures = [
        figure
        for num_objectives in (2, 3)
        for all_on_front in (False, True)
        for figure in figures_of(
            num_objectives, all_on_front=all_on_front, repeats=3 if arguments.quick else 15
        )
    ]
    report("Fronts and hypervolumes", figures, arguments)


if __name__ == "__main__":
    main()
