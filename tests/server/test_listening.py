"""The socket that the server listens on."""

import socket

import pytest

from server.main import listen


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_connections_are_known_to_be_tcp(host: str) -> None:
    with listen(host, 0) as listener, socket.create_connection(listener.getsockname()[:2]):
        connection, _ = listener.accept()
        with connection:
            # What asyncio looks at before it switches off Nagle's algorithm.
            assert connection.proto == socket.IPPROTO_TCP


def test_a_port_that_is_taken_is_an_error_and_not_shared() -> None:
    with listen("127.0.0.1", 0) as listener, pytest.raises(OSError, match="in use"):
        listen("127.0.0.1", listener.getsockname()[1])
