"""`espalier compare`, from the command line to its files; no service runs."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import Run
from table_examples import CHOICES, write_table

from search_space.table import InvalidTableError
from search_space.table_files import read_table
from searchers.comparison.errors import ComparisonError
from searchers.comparison.folder import RunFolder
from searchers.comparison.replay import replay_one
from searchers.comparison.running import RunTask
from searchers.pareto import hypervolume, non_dominated
from searchers.random import RandomSettings
from server.cli import compare_options as options

PNG = b"\x89PNG\r\n"


def arguments(folder: Path, **changes: str | None) -> list[str]:
    """A comparison by the table of the examples; options by name, None leaves one out."""
    given: dict[str, str | None] = {
        "table": str(folder / "table.csv"),
        "choices": ",".join(CHOICES),
        "objective": "accuracy:max latency_ms:min",
        "limit": "accuracy>=70",
        "searchers": "random,nsga2",
        "evaluations": "40",
        "seeds": "3",
        "processes": "1",
    } | changes
    words = ["compare"]
    for name, value in given.items():
        several = (value or "").split() if name in ("objective", "limit") else [value]
        for one in several:
            words += [] if one is None else [f"--{name.replace('_', '-')}", one]
    return words


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_table(tmp_path)
    return tmp_path


def test_a_comparison_from_options_to_files(folder: Path, run: Run) -> None:
    named = {"wide": {"kind": "nsga2", "population_size": 10}}
    (folder / "named.json").write_text(json.dumps(named), encoding="utf-8")
    out, plot, runs = folder / "out.json", folder / "out.png", folder / "runs"
    files = {"json": str(out), "plot": str(plot), "log": str(runs)}
    settings = {"settings": str(folder / "named.json"), "reference": "nadir"}
    done = run(*arguments(folder, **files, **settings))
    assert (done.code, done.complaint.count("wrote")) == (0, 2), done.err
    for word in ("searcher", "random", "wide", "at 25", "at 40", "to 99.9 %", "p (Holm)"):
        assert word in done.out
    assert plot.read_bytes().startswith(PNG)
    assert len(list(runs.glob("*.jsonl"))) == 9

    report = json.loads(out.read_text(encoding="utf-8"))
    assert list(report["searchers"]) == ["random", "nsga2", "wide"]
    assert list(report["tests"]) == ["25", "40"]
    assert len(report["tests"]["40"]) == 3
    assert report["machines"][0]["num_cores"] >= 1
    # By hand, from the table and a log alone.
    table = read_table(folder / "table.csv", CHOICES, ["accuracy", "latency_ms"])
    losses = [
        (-a, b)
        for a, b in zip(
            *(table.metrics[m].tolist() for m in ("accuracy", "latency_ms")), strict=True
        )
        if a >= 70 and b == b
    ]
    front = [loss for loss, on in zip(losses, non_dominated(losses), strict=True) if on]
    nadir = [max(column) for column in zip(*front, strict=True)]
    lines = (runs / "wide-2.jsonl").read_text(encoding="utf-8").splitlines()
    metrics = [json.loads(line)["metrics"] for line in lines]
    found = [(-m["accuracy"], m["latency_ms"]) for m in metrics if m and m["accuracy"] >= 70]
    share = hypervolume(found, nadir) / hypervolume(front, nadir)
    assert 0 < share <= 1
    assert report["searchers"]["wide"]["runs"][2]["share"]["40"] == pytest.approx(share)

    again = folder / "again.json"
    picture = folder / "again.svg"
    recomputed = run(
        "compare", "--from-log", str(runs), "--json", str(again), "--plot", str(picture)
    )
    assert recomputed.code == 0
    assert again.read_bytes() == out.read_bytes()
    assert b"<svg" in picture.read_bytes()

    words = ["compare", "--from-log", str(runs), "--verify", "--table", str(folder / "table.csv")]
    assert run(*words).code == 0
    log = runs / "nsga2-1.jsonl"
    log.write_bytes((runs / "nsga2-0.jsonl").read_bytes().replace(b'"seed": 0', b'"seed": 1'))
    refused = run(*words)
    assert refused.code == 2
    assert "nsga2-1.jsonl, number 0: choices should be [" in refused.err


def test_a_comparison_that_was_killed_goes_on(folder: Path, run: Run) -> None:
    """Killed hard after two of its runs: these are kept, and all are as if undisturbed."""
    changes: dict[str, str | None] = {
        "table": None,
        "choices": None,
        "limit": None,
        "family": "mobilenetv3",
        "preset": "digits",
        "objective": "macs:min num_params:max",
        "evaluations": "100",
        "searchers": "random",
        "seeds": "18",
    }
    interrupted = arguments(folder, **changes, log=str(folder / "killed"))
    process = subprocess.Popen(
        [sys.executable, "-m", "server.cli", *interrupted], start_new_session=True
    )
    deadline = time.monotonic() + 120
    while len(list((folder / "killed").glob("*.jsonl"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    while session_of(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert session_of(process.pid) == []  # its child has ended with it

    kept = {path: path.stat().st_ino for path in (folder / "killed").glob("*.jsonl")}
    assert 2 <= len(kept) < 18
    changes["processes"] = "2"
    files = {"json": str(folder / "killed.json"), "log": str(folder / "killed")}
    resumed = run(*arguments(folder, **changes, **files))
    assert resumed.code == 0
    assert f"{len(kept)} of 18 runs are there already" in resumed.err
    assert all(path.stat().st_ino == number for path, number in kept.items())
    assert "note: the space is too large for its exact front" in resumed.out
    manifest = RunFolder(folder / "killed").read_manifest()
    assert manifest is not None
    for seed in range(0, 18, 3):
        settings, place = RandomSettings(), folder / "killed"
        assert replay_one(RunTask("random", seed, settings, manifest.problem, 100, place)) is None
    report = json.loads((folder / "killed.json").read_text(encoding="utf-8"))
    assert report["searchers"]["random"]["num_runs"] == 18

    changes["evaluations"] = "99"
    refused = run(*arguments(folder, **changes, log=str(folder / "killed")))
    assert refused.code == 2
    assert "evaluations: 100 there, 99 here" in refused.err


def session_of(leader: int) -> list[int]:
    """Returns the living processes of a session."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                alive = (entry / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
                if alive and os.getsid(int(entry.name)) == leader:
                    found.append(int(entry.name))
            except (OSError, ProcessLookupError):
                continue
    return found


