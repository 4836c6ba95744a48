"""Idempotency keys against a model: any order of requests, replays, refusals and expiries."""

from pathlib import Path
from typing import Any, ClassVar

import httpx
from examples import trained_supernet
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from live import Live
from sqlalchemy import text

from server.database import open_engine

KEYS = st.sampled_from(["a", "b", "c"])
SEEDS = st.integers(0, 2)


class Keys(RuleBasedStateMachine):
    """What the service must do: a dictionary of answers by route and key."""

    live: ClassVar[Live]
    supernet: ClassVar[str]
    examples: ClassVar[int] = 0

    @initialize()
    def begin(self) -> None:
        Keys.examples += 1
        self.name = f"example {Keys.examples}"  # its rows and keys are its own
        self.known: dict[tuple[str, str], tuple[int, httpx.Response]] = {}
        self.created = 0

    def post(self, path: str, key: str, body: dict[str, Any]) -> httpx.Response:
        headers = {"Idempotency-Key": f"{self.name}/{key}".replace(" ", "-")}
        return self.live.client.post(path, json={"name": self.name} | body, headers=headers)

    @rule(key=KEYS, seed=SEEDS)
    def search(self, key: str, seed: int) -> None:
        body = {
            "supernet": self.supernet,
            "objectives": [{"metric": "top1_percent"}],
            "evaluations": 1,
            "seed": seed,
        }
        self.check("/v1/searches", key, seed, self.post("/v1/searches", key, body), 202, 202)

    @rule(key=KEYS, seed=SEEDS)
    def upload(self, key: str, seed: int) -> None:
        # Under new keys an announced file is found again: an answer of 200 that is remembered too.
        body = {"size_bytes": seed + 1, "sha256": "0" * 64}
        response = self.post("/v1/uploads", key, body)
        status = response.status_code if ("/v1/uploads", key) not in self.known else 200
        self.check("/v1/uploads", key, seed, response, status, 200)

    def check(
        self, path: str, key: str, seed: int, response: httpx.Response, status: int, replayed: int
    ) -> None:
        if (path, key) not in self.known:
            assert response.status_code == status
            assert response.is_success
            assert "Idempotency-Replayed" not in response.headers
            self.known[path, key] = seed, response
            self.created += path == "/v1/searches"
            return
        known_seed, first = self.known[path, key]
        if seed != known_seed:
            assert response.status_code == 422
            return
        assert response.status_code == replayed
        assert response.headers["Idempotency-Replayed"] == "true"
        assert response.content == first.content

    @rule(key=KEYS)
    def refuse(self, key: str) -> None:
        known = ("/v1/searches", key) in self.known
        body = {
            "supernet": "net_none",
            "objectives": [{"metric": "top1_percent"}],
            "evaluations": 1,
        }
        assert self.post("/v1/searches", key, body).status_code == (422 if known else 404)

    @rule(key=KEYS)
    def expire(self, key: str) -> None:
        engine = open_engine(self.live.settings)
        name = f"{self.name}/{key}".replace(" ", "-")
        with engine.execution_options(writes=True).begin() as connection:
            statement = "UPDATE idempotency_answers SET expires_at = created_at WHERE key = :key"
            connection.execute(text(statement), {"key": name})
        engine.dispose()
        for path in ("/v1/searches", "/v1/uploads"):
            self.known.pop((path, key), None)

    @invariant()
    def nothing_is_created_twice(self) -> None:
        if not hasattr(self, "created"):
            return
        rows = self.live.store.list_searches(500).rows
        assert sum(row.name == self.name for row in rows) == self.created


def test_keys_are_as_the_model_says(sqlite_live: Live, tmp_path: Path) -> None:
    Keys.live = sqlite_live
    Keys.supernet = trained_supernet(sqlite_live.store).id
    case = Keys.TestCase
    case.settings = settings(
        max_examples=20,
        stateful_step_count=12,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    case("runTest").runTest()
    assert Keys.examples >= 20
