"""Limits of requests and of open streams."""

import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from examples import add_supernet
from key_examples import bearer, make_key
from live import Live, serving

from server.api_keys import new_key
from server.client import Client
from server.client.errors import ApiError
from server.main import open_store
from server.settings import Settings


def test_a_caller_who_asks_too_often_is_told_to_wait(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, requests_per_minute=5)
    store = open_store(settings)
    with serving(settings, store) as live:
        answers = [live.client.get("/v1/jobs") for _ in range(7)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
        assert answers[0].headers["RateLimit-Policy"] == '"caller";q=5;w=60'
        left = [int(answer.headers["RateLimit"].split(";")[1][2:]) for answer in answers]
        assert left == [4, 3, 2, 1, 0, 0, 0]
        refused = answers[-1]
        assert refused.headers["Content-Type"] == "application/problem+json"
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
        assert "5 requests a minute" in refused.json()["detail"]
        # Others, and the questions of those who watch the service, are answered.
        assert live.client.get("/livez").status_code == 200
        # No key of anybody's, but each its own caller as long as none is found to be wrong.
        other = {"Authorization": "Bearer of-another"}
        assert live.client.get("/v1/jobs", headers=other).status_code == 429  # from one address
        with Client(str(live.client.base_url), patience_s=0.5) as client:
            with pytest.raises(ApiError) as caught:
                list(client.jobs())
            assert caught.value.is_temporary
            assert caught.value.retry_after_s is not None
    store.close()


def test_keys_are_callers_of_their_own(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, requests_per_minute=3)
    store = open_store(settings)
    with serving(settings, store) as live:
        for key in ("a", "b", "c"):
            headers = {"Authorization": f"Bearer {key}"}
            answers = [live.client.get("/v1/jobs", headers=headers) for _ in range(4)]
            limited = [answer.status_code == 429 for answer in answers]
            assert limited == [False] * 3 + [True]
    store.close()


def test_a_stranger_who_guesses_does_not_lock_out_whoever_shares_the_address(
    tmp_path: Path,
) -> None:
    settings = Settings(home=tmp_path, requests_per_minute=4)
    store = open_store(settings)
    known, fresh = (bearer(make_key(store)[0]) for _ in range(2))

    def ask(headers: dict[str, str]) -> int:
        return live.client.get("/v1/caller", headers=headers).status_code

    with serving(settings, store) as live:
        assert ask(known) == 200
        guesses = [ask(bearer(new_key())) for _ in range(6)]
        assert guesses == [401] * 4 + [429] * 2
        assert [ask(known) for _ in range(4)] == [200] * 3 + [429]  # its own limit
        assert ask(fresh) == 429  # nobody knows yet that it is right
    store.close()


def test_loopback_has_no_limit_unless_one_is_set(tmp_path: Path) -> None:
    assert Settings(home=tmp_path).rate_limit == 0
    assert Settings(home=tmp_path, requests_per_minute=7).rate_limit == 7
    outside = Settings(home=tmp_path).model_copy(update={"host": "192.0.2.1"})
    assert outside.rate_limit == 6000


def test_as_many_streams_as_allowed_are_open(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, max_event_streams=2)
    store = open_store(settings)
    _, job = add_supernet(store)
    with serving(settings, store) as live:
        address = f"/v1/jobs/{job.id}/events/stream"
        for _ in range(2):  # those that have ended are not counted
            with ExitStack() as stack:
                streams = [response.iter_lines() for response in open_two(stack, live, address)]
                assert [next(stream) for stream in streams] == ["event: queued"] * 2
                refused = live.client.get(address, timeout=10)
                assert refused.status_code == 503
                assert int(refused.headers["Retry-After"]) > 0
                assert live.client.get(f"/v1/jobs/{job.id}/events").status_code == 200
    store.close()


def open_two(stack: ExitStack, live: Live, address: str) -> list[httpx.Response]:
    """Opens both streams as soon as the server has noticed that nobody reads earlier ones."""
    for _ in range(600):
        with ExitStack() as attempt:
            opened = [attempt.enter_context(live.client.stream("GET", address)) for _ in range(2)]
            if [response.status_code for response in opened] == [200, 200]:
                stack.enter_context(attempt.pop_all())
                return opened
        time.sleep(0.05)
    raise AssertionError("streams that nobody reads are never given up")
