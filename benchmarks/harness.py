"""What every benchmark here shares: arguments, fair timing, one way to report.

A benchmark is a script `python benchmarks/NAME.py [--quick] [--json FILE]`:

    from harness import Figure, interleaved, parse_arguments, report

    def main() -> None:
        arguments = parse_arguments(__doc__)
        timings = interleaved({"fast": fast, "slow": slow}, repeats=5 if arguments.quick else 25)
        ratio = timings["slow"].median_s / timings["fast"].median_s
        report("Fast against slow", [Figure("speed-up", ratio, "x", ">= 2")], arguments)

Alternatives are always timed in turn within one run, so that a machine that slows down slows all
of them down; ratios are what can be compared between machines.
"""

import argparse
import json
import math
import operator
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True)
class Arguments:
    """What the user asked for.

    Attributes:
        quick: finish within 50 seconds, at the price of wider spreads.
        json_path: where to write the figures, if anywhere.
    """

    quick: bool
    json_path: Path | None


@dataclass(frozen=True)
class Timing:
    """Seconds that one alternative took, repeat by repeat."""

    seconds: tuple[float, ...]

    @property
    def median_s(self) -> float:
        """The median, which one disturbed repeat does not move."""
        return statistics.median(self.seconds)

    @property
    def spread_s(self) -> tuple[float, float]:
        """The 10th and 90th percentile."""
        low, high = np.percentile(self.seconds, [10, 90])
        return float(low), float(high)


@dataclass(frozen=True)
class Figure:
    """One measured number and what it should be.

    Attributes:
        name: what was measured ("sample").
        value: a finite number.
        unit: its unit ("architectures/s", "x", "ms").
        goal: a comparison such as ">= 100000" or "<= 1.05"; None where the number only informs.
    """

    name: str
    value: float
    unit: str
    goal: str | None = None

    def __post_init__(self) -> None:
        if not math.isfinite(self.value):
            raise ValueError(f"figure {self.name} must be finite, got {self.value}")
        self.meets_goal()  # refuses a goal that cannot be read

    def meets_goal(self) -> bool | None:
        """Returns whether the value meets the goal; None without one.

        Raises:
            ValueError: the goal is not a comparison and a number.
        """
        if self.goal is None:
            return None
        comparison, _, bound = self.goal.partition(" ")
        if comparison not in COMPARISONS:
            raise ValueError(
                f"goal of {self.name} must be one of {tuple(COMPARISONS)}, a space and a number, "
                f"got {self.goal!r}"
            )
        return COMPARISONS[comparison](self.value, float(bound))


def argument_parser(description: str | None) -> argparse.ArgumentParser:
    """Returns a parser of the options that all benchmarks share, for those that need another.

    Args:
        description: for `--help`.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="finish within 50 seconds")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    return parser


def parse_arguments(description: str | None) -> Arguments:
    """Parses the command line that all benchmarks share; the description is for `--help`."""
    given = argument_parser(description).parse_args()
    return Arguments(quick=given.quick, json_path=given.json)


def interleaved(
    alternatives: Mapping[str, Callable[[], object]], *, repeats: int, warmup: int = 1
) -> dict[str, Timing]:
    """Times alternatives in turn: a, b, c, a, b, c, ...

    Every second round runs in reverse order, so that none always follows the same other.

    Args:
        alternatives: what to time, by name; each call does one unit of work.
        repeats: timed rounds, at least 1.
        warmup: rounds before those, not timed.

    Returns:
        The timings under the same names.
    """
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, got {repeats}")
    order = list(alternatives)
    seconds: dict[str, list[float]] = {name: [] for name in order}
    for round_number in range(-warmup, repeats):
        for name in order if round_number % 2 == 0 else reversed(order):
            started_at = time.perf_counter()
            alternatives[name]()
            elapsed = time.perf_counter() - started_at
            if round_number >= 0:
                seconds[name].append(elapsed)
    return {name: Timing(tuple(values)) for name, values in seconds.items()}


def machine() -> str:
    """Describes the machine in one line: processor, usable cores, system, Python."""
    return (
        f"{_processor()}, {len(os.sched_getaffinity(0))} cores, {platform.system()}, "
        f"Python {platform.python_version()}, numpy {np.__version__}"
    )


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def report(title: str, figures: Sequence[Figure], arguments: Arguments) -> None:
    """Prints the figures as a table and writes them as JSON where asked to.

    The JSON is a list of {"name", "value", "unit", "goal"}.
    """
    table = Table(title=title, caption=machine(), title_justify="left", caption_justify="left")
    table.add_column("figure")
    table.add_column("value", justify="right")
    table.add_column("unit")
    table.add_column("goal")
    table.add_column("met")
    for figure in figures:
        met = {True: "yes", False: "NO", None: ""}[figure.meets_goal()]
        table.add_row(figure.name, readable(figure.value), figure.unit, figure.goal or "", met)
    Console().print(table)
    if arguments.json_path is not None:
        text = json.dumps([asdict(figure) for figure in figures], indent=2)
        arguments.json_path.write_text(text + "\n", encoding="utf-8")


def readable(value: float) -> str:
    """Returns a number with four significant digits, thousands separated, never in powers."""
    if value == 0:
        return "0"
    digits = max(0, 3 - math.floor(math.log10(abs(value))))
    return f"{value:,.{digits}f}"
