"""Search spaces as data: choices, conditions, architectures.

A space is a list of finite, ordered choices. A choice may depend on one earlier choice (its
parent), so the choices form a forest; choices that do not matter for a network are inactive. Two
architectures are equal exactly when their active choices are equal, which is what
`Architecture.digest` names.

A *gene matrix* (`Genes`) is an int64 array of shape (count, num_choices): the index of the option
that each architecture takes for each choice. It is *canonical* when every inactive gene is 0, so
that equal networks are equal rows.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictFloat,
    StrictInt,
    StrictStr,
    model_validator,
)

Option = int | float | str
Genes = npt.NDArray[np.int64]

DIGEST_LENGTH = 16
"""Hexadecimal digits kept of a SHA-256: 64 bits; a million names collide with chance 3e-8."""


class InvalidArchitectureError(ValueError):
    """The given values are not an architecture of the space; says which choice, rule and value.

    Attributes:
        choice: the offending choice's name.
        rule: what would be accepted.
        value: what was given (None where a value is missing).
    """

    def __init__(self, choice: str, rule: str, value: object) -> None:
        super().__init__(choice, rule, value)  # all arguments, so that it can be pickled
        self.choice = choice
        self.rule = rule
        self.value = value

    def __str__(self) -> str:
        return f"{self.choice} {self.rule}, got {self.value!r}"


class Condition(BaseModel):
    """A choice is active only while its parent is active and holds one of these options."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    parent: str
    options: tuple[StrictInt | StrictFloat | StrictStr, ...] = Field(min_length=1)


class Choice(BaseModel):
    """A finite, ordered set of options under a path name such as `stage2.block1.kernel_size`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9_.\-]+$")
    options: tuple[StrictInt | StrictFloat | StrictStr, ...] = Field(
        min_length=1, max_length=10_000
    )
    when: Condition | None = None
    is_ordered: bool = Field(
        default=False,
        description="Whether options that are names are listed by size, so that neighbours are "
        "alike, as numbers are anyway.",
    )

    @model_validator(mode="after")
    def _check_options(self) -> Self:
        if len(set(self.options)) != len(self.options):
            raise ValueError(f"options of {self.name} must be distinct, got {self.options}")
        if any(isinstance(option, float) and not math.isfinite(option) for option in self.options):
            raise ValueError(f"options of {self.name} must be finite, got {self.options}")
        return self


class Architecture(Mapping[str, Option]):
    """One point of a space: an immutable mapping from active choices to their options.

    Equality, hash and digest depend on the active choices and their values alone.
    """

    __slots__ = ("_digest", "_values")

    def __init__(self, values: Mapping[str, Option]) -> None:
        self._values = dict(values)
        self._digest: str | None = None

    def __getitem__(self, name: str) -> Option:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __hash__(self) -> int:
        return hash(self.digest)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Architecture):
            return self._values == other._values
        return NotImplemented

    def __repr__(self) -> str:
        return f"Architecture({self._values})"

    @property
    def digest(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of the sorted active choices."""
        if self._digest is None:
            self._digest = digest_of(self._values)
        return self._digest


def _identity(choice: Choice) -> dict[str, Any]:
    """Returns what a choice adds to its space's digest: nothing new where names have no order."""
    return choice.model_dump(mode="json", exclude=None if choice.is_ordered else {"is_ordered"})


