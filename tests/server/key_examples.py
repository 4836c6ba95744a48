"""Keys to test with, and clients that send them."""

import contextlib
from collections.abc import Sequence
from datetime import datetime

import httpx

from server import api_keys
from server.callers import DEFAULT_PROJECT, Scope
from server.errors import ConflictError
from server.store import Quotas, Store
from server.tables import ApiKeyRow

EVERYTHING: tuple[Scope, ...] = ("read", "submit", "admin")


def make_key(
    store: Store,
    scopes: Sequence[Scope] = EVERYTHING,
    project: str = DEFAULT_PROJECT,
    *,
    expires_at: datetime | None = None,
) -> tuple[str, ApiKeyRow]:
    """A new key of a project, which is made if it is not there; and its row."""
    with contextlib.suppress(ConflictError):
        store.add_project(project, Quotas())
    key = api_keys.new_key()
    row = store.add_key(
        name="test",
        owner="alice",
        project_id=project,
        scopes=scopes,
        prefix=api_keys.prefix_of(key),
        secret_sha256=api_keys.hash_of(key),
        expires_at=expires_at,
    )
    return key, row


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def client_with(client: httpx.Client, key: str) -> httpx.Client:
    """A client of the same service that shows a key; must be closed."""
    return httpx.Client(base_url=client.base_url, timeout=30, headers=bearer(key))
