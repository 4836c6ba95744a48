"""Files: whole, in ranges, verified."""

import base64
import hashlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from examples import add_export, claim, search_with_a_front
from hypothesis import given
from hypothesis import strategies as st
from live import Live

from server.artifacts import ArtifactStore
from server.client import Client
from server.errors import UnsatisfiableRangeError
from server.routes.downloads import byte_range
from server.store import ExportFile

CONTENT = bytes(range(256)) * 20
SHA256 = hashlib.sha256(CONTENT).hexdigest()
TAG = f'"{SHA256}"'


@pytest.fixture
def address(sqlite_live: Live) -> str:
    """The address of a file of an export."""
    store = sqlite_live.store
    search, digests = search_with_a_front(store)
    export = add_export(store, search, digests[0])
    artifacts = ArtifactStore(sqlite_live.settings.artifacts_folder)
    file = ExportFile("network.onnx", artifacts.add_bytes(CONTENT, "application/octet-stream"))
    store.record_export(claim(store), export.id, [file], {}, None)
    (shown,) = sqlite_live.client.get(f"/v1/exports/{export.id}").json()["files"]
    return str(shown["url"])


def ask(live: Live, address: str, **headers: str) -> httpx.Response:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return live.client.get(address, headers=names)


def test_a_file_comes_with_its_digest(sqlite_live: Live, address: str) -> None:
    whole = ask(sqlite_live, address)
    assert (whole.status_code, whole.content) == (200, CONTENT)
    assert whole.headers["Content-Length"] == str(len(CONTENT))
    assert whole.headers["Accept-Ranges"] == "bytes"
    assert whole.headers["ETag"] == TAG
    digest = whole.headers["Repr-Digest"].removeprefix("sha-256=:").removesuffix(":")
    assert base64.b64decode(digest).hex() == SHA256
    assert 'filename="network.onnx"' in whole.headers["Content-Disposition"]
    assert ask(sqlite_live, address, If_None_Match=TAG).status_code == 304


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("bytes=0-9", range(10)),
        ("bytes=10-", range(10, 5120)),
        ("bytes=-7", range(5113, 5120)),
        ("bytes=-99999", range(5120)),
        ("bytes=5119-5119", range(5119, 5120)),
        ("bytes=5000-99999", range(5000, 5120)),
        ("Bytes=3-4", range(3, 5)),
    ],
)
def test_a_range_is_answered_206(sqlite_live: Live, address: str, header: str, part: range) -> None:
    answer = ask(sqlite_live, address, Range=header)
    assert (answer.status_code, answer.content) == (206, CONTENT[part.start : part.stop])
    assert answer.headers["Content-Range"] == f"bytes {part.start}-{part.stop - 1}/5120"
    assert answer.headers["ETag"] == TAG
    assert ask(sqlite_live, address, Range=header, If_Range=TAG).status_code == 206
    assert ask(sqlite_live, address, Range=header, If_Range='"old"').content == CONTENT
    assert ask(sqlite_live, address, Range=header, If_Range=f"W/{TAG}").status_code == 200
    assert ask(sqlite_live, address, Range=header, If_None_Match=TAG).status_code == 304


@pytest.mark.parametrize(
    "header", ["bytes=0-1,3-4", "bytes=5-2", "bytes=a-b", "lines=0-1", "bytes=-", "bytes", ""]
)
def test_what_is_no_single_range_gets_it_all(sqlite_live: Live, address: str, header: str) -> None:
    answer = ask(sqlite_live, address, Range=header)
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert "Content-Range" not in answer.headers


@pytest.mark.parametrize("header", ["bytes=5120-", "bytes=99999-100000", "bytes=-0"])
def test_a_range_beyond_the_end_is_refused(sqlite_live: Live, address: str, header: str) -> None:
    refused = ask(sqlite_live, address, Range=header)
    assert refused.status_code == 416
    assert refused.headers["Content-Range"] == "bytes */5120"
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert header in refused.json()["detail"]


def test_head_tells_the_size_and_ignores_ranges(sqlite_live: Live, address: str) -> None:
    head = sqlite_live.client.head(address, headers={"Range": "bytes=0-9"})
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == "5120"


def test_no_range_of_a_damaged_file_is_sent(sqlite_live: Live, address: str) -> None:
    path = sqlite_live.settings.artifacts_folder / SHA256[:2] / SHA256
    path.write_bytes(CONTENT[:-1] + b"x")
    assert ask(sqlite_live, address, Range="bytes=0-9").status_code == 500


@given(
    size=st.integers(0, 50),
    first=st.integers(0, 60) | st.none(),
    last=st.integers(0, 60) | st.none(),
)
def test_ranges_are_those_of_slices(size: int, first: int | None, last: int | None) -> None:
    text = f"bytes={'' if first is None else first}-{'' if last is None else last}"
    content = range(size)
    if first is None:
        expected = content[-last:] if last else content[:0]
    else:
        expected = content[first:] if last is None else content[first : last + 1]
    if (first is None and last is None) or (
        first is not None and last is not None and last < first
    ):
        assert byte_range(text, size) is None
    elif not expected:
        with pytest.raises(UnsatisfiableRangeError):
            byte_range(text, size)
    else:
        assert byte_range(text, size) == expected


class _Cutting(threading.Thread):
    """A proxy that cuts each connection after so many bytes of an answer."""

    def __init__(self, port: int, num_bytes: int) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._num_bytes = num_bytes
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.ranges: list[bytes] = []

    def run(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            with client, socket.create_connection(("127.0.0.1", self._port)) as server:
                request = client.recv(65536)
                self.ranges += [
                    line for line in request.split(b"\r\n") if line.lower().startswith(b"range")
                ]
                server.sendall(request.replace(b"keep-alive", b"close"))
                answer = b""
                while chunk := server.recv(65536):
                    answer += chunk
                client.sendall(answer[: self._num_bytes])


@pytest.fixture
def cutting(sqlite_live: Live) -> Iterator[_Cutting]:
    proxy = _Cutting(int(httpx.URL(str(sqlite_live.client.base_url)).port or 0), 2500)
    proxy.start()
    yield proxy
    proxy.listener.close()


def test_a_download_goes_on_where_it_was_cut(
    sqlite_live: Live, address: str, cutting: Any, tmp_path: Path
) -> None:
    export = address.split("/")[3]
    with Client(str(sqlite_live.client.base_url)) as client:
        (file,) = client.export(export).files
    port = cutting.listener.getsockname()[1]
    with Client(f"http://127.0.0.1:{port}", patience_s=30) as client:
        client.download(file, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == CONTENT
    assert len(cutting.ranges) >= 2
