"""Uploads on the wire: in parts, broken off, taken up again, checked, used and deleted."""

import hashlib
import resource
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from image_files import folder_files, write_folder, write_zip
from live import Live, serving

from server.errors import BusyError
from server.main import open_store
from server.settings import Settings
from server.store import Store
from server.turns import Turns
from server.uploads import UploadFiles

CONTENT = np.random.default_rng(0).bytes(3_000_000)
BYTES = {"Content-Type": "application/octet-stream"}


def announce(live: Live, content: bytes = CONTENT, name: str = "data.bin") -> str:
    body = {"name": name, "size_bytes": len(content), "sha256": digest(content)}
    response = live.client.post("/v1/uploads", json=body)
    assert response.status_code == 201, response.text
    address = response.headers["Location"]
    assert response.headers["Upload-Offset"] == "0"
    assert address == f"/v1/uploads/{response.json()['id']}"
    return str(address)


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def append(live: Live, address: str, content: Any, offset: int, **headers: str) -> httpx.Response:
    given = {**BYTES, "Upload-Offset": str(offset), **headers}
    return live.client.patch(address, content=content, headers=given)


def offset_of(live: Live, address: str) -> int:
    response = live.client.head(address)
    assert response.status_code == 200
    assert response.headers["Upload-Length"] == str(len(CONTENT))
    return int(response.headers["Upload-Offset"])


def fault(response: httpx.Response, status: int) -> tuple[str, str, Any]:
    assert response.status_code == status, response.text
    (error,) = response.json()["errors"]
    return error["pointer"], error["rule"], error["value"]


def test_a_file_arrives_in_parts_and_is_complete_when_checked(live: Live) -> None:
    address = announce(live)
    for start in (0, 1_000_000, 2_500_000):
        stop = {0: 1_000_000, 1_000_000: 2_500_000}.get(start, len(CONTENT))
        response = append(live, address, CONTENT[start:stop], start)
        assert response.status_code == 200
        assert response.headers["Upload-Offset"] == str(stop)
        assert response.json()["status"] == "open"
        assert offset_of(live, address) == stop
    upload = live.client.post(f"{address}/complete").json()
    assert (upload["status"], upload["offset"]) == ("complete", len(CONTENT))
    assert upload["completed_at"] is not None
    assert live.client.post(f"{address}/complete").json() == upload
    assert live.client.get(address).json() == upload
    assert live.client.get("/v1/uploads").json()["items"] == [upload]
    assert append(live, address, b"x", len(CONTENT)).status_code == 409


def test_the_same_announcement_finds_the_same_upload(sqlite_live: Live) -> None:
    address = announce(sqlite_live)
    append(sqlite_live, address, CONTENT[:1000], 0)
    body = {"name": "data.bin", "size_bytes": len(CONTENT), "sha256": digest(CONTENT)}
    again = sqlite_live.client.post("/v1/uploads", json=body)
    assert again.status_code == 200
    assert again.headers["Location"] == address
    assert again.json()["offset"] == 1000
    other = sqlite_live.client.post("/v1/uploads", json=body | {"name": "other"})
    assert other.status_code == 201


def test_a_wrong_offset_is_a_conflict_that_names_the_right_one(sqlite_live: Live) -> None:
    address = announce(sqlite_live)
    append(sqlite_live, address, CONTENT[:1000], 0)
    for wrong in (0, 999, 1001):
        response = append(sqlite_live, address, CONTENT[:10], wrong)
        assert response.status_code == 409
        assert response.headers["Upload-Offset"] == "1000"
        assert "must be 1000, how much is there" in response.json()["detail"]
    assert offset_of(sqlite_live, address) == 1000
    missing = sqlite_live.client.patch(address, content=b"x", headers=BYTES)
    assert fault(missing, 422)[:2] == ("upload-offset", "must be given")
    assert fault(append(sqlite_live, address, b"x", -1), 422)[0] == "upload-offset"


