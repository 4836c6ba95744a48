"""Architectures per second of what searches do with a space, before anything is evaluated.

On the once-for-all MobileNetV3 space (preset `imagenet`: 46 choices, 5e20 architectures): sampling,
canonicalizing, mutating and encoding gene matrices, against the same written plainly, one
architecture at a time; and lowering an architecture to layers and folding its costs, which is one
at a time in any case.
"""

import random

import numpy as np
from harness import Figure, interleaved, parse_arguments, report

from search_space.cnn import MobileNetV3Settings
from search_space.costs import costs
from search_space.features import features
from search_space.operators import mutate
from search_space.space import Genes, SearchSpace

COUNT = 100_000
COUNT_PLAIN = 500
COUNT_COSTS = 100
MUTATION_RATE = 0.1


class PlainOperations:
    """The baseline: lists of integers, choice by choice."""

    def __init__(self, space: SearchSpace, seed: int) -> None:
        names = [choice.name for choice in space.choices]
        self.num_options = [len(choice.options) for choice in space.choices]
        self.conditions = [
            None
            if choice.when is None
            else (
                parent := names.index(choice.when.parent),
                {space.choices[parent].options.index(option) for option in choice.when.options},
            )
            for choice in space.choices
        ]
        self.rng = random.Random(seed)

    def active(self, row: list[int]) -> list[bool]:
        """Returns which genes matter."""
        mask: list[bool] = []
        for condition in self.conditions:
            mask.append(
                condition is None or (mask[condition[0]] and row[condition[0]] in condition[1])
            )
        return mask

    def canonical(self, row: list[int]) -> list[int]:
        """Returns the row with inactive genes at 0."""
        return [gene if on else 0 for gene, on in zip(row, self.active(row), strict=True)]

    def sample(self) -> list[int]:
        """Returns a random canonical row."""
        return self.canonical([self.rng.randrange(n) for n in self.num_options])

    def mutate(self, row: list[int]) -> list[int]:
        """Returns a canonical row with some active genes changed and new ones drawn."""
        child = [
            (gene + self.rng.randrange(1, n)) % n
            if on and n > 1 and self.rng.random() < MUTATION_RATE
            else (gene if on else self.rng.randrange(n))
            for gene, on, n in zip(row, self.active(row), self.num_options, strict=True)
        ]
        return self.canonical(child)

    def features(self, row: list[int]) -> list[float]:
        """Returns the one-hot encoding of the active genes."""
        return [
            float(on and gene == option)
            for gene, on, n in zip(row, self.active(row), self.num_options, strict=True)
            for option in range(n)
        ]


def check_equal(space: SearchSpace, plain: PlainOperations, raw: Genes) -> None:
    """Refuses to time two things that do not compute the same."""
    rows = raw.tolist()
    assert space.canonical(raw).tolist() == [plain.canonical(row) for row in rows]
    assert features(space, raw).tolist() == [plain.features(row) for row in rows]


def main() -> None:
    """Times, checks and reports."""
    arguments = parse_arguments(__doc__)
    settings = MobileNetV3Settings.from_preset("imagenet")
    space = settings.build()
    rng = np.random.default_rng(0)
    plain = PlainOperations(space, seed=0)
    raw = rng.integers(0, space.num_options, (COUNT, space.num_choices))
    genes = space.canonical(raw)
    raw_rows, rows = raw[:COUNT_PLAIN].tolist(), genes[:COUNT_PLAIN].tolist()
    check_equal(space, plain, raw[:COUNT_PLAIN])

    timings = interleaved(
        {
            "sample": lambda: space.sample(COUNT, rng),
            "canonical": lambda: space.canonical(raw),
            "mutate": lambda: mutate(space, genes, MUTATION_RATE, rng),
            "features": lambda: features(space, genes),
            "cost": lambda: [costs(settings.lower(space.decode(r))) for r in genes[:COUNT_COSTS]],
            "plain sample": lambda: [plain.sample() for _ in range(COUNT_PLAIN)],
            "plain canonical": lambda: [plain.canonical(row) for row in raw_rows],
            "plain mutate": lambda: [plain.mutate(row) for row in rows],
            "plain features": lambda: [plain.features(row) for row in rows],
        },
        repeats=7 if arguments.quick else 25,
    )

    def rate(name: str, count: int) -> float:
        return count / timings[name].median_s

    sampled_s = timings["sample"].median_s + timings["canonical"].median_s
    figures = [Figure("sample and canonicalize 100,000", sampled_s, "s", "<= 1")]
    for name in ("sample", "canonical", "mutate", "features"):
        fast, slow = rate(name, COUNT), rate(f"plain {name}", COUNT_PLAIN)
        figures.append(Figure(name, fast, "architectures/s"))
        figures.append(Figure(f"{name}, against one at a time", fast / slow, "x"))
    figures.append(Figure("cost", rate("cost", COUNT_COSTS), "architectures/s"))
    report(f"Operations on {space}", figures, arguments)


if __name__ == "__main__":
    main()
