"""Commands of the command line, run in this process."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Result:
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def complaint(self) -> str:
        """The words on standard error, without the frame around errors of usage."""
        return " ".join(self.err.replace("│", " ").split())


Run = Callable[..., Result]
