"""What is wrong with a comparison that was asked for."""

from typing import Any

MAX_SHOWN = 500
"""Characters of a value that are told."""


class ComparisonError(ValueError):
    """A comparison that cannot be made; says which field, which rule, which value.

    Attributes:
        field: as the command line names it: `table`, `objective`, `limit`, `log`, ...
        rule: what would be accepted.
        value: what was found; None where nothing was.
    """

    def __init__(self, field: str, rule: str, value: Any) -> None:
        super().__init__(field, rule, value)  # all arguments, so that it can be pickled
        self.field = field
        self.rule = rule
        self.value = value

    def __str__(self) -> str:
        if self.value is None:
            return f"{self.field} {self.rule}"
        shown = repr(self.value)
        cut = shown if len(shown) <= MAX_SHOWN else f"{shown[:MAX_SHOWN]}..."
        return f"{self.field} {self.rule}, got {cut}"