@pytest.mark.parametrize("chunked", [False, True])
def test_more_bytes_than_announced_are_refused_and_change_nothing(
    sqlite_live: Live, chunked: bool
) -> None:
    address = announce(sqlite_live)
    append(sqlite_live, address, CONTENT[:1000], 0)
    content: Any = (CONTENT for _ in range(2)) if chunked else CONTENT
    response = append(sqlite_live, address, content, 1000)
    rule = f"must end with the {len(CONTENT)} bytes that were announced"
    assert fault(response, 422)[:2] == ("", rule)
    assert offset_of(sqlite_live, address) == 1000


def test_an_upload_cut_short_or_with_another_digest_is_refused(sqlite_live: Live) -> None:
    address = announce(sqlite_live)
    append(sqlite_live, address, CONTENT[:1000], 0)
    pointer, rule, value = fault(sqlite_live.client.post(f"{address}/complete"), 422)
    assert (pointer, value) == ("size_bytes", 1000)
    assert rule == f"must be {len(CONTENT)} as announced: the upload was cut short"
    append(sqlite_live, address, bytes(len(CONTENT) - 1000), 1000)
    pointer, rule, value = fault(sqlite_live.client.post(f"{address}/complete"), 422)
    assert pointer == "sha256"
    assert rule.startswith(f"must be {digest(CONTENT)} as announced")
    assert value == digest(CONTENT[:1000] + bytes(len(CONTENT) - 1000))
    assert sqlite_live.client.get(address).json()["status"] == "open"


