"""Tables as problems: what is known of architectures, a row for each, instead of an evaluation."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from search_space.custom import CustomSettings
from search_space.outcomes import Infeasible, Measured
from search_space.space import Choice, Option, SearchSpace

MAX_OPTIONS = 10_000
MAX_LENGTH = 200
INACTIVE = -1
"""The code of a cell that holds no option: the choice is inactive there."""

Cells = Sequence[Option | None]


class InvalidTableError(ValueError):
    """A table that cannot be used; says which field of the request, which rule, which value.

    Attributes:
        field: `file`, `choices` or `metrics`.
        rule: what would be accepted.
        value: what was found.
    """

    def __init__(self, field: str, rule: str, value: Any) -> None:
        super().__init__(field, rule, value)  # all arguments, so that it can be pickled
        self.field = field
        self.rule = rule
        self.value = value

    def __str__(self) -> str:
        return f"{self.field} {self.rule}, got {self.value!r}"


class Table:
    """Metrics of architectures; each architecture has one row at most.

    Args:
        choices: the cells of each choice's column by its name; None where it is inactive.
        metrics: numbers of shape (num_rows,) by metric; not finite where one is not known.

    Raises:
        InvalidTableError: there is no row, a column has too many options, or two rows are of one
            architecture.
    """

    def __init__(
        self,
        choices: Mapping[str, Cells],
        metrics: Mapping[str, npt.NDArray[np.float64]],
    ) -> None:
        self.names = tuple(choices)
        self._metrics = dict(metrics)
        self._options = tuple(_options(name, cells) for name, cells in choices.items())
        self._codes = tuple(
            {option: code for code, option in enumerate(options)} for options in self._options
        )
        columns = [
            np.array([INACTIVE if cell is None else codes[cell] for cell in cells], dtype=np.int32)
            for codes, cells in zip(self._codes, choices.values(), strict=True)
        ]
        self._gaps = tuple(
            name for name, column in zip(self.names, columns, strict=True) if INACTIVE in column
        )
        keys = np.stack(columns, axis=1)
        self.num_rows = len(keys)
        if self.num_rows == 0:
            raise InvalidTableError("file", "must hold a row of figures at least", 0)
        self._rows: dict[bytes, int] = {}
        for row, key in enumerate(keys):
            first = self._rows.setdefault(key.tobytes(), row)
            if first != row:
                rule = "must tell architectures apart: two rows, counted from 0, have equal choices"
                raise InvalidTableError("choices", rule, [first, row])

    @property
    def metrics(self) -> Mapping[str, npt.NDArray[np.float64]]:
        """The figures of all rows by metric, shape (num_rows,); not finite where not known."""
        return self._metrics

    def architectures(self) -> Iterator[dict[str, Option]]:
        """Yields the active choices of each row, in the order of the rows."""
        for key in self._rows:
            yield {name: cell for name, cell in self._cells(key).items() if cell is not None}

    def space_settings(self, name: str) -> CustomSettings:
        """Returns the space of all combinations of what occurs in the table, options ascending.

        Raises:
            InvalidTableError: a choice is inactive in some row: on what that depends, a table does
                not say.
        """
        if self._gaps:
            rule = "must have a value in every row unless a space is given"
            raise InvalidTableError("choices", rule, list(self._gaps))
        pairs = zip(self.names, self._options, strict=True)
        choices = (Choice(name=choice, options=options) for choice, options in pairs)
        return CustomSettings(name=name, choices=tuple(choices))

    def outcome(
        self, architecture: Mapping[str, Option], provenance: Mapping[str, Any]
    ) -> Measured | Infeasible:
        """Returns what the table says of an architecture: infeasible where it says nothing.

        Args:
            architecture: active choices, by the names of the table's columns.
            provenance: says of each metric where it comes from.
        """
        row = self._row(architecture)
        if row is None:
            return Infeasible("the table has no such architecture")
        metrics = {name: float(column[row]) for name, column in self._metrics.items()}
        for name, value in metrics.items():
            if not math.isfinite(value):
                return Infeasible(f"the table does not say its {name}")
        how = {**provenance, "row": row}
        return Measured(metrics, dict.fromkeys(metrics, how))

    def check_space(self, space: SearchSpace) -> None:
        """Returns if the table is about a space: it has its choices, and one of its architectures.

        Raises:
            InvalidTableError: it is not, or no architecture of the space has all metrics.
        """
        expected = [choice.name for choice in space.choices]
        if set(self.names) != set(expected):
            rule = f"must be the choices of the space, {expected}"
            raise InvalidTableError("choices", rule, list(self.names))
        options = {choice.name: {*choice.options, None} for choice in space.choices}
        known = np.all([np.isfinite(column) for column in self._metrics.values()], axis=0)
        for key, row in self._rows.items():
            if known[row]:
                cells = self._cells(key)
                if all(cell in options[name] for name, cell in cells.items()):
                    return
        rule = "must hold an architecture of the space with all metrics, in a row at least"
        raise InvalidTableError("file", rule, self.num_rows)

    def _row(self, architecture: Mapping[str, Option]) -> int | None:
        """Returns the row of an architecture; None if there is none."""
        codes = []
        for name, known in zip(self.names, self._codes, strict=True):
            code = known.get(architecture[name]) if name in architecture else INACTIVE
            if code is None:
                return None
            codes.append(code)
        return self._rows.get(np.array(codes, dtype=np.int32).tobytes())

    def _cells(self, key: bytes) -> dict[str, Option | None]:
        codes = np.frombuffer(key, dtype=np.int32)
        return {
            name: None if code == INACTIVE else options[code]
            for name, options, code in zip(self.names, self._options, codes, strict=True)
        }


def _options(name: str, cells: Cells) -> tuple[Option, ...]:
    """Returns what occurs in a column, ascending."""
    found = {cell for cell in cells if cell is not None}
    if len(found) > MAX_OPTIONS:
        rule = f"must have at most {MAX_OPTIONS} options each: {name} has more"
        raise InvalidTableError("choices", rule, len(found))
    for option in found:
        if isinstance(option, str) and not (option.isprintable() and len(option) <= MAX_LENGTH):
            rule = f"must be printable and of at most {MAX_LENGTH} characters, where it is text"
            raise InvalidTableError("choices", rule, f"{name}: {option[:MAX_LENGTH]!r}")
    return tuple(sorted(found, key=lambda option: (isinstance(option, str), option)))
