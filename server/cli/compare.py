"""`espalier compare`: searchers on a problem whose outcomes are known; needs no service."""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from server.cli.common import message_console, output_console, write_file

if TYPE_CHECKING:
    from searchers.comparison.comparison import Comparison
    from searchers.comparison.folder import RunFolder
    from searchers.comparison.manifest import Manifest

EVALUATIONS = 300
SEEDS = 20
LINES = 10
"""Where there is no terminal, a line is printed after each such part of the runs."""


def compare(
    table: Annotated[
        Path | None, typer.Option(help="A table of architectures: CSV, .npz or parquet.")
    ] = None,
    choices: Annotated[
        str, typer.Option(help="Its columns that tell architectures apart, with commas.")
    ] = "",
    family: Annotated[
        str | None, typer.Option(help="Without a table: networks, by what is known on paper.")
    ] = None,
    preset: Annotated[str | None, typer.Option(help="Of the family.")] = None,
    space: Annotated[
        Path | None, typer.Option(help="A JSON file of a space's settings, instead.")
    ] = None,
    objective: Annotated[
        list[str], typer.Option(help="METRIC:max or METRIC:min; one or more.")
    ] = [],  # noqa: B006 -- typer copies it
    limit: Annotated[
        list[str], typer.Option(help="METRIC>=NUMBER or METRIC<=NUMBER; any number.")
    ] = [],  # noqa: B006 -- typer copies it
    reference: Annotated[
        str | None, typer.Option(help="nadir (the default), or METRIC=NUMBER,METRIC=NUMBER.")
    ] = None,
    searchers: Annotated[
        str, typer.Option(help="Kinds of searchers, with their defaults, with commas.")
    ] = "",
    settings: Annotated[
        Path | None,
        typer.Option(help='A JSON file of further ones: {"name": {"kind": ...}, ...}.'),
    ] = None,
    evaluations: Annotated[
        int | None, typer.Option(help=f"The budget of each run; {EVALUATIONS} by default.")
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(help=f"Runs of each searcher; {SEEDS} by default.")
    ] = None,
    processes: Annotated[int | None, typer.Option(help="By default one for each core.")] = None,
    log: Annotated[
        Path | None, typer.Option(help="A folder of all runs; what is there is not run again.")
    ] = None,
    from_log: Annotated[
        Path | None, typer.Option(help="Compute the figures of such a folder; run nothing.")
    ] = None,
    verify: Annotated[
        bool, typer.Option("--verify", help="With --from-log: make its runs again and compare.")
    ] = False,
    json_path: Annotated[
        Path | None, typer.Option("--json", help="Write all figures here.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw them: *.png or *.svg.")] = None,
) -> None:
    """Compare searchers on a table or on costs: same problem, same budget, same seeds."""
    from searchers.comparison.comparison import Comparison
    from searchers.comparison.errors import ComparisonError
    from server.cli import compare_options as options

    with _refusals():
        num_cores = _at_least_one("processes", processes, num_cores_here())
        _check_outputs(json_path, plot)
        point = None if reference is None else options.parse_reference(reference)
        if from_log is not None:
            _refuse_beside_log(
                {"searchers": searchers, "settings": settings, "log": log, "limit": limit}
                | {"objective": objective, "choices": choices, "family": family, "space": space}
                | {"preset": preset, "evaluations": evaluations, "seeds": seeds}
                | {"table": None if verify else table}
            )
            folder, manifest = stored(from_log)
            if verify:
                verify_runs(folder, manifest, table, num_cores)
            point = manifest.reference if reference is None else point
            finish(folder, manifest, point, json_path, plot)
            return
        if verify:
            raise ComparisonError("verify", "must come with --from-log", None)
        wanted = Comparison(
            options.problem_of(
                table,
                options.split(choices),
                options.family_space(family, preset, space),
                options.parse_objectives(objective),
                options.parse_limits(limit),
            ),
            options.parse_searchers(options.split(searchers), settings),
            _at_least_one("evaluations", evaluations, EVALUATIONS),
            _at_least_one("seeds", seeds, SEEDS),
            point,
        )
        with log_folder(log) as folder:
            finish(folder, run_runs(wanted, folder, num_cores), point, json_path, plot)


@contextmanager
def _refusals() -> Iterator[None]:
    """Tells in one line what is amiss with what was asked for, and exits with 2."""
    from search_space.table import InvalidTableError
    from searchers.comparison.errors import ComparisonError
    from searchers.comparison.processes import TaskFailedError

    try:
        yield
    except (ComparisonError, InvalidTableError) as error:
        typer.echo(f"espalier compare: --{' '.join(str(error).split())}", err=True)
        raise typer.Exit(2) from None
    except KeyboardInterrupt:
        typer.echo("espalier compare: interrupted; runs in --log are kept, do it again", err=True)
        raise typer.Exit(130) from None
    except TaskFailedError as error:
        if error.__cause__ is not None:
            raise  # a searcher's fault: whoever mends it needs to see where
        typer.echo(f"espalier compare: {error}", err=True)
        raise typer.Exit(1) from None


