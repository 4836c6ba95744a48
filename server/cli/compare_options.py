"""What `espalier compare` is told on the command line, as values; faults are told by option."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from search_space.families import NETWORK_FAMILIES, AnySpace, space_settings
from search_space.family import NetworkSettings
from search_space.table import InvalidTableError
from searchers.comparison.errors import ComparisonError
from searchers.comparison.manifest import RunName
from searchers.comparison.problems import CostProblem, ProblemSettings, table_problem
from searchers.protocol import Limit, Objective
from searchers.settings import SearcherSettings
from server.strict_json import mistyped

GOALS = {"max": "maximize", "min": "minimize", "maximize": "maximize", "minimize": "minimize"}
_LIMIT = re.compile(r"([A-Za-z0-9_.\-]+) *(>=|<=) *(\S+)")
_SEARCHER: TypeAdapter[Any] = TypeAdapter(SearcherSettings)
_NAME: TypeAdapter[str] = TypeAdapter(RunName)

KINDS: Mapping[str, Any] = {
    settings.model_fields["kind"].default: settings
    for settings in get_args(get_args(SearcherSettings)[0])
}
"""Settings of searchers by kind."""


def split(text: str) -> list[str]:
    """Returns the words of a list with commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


# --- the problem -------------------------------------------------------------------------------


def parse_objectives(texts: Sequence[str]) -> tuple[Objective, ...]:
    """Returns objectives of `METRIC:max`, `METRIC:min`, or a metric whose goal is known.

    Raises:
        ComparisonError: one does not parse, or a metric occurs twice.
    """
    if not texts:
        raise ComparisonError("objective", "must be given once at least", None)
    objectives: dict[str, Objective] = {}
    for text in texts:
        metric, _, word = text.partition(":")
        rule = f"must be METRIC:GOAL with a goal of {['max', 'min']}"
        if (word and word not in GOALS) or text.endswith(":"):
            raise ComparisonError("objective", rule, text)
        given = {"metric": metric} | ({"goal": GOALS[word]} if word else {})
        try:
            objective = Objective.model_validate(given)
        except ValidationError:
            raise ComparisonError("objective", rule, text) from None
        if metric in objectives:
            raise ComparisonError("objective", "must name each metric once", text)
        objectives[metric] = objective
    return tuple(objectives.values())


def parse_limits(texts: Sequence[str]) -> tuple[Limit, ...]:
    """Returns limits of `METRIC>=NUMBER` and `METRIC<=NUMBER`; both sides of a metric are one.

    Raises:
        ComparisonError: one does not parse, a side is given twice, or the sides exclude each other.
    """
    sides: dict[str, dict[str, float]] = {}
    for text in texts:
        match = _LIMIT.fullmatch(text.strip())
        number = None if match is None else _number(match[3])
        if match is None or number is None:
            rule = "must be METRIC>=NUMBER or METRIC<=NUMBER"
            raise ComparisonError("limit", rule, text)
        side = "lower" if match[2] == ">=" else "upper"
        if side in sides.setdefault(match[1], {}):
            raise ComparisonError("limit", f"must give the {side} side of a metric once", text)
        sides[match[1]][side] = number
    try:
        return tuple(Limit.model_validate({"metric": name} | some) for name, some in sides.items())
    except ValidationError as error:
        raise ComparisonError("limit", _message(error), list(texts)) from None


def parse_reference(text: str) -> dict[str, float] | None:
    """Returns a reference point of `METRIC=NUMBER,METRIC=NUMBER`; None for `nadir`.

    Raises:
        ComparisonError: it does not parse.
    """
    if text == "nadir":
        return None
    point: dict[str, float] = {}
    for word in split(text):
        metric, _, digits = word.rpartition("=")
        number = _number(digits)
        if not metric or number is None or metric in point:
            rule = "must be nadir, or METRIC=NUMBER for each objective, with commas between"
            raise ComparisonError("reference", rule, text)
        point[metric] = number
    return point


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def problem_of(
    table: Path | None,
    columns: Sequence[str],
    space: AnySpace | None,
    objectives: Sequence[Objective],
    limits: Sequence[Limit],
) -> ProblemSettings:
    """Returns the problem of a table or, without one, of what networks cost on paper.

    Raises:
        ComparisonError: options are missing or do not go together, or the table is amiss.
    """
    parts = {"objectives": tuple(objectives), "limits": tuple(limits)}
    if table is None:
        if columns:
            raise ComparisonError("choices", "must come with --table", list(columns))
        if space is None:
            raise ComparisonError("table", "must be given, or --family, or --space", None)
        return CostProblem(space=space, **parts)
    if not columns:
        raise ComparisonError("choices", "must name the table's columns of choices", None)
    try:
        return table_problem(table, columns, parts, space)
    except InvalidTableError as error:
        raise table_error(error, objectives) from None