def test_parts_are_limited_and_must_be_bytes(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", max_chunk_bytes=100_000)
    store = open_store(settings)
    with serving(settings, store) as live:
        address = announce(live)
        for content in (CONTENT[:200_000], (CONTENT[:50_000] for _ in range(4))):
            response = append(live, address, content, 0)
            assert response.status_code == 413
            assert "at most 100000 bytes" in response.json()["detail"]
            assert offset_of(live, address) == 0
        response = append(live, address, b"{}", 0, **{"Content-Type": "application/json"})
        assert response.status_code == 415
        assert "must be application/octet-stream" in response.json()["detail"]
        assert append(live, address, CONTENT[:100_000], 0).status_code == 200
        response = append(live, address, b"x", 100_000, Host="attacker.example")
        assert response.status_code == 421
    store.close()


def send_half(live: Live, address: str, sent: int, announced: int) -> None:
    """Sends a part of a part and hangs up."""
    url = live.client.base_url
    head = (
        f"PATCH {address} HTTP/1.1\r\nHost: 127.0.0.1:{url.port}\r\nUpload-Offset: 0\r\n"
        f"Content-Type: application/octet-stream\r\nContent-Length: {announced}\r\n\r\n"
    )
    with socket.create_connection((url.host, url.port or 0)) as connection:
        connection.sendall(head.encode() + CONTENT[:sent])


def wait_for_offset(live: Live, address: str, least: int) -> int:
    deadline = time.monotonic() + 20
    while (offset := offset_of(live, address)) < least:
        assert time.monotonic() < deadline, offset
        time.sleep(0.02)
    return offset


def test_a_broken_connection_keeps_what_it_brought(sqlite_live: Live) -> None:
    address = announce(sqlite_live)
    send_half(sqlite_live, address, sent=1_500_000, announced=len(CONTENT))
    offset = wait_for_offset(sqlite_live, address, 1_500_000)
    assert append(sqlite_live, address, CONTENT[offset:], offset).status_code == 200
    assert sqlite_live.client.post(f"{address}/complete").json()["status"] == "complete"


def test_a_file_has_one_writer_at_a_time(sqlite_live: Live) -> None:
    address = announce(sqlite_live)
    go_on = threading.Event()

    def slowly() -> Iterator[bytes]:
        yield CONTENT[:1_500_000]
        go_on.wait(20)
        yield CONTENT[1_500_000:]

    def send() -> None:
        with httpx.Client(base_url=sqlite_live.client.base_url) as client:
            client.patch(address, content=slowly(), headers={**BYTES, "Upload-Offset": "0"})

    thread = threading.Thread(target=send)
    thread.start()
    offset = wait_for_offset(sqlite_live, address, 1_000_000)  # what is written before the end
    for refused in (
        append(sqlite_live, address, b"x", offset),
        sqlite_live.client.post(f"{address}/complete"),
        sqlite_live.client.delete(address),
    ):
        assert refused.status_code == 409
        assert "another request is at work" in refused.json()["detail"]
    go_on.set()
    thread.join()
    assert sqlite_live.client.post(f"{address}/complete").json()["status"] == "complete"


def test_a_restarted_server_goes_on_where_the_file_ends(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    store = open_store(settings)
    with serving(settings, store) as live:
        address = announce(live)
        append(live, address, CONTENT[:1_000_000], 0)
    # What a dying server had written beyond its last answer counts as well.
    with (settings.uploads_folder / address.rpartition("/")[2]).open("ab") as file:
        file.write(CONTENT[1_000_000:1_200_000])
    (settings.uploads_folder / "upl_orphan").write_bytes(b"of an upload that was being deleted")
    with serving(settings, store) as live:
        assert not (settings.uploads_folder / "upl_orphan").exists()
        assert offset_of(live, address) == 1_200_000
        append(live, address, CONTENT[1_200_000:], 1_200_000)
        assert live.client.post(f"{address}/complete").json()["status"] == "complete"
    store.close()


def test_a_deleted_upload_is_gone_with_its_file(sqlite_live: Live) -> None:
    address = announce(sqlite_live)
    append(sqlite_live, address, CONTENT[:1000], 0)
    assert sqlite_live.client.delete(address).status_code == 204
    assert list(sqlite_live.settings.uploads_folder.iterdir()) == []
    for response in (
        sqlite_live.client.get(address),
        sqlite_live.client.head(address),
        sqlite_live.client.delete(address),
        append(sqlite_live, address, b"x", 0),
        sqlite_live.client.post(f"{address}/complete"),
    ):
        assert response.status_code == 404
    assert announce(sqlite_live) != address


def uploaded(live: Live, path: Path) -> str:
    content = path.read_bytes()
    address = announce(live, content, path.name)
    assert append(live, address, content, 0).status_code == 200
    assert live.client.post(f"{address}/complete").status_code == 200
    return address.rpartition("/")[2]


def test_a_data_set_is_made_of_an_upload_and_outlives_it(live: Live, tmp_path: Path) -> None:
    files = folder_files({"train": 40, "test": 5})
    files["train/cat/003.png"] = b"no image"
    write_zip(tmp_path / "animals.zip", files)
    upload = uploaded(live, tmp_path / "animals.zip")
    source = {"kind": "image_folder", "upload": upload, "image_size": 8}
    response = live.client.post("/v1/data-sets", json={"name": "animals", "source": source})
    assert response.status_code == 201, response.text
    data_set = response.json()
    assert data_set["counts"] == {"train": 95, "validation": 24, "test": 15}
    report = data_set["report"]
    assert [entry["name"] for entry in report["classes"]] == ["cat", "dog", "emu"]
    assert report["num_unreadable"] == 1
    assert report["unreadable"][0]["name"] == "train/cat/003.png"
    assert live.client.delete(f"/v1/uploads/{upload}").status_code == 204
    assert live.client.get(response.headers["Location"]).json() == data_set
    gone = live.client.post("/v1/data-sets", json={"name": "again", "source": source})
    assert fault(gone, 422) == ("/source/upload", "must name an upload", upload)


def test_arrays_may_be_uploaded(sqlite_live: Live, tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (60, 5, 6, 3), dtype=np.uint8)
    np.savez(tmp_path / "mine.npz", images=images, labels=np.arange(60) % 3)
    upload = uploaded(sqlite_live, tmp_path / "mine.npz")
    body = {"name": "mine", "source": {"kind": "arrays", "upload": upload}}
    response = sqlite_live.client.post("/v1/data-sets", json=body)
    assert response.json()["shape"] == [3, 5, 6]
    (tmp_path / "text.npz").write_bytes(b"text")
    upload = uploaded(sqlite_live, tmp_path / "text.npz")
    body = {"name": "text", "source": {"kind": "arrays", "upload": upload}}
    pointer, rule, value = fault(sqlite_live.client.post("/v1/data-sets", json=body), 422)
    assert (pointer, value) == ("/source/upload", upload)
    assert rule.startswith("must name an .npz archive of plain arrays")


def test_named_data_roots_are_read(tmp_path: Path) -> None:
    write_folder(tmp_path / "fast" / "set", folder_files({"": 10}))
    settings = Settings(home=tmp_path / "home", data_roots={"fast": tmp_path / "fast"})
    store = open_store(settings)
    with serving(settings, store) as live:
        source = {"kind": "image_folder", "path": "set", "root": "fast", "image_size": 8}
        response = live.client.post("/v1/data-sets", json={"name": "x", "source": source})
        assert response.status_code == 201
        source["root"] = "slow"
        response = live.client.post("/v1/data-sets", json={"name": "y", "source": source})
        assert fault(response, 422) == ("/source/root", "must be one of ['fast']", "slow")
    store.close()


def test_a_full_disk_is_told_and_nothing_is_lost(sqlite_live: Live) -> None:
    """The operating system refuses to let files grow, as it does where there is no room."""
    address = announce(sqlite_live)
    append(sqlite_live, address, CONTENT[:1000], 0)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, before[1]))
    try:
        response = append(sqlite_live, address, CONTENT[1000:], 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert response.status_code == 503
    assert "no room for the upload" in response.json()["detail"]
    assert "Retry-After" in response.headers
    assert offset_of(sqlite_live, address) == 1000
    assert append(sqlite_live, address, CONTENT[1000:], 1000).status_code == 200


def test_a_server_that_shuts_down_reads_no_further(sqlite_live: Live) -> None:
    write_folder(sqlite_live.settings.data_folder / "set", folder_files({"": 30}))
    sqlite_live.stopping.set()
    source = {"kind": "image_folder", "path": "set", "image_size": 8}
    response = sqlite_live.client.post("/v1/data-sets", json={"name": "x", "source": source})
    assert response.status_code == 503
    assert response.json()["detail"] == "the server is shutting down"
    assert sqlite_live.store.list_data_sets(1).rows == []


def test_registrations_beyond_what_memory_holds_are_told_to_come_later() -> None:
    for turns, patience_s in ((Turns(1, 1), 0.01), (Turns(1, 0), 3600.0)):  # too late, too many
        with (
            turns.take(1.0),
            pytest.raises(BusyError, match="as many data sets as it can"),
            turns.take(patience_s),
        ):
            pass
        with turns.take(0.01):
            pass


# --- the store ---------------------------------------------------------------------------------


def test_uploads_are_stored_once_and_listed_newest_first(store: Store) -> None:
    first, created = store.add_upload("a", 10, "0" * 64)
    again, created_again = store.add_upload("a", 10, "0" * 64)
    assert (created, created_again, again.id) == (True, False, first.id)
    second, _ = store.add_upload("a", 11, "0" * 64)
    assert [row.id for row in store.list_uploads(10).rows] == [second.id, first.id]
    completed = store.complete_upload(first.id)
    assert completed.completed_at is not None
    assert store.complete_upload(first.id).completed_at == completed.completed_at
    assert store.unknown_uploads([first.id, "upl_x"]) == {"upl_x"}
    store.delete_upload(first.id)
    assert [row.id for row in store.list_uploads(10).rows] == [second.id]


def test_no_file_is_swept_away_with_its_row_there(store: Store, tmp_path: Path) -> None:
    files = UploadFiles(tmp_path / "uploads")
    upload, _ = store.add_upload("a", 10, "0" * 64)
    files.path(upload.id).write_bytes(b"1234")
    files.path("upl_other").write_bytes(b"1234")
    files.sweep(store)
    assert files.offset(upload.id) == 4
    assert files.offset("upl_other") == 0


def test_files_of_another_database_are_not_swept_away(store: Store, tmp_path: Path) -> None:
    files = UploadFiles(tmp_path / "uploads")
    files.path("upl_other").write_bytes(b"1234")
    files.sweep(store)
    assert files.offset("upl_other") == 4
