"""Many HTTP clients in one event loop, each on a connection of its own, as cheap as can be.

A client library would take more of the machine than the service that is measured.
"""

import asyncio
import json
from typing import Any


class LoadClient:
    """One client with one connection that is kept.

    Args:
        port: of the service on 127.0.0.1.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def connect(self) -> None:
        """Opens the connection."""
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)

    async def close(self) -> None:
        """Closes it."""
        self._writer.close()
        await self._writer.wait_closed()

    async def post(self, path: str, body: Any) -> tuple[int, Any]:
        """Returns the status and the JSON that answer a posted document."""
        content = json.dumps(body).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(content)}\r\n\r\n"
        )
        self._writer.write(head.encode() + content)
        header = await self._reader.readuntil(b"\r\n\r\n")
        status_line, *lines = header.decode("latin-1").split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in lines if line)
        answer = await self._reader.readexactly(int(fields["content-length"]))
        return int(status_line.split(" ")[1]), json.loads(answer)