def test_a_space_tells_on_what_choices_depend(folder: Path, run: Run) -> None:
    (folder / "table.csv").write_text("depth,deep,m\n1,,1\n2,8,2\n2,16,\n", encoding="utf-8")
    choices = [
        {"name": "depth", "options": [1, 2]},
        {"name": "deep", "options": [8, 16], "when": {"parent": "depth", "options": [2]}},
    ]
    space = {"kind": "custom", "name": "deep", "choices": choices}
    changes: dict[str, str | None] = {"choices": "depth,deep", "objective": "m:max", "limit": None}
    refused = run(*arguments(folder, **changes))
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "--choices must have a value in every row unless a space is given" in refused.err
    (folder / "space.json").write_text(json.dumps(space), encoding="utf-8")
    changes |= {"space": str(folder / "space.json"), "searchers": "random", "seeds": "1"}
    done = run(*arguments(folder, **changes, log=str(folder / "runs")))
    assert done.code == 0, done.err
    lines = (folder / "runs" / "random-0.jsonl").read_text(encoding="utf-8").splitlines()
    found = {tuple(json.loads(line)["choices"]): json.loads(line)["metrics"] for line in lines}
    assert found == {(0, -1): {"m": 1.0}, (1, 0): {"m": 2.0}, (1, 1): None}


