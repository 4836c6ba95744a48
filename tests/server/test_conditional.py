"""Conditional requests: 304 for what has not changed, 412 and 428 for changes; HEAD and OPTIONS."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from examples import add_data_set, add_supernet, claim, search_with_a_front
from live import Live


def test_polls_of_what_has_not_changed_are_answered_304(sqlite_live: Live) -> None:
    client, store = sqlite_live.client, sqlite_live.store
    search, digests = search_with_a_front(store)
    supernet = store.get_supernet(search.supernet_id)
    addresses = [
        f"/v1/searches/{search.id}",
        f"/v1/searches/{search.id}/front",
        f"/v1/searches/{search.id}/front.svg",
        f"/v1/searches/{search.id}/evaluations",
        f"/v1/supernets/{supernet.id}",
        f"/v1/data-sets/{supernet.data_set_id}",
        f"/v1/spaces/{supernet.space_id}",
        f"/v1/jobs/{search.job_id}",
        f"/v1/jobs/{search.job_id}/events",
        f"/v1/architectures/{digests[0]}",
        "/v1/jobs",
        "/v1/space-families",
        "/version",
    ]
    for address in addresses:
        first = client.get(address)
        tag = first.headers["ETag"]
        assert first.headers["Cache-Control"] == "no-cache"
        for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
            again = client.get(address, headers={"If-None-Match": known})
            assert (again.status_code, again.content) == (304, b""), address
            assert again.headers["ETag"] == tag
            assert "Content-Length" not in again.headers
        other = client.get(address, headers={"If-None-Match": '"other"'})
        assert (other.status_code, other.content) == (200, first.content)


def test_webhooks_and_quotas_are_changed_as_they_were_seen(sqlite_live: Live) -> None:
    client = sqlite_live.client
    body = {"name": "one", "url": "https://example.org/x"}
    webhook = client.post("/v1/webhooks", json=body).headers["Location"]
    client.post("/v1/projects", json={"id": "small"})
    changes = {webhook: {"active": False}, "/v1/projects/small": {"max_bytes": 5}}
    for address, change in changes.items():
        seen = {"If-Match": client.get(address).headers["ETag"]}
        changed = client.patch(address, json=change, headers=seen)
        assert changed.status_code == 200
        assert changed.headers["ETag"] == client.get(address).headers["ETag"] != seen["If-Match"]
        assert client.patch(address, json=change, headers=seen).status_code == 412
        assert client.patch(address, json=change, headers={"If-Match": "*"}).status_code == 200
        assert client.patch(address, json=change).status_code == 200


def test_a_tag_changes_with_what_it_names(sqlite_live: Live) -> None:
    client, store = sqlite_live.client, sqlite_live.store
    supernet, job = add_supernet(store)
    seen = set()
    for _ in range(3):
        seen |= {client.get(f"/v1/jobs/{job.id}").headers["ETag"]}
    claim(store)
    seen |= {client.get(f"/v1/jobs/{job.id}").headers["ETag"]}
    assert len(seen) == 2
    before = client.get(f"/v1/supernets/{supernet.id}").headers["ETag"]
    store.request_cancel(job.id)
    assert client.get(f"/v1/supernets/{supernet.id}").headers["ETag"] != before
    refused = client.get("/v1/jobs/none", headers={"If-None-Match": "*"})
    assert refused.status_code == 404


def test_names_descriptions_and_labels_are_changed(live: Live) -> None:
    client = live.client
    search, _ = search_with_a_front(live.store)
    for address in (
        f"/v1/searches/{search.id}",
        f"/v1/supernets/{search.supernet_id}",
        f"/v1/data-sets/{live.store.get_supernet(search.supernet_id).data_set_id}",
    ):
        first = client.get(address)
        shown = first.json()
        assert (shown["description"], shown["labels"]) == (None, {})
        body: dict[str, Any] = {"name": "new", "labels": {"team": "a", "x/y": ""}}
        changed = client.patch(address, json=body, headers={"If-Match": first.headers["ETag"]})
        assert changed.status_code == 200, changed.text
        assert changed.json() == shown | body
        assert client.get(address).headers["ETag"] == changed.headers["ETag"]
        late = {"If-Match": first.headers["ETag"]}
        assert client.patch(address, json={"name": "late"}, headers=late).status_code == 412
        both = {"If-Match": f'"zzz", {changed.headers["ETag"]}'}
        body = {"description": "text", "labels": {}}
        assert client.patch(address, json=body, headers=both).json() == shown | {
            "name": "new",
            **body,
        }
        undone = client.patch(address, json={"description": None}, headers={"If-Match": "*"})
        assert undone.json()["description"] is None
        assert client.get(address).json() == undone.json()


def test_a_tag_stays_good_for_a_change_while_the_job_moves_on(sqlite_live: Live) -> None:
    supernet, job = add_supernet(sqlite_live.store)
    address = f"/v1/supernets/{supernet.id}"
    tag = sqlite_live.client.get(address).headers["ETag"]
    sqlite_live.store.request_cancel(job.id)
    assert sqlite_live.client.get(address).headers["ETag"] != tag
    changed = sqlite_live.client.patch(address, json={"name": "a"}, headers={"If-Match": tag})
    assert changed.status_code == 200


def test_of_changes_at_once_one_is_made(live: Live) -> None:
    row = add_data_set(live.store)
    address = f"/v1/data-sets/{row.id}"
    headers = {"If-Match": live.client.get(address).headers["ETag"]}

    def change(number: int) -> int:
        body = {"labels": {"by": str(number)}}
        return live.client.patch(address, json=body, headers=headers).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(change, range(8)))
    assert statuses == [200] + [412] * 7
    assert live.store.get_data_set(row.id).revision == 1


@pytest.mark.parametrize(
    ("tag", "status"),
    [(None, 428), ('"other"', 412), ("", 412), ('W/"0-0000000000000000"', 412), ("0", 412)],
)
def test_a_change_must_say_of_what(sqlite_live: Live, tag: str | None, status: int) -> None:
    row = add_data_set(sqlite_live.store)
    headers = {} if tag is None else {"If-Match": tag}
    address = f"/v1/data-sets/{row.id}"
    refused = sqlite_live.client.patch(address, json={"name": "x"}, headers=headers)
    assert refused.status_code == status
    assert refused.headers["Content-Type"] == "application/problem+json"
    assert sqlite_live.store.get_data_set(row.id).name == "digits"


def test_a_name_that_is_taken_is_a_conflict(live: Live) -> None:
    add_data_set(live.store, "a", "a")
    other = add_data_set(live.store, "b", "b")
    address = f"/v1/data-sets/{other.id}"
    refused = live.client.patch(address, json={"name": "a"}, headers={"If-Match": "*"})
    assert refused.status_code == 409
    assert "'a'" in refused.json()["detail"]
    assert live.store.get_data_set(other.id).revision == 0


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"name": None},
        {"name": ""},
        {"labels": None},
        {"labels": {"a b": "c"}},
        {"labels": {"": "c"}},
        {"labels": {"a": 1}},
        {"labels": {"a": "x" * 201}},
        {"labels": {str(number): "" for number in range(65)}},
        {"description": "x" * 10_001},
        {"seed": 1},
    ],
)
def test_bad_descriptions_are_refused(sqlite_live: Live, body: Any) -> None:
    row = add_data_set(sqlite_live.store)
    address = f"/v1/data-sets/{row.id}"
    refused = sqlite_live.client.patch(address, json=body, headers={"If-Match": "*"})
    assert refused.status_code == 422
    assert refused.json()["errors"]


def test_head_is_get_without_its_body(sqlite_live: Live) -> None:
    client = sqlite_live.client
    search, _ = search_with_a_front(sqlite_live.store)
    for address in (
        f"/v1/searches/{search.id}",
        f"/v1/searches/{search.id}/front.svg",
        "/v1/jobs",
        "/livez",
        "/openapi.json",
    ):
        whole, head = client.get(address), client.head(address)
        assert (head.status_code, head.content) == (200, b"")
        for name in ("ETag", "Content-Length", "Content-Type"):
            assert head.headers.get(name) == whole.headers.get(name), (address, name)
        known = {"If-None-Match": whole.headers["ETag"]}
        assert client.head(address, headers=known).status_code == 304
    assert client.head("/v1/jobs/none").status_code == 404


def test_head_of_a_stream_does_not_wait_for_its_end(sqlite_live: Live) -> None:
    _, job = add_supernet(sqlite_live.store)
    head = sqlite_live.client.head(f"/v1/jobs/{job.id}/events/stream")
    assert head.status_code == 200
    assert head.headers["Content-Type"].startswith("text/event-stream")


def test_options_say_what_can_be_done(sqlite_live: Live) -> None:
    client = sqlite_live.client
    for address, allowed in (
        ("/v1/searches", "GET, HEAD, OPTIONS, POST"),
        ("/v1/searches/any", "GET, HEAD, OPTIONS, PATCH"),
        ("/v1/exports/any/files/x", "GET, HEAD, OPTIONS"),
    ):
        answer = client.options(address)
        assert (answer.status_code, answer.headers["Allow"]) == (204, allowed)
    assert client.options("/nothing").status_code == 404