def digest_of(value: object) -> str:
    """Returns the digest of a JSON value: a SHA-256 prefix of its canonical text (sorted keys)."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_LENGTH]


class SearchSpace:
    """A finite set of architectures.

    Args:
        name: what people call it; part of the digest.
        choices: parents before their children.
        fixed: the JSON values that every architecture shares but that define its networks (a
            family's settings); part of the digest, since equal choices over other widths are other
            networks.

    Raises:
        ValueError: two choices share a name, or a condition names a parent that does not come
            before it or an option that the parent does not have.
    """

    def __init__(
        self, name: str, choices: Sequence[Choice], fixed: Mapping[str, Any] | None = None
    ) -> None:
        self.name = name
        self.choices = tuple(choices)
        self.fixed: Mapping[str, Any] = dict(fixed or {})
        self._index: dict[str, int] = {}
        for position, choice in enumerate(self.choices):
            self._check_choice(choice)
            self._index[choice.name] = position
        self._option_index = [
            {option: i for i, option in enumerate(choice.options)} for choice in self.choices
        ]
        self.num_options: Genes = np.array([len(c.options) for c in self.choices], dtype=np.int64)
        # parents[j] is the parent's position or -1; admits[j][k] says whether option k of the
        # parent activates choice j.
        self.parents: Genes = np.full(len(self.choices), -1, dtype=np.int64)
        self._admits: list[npt.NDArray[np.bool_]] = []
        for position, choice in enumerate(self.choices):
            admitted = np.ones(0, dtype=np.bool_)
            if choice.when is not None:
                parent = self._index[choice.when.parent]
                self.parents[position] = parent
                admitted = np.array(
                    [o in choice.when.options for o in self.choices[parent].options]
                )
            self._admits.append(admitted)

    def _check_choice(self, choice: Choice) -> None:
        if choice.name in self._index:
            raise ValueError(f"choices must have distinct names, got {choice.name!r} twice")
        if choice.when is None:
            return
        if choice.when.parent not in self._index:
            raise ValueError(
                f"{choice.name}: when.parent must name an earlier choice, "
                f"got {choice.when.parent!r}"
            )
        offered = self.choices[self._index[choice.when.parent]].options
        for option in choice.when.options:
            if option not in offered:
                raise ValueError(
                    f"{choice.name}: when.options must be among {choice.when.parent}'s {offered}, "
                    f"got {option!r}"
                )

    def __repr__(self) -> str:
        return f"SearchSpace({self.name!r}, {len(self.choices)} choices, size {self.size:.3g})"

    @cached_property
    def ordered(self) -> list[int]:
        """Positions of the choices whose options have an order, and a middle between two ends."""
        return [
            position
            for position, choice in enumerate(self.choices)
            if len(choice.options) > 2
            and (choice.is_ordered or not any(isinstance(o, str) for o in choice.options))
        ]

    @property
    def num_choices(self) -> int:
        """Number of choices, active or not: the width of a gene matrix."""
        return len(self.choices)

    @cached_property
    def digest(self) -> str:
        """Names the space: equal for equal name, choices and fixed values, in any process."""
        return digest_of(
            {
                "name": self.name,
                "choices": [_identity(choice) for choice in self.choices],
                "fixed": self.fixed,
            }
        )

    @cached_property
    def size(self) -> int:
        """The exact number of distinct architectures."""
        return math.prod(
            self.subtree_size(j) for j in range(self.num_choices) if self.parents[j] < 0
        )

    def subtree_size(self, position: int) -> int:
        """Returns the number of ways to settle an active choice and all below it."""
        return sum(
            self.branch_size(position, option) for option in range(self.num_options[position])
        )

    def branch_size(self, position: int, option: int) -> int:
        """Returns the number of ways to settle what lies below a choice that holds `option`."""
        return self._branch_sizes[position][option]

    @cached_property
    def _branch_sizes(self) -> list[list[int]]:
        sizes = [[1] * int(n) for n in self.num_options]
        for position in reversed(range(self.num_choices)):  # children come after their parents
            parent = int(self.parents[position])
            if parent >= 0:
                subtree = sum(sizes[position])
                for option in np.flatnonzero(self._admits[position]):
                    sizes[parent][option] *= subtree
        return sizes

    def children(self, position: int, option: int) -> list[int]:
        """Returns the positions of the choices that `option` of the given choice activates."""
        return [int(j) for j in np.flatnonzero(self.parents == position) if self._admits[j][option]]

    # --- gene matrices -------------------------------------------------------------------------

    def active(self, genes: Genes) -> npt.NDArray[np.bool_]:
        """Returns which genes matter, as booleans of the shape of `genes` (count, num_choices)."""
        # Column-major: the loop below writes and reads whole columns.
        mask = np.ones(genes.shape, dtype=np.bool_, order="F")
        for position, parent in enumerate(self.parents):
            if parent >= 0:
                mask[:, position] = mask[:, parent] & self._admits[position][genes[:, parent]]
        return mask

    def canonical(self, genes: Genes) -> Genes:
        """Returns a copy with every inactive gene set to 0: equal networks become equal rows."""
        return np.where(self.active(genes), genes, 0)

    def sample(self, count: int, rng: np.random.Generator) -> Genes:
        """Draws architectures, each active choice uniform over its options; duplicates may occur.

        Uniform choices are not uniform architectures: a deep network is drawn as often as a shallow
        one although there are more deep ones.

        Returns:
            Canonical genes of shape (count, num_choices).
        """
        return self.canonical(rng.integers(0, self.num_options, size=(count, self.num_choices)))

    def encode(self, architecture: Mapping[str, Option]) -> Genes:
        """Returns the canonical gene row, shape (num_choices,), of a valid architecture.

        Raises:
            InvalidArchitectureError: a choice is unknown, missing, inactive or off its options.
        """
        for name in architecture:
            if name not in self._index:
                raise InvalidArchitectureError(
                    name, f"is not a choice of space {self.name!r}", architecture[name]
                )
        row = np.zeros(self.num_choices, dtype=np.int64)
        settled = np.zeros(self.num_choices, dtype=np.bool_)
        for position, choice in enumerate(self.choices):
            parent = int(self.parents[position])
            active = parent < 0 or bool(settled[parent] and self._admits[position][row[parent]])
            if not active:
                if choice.name in architecture:
                    raise InvalidArchitectureError(
                        choice.name, self._inactive_rule(choice), architecture[choice.name]
                    )
                continue
            value = architecture.get(choice.name)
            known = self._position_of(position, value)
            if known is None:
                raise InvalidArchitectureError(
                    choice.name, f"must be one of {choice.options}", value
                )
            row[position] = known
            settled[position] = True
        return row

    def _position_of(self, position: int, value: Option | None) -> int | None:
        if value is None or isinstance(value, bool):  # True would pass for 1
            return None
        return self._option_index[position].get(value)

    @staticmethod
    def _inactive_rule(choice: Choice) -> str:
        assert choice.when is not None
        return f"is only a choice when {choice.when.parent} is one of {choice.when.options}"

    def decode(self, row: Genes) -> Architecture:
        """Returns the architecture of one gene row, shape (num_choices,); canonical or not."""
        mask = self.active(row[None])[0]
        return Architecture(
            {c.name: c.options[row[j]] for j, c in enumerate(self.choices) if mask[j]}
        )

    def validate(self, architecture: Mapping[str, Option]) -> Architecture:
        """Returns the architecture in canonical order, its values those of the options.

        Raises:
            InvalidArchitectureError: with the choice's name, the rule and the value.
        """
        return self.decode(self.encode(architecture))

    def smallest(self) -> Architecture:
        """The architecture of all first options: the smallest where options ascend in size."""
        return self.decode(np.zeros(self.num_choices, dtype=np.int64))

    def largest(self) -> Architecture:
        """The architecture of all last options: the largest where options ascend in size."""
        return self.decode(self.num_options - 1)

    def restrict(self, allowed: Mapping[str, Sequence[Option]]) -> "SearchSpace":
        """Returns the sub-space whose named choices keep only the allowed options.

        Choices that can no longer become active disappear. Architectures keep their digests.

        Raises:
            ValueError: a name is not a choice, or an option is not one of its options.
        """
        for name, options in allowed.items():
            if name not in self._index:
                raise ValueError(f"restrict: {name!r} is not a choice of space {self.name!r}")
            offered = self.choices[self._index[name]].options
            if not options or any(option not in offered for option in options):
                raise ValueError(
                    f"restrict: {name} must keep one or more of {offered}, got {tuple(options)}"
                )
        kept: dict[str, Choice] = {}
        for choice in self.choices:
            when = choice.when
            if when is not None:
                if when.parent not in kept:
                    continue
                remaining = tuple(o for o in when.options if o in kept[when.parent].options)
                if not remaining:
                    continue
                when = Condition(parent=when.parent, options=remaining)
            options = tuple(
                o for o in choice.options if o in allowed.get(choice.name, choice.options)
            )
            kept[choice.name] = choice.model_copy(update={"options": options, "when": when})
        return SearchSpace(self.name, tuple(kept.values()), self.fixed)
