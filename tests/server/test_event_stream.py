"""Server-sent events, read from bytes."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from server.client.event_stream import ReceivedEvent, read_events

STREAM = (
    b": ping\n\n"
    b"event: queued\r\ndata: {}\r\nid: 1\r\n\r\n"
    b"retry: 100\nevent: progress\ndata: one\ndata:two\n\n"
    b"id: 3\ndata: a separator \xe2\x80\xa8 inside\n\n"
    b"event: lost\ndata: cut off"
)
EVENTS = [
    ReceivedEvent("1", "queued", "{}"),
    ReceivedEvent("1", "progress", "one\ntwo"),
    ReceivedEvent("3", "message", "a separator \u2028 inside"),
]


@given(st.lists(st.integers(0, len(STREAM)), max_size=10))
def test_events_do_not_depend_on_how_the_bytes_are_cut(cuts: list[int]) -> None:
    bounds = [0, *sorted(cuts), len(STREAM)]
    chunks = [STREAM[a:b] for a, b in itertools.pairwise(bounds)]
    assert list(read_events(chunks)) == EVENTS


def test_a_comment_alone_is_no_event() -> None:
    assert list(read_events([b": ping\n\n: ping\n\n"])) == []
