"""What errors about a user's settings and files have in common."""


class FieldError(ValueError):
    """Something that a user gave cannot be used; says which field, rule and value.

    Attributes:
        field: what is at fault ("path", "schedule.phases").
        rule: what would be accepted.
        value: what was given.
    """

    def __init__(self, field: str, rule: str, value: object) -> None:
        super().__init__(field, rule, value)  # so that it can be sent between processes
        self.field = field
        self.rule = rule
        self.value = value

    def __str__(self) -> str:
        return f"{self.field} {self.rule}, got {self.value!r}"


class InvalidStartError(FieldError):
    """A training cannot start from what was given."""
