"""Webhooks: what is announced, how it is signed, and what is tried again."""

import base64
import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Event, Thread

import httpx
import pytest
from examples import add_supernet, claim, trained_supernet
from live import Live
from sqlalchemy import Engine, text

from server import webhooks
from server.client import ApiError, Client
from server.errors import NotFoundError
from server.store import Store
from server.store.webhooks import MAX_ATTEMPTS, announce
from server.webhooks import InvalidSignatureError, RefusedAddressError, delivering, sign, verify

HERE = frozenset({"127.0.0.1"})


class Receiver:
    """A web server that keeps what it is sent and answers with a status of ours.

    While it `drips`, a header of its answer comes every few milliseconds.
    """

    def __init__(self) -> None:
        self.received: list[tuple[dict[str, str], bytes]] = []
        self.status = 204
        self.drips = False
        self._closing = Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.received.append((headers, body))
                self.send_response(receiver.status)
                with suppress(ConnectionError):  # who sent it has gone
                    while receiver.drips and not receiver._closing.wait(0.02):
                        self.send_header("X-Drop", "1")
                        self.flush_headers()
                    self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


def make_due(engine: Engine) -> None:
    with engine.execution_options(writes=True).begin() as connection:
        moment = "2020-01-01 00:00:00.000000"
        connection.execute(
            text("UPDATE deliveries SET next_attempt_at = :m WHERE status = 'waiting'"),
            {"m": moment},
        )


def test_the_signature_is_that_of_the_standard() -> None:
    # The example of https://www.standardwebhooks.com and its libraries.
    secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    signature = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_secrets_in_the_alphabet_for_addresses_go_on_signing() -> None:
    key = bytes(range(224, 256))
    standard = base64.b64encode(key).decode()
    first = base64.urlsafe_b64encode(key).decode().rstrip("=")
    assert first not in standard
    assert sign("whsec_" + first, "msg_1", 5, b"{}") == sign("whsec_" + standard, "msg_1", 5, b"{}")


def test_a_message_of_another_or_an_old_one_is_not_accepted() -> None:
    secret = "whsec_" + base64.b64encode(b"0" * 24).decode()
    now = datetime(2026, 1, 1, tzinfo=UTC)
    stamp = int(now.timestamp())
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(stamp),
        "webhook-signature": f"v1,bm90IGl0 {sign(secret, 'msg_1', stamp, b'{}')}",
    }
    verify(secret, headers, b"{}", now)
    other = "whsec_" + base64.b64encode(b"1" * 24).decode()
    for given in (
        (other, headers, b"{}", now),
        (secret, headers, b"{ }", now),
        (secret, headers, b"{}", now + timedelta(minutes=6)),
        (secret, headers | {"webhook-id": "msg_2"}, b"{}", now),
        (secret, {}, b"{}", now),
    ):
        with pytest.raises(InvalidSignatureError):
            verify(*given)


def test_the_end_of_a_job_is_told_to_those_who_asked(store: Store, receiver: Receiver) -> None:
    hook = store.add_webhook("all", receiver.url, ["job.succeeded", "job.failed"])
    # As libraries of Standard Webhooks read it.
    assert len(base64.b64decode(hook.secret.removeprefix("whsec_"), validate=True)) == 32
    off = store.add_webhook("off", receiver.url, ["job.succeeded"])
    store.set_webhook_active(off.id, active=False)
    store.add_webhook("other", receiver.url, ["job.cancelled"])
    supernet = trained_supernet(store)
    delivering(HERE)(store)
    ((headers, body),) = receiver.received
    verify(hook.secret, headers, body, datetime.now(UTC))
    told = json.loads(body)
    assert (told["type"], told["data"]) == (
        "job.succeeded",
        {"job": supernet.job_id, "kind": "train"},
    )
    (delivery,) = store.list_deliveries(hook.id, 10).rows
    assert (delivery.status, delivery.attempts, delivery.response_status) == ("delivered", 1, 204)
    assert delivery.delivered_at is not None
    delivering(HERE)(store)
    assert len(receiver.received) == 1