def test_more_evaluations_than_architectures_stop_early_and_say_so(folder: Path, run: Run) -> None:
    done = run(*arguments(folder, evaluations="200", seeds="1", searchers="random"))
    assert done.code == 0, done.err
    assert "stopped early, after 144 evaluations" in done.out
    assert "100.00" in done.out


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"objective": "top2:max"}, ["--objective", "'top2'", "'accuracy'", "'latency_ms'"]),
        ({"objective": "accuracy:up"}, ["--objective", "METRIC:GOAL", "'accuracy:up'"]),
        ({"objective": "accuracy"}, ["--objective", "METRIC:GOAL", "'accuracy'"]),
        ({"objective": "accuracy:max accuracy:min"}, ["--objective", "once", "'accuracy:min'"]),
        ({"objective": None}, ["--objective", "must be given"]),
        ({"limit": "accuracy>70"}, ["--limit", "METRIC>=NUMBER", "'accuracy>70'"]),
        ({"limit": "accuracy>=x"}, ["--limit", "METRIC>=NUMBER", "'accuracy>=x'"]),
        ({"limit": "accuracy>=nan"}, ["--limit", "METRIC>=NUMBER", "'accuracy>=nan'"]),
        ({"limit": "top2>=1"}, ["--limit", "columns", "'top2'"]),
        ({"limit": "accuracy>=70 accuracy>=60"}, ["--limit", "lower side", "once"]),
        ({"limit": "accuracy>=70 accuracy<=60"}, ["--limit", "lower <= upper"]),
        ({"limit": "accuracy>=200"}, ["--limit", "leave something", "accuracy>=200"]),
        ({"reference": "accuracy=1"}, ["--reference", "'latency_ms'", "['accuracy']"]),
        ({"reference": "accuracy"}, ["--reference", "METRIC=NUMBER", "'accuracy'"]),
        ({"reference": "accuracy=999,latency_ms=1"}, ["--reference", "exact front"]),
        ({"searchers": "random,magic"}, ["--searchers", "'nsga2'", "'random'", "'magic'"]),
        ({"searchers": "random,random"}, ["--searchers", "once", "'random'"]),
        ({"searchers": None}, ["--searchers", "must name some", "'nsga2'"]),
        ({"settings": "absent.json"}, ["--settings", "must be a file", "absent.json"]),
        ({"table": "absent.csv"}, ["--table", "must be a file", "absent.csv"]),
        ({"table": None}, ["--choices", "must come with --table"]),
        ({"choices": "colour"}, ["--choices", "'colour'", "'kernel'"]),
        ({"choices": None}, ["--choices", "must name"]),
        ({"choices": "kernel"}, ["--choices", "tell architectures apart"]),
        ({"seeds": "0"}, ["--seeds", "at least 1", "0"]),
        ({"evaluations": "-5"}, ["--evaluations", "at least 1", "-5"]),
        ({"processes": "0"}, ["--processes", "at least 1", "0"]),
        ({"plot": "out.pdf"}, ["--plot", ".png or .svg", "out.pdf"]),
        ({"json": "/dev/null/out.json"}, ["--json", "written"]),
        ({"from_log": "absent"}, ["must not come with --from-log"]),
        ({"preset": "digits"}, ["--preset", "must come with --family"]),
        ({"table": None, "choices": None}, ["--table", "--family"]),
    ],
)
def test_what_is_amiss_is_told_in_one_line(
    folder: Path, run: Run, changes: dict[str, str | None], words: list[str]
) -> None:
    done = run(*arguments(folder, **changes))
    assert done.code == 2
    assert done.out == ""
    assert done.err.count("\n") == 1, done.err
    assert done.err.startswith("espalier compare: --")
    assert [word for word in words if word not in done.err] == [], done.err


@pytest.mark.parametrize(
    ("text", "changes", "words"),
    [
        ("kernel,m,n\n3,1,2\n5,1,3\n", {}, ["--objective", "must differ", "'m=1'"]),
        ("kernel,m,n\n3,nan,2\n5,,3\n", {}, ["--objective", "a number in a row", "'m'"]),
        ("kernel,m,n\n3,nan,2\n5,1,\n", {}, ["--table", "figures in all of", "'m'"]),
        ("kernel,m,n\n3,x,2\n5,1,3\n", {}, ["--objective", "must be numbers", "'m'"]),
        ("kernel,m\n3,1\n5,2\n", {}, ["--objective", "'n'"]),
        ("no table", {}, ["--choices", "'kernel'"]),
        ("", {}, ["--choices", "'kernel'"]),
    ],
)
def test_tables_that_compare_nothing_are_refused(
    folder: Path, run: Run, text: str, changes: dict[str, str | None], words: list[str]
) -> None:
    (folder / "table.csv").write_text(text, encoding="utf-8")
    given = {"choices": "kernel", "objective": "m:max n:min", "limit": None} | changes
    done = run(*arguments(folder, **given))
    assert (done.code, done.err.count("\n")) == (2, 1), done.err
    assert [word for word in words if word not in done.err] == [], done.err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": {"kind": "nsga2", "population_size": 1}}', ["a: nsga2.population_size", "2"]),
        ('{"a": {"kind": "nsga2", "population_size": "8"}}', ["/a/population_size", "a number"]),
        ('{"a": {"kind": "magic"}}', ["a: ", "'magic'"]),
        ('{"a/b": {"kind": "random"}}', ["names of at most 64", "'a/b'"]),
        ('{"random": {"kind": "random"}}', ["name of --searchers", "'random'"]),
        ("[]", ["JSON object", "'list'"]),
        ("{", ["must hold JSON"]),
    ],
)
def test_settings_that_are_amiss_are_told(
    folder: Path, run: Run, text: str, words: list[str]
) -> None:
    (folder / "named.json").write_text(text, encoding="utf-8")
    done = run(*arguments(folder, settings=str(folder / "named.json")))
    assert (done.code, done.err.count("\n")) == (2, 1), done.err
    assert [word for word in ["--settings", *words] if word not in done.err] == [], done.err


