"""What each part of the searcher `espalier` is worth: NAS-Bench-201 without it, or with another.

Shares of the exact front's hypervolume on the six pairs of data set and device that
`searcher_comparison.py` has, with the same seeds: the difference to the default settings, as the
mean over pairs and seeds with its standard error. The folder that ESPALIER_BENCH_DATA names holds
the tables. With --quick: three seeds of 60 evaluations on one pair, for three of the variants.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from _table_runs import Size, data_folder, pairs_of, run_cases
from harness import Arguments, Figure, argument_parser, report
from rich.console import Console
from rich.table import Table

from searchers.comparison.report import Analysis
from searchers.espalier import EspalierSettings

DEFAULT = "default"
VARIANTS: Mapping[str, EspalierSettings] = {
    DEFAULT: EspalierSettings(),
    "random_initial": EspalierSettings(initial="random"),
    "standardized_losses": EspalierSettings(losses="standardized"),
    "rank_normal_losses": EspalierSettings(losses="rank_normal"),
    "without_counts": EspalierSettings(counts=False),
    "reach_0.1": EspalierSettings(reach=0.1),
    "initial_32": EspalierSettings(num_initial=32),
    "batches_of_4": EspalierSettings(batch_size=4),
    "batches_of_24": EspalierSettings(batch_size=24),
}
QUICK = (DEFAULT, "without_counts", "random_initial")
COUNTS, COUNTS_QUICK = (50, 60, 100, 150), (60,)
NUM_SEEDS, NUM_SEEDS_QUICK = 6, 3

Shares = dict[str, Any]
"""Of each variant, shape (pairs x seeds, counts)."""


def shares_of(analyses: Sequence[Analysis], counts: Sequence[int]) -> Shares:
    """Returns the shares of all variants; rows of equal pair and seed stand beside each other."""
    columns = np.array(counts) - 1
    return {
        name: np.concatenate([100 * analysis.curves[name][:, columns] for analysis in analyses])
        for name in analyses[0].curves
    }


def figures(shares: Shares, counts: Sequence[int]) -> Iterator[Figure]:
    """Yields mean differences to the default."""
    for name, values in shares.items():
        for count, difference in zip(counts, (values - shares[DEFAULT]).mean(axis=0), strict=True):
            if name != DEFAULT:
                yield Figure(f"{name}: difference at {count}", float(difference), "points")


def table_of(shares: Shares, counts: Sequence[int]) -> Table:
    """Returns the default's mean shares, and how the others differ."""
    table = Table(title="espalier: % of the exact hypervolume, and differences in points")
    table.add_column("settings")
    for count in counts:
        table.add_column(f"at {count}", justify="right")
    for name, values in shares.items():
        if name == DEFAULT:
            table.add_row(name, *[f"{mean:.1f}" for mean in values.mean(axis=0)])
            continue
        differences = values - shares[DEFAULT]
        errors = differences.std(axis=0, ddof=1) / np.sqrt(len(differences))
        pairs = zip(differences.mean(axis=0), errors, strict=True)
        table.add_row(name, *[f"{mean:+.1f} ± {error:.1f}" for mean, error in pairs])
    return table


def main() -> None:
    """Runs what is left to be run, and prints."""
    parser = argument_parser(__doc__)
    parser.add_argument("--log", type=Path, metavar="DIR", help="keep all runs there")
    given = parser.parse_args()
    data = data_folder()
    if data is None:
        return
    counts, cases = COUNTS, pairs_of(data)
    size, variants = Size(counts[-1], NUM_SEEDS), VARIANTS
    if given.quick:
        counts, cases = COUNTS_QUICK, cases[:1]
        size, variants = Size(counts[-1], NUM_SEEDS_QUICK), {name: VARIANTS[name] for name in QUICK}
    with tempfile.TemporaryDirectory() as temporary:
        place = given.log or Path(temporary)
        shares = shares_of(run_cases(cases, variants, [], place, size), counts)
    Console(width=120).print(table_of(shares, counts))
    arguments = Arguments(given.quick, given.json)
    report("Parts of espalier", list(figures(shares, counts)), arguments)


if __name__ == "__main__":
    main()