def test_what_is_not_accepted_is_sent_again_later_and_at_last_given_up(
    store: Store, engine: Engine, receiver: Receiver
) -> None:
    hook = store.add_webhook("all", receiver.url, ["job.failed"])
    store.ping_webhook(hook.id, "ping")
    receiver.status = 500
    turn = delivering(HERE)
    turn(store)
    turn(store)  # not due yet
    (delivery,) = store.list_deliveries(hook.id, 10).rows
    assert (delivery.attempts, delivery.error) == (1, "the answer must be 2xx, got 500")
    first_delay = delivery.next_attempt_at - delivery.created_at
    assert timedelta(seconds=9) < first_delay < timedelta(seconds=60)
    for _ in range(MAX_ATTEMPTS - 1):
        make_due(engine)
        turn(store)
    (delivery,) = store.list_deliveries(hook.id, 10).rows
    assert (delivery.status, delivery.attempts) == ("failed", MAX_ATTEMPTS)
    assert delivery.next_attempt_at is None
    make_due(engine)
    turn(store)
    assert len(receiver.received) == MAX_ATTEMPTS
    assert len({headers["webhook-id"] for headers, _ in receiver.received}) == 1
    receiver.status = 200
    store.retry_delivery(hook.id, delivery.id)
    turn(store)
    assert store.list_deliveries(hook.id, 10).rows[0].status == "delivered"


def test_an_attempt_whose_runner_died_is_made_again_and_a_late_one_changes_nothing(
    store: Store, engine: Engine
) -> None:
    hook = store.add_webhook("all", "https://example.org", ["job.failed"])
    store.ping_webhook(hook.id, "ping")
    (first,) = store.claim_deliveries(5)
    assert store.claim_deliveries(5) == []  # nobody else tries meanwhile
    make_due(engine)
    (second,) = store.claim_deliveries(5)
    assert (second.id, second.attempt) == (first.id, 2)
    store.settle_delivery(first, 500, "late")
    (row,) = store.list_deliveries(hook.id, 10).rows
    assert row.error is None
    store.settle_delivery(second, 200, None)
    store.settle_delivery(second, 500, "again")
    assert store.list_deliveries(hook.id, 10).rows[0].status == "delivered"


def test_who_answers_by_drips_is_late(
    store: Store, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "TIMEOUT_S", 0.5)
    receiver.drips = True
    hook = store.add_webhook("drips", receiver.url, ["job.failed"])
    store.ping_webhook(hook.id, "ping")
    delivering(HERE)(store)  # it would be at it until the receiver is closed
    assert len(receiver.received) == 1
    (row,) = store.list_deliveries(hook.id, 10).rows
    assert (row.response_status, row.error) == (None, "the answer must come within 0.5 s")


def test_an_attempt_that_cannot_be_made_is_on_record_and_stops_no_other(
    store: Store, receiver: Receiver
) -> None:
    hooks = [
        store.add_webhook("odd", f"http://{host}/", ["job.failed"])
        for host in (f"{'a' * 64}.example", "127.0.0.1:1", "a..b")
    ]
    hooks.append(store.add_webhook("sound", receiver.url, ["job.failed"]))
    for hook in hooks:
        store.ping_webhook(hook.id, "ping")
    delivering(HERE)(store)
    *odd, sound = [store.list_deliveries(hook.id, 10).rows[0] for hook in hooks]
    assert sound.status == "delivered"
    assert [(row.status, row.response_status) for row in odd] == [("waiting", None)] * 3
    assert all(row.error for row in odd)


def test_webhooks_take_turns(store: Store) -> None:
    busy, other = (store.add_webhook(name, "https://example.org", ["job.failed"]) for name in "ab")
    for hook in (busy, busy, busy, other):
        store.ping_webhook(hook.id, "ping")
    numbers = [one.id for one in store.claim_deliveries(2)]
    last = store.list_deliveries(other.id, 10).rows[0].id
    assert numbers == [store.list_deliveries(busy.id, 10).rows[-1].id, last]
    assert len(store.claim_deliveries(5)) == 2


