"""A folder of runs: each is a file of JSON lines that is there whole or not at all."""

import contextlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, StrictInt, ValidationError

from search_space.space import SearchSpace
from searchers.comparison.errors import ComparisonError
from searchers.comparison.manifest import Manifest, merged
from searchers.comparison.playing import INACTIVE, Run, Trial

MANIFEST = "manifest.json"


class _Line(BaseModel):
    """One proposal, as it stands in a log."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    searcher: str
    seed: StrictInt
    number: StrictInt
    choices: tuple[StrictInt, ...]
    metrics: dict[str, FiniteFloat] | None
    reason: str | None = None


class _Summary(BaseModel):
    """What a run is beside its proposals."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    searcher: str
    seed: StrictInt
    evaluations: int = Field(ge=0)
    exhausted: bool
    ask_seconds: float = Field(ge=0)
    tell_seconds: float = Field(ge=0)


class RunFolder:
    """Guards that what stands in the folder under its own name is complete.

    `manifest.json` says what is compared. A run is `NAME-SEED.jsonl`, one proposal a line, and
    beside it `NAME-SEED.json` with what does not belong to a proposal (seconds).

    Args:
        path: of the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read_manifest(self) -> Manifest | None:
        """Returns what the folder is about; None where it is not about anything yet.

        Raises:
            ComparisonError: the file is damaged, or of another version of this program.
        """
        place = self.path / MANIFEST
        try:
            content = place.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            rule = f"must be a folder ({error.strerror})"
            raise ComparisonError("log", rule, str(self.path)) from None
        try:
            return Manifest.model_validate_json(content)
        except ValidationError as error:
            raise _damaged(place, error) from None

    def open_for(self, manifest: Manifest) -> Manifest:
        """Makes the folder one of these runs, too; returns what it is about then.

        Raises:
            ComparisonError: it is about something else, or cannot be written.
        """
        there = self.read_manifest()
        manifest = manifest if there is None else merged(there, manifest)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            text = json.dumps(manifest.model_dump(mode="json"), indent=2) + "\n"
            _write_whole(self.path / MANIFEST, text)
        except OSError as error:
            rule = f"must be a folder that can be written ({error.strerror})"
            raise ComparisonError("log", rule, str(self.path)) from None
        return manifest

    def has(self, name: str, seed: int) -> bool:
        """Returns whether a run is complete."""
        return self._place(name, seed).exists()

    def write(self, name: str, seed: int, run: Run) -> None:
        """Writes a run, replacing what was there of it.

        Raises:
            OSError: the disk is full, or the like.
        """
        place = self._place(name, seed)
        summary = _Summary(
            searcher=name,
            seed=seed,
            evaluations=len(run.trials),
            exhausted=run.exhausted,
            ask_seconds=run.ask_seconds,
            tell_seconds=run.tell_seconds,
        )
        # The lines last: where they are, all is.
        _write_whole(place.with_suffix(".json"), summary.model_dump_json(indent=2) + "\n")
        _write_whole(place, "".join(_lines(name, seed, run.trials)))

    def read(self, name: str, seed: int, space: SearchSpace) -> Run:
        """Returns a run.

        Raises:
            ComparisonError: it is not there, damaged, or not of the space.
        """
        place = self._place(name, seed)
        summary_place = place.with_suffix(".json")
        try:
            summary = _Summary.model_validate_json(summary_place.read_bytes())
            lines = place.read_text(encoding="utf-8").splitlines()
        except ValidationError as error:
            raise _damaged(summary_place, error) from None
        except (OSError, UnicodeDecodeError) as error:
            raise ComparisonError("log", "must hold the run", f"{place.name}: {error}") from None
        trials = [_trial(place, name, seed, number, line) for number, line in enumerate(lines)]
        if len(trials) != summary.evaluations:
            rule = (
                f"{place.name} must have {summary.evaluations} lines, as {summary_place.name} says"
            )
            raise ComparisonError("log", rule, len(trials))
        _check_choices(place, trials, space)
        return Run(tuple(trials), summary.exhausted, summary.ask_seconds, summary.tell_seconds)

    def _place(self, name: str, seed: int) -> Path:
        # Not with_suffix: names may have dots.
        return self.path / f"{name}-{seed}.jsonl"


def _lines(name: str, seed: int, trials: Sequence[Trial]) -> Iterator[str]:
    for number, trial in enumerate(trials):
        line: dict[str, Any] = {
            "searcher": name,
            "seed": seed,
            "number": number,
            "choices": trial.choices,
            "metrics": trial.metrics,
        }
        if trial.metrics is None:
            line["reason"] = trial.reason
        yield json.dumps(line) + "\n"


def _trial(place: Path, name: str, seed: int, number: int, text: str) -> Trial:
    where = f"{place.name}, line {number + 1},"
    try:
        line = _Line.model_validate_json(text)
    except ValidationError as error:
        raise _damaged(where, error) from None
    if (line.searcher, line.seed, line.number) != (name, seed, number):
        rule = f"{where} must be of {name}, seed {seed}, number {number}"
        found = f"{line.searcher}, seed {line.seed}, number {line.number}"
        raise ComparisonError("log", rule, found)
    return Trial(line.choices, line.metrics, line.reason)


def _check_choices(place: Path, trials: Sequence[Trial], space: SearchSpace) -> None:
    """Returns if all choices are those of distinct architectures of the space."""
    faulty = next(
        (n for n, one in enumerate(trials) if len(one.choices) != space.num_choices), None
    )
    if faulty is None:
        rows = np.array([one.choices for one in trials], dtype=np.int64)
        rows = rows.reshape(len(trials), space.num_choices)
        amiss = ((rows < INACTIVE) | (rows >= space.num_options)).any(axis=1)
        is_active = space.active(np.clip(rows, 0, space.num_options - 1))
        amiss |= ((rows != INACTIVE) != is_active).any(axis=1)
        first: dict[tuple[int, ...], int] = {}
        amiss |= np.array([first.setdefault(t.choices, n) != n for n, t in enumerate(trials)], bool)
        faulty = int(amiss.argmax()) if amiss.any() else None
    if faulty is not None:
        rule = f"{place.name}, line {faulty + 1}, must be a new architecture of the space"
        raise ComparisonError("log", rule, list(trials[faulty].choices))


def _damaged(place: Path | str, error: ValidationError) -> ComparisonError:
    fault = error.errors()[0]
    field = ".".join(map(str, fault["loc"]))
    where = place.name if isinstance(place, Path) else place
    rule = f"{where} must be as this program writes it: {field or 'it'}: {fault['msg']}"
    return ComparisonError("log", rule, fault["input"])


def _write_whole(place: Path, text: str) -> None:
    """Writes a file that is there whole or not at all, whatever happens meanwhile."""
    beside = place.with_name(f".{place.name}.{os.getpid()}.partial")
    try:
        with beside.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(place)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise
