"""The client sends files through outages; the command line shows it."""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
import structlog.testing
from command_line import Run as Command
from image_files import folder_files, write_zip
from live import Live, serve_process

from server.client import ApiError, Client
from server.client.connection import Connection
from server.client.uploading import Uploader
from server.local_service import free_port
from server.schemas.responses import UploadView

CONTENT = np.random.default_rng(0).bytes(1_000_000)
CHUNK = 100_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "data.bin"
    path.write_bytes(CONTENT)
    return path


class BreakingTransport(httpx.HTTPTransport):
    """The network, which loses some requests on their way there and some answers on their way back.

    Args:
        lost_requests: numbers of the parts that never arrive.
        lost_answers: numbers of the parts that arrive, but nobody learns of it.
    """

    def __init__(self, lost_requests: tuple[int, ...], lost_answers: tuple[int, ...]) -> None:
        super().__init__()
        self._lost_requests, self._lost_answers = lost_requests, lost_answers
        self.num_parts = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method != "PATCH":
            return super().handle_request(request)
        self.num_parts += 1
        if self.num_parts in self._lost_requests:
            raise httpx.ConnectError("lost")
        response = super().handle_request(request)
        if self.num_parts in self._lost_answers:
            response.close()
            raise httpx.ReadError("lost")
        return response


def stored(live: Live, upload_id: str) -> bytes:
    return (live.settings.uploads_folder / upload_id).read_bytes()


def test_a_file_is_sent_in_parts_with_progress(sqlite_live: Live, file: Path) -> None:
    told: list[tuple[str, int, int]] = []
    with Client(str(sqlite_live.client.base_url)) as client:
        upload = client.upload(
            file, chunk_bytes=CHUNK, on_progress=lambda *progress: told.append(progress)
        )
        assert upload.status == "complete"
        assert upload.name == "data.bin"
        assert stored(sqlite_live, upload.id) == CONTENT
        size = len(CONTENT)
        assert ("digest", size, size) in told
        sent = [done for phase, done, _ in told if phase == "send"]
        assert sent == [*range(0, size + 1, CHUNK), size]
        assert client.upload(file) == upload
        assert [known.id for known in client.uploads()] == [upload.id]
        client.delete_upload(upload.id)
        assert list(client.uploads()) == []


def test_lost_requests_and_lost_answers_do_no_harm(sqlite_live: Live, file: Path) -> None:
    transport = BreakingTransport(lost_requests=(2, 5, 6), lost_answers=(3, 8))
    with Client(str(sqlite_live.client.base_url), transport=transport) as client:
        upload = client.upload(file, chunk_bytes=CHUNK)
    assert stored(sqlite_live, upload.id) == CONTENT
    assert transport.num_parts == 13  # ten parts and the three that never arrived


def test_a_command_that_was_broken_off_goes_on(sqlite_live: Live, file: Path) -> None:
    body = {"name": "data.bin", "size_bytes": len(CONTENT)}
    body["sha256"] = hashlib.sha256(CONTENT).hexdigest()
    address = sqlite_live.client.post("/v1/uploads", json=body).headers["Location"]
    headers = {"Content-Type": "application/octet-stream", "Upload-Offset": "0"}
    sqlite_live.client.patch(address, content=CONTENT[:750_000], headers=headers)
    transport = BreakingTransport((), ())
    with Client(str(sqlite_live.client.base_url), transport=transport) as client:
        upload = client.upload(file, chunk_bytes=CHUNK)
    assert stored(sqlite_live, upload.id) == CONTENT
    assert transport.num_parts == 3