def test_a_webhook_that_is_deleted_while_something_is_announced_fails_neither(store: Store) -> None:
    hook = store.add_webhook("all", "https://example.org", ["job.failed"])
    deletion = Thread(target=store.delete_webhook, args=(hook.id,))
    with store._write() as session:
        announce(session, hook.project_id, "job.failed", {}, hook.created_at)
        deletion.start()
        deletion.join(0.3)  # it waits for this transaction; else it would be through now
    deletion.join()
    with pytest.raises(NotFoundError):
        store.get_webhook(hook.id)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "10.0.0.1",
        "169.254.169.254",
        "224.0.0.1",
        "[::1]",
        "[::ffff:10.0.0.1]",
        "[64:ff9b::10.0.0.1]",
        "[2002:a00:1::]",
        "192.168.1.1",
    ],
)
def test_nothing_is_sent_into_the_operators_network(host: str) -> None:
    url = httpx.URL(f"http://{host}:9/")
    with pytest.raises(RefusedAddressError, match="webhook_private_hosts"):
        webhooks.resolve(url, frozenset())
    assert webhooks.resolve(url, {url.host})


@pytest.mark.parametrize("host", ["8.8.8.8", "[2001:4860:4860::8888]", "[64:ff9b::8.8.8.8]"])
def test_public_addresses_are_spoken_to(host: str) -> None:
    url = httpx.URL(f"https://{host}/")
    assert webhooks.resolve(url, frozenset())


def test_a_refused_address_is_a_failed_attempt(store: Store, receiver: Receiver) -> None:
    hook = store.add_webhook("inside", receiver.url, ["job.failed"])
    store.ping_webhook(hook.id, "ping")
    delivering(frozenset())(store)
    assert receiver.received == []
    (row,) = store.list_deliveries(hook.id, 10).rows
    assert row.error is not None
    assert "must be public" in row.error


def test_a_cancelled_job_is_announced_with_the_request_that_cancels_it(store: Store) -> None:
    hook = store.add_webhook("all", "https://example.org", ["job.cancelled"])
    _, job = add_supernet(store)
    assert store.list_deliveries(hook.id, 10).rows == []
    store.request_cancel(job.id)
    store.request_cancel(job.id)
    (row,) = store.list_deliveries(hook.id, 10).rows
    assert row.data == {"job": job.id, "kind": "train"}


def test_a_failed_transaction_announces_nothing(store: Store) -> None:
    hook = store.add_webhook("all", "https://example.org", ["job.succeeded"])
    supernet, _ = add_supernet(store)
    job = claim(store)
    with pytest.raises(NotFoundError):
        store.finish_search(job, supernet.id, {})
    assert store.list_deliveries(hook.id, 10).rows == []


def test_webhooks_over_the_api(sqlite_live: Live) -> None:
    with Client(str(sqlite_live.client.base_url)) as client:
        made = client.create_webhook({"name": "one", "url": "https://example.org/x"})
        assert made.secret.startswith("whsec_")
        shown = sqlite_live.client.get(f"/v1/webhooks/{made.id}")
        assert made.secret not in shown.text
        assert [hook.id for hook in client.webhooks()] == [made.id]
        for _ in range(3):
            client.ping_webhook(made.id)
        page = sqlite_live.client.get(f"/v1/webhooks/{made.id}/deliveries?limit=2").json()
        rest = sqlite_live.client.get(page["next"]).json()
        numbers = [item["id"] for item in page["items"] + rest["items"]]
        assert numbers == sorted(numbers, reverse=True)
        assert len(set(numbers)) == 3
        assert client.retry_delivery(made.id, numbers[0]).status == "waiting"
        assert not client.set_webhook_active(made.id, active=False).active
        with pytest.raises(ApiError, match="there is no delivery"):
            client.retry_delivery(made.id, 999)
        client.delete_webhook(made.id)
        with pytest.raises(ApiError, match="there is no webhook"):
            client.webhook(made.id)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"name": "x", "url": "ftp://example.org"}, "/url"),
        ({"name": "x", "url": "https://user:secret@example.org"}, "/url"),
        ({"name": "x", "url": "https://"}, "/url"),
        ({"name": "x", "url": "https://example.org", "events": []}, "/events"),
        ({"name": "x", "url": "https://example.org", "events": ["job.done"]}, "/events/0"),
        ({"name": "x", "url": "https://example.org", "events": ["job.failed"] * 2}, "/events"),
        ({"url": "https://example.org"}, "/name"),
    ],
)
def test_bad_webhooks_are_refused(sqlite_live: Live, body: object, pointer: str) -> None:
    answer = sqlite_live.client.post("/v1/webhooks", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == pointer
