"""Files: whole or a range of their bytes (RFC 9110, 14), verified and with their digest."""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, Header
from fastapi.responses import StreamingResponse

from server.errors import NotFoundError, UnsatisfiableRangeError
from server.routes.common import Service, problems

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.IGNORECASE)
_CHUNK_BYTES = 2**20
_BINARY = {"*/*": {"schema": {"type": "string", "format": "binary"}}}  # as the file says

RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The file. `ETag` and `Repr-Digest` hold its SHA-256.",
        "content": _BINARY,
    },
    206: {"description": "The range that was asked for.", "content": _BINARY},
    304: {"description": "The client has it."},
    **problems(404, 416),
}
"""The answers of a route that gives a file."""


@dataclass(frozen=True)
class Wanted:
    """Which bytes are asked for: `header` where the file's tag is `condition`, if there is one."""

    header: str | None
    condition: str | None


def wanted(
    asked_range: Annotated[
        str | None,
        Header(alias="Range", description="`bytes=first-last`, of one range; others get it all."),
    ] = None,
    if_range: Annotated[
        str | None, Header(description="The range is meant of the file with this ETag.")
    ] = None,
) -> Wanted:
    """Reads which bytes are asked for."""
    return Wanted(asked_range, if_range)


WantedDep = Annotated[Wanted, Depends(wanted)]


def file_response(
    service: Service, files: Sequence[Mapping[str, Any]], name: str, wanted: Wanted
) -> StreamingResponse:
    """Returns the answer with one of a row's files, its content verified.

    Args:
        service: has the artifacts.
        files: the row's.
        name: only selects among them; no path is made of it.
        wanted: which bytes.

    Raises:
        NotFoundError: there is none of that name.
        UnsatisfiableRangeError: the file ends before the range begins.
        DamagedArtifactError: the file is not what was stored.
    """
    file = next((file for file in files if file["name"] == name), None)
    if file is None:
        raise NotFoundError("file", name)
    sha256, size = file["sha256"], file["size_bytes"]
    path = service.artifacts.path(sha256)
    tag = f'"{sha256}"'
    digest = base64.b64encode(bytes.fromhex(sha256)).decode()
    headers = {
        "ETag": tag,
        "Cache-Control": "no-cache",
        "Accept-Ranges": "bytes",
        "Repr-Digest": f"sha-256=:{digest}:",
        "Content-Disposition": f'attachment; filename="{name}"',
    }
    is_meant = wanted.condition in (None, tag)
    part = byte_range(wanted.header, size) if wanted.header is not None and is_meant else None
    if part is not None:
        headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
    sent = range(size) if part is None else part
    headers["Content-Length"] = str(len(sent))
    status = 200 if part is None else 206
    return StreamingResponse(_read(path, sent), status, headers, file["media_type"])


def byte_range(header: str, size: int) -> range | None:
    """Returns the bytes that a header asks for; None for all, where it asks for no single range.

    Args:
        header: `Range`.
        size: of the file.

    Raises:
        UnsatisfiableRangeError: none of them exists.
    """
    found = _RANGE.fullmatch(header.strip())
    if found is None or not any(found.groups()):
        return None
    first, last = found.groups()
    if not first:
        part = range(max(0, size - int(last)), size)
    elif last and int(last) < int(first):
        return None
    else:
        part = range(int(first), min(size, int(last) + 1) if last else size)
    if not part:
        raise UnsatisfiableRangeError(header, size)
    return part


def _read(path: Path, part: range) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(part.start)
        left = len(part)
        while left > 0 and (chunk := file.read(min(left, _CHUNK_BYTES))):
            left -= len(chunk)
            yield chunk
