"""What a folder of runs is about, by value: runs of something else are not mixed with them."""

import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from searchers.comparison.errors import ComparisonError
from searchers.comparison.exact import ExactFront
from searchers.comparison.problems import ProblemSettings

RunName = Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.\-]*$")]
"""What a searcher is called in a comparison; part of its files' names."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Machine(_Part):
    """Where runs were made; their seconds depend on it."""

    processor: str
    num_cores: int
    system: str
    python: str
    numpy: str
    espalier: str


class Entry(_Part):
    """A searcher that takes part."""

    settings: dict[str, Any] = Field(description="All of them, defaults included.")
    num_seeds: int = Field(ge=1, description="Its runs have the seeds from 0 on.")


class Manifest(_Part):
    """What is compared.

    `reference` has no influence on the runs: it is what figures were last computed with.
    """

    format: Literal[1] = 1
    problem: ProblemSettings
    evaluations: int = Field(ge=1, description="The budget of each run.")
    searchers: dict[RunName, Entry]
    exact: ExactFront | None = Field(description="None where the space is too large to look.")
    reference: dict[str, float] | None = Field(default=None, description="None: nadir.")
    machines: tuple[Machine, ...] = ()


def this_machine(num_cores: int, version: str) -> Machine:
    """Describes the machine that this process runs on.

    Args:
        num_cores: that may be used.
        version: of this package.
    """
    return Machine(
        processor=_processor(),
        num_cores=num_cores,
        system=platform.system(),
        python=platform.python_version(),
        numpy=np.__version__,
        espalier=version,
    )


def _processor() -> str:
    described = Path("/proc/cpuinfo")
    if described.exists():
        for line in described.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def merged(there: Manifest, here: Manifest) -> Manifest:
    """Returns what a folder is about when further runs are added to it.

    Further searchers and further seeds may be added. Machines are collected.

    Args:
        there: what the folder says.
        here: what is to be added.

    Raises:
        ComparisonError: runs would not be comparable, or a searcher of that name is another one;
            names all that differs.
    """
    pinned = {"format", "problem", "evaluations"}
    found = list(_differences(_dump(there, pinned), _dump(here, pinned), ""))
    if not found:  # else the front differs for that reason
        found += _differences(_dump(there, {"exact"}), _dump(here, {"exact"}), "")
    for name in there.searchers.keys() & here.searchers.keys():
        ours, theirs = here.searchers[name].settings, there.searchers[name].settings
        found += _differences(theirs, ours, f"searchers.{name}")
    if found:
        raise ComparisonError("log", "must be a folder of runs of the same comparison", found)
    searchers = dict(there.searchers)
    for name, entry in here.searchers.items():
        known = searchers.get(name, entry).num_seeds
        count = max(known, entry.num_seeds)
        searchers[name] = Entry(settings=entry.settings, num_seeds=count)
    machines = tuple(dict.fromkeys((*there.machines, *here.machines)))
    return here.model_copy(update={"searchers": searchers, "machines": machines})


def _dump(manifest: Manifest, fields: set[str]) -> dict[str, Any]:
    return manifest.model_dump(mode="json", include=fields)


def _differences(there: Any, here: Any, path: str) -> Iterator[str]:
    """Yields what differs between two JSON values, each with its path."""
    if isinstance(there, Mapping) and isinstance(here, Mapping):
        for key in dict.fromkeys((*there, *here)):
            inner = f"{path}.{key}".lstrip(".")
            yield from _differences(there.get(key), here.get(key), inner)
    elif isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        for position, (first, second) in enumerate(zip(there, here, strict=True)):
            yield from _differences(first, second, f"{path}.{position}")
    elif there != here:
        yield f"{path}: {_short(there)} there, {_short(here)} here"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