def table_error(error: InvalidTableError, objectives: Sequence[Objective]) -> ComparisonError:
    """Returns what is wrong with a table by the option that it is about."""
    metric = str(error.value).partition(":")[0]  # what may follow is its type
    is_objective = metric in [objective.metric for objective in objectives]
    option = {
        "file": "table",
        "choices": "choices",
        "metrics": "objective" if is_objective else "limit",
    }[error.field]
    return ComparisonError(option, error.rule, error.value)


def family_space(family: str | None, preset: str | None, file: Path | None) -> AnySpace | None:
    """Returns the space of a family's preset, or of a file; None if neither is given.

    Raises:
        ComparisonError: there is no such family, preset or file.
    """
    if file is not None:
        if family is not None:
            raise ComparisonError("family", "must not come with --space", family)
        try:
            return space_settings(read_json("space", file))
        except ValidationError as error:
            rule = f"must hold settings of a space: {_message(error)}"
            raise ComparisonError("space", rule, str(file)) from None
    if family is None:
        if preset is not None:
            raise ComparisonError("preset", "must come with --family", preset)
        return None
    found = NETWORK_FAMILIES.get(family)
    if found is None:
        rule = f"must be one of {sorted(NETWORK_FAMILIES)}"
        raise ComparisonError("family", rule, family)
    return _preset(found, preset)


def _preset(family: type[NetworkSettings], preset: str | None) -> AnySpace:
    if preset not in family.presets:
        raise ComparisonError("preset", f"must be one of {list(family.presets)}", preset)
    return space_settings({"kind": family.model_fields["kind"].default, "preset": preset})


# --- searchers ---------------------------------------------------------------------------------


def parse_searchers(kinds: Sequence[str], file: Path | None) -> dict[str, Any]:
    """Returns settings by name: of kinds with their defaults, and of a file of named settings.

    Raises:
        ComparisonError: there is no such kind, a name occurs twice, or settings are amiss.
    """
    searchers: dict[str, Any] = {}
    for kind in kinds:
        if kind not in KINDS:
            raise ComparisonError("searchers", f"must be among {sorted(KINDS)}", kind)
        if kind in searchers:
            raise ComparisonError("searchers", "must name each kind once", kind)
        searchers[kind] = _settings("searchers", kind, {"kind": kind})
    for name, given in ({} if file is None else _named(file)).items():
        if name in searchers:
            raise ComparisonError("settings", "must not reuse a name of --searchers", name)
        searchers[name] = _settings("settings", name, given)
    if not searchers:
        rule = f"must name some of {sorted(KINDS)}, or --settings a file of settings"
        raise ComparisonError("searchers", rule, None)
    return searchers


def _named(file: Path) -> Mapping[str, Any]:
    document = read_json("settings", file)
    if not isinstance(document, Mapping):
        rule = 'must hold a JSON object of settings by name, {"name": {"kind": ...}}'
        raise ComparisonError("settings", rule, type(document).__name__)
    for name in document:
        try:
            _NAME.validate_python(name)
        except ValidationError:
            rule = "must use names of at most 64 letters, digits, _, - and ."
            raise ComparisonError("settings", rule, name) from None
    return document


def _settings(option: str, name: str, given: Any) -> Any:
    try:
        settings = _SEARCHER.validate_python(given)
    except ValidationError as error:
        raise ComparisonError(option, f"{name}: {_message(error)}", given) from None
    for fault in mistyped(given, settings.model_dump(mode="json"), f"/{name}"):
        raise ComparisonError(option, f"{fault.pointer} {fault.rule}", fault.value)
    return settings


def stored_searchers(settings: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Returns searchers of settings that a log has by value.

    Raises:
        ComparisonError: this version does not know them.
    """
    return {name: _settings("log", name, given) for name, given in settings.items()}


def read_json(option: str, path: Path) -> Any:
    """Returns what a JSON file holds.

    Raises:
        ComparisonError: there is no such file, or it holds something else.
    """
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        rule = f"must be a file ({error.strerror})"
        raise ComparisonError(option, rule, str(path)) from None
    except ValueError as error:
        raise ComparisonError(option, f"must hold JSON ({error})", str(path)) from None


def _message(error: ValidationError) -> str:
    """Returns the first fault in one line: where, and which rule."""
    fault = error.errors(include_url=False)[0]
    where = ".".join(map(str, fault["loc"]))
    said = fault["msg"].removeprefix("Value error, ")
    return f"{where}: {said}" if where else said
