"""Who a request is made for. Passed to the store as an argument, like time and randomness."""

from dataclasses import dataclass, field
from typing import Literal

Scope = Literal["read", "submit", "admin"]

DEFAULT_PROJECT = "default"
"""The project of a service that has no keys, and of all that was stored before there were any."""


@dataclass(frozen=True)
class Caller:
    """Who submits, and where what they submit belongs.

    Attributes:
        key_id: of the API key that was shown; None where the service runs without keys.
        owner: whom the key was made for.
        project_id: the project that the caller sees; all others do not exist for them.
        scopes: what they may do.
    """

    key_id: str | None = None
    owner: str = "local"
    project_id: str = DEFAULT_PROJECT
    scopes: frozenset[Scope] = field(default=frozenset({"read", "submit", "admin"}))


LOCAL = Caller()
"""Whoever reaches a service without keys, which listens on loopback only."""
