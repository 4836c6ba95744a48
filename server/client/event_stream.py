"""Server-sent events, read from the bytes of a response.

https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation, except
that a carriage return alone does not end a line; no server of ours writes one.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class ReceivedEvent:
    """One event of a stream; `id` is empty until the stream has given one."""

    id: str
    type: str
    data: str


def read_events(chunks: Iterable[bytes]) -> Iterator[ReceivedEvent]:
    """Yields the events of a stream as they become complete; one that is cut off is dropped.

    Args:
        chunks: the stream's bytes, in pieces of any size.
    """
    last_id = ""
    kind = ""
    data: list[str] = []
    for line in split_lines(chunks):
        if not line:
            if data:
                yield ReceivedEvent(last_id, kind or "message", "\n".join(data))
            kind, data = "", []
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "data":
                data.append(value)
            case "event":
                kind = value
            case "id" if "\0" not in value:
                last_id = value
            case _:  # a comment (its name is empty), `retry`, or a field of a later standard
                pass


def split_lines(chunks: Iterable[bytes]) -> Iterator[str]:
    """Yields complete lines; `str.splitlines` would also split at separators inside of JSON."""
    rest = b""
    for chunk in chunks:
        *complete, rest = (rest + chunk).split(b"\n")
        for line in complete:
            yield line.removesuffix(b"\r").decode()