def test_two_that_send_one_file_finish_it_together(sqlite_live: Live, file: Path) -> None:
    found: list[str] = []

    def send() -> None:
        with Client(str(sqlite_live.client.base_url)) as client:
            found.append(client.upload(file, chunk_bytes=50_000).id)

    threads = [threading.Thread(target=send) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 2
    assert found[0] == found[1]
    assert stored(sqlite_live, found[0]) == CONTENT


def test_an_upload_outlives_a_server_that_is_killed(tmp_path: Path) -> None:
    content = np.random.default_rng(1).bytes(24_000_000)
    (tmp_path / "large.bin").write_bytes(content)
    home = tmp_path / "home"
    home.mkdir()
    port = free_port()
    sent: list[UploadView] = []

    def send() -> None:
        with Client(f"http://127.0.0.1:{port}", patience_s=60) as client:
            sent.append(client.upload(tmp_path / "large.bin"))

    sender = threading.Thread(target=send)
    with serve_process(home, port) as process:
        sender.start()
        while sum(path.stat().st_size for path in home.glob("uploads/*")) < 5_000_000:
            assert sender.is_alive()
            time.sleep(0.001)
        process.kill()
        process.wait()
    assert not sent
    with serve_process(home, port):
        sender.join(60)
    (upload,) = sent
    assert upload.status == "complete"
    assert (home / "uploads" / upload.id).read_bytes() == content


def test_what_the_service_refuses_is_not_tried_again(sqlite_live: Live, file: Path) -> None:
    with Client(str(sqlite_live.client.base_url)) as client:
        started = time.monotonic()
        with pytest.raises(ApiError, match="name must be printable"):
            client.upload(file, name=" x ")
        assert time.monotonic() - started < 5
    empty = file.with_name("empty")
    empty.touch()
    with (
        Client(str(sqlite_live.client.base_url)) as client,
        pytest.raises(ApiError, match="size_bytes must be greater than or equal to 1, got 0"),
    ):
        client.upload(empty)


def test_a_file_that_shrinks_meanwhile_is_an_error(sqlite_live: Live, file: Path) -> None:
    connection = Connection(str(sqlite_live.client.base_url), 30, 1.0, None)

    def shrink(phase: str, done: int, _total: int) -> None:
        if (phase, done) == ("send", CHUNK):
            file.write_bytes(CONTENT[:CHUNK])

    sender = Uploader(connection, 1.0, CHUNK, shrink)
    with pytest.raises(OSError, match="has become shorter while it was sent"):
        sender.send(file, "x")
    connection.close()


# --- the command line --------------------------------------------------------------------------

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(sqlite_live: Live, run: Command, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs a command in this process; returns exit code, output and messages."""
    monkeypatch.setenv("ESPALIER_URL", str(sqlite_live.client.base_url))

    def answer(*arguments: str) -> tuple[int, str, str]:
        result = run(*arguments)
        return result.code, result.out, result.err

    with structlog.testing.capture_logs():
        yield answer


def test_from_a_zip_file_to_a_report(run: Run, tmp_path: Path) -> None:
    files = folder_files({"": 60})
    files["emu/007.png"] = b"no image"
    files["notes.txt"] = b"ignored"
    write_zip(tmp_path / "animals.zip", files)
    code, out, err = run("data-set", "upload", str(tmp_path / "animals.zip"), "--json")
    assert (code, err) == (0, "")
    upload = json.loads(out)
    assert upload["status"] == "complete"
    source = {"kind": "image_folder", "upload": upload["id"], "image_size": 8}
    document = tmp_path / "animals.json"
    document.write_text(json.dumps({"name": "animals", "source": source}))
    code, out, err = run("data-set", "register", str(document))
    assert (code, err) == (0, "")
    for words in ("107 / 36 / 36", "3 x 8 x 8", "1 unreadable files", "1 other files", "emu/007"):
        assert words in out
    lines = [line.split() for line in out.splitlines()]
    assert ["1", "dog", "36", "12", "12"] in lines
    assert max(map(len, out.splitlines())) <= 160
    identifier = json.loads(run("data-set", "list", "--json")[1])[0]["id"]
    assert run("data-set", "show", identifier)[1] == out
    report = json.loads(run("data-set", "show", identifier, "--json")[1])["report"]
    assert report["num_unreadable"] == 1


def test_sending_again_shows_the_same_upload(run: Run, file: Path) -> None:
    first = run("data-set", "upload", str(file), "--name", "mine")
    assert first[0] == 0
    assert "complete" in first[1]
    assert run("data-set", "upload", str(file), "--name", "mine") == first


def test_a_file_that_is_not_there_is_a_fault_of_usage(run: Run, tmp_path: Path) -> None:
    code, out, err = run("data-set", "upload", str(tmp_path / "none"))
    assert (code, out) == (2, "")
    assert "does not exist" in " ".join(err.replace("│", " ").split())