def test_a_searcher_that_cannot_search_the_problem_is_told(folder: Path, run: Run) -> None:
    elsewhere = {"far": {"kind": "random", "warm_start": [{"kernel": 4}]}}
    (folder / "named.json").write_text(json.dumps(elsewhere), encoding="utf-8")
    done = run(*arguments(folder, settings=str(folder / "named.json")))
    assert (done.code, done.err.count("\n")) == (2, 1), done.err
    assert "--searchers must be able to search this problem; far is not: kernel" in done.err
    done = run(*arguments(folder, searchers="analytic"))
    assert (done.code, done.err.count("\n"), done.err.count("got")) == (2, 1, 1), done.err
    assert "analytic is not: must not be analytic unless the space is all of a family" in done.err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--family", "yolo"], "--family must be one of ['"),
        (["--family", "vit", "--preset", "huge"], "--preset must be one of ["),
        (["--family", "vit"], "--preset must be one of ["),
        (["--space", "absent.json"], "--space must be a file"),
        (["--family", "vit", "--preset", "tiny", "--objective", "latency_ms"], "--objective must"),
        (["--family", "vit", "--preset", "tiny", "--limit", "joules<=1"], "--limit must name one"),
    ],
)
def test_families_that_are_amiss_are_told(run: Run, words: list[str], expected: str) -> None:
    done = run("compare", "--searchers", "random", "--objective", "macs", *words)
    assert (done.code, done.err.count("\n")) == (2, 1), done.err
    assert f"espalier compare: {expected}" in done.err


def test_what_is_no_folder_of_runs_is_refused(folder: Path, run: Run) -> None:
    done = run("compare", "--from-log", str(folder))
    assert done.code == 2
    assert "--from-log must be a folder that --log made" in done.err
    (folder / "manifest.json").write_text("{}", encoding="utf-8")
    done = run("compare", "--from-log", str(folder))
    assert done.code == 2
    assert "--log manifest.json must be as this program writes it: problem" in done.err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--from-log", "x", "--seeds", "3"], "--seeds must not come with --from-log"),
        (["--from-log", "x", "--table", "t.csv"], "--table must not come with --from-log"),
        (["--from-log", "x", "--limit", "a>=0"], "--limit must not come with --from-log"),
        (["--from-log", "x"], "--from-log must be a folder that --log made"),
        (["--verify"], "--verify must come with --from-log"),
    ],
)
def test_options_that_would_be_ignored_are_refused(
    run: Run, words: list[str], expected: str
) -> None:
    done = run("compare", *words)
    assert (done.code, done.err.count("\n")) == (2, 1), done.err
    assert f"espalier compare: {expected}" in done.err


def test_faults_of_metrics_are_those_of_the_option_that_names_them() -> None:
    error = InvalidTableError("metrics", "must be numbers", "ops: int8 of shape (2, 6)")
    for objective, option in (("ops:max", "objective"), ("m:max", "limit")):
        assert options.table_error(error, options.parse_objectives([objective])).field == option


def test_limits_of_both_sides_are_one() -> None:
    (limit,) = options.parse_limits(["a>=1", "a <= 2e0"])
    assert (limit.metric, limit.lower, limit.upper) == ("a", 1.0, 2.0)
    assert options.parse_reference("a=1,b=-2.5") == {"a": 1.0, "b": -2.5}
    with pytest.raises(ComparisonError):
        options.parse_reference("a=1,a=2")
