"""Errors of the server, named by what the caller should do about them.

    ServerError
    +-- InvalidRequestError       mend the request: says field, rule and value of each fault
    +-- MalformedRequestError     send JSON, and all of it
    +-- UnauthenticatedError      send a key that is valid
    +-- ForbiddenError            use a key with the scope that it names
    +-- StorageQuotaError         delete something, or ask the operator for more room
    +-- JobQuotaError             submit again when some jobs have ended, or ask for more room
    +-- KeysRequiredError         make a key, then start the service again
    +-- NotFoundError             ask for something that exists
    +-- ConflictError             wait, or change the state that is in the way
        +-- WrongOffsetError      go on at the offset that it names
        +-- KeyInFlightError      try again later: the same request is being answered
        +-- WrongDatabaseError    name the database that the files belong to
    +-- PreconditionFailedError   read it again, then decide
    +-- PreconditionRequiredError say which state is to be changed
    +-- TooLargeError             send less
    +-- UnsatisfiableRangeError   ask for bytes that the file has
    +-- TooManyRequestsError      wait as long as it says
    +-- WrongMediaTypeError       send the media type that it names
    +-- WrongHostError            use the address that the server listens on
    +-- ForeignOriginError        ask from a page of the service's own host, or from no page
    +-- DatabaseUnavailableError  try again later
    +-- BusyError                 try again later
    +-- DiskFullError             free some space, then try again
    +-- StorageUnavailableError   try again later
    +-- SchemaError               run `espalier db upgrade`
    +-- BackupError               do what it says, then back up or restore again
    +-- DamagedArtifactError      restore the file from a backup; it is not what was stored
    +-- StaleAttemptError         stop working on the job: another attempt owns it, or it ended
        +-- LeaseLostError        the same, learnt from a heartbeat

`server.problems` turns each into an RFC 9457 document.
"""

import reprlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = 200
"""Values in messages are cut in the middle; what tensors a file lacks is one such value."""

MAX_FAULTS = 100
"""So many faults of a request are told one by one."""


class ServerError(Exception):
    """Base of all of them."""


@dataclass(frozen=True)
class Fault:
    """One thing wrong with a request.

    Attributes:
        pointer: JSON pointer of the field in the body ("/limits/0/upper"); for parameters of the
            address the parameter's name.
        rule: what would be accepted.
        value: what was given, as JSON.
    """

    pointer: str
    rule: str
    value: Any


class InvalidRequestError(ServerError):
    """The request breaks one or more rules.

    Args:
        faults: what is wrong with it; the first of them if they are very many.
        num_more: how many there are beside these.
    """

    def __init__(self, faults: Sequence[Fault], num_more: int = 0) -> None:
        texts = [
            f"{fault.pointer or 'the body'} {fault.rule}, got {_REPR.repr(fault.value)}"
            for fault in faults
        ]
        if num_more:
            texts.append(f"and {num_more} more")
        super().__init__("; ".join(texts))
        self.faults = tuple(faults)

    @classmethod
    def single(cls, pointer: str, rule: str, value: Any) -> "InvalidRequestError":
        """Returns the error for one fault."""
        return cls([Fault(pointer, rule, value)])


class MalformedRequestError(ServerError):
    """The request's body is no JSON, or ends before its end."""


class NotFoundError(ServerError):
    """There is no such row or file."""

    def __init__(self, kind: str, identifier: str) -> None:
        super().__init__(f"there is no {kind} {identifier!r}")
        self.kind = kind
        self.identifier = identifier


class UnauthenticatedError(ServerError):
    """The request shows no key, or none that is valid (any more)."""


class ForbiddenError(ServerError):
    """The key does not allow it."""

    def __init__(self, scope: str, granted: Sequence[str]) -> None:
        super().__init__(
            f"this needs a key with the scope {scope!r}; the scopes of this one are "
            f"{', '.join(granted)}"
        )
        self.scope = scope


class StorageQuotaError(ServerError):
    """The project has as many bytes as it may."""


class JobQuotaError(ServerError):
    """The project has as many jobs waiting and running as it may."""


class KeysRequiredError(ServerError):
    """The service would listen where others reach it, and nobody has a key."""


class ConflictError(ServerError):
    """The state of something stored does not allow it now."""


class WrongOffsetError(ConflictError):
    """A part of an upload does not begin where the file ends."""

    def __init__(self, given: int, offset: int) -> None:
        super().__init__(f"Upload-Offset must be {offset}, how much is there, got {given}")
        self.offset = offset


class KeyInFlightError(ConflictError):
    """A request with the same idempotency key is being answered."""


class WrongDatabaseError(ConflictError):
    """The files to be removed are another database's."""


class PreconditionFailedError(ServerError):
    """What shall be changed is no longer what the caller has seen."""


class PreconditionRequiredError(ServerError):
    """The request changes something without saying in which state it has seen it."""


class TooLargeError(ServerError):
    """The body is larger than the server takes."""


class UnsatisfiableRangeError(ServerError):
    """The file ends before the range that is asked for."""

    def __init__(self, header: str, size: int) -> None:
        super().__init__(f"Range must begin within the file's {size} bytes, got {header!r}")
        self.size = size


class TooManyRequestsError(ServerError):
    """The caller asks more often than the server allows."""

    def __init__(self, message: str, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class WrongMediaTypeError(ServerError):
    """The body is of another kind than the server takes there, by its own account."""


class WrongHostError(ServerError):
    """The request was meant for another host: a web page may be misusing a browser to get here."""


class ForeignOriginError(ServerError):
    """A web page of some other site would change something, whether its reader wants it or not."""


class DatabaseUnavailableError(ServerError):
    """The database cannot be reached, or is too busy to answer in time."""


class BusyError(ServerError):
    """The server does as much of this as it can at once."""


class DiskFullError(ServerError):
    """The disk has no room for what was sent."""


class StorageUnavailableError(ServerError):
    """The storage of artifacts cannot be reached, or refuses what it was asked."""


class SchemaError(ServerError):
    """The database's tables are not those that this version needs."""


class BackupError(ServerError):
    """A backup cannot be made, is not whole, or cannot be restored."""


class DamagedArtifactError(ServerError):
    """A stored file is missing or its content has changed."""


class StaleAttemptError(ServerError):
    """The job has moved on without this attempt; its late result is refused."""


class LeaseLostError(StaleAttemptError):
    """The job has moved on without this attempt, which is still at work."""