def num_cores_here() -> int:
    """Returns how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _at_least_one(option: str, value: int | None, default: int) -> int:
    from searchers.comparison.errors import ComparisonError

    if value is None:
        return default
    if value < 1:
        raise ComparisonError(option, "must be at least 1", value)
    return value


def _check_outputs(json_path: Path | None, plot: Path | None) -> None:
    """Returns if files can be written where they are to be: before hours of work, not after."""
    from searchers.comparison.errors import ComparisonError

    if plot is not None and plot.suffix not in (".png", ".svg"):
        raise ComparisonError("plot", "must end in .png or .svg", plot.name)
    for option, path in (("json", json_path), ("plot", plot)):
        if path is None:
            continue
        folder = next(one for one in path.absolute().parents if one.exists())
        if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
            raise ComparisonError(option, "must be a file that can be written", str(path))


def _refuse_beside_log(given: dict[str, Any]) -> None:
    from searchers.comparison.errors import ComparisonError

    for option, value in given.items():
        if value not in (None, "", []):
            rule = "must not come with --from-log: the folder says what was compared"
            shown = str(value) if isinstance(value, Path) else value
            raise ComparisonError(option, rule, shown)


@contextmanager
def log_folder(log: Path | None) -> "Iterator[RunFolder]":
    """Gives the folder of the runs; one that is gone afterwards if none is named."""
    from searchers.comparison.folder import RunFolder

    if log is not None:
        yield RunFolder(log)
        return
    with tempfile.TemporaryDirectory(prefix="espalier-compare-") as folder:
        yield RunFolder(Path(folder))


def stored(path: Path) -> "tuple[RunFolder, Manifest]":
    """Returns a folder of runs and what it is about.

    Raises:
        ComparisonError: it is no such folder.
    """
    from searchers.comparison.errors import ComparisonError
    from searchers.comparison.folder import MANIFEST, RunFolder

    folder = RunFolder(path)
    manifest = folder.read_manifest()
    if manifest is None:
        rule = f"must be a folder that --log made: it has no {MANIFEST}"
        raise ComparisonError("from-log", rule, str(path))
    return folder, manifest


def run_runs(wanted: "Comparison", folder: "RunFolder", num_processes: int) -> "Manifest":
    """Makes the runs that the folder lacks; returns what figures are to be computed of.

    Raises:
        ComparisonError: the comparison cannot be made, or the folder is about something else.
        TaskFailedError: a searcher failed.
    """
    from searchers.comparison.comparison import begin
    from searchers.comparison.manifest import this_machine
    from searchers.comparison.running import run_all

    machine = this_machine(num_cores_here(), version("espalier"))
    manifest, tasks = begin(wanted, folder, machine)
    total = len(wanted.searchers) * wanted.num_seeds
    with _progress("runs", total, total - len(tasks)) as advance:
        for _ in run_all(tasks, num_processes):
            advance()
    return manifest


def verify_runs(
    folder: "RunFolder", manifest: "Manifest", table: Path | None, num_processes: int
) -> None:
    """Makes all runs of a folder again, and compares every proposal and every figure.

    Raises:
        ComparisonError: a log says something else than its settings and its seed lead to; or the
            table that it is about is missing.
    """
    from searchers.comparison.errors import ComparisonError
    from searchers.comparison.problems import TableProblem
    from searchers.comparison.processes import in_processes
    from searchers.comparison.replay import replay_one
    from searchers.comparison.running import RunTask
    from server.cli.compare_options import stored_searchers

    problem = manifest.problem
    if isinstance(problem, TableProblem):
        if table is None:
            raise ComparisonError("table", "must be given: --verify looks outcomes up", None)
        problem = problem.model_copy(update={"path": table})
    problem.build()  # refuses another table
    named = {name: entry.settings for name, entry in manifest.searchers.items()}
    tasks = [
        RunTask(name, seed, settings, problem, manifest.evaluations, folder.path)
        for name, settings in stored_searchers(named).items()
        for seed in range(manifest.searchers[name].num_seeds)
        if folder.has(name, seed)
    ]
    with _progress("runs verified", len(tasks), 0) as advance:
        for task, found in in_processes(replay_one, tasks, num_processes):
            if found is not None:
                rule = (
                    f"must be what its settings lead to: {task.name}-{task.seed}.jsonl, number "
                    f"{found.number}: {found.what} should be {found.replayed}"
                )
                raise ComparisonError("from-log", rule, found.logged)
            advance()


def finish(
    folder: "RunFolder",
    manifest: "Manifest",
    reference: "dict[str, float] | None",
    json_path: Path | None,
    plot: Path | None,
) -> None:
    """Computes, prints and writes the figures.

    Raises:
        ComparisonError: a run is damaged, or the reference is amiss.
        OSError: a file cannot be written.
    """
    from searchers.comparison.report import analyse
    from server.cli.compare_tables import report_parts

    analysis = analyse(folder, manifest, reference)
    for part in report_parts(analysis.report):
        output_console().print(part)
    if json_path is not None:
        text = analysis.report.model_dump_json(indent=2) + "\n"
        write_file(json_path, text.encode())
        typer.echo(f"wrote {json_path}", err=True)
    if plot is not None:
        from server.searcher_plots import plot_shares

        image_format = cast("Literal['png', 'svg']", plot.suffix[1:])
        write_file(plot, plot_shares(analysis, image_format))
        typer.echo(f"wrote {plot}", err=True)


@contextmanager
def _progress(what: str, total: int, done: int) -> Iterator[Callable[[], None]]:
    """Shows how many of some parts are done: a bar, or lines where there is no terminal."""
    console = message_console()
    if done:
        console.print(f"{done} of {total} {what} are there already")
    columns: Sequence[Any] = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    count = done
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=total, completed=done)

        def advance() -> None:
            nonlocal count
            count += 1
            bar.update(task, completed=count)
            is_line = LINES * count // total > LINES * (count - 1) // total
            if is_line and not console.is_terminal:
                console.print(f"{count} of {total} {what}")

        yield advance
