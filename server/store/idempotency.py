"""Answers under idempotency keys: a request that comes twice creates once.

The answer is a row of the transaction that creates, so that there is neither a creation without its
answer nor an answer without its creation, whenever the process dies.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from server.errors import InvalidRequestError, ServerError
from server.store.base import Transactions, Unit, clock, get, insert_new
from server.tables import AnswerRow

_SWEPT_AT_ONCE = 20
"""Each new answer takes along so many expired ones: more than are added, so that none pile up."""


class KeyTakenError(ServerError):
    """Another process has committed its answer under the same key; read that."""


@dataclass(frozen=True)
class Creation:
    """A request that creates something, named by its client.

    Attributes:
        caller: id of the API key that the request was made with; empty without keys.
        key: as the client gave it; means nothing to other callers and routes.
        route: method and path template.
        fingerprint: digest of all that the request says.
        lifetime_s: how long the key is remembered.
    """

    caller: str
    key: str
    route: str
    fingerprint: str
    lifetime_s: float


@dataclass(frozen=True)
class Answer:
    """What a request is answered."""

    status: int
    headers: Mapping[str, str]
    body: str


class IdempotencyStore(Transactions):
    """Queries about answers under idempotency keys."""

    def find_answer(self, creation: Creation) -> Answer | None:
        """Returns what the same request was answered before; None if it is new.

        Raises:
            InvalidRequestError: the key was given with another request.
        """
        with self._read() as session:
            row = session.get(AnswerRow, self.name_of(creation))
            if row is None or row.expires_at <= clock(session):
                return None
        if row.fingerprint != creation.fingerprint:
            rule = "must be another one for another request: it was used with another body"
            raise InvalidRequestError.single("Idempotency-Key", rule, creation.key)
        return Answer(row.status, row.headers, row.body)

    @contextmanager
    def creating(self, creation: Creation) -> Iterator[Self]:
        """Gives a store whose methods share one transaction, which is committed at the end.

        It begins with the first write. Each method is still all or nothing: one that raises leaves
        no trace, and the others may go on. Where the block raises, nothing is stored.

        Raises:
            KeyTakenError: another process was faster; nothing is stored.
        """
        unit = Unit(lambda session: self._claim(session, creation))
        with self._committing(unit):
            yield self._within(unit)

    def record_answer(self, creation: Creation, answer: Answer) -> None:
        """Records what the creation is answered; call it on the store that `creating` gave.

        Raises:
            KeyTakenError: another process was faster.
        """
        with self._write() as session:
            row = get(session, AnswerRow, self.name_of(creation))
            row.status, row.headers, row.body = answer.status, dict(answer.headers), answer.body

    def name_of(self, creation: Creation) -> str:
        """Returns what tells the creation from those of other callers, routes and keys."""
        names = [creation.caller, creation.route, creation.key]
        return hashlib.sha256(json.dumps(names).encode()).hexdigest()

    def _claim(self, session: Session, creation: Creation) -> None:
        """Makes the answer's row, which the same request in another process then waits for."""
        now, answer_id = clock(session), self.name_of(creation)
        expired = (
            select(AnswerRow.id)
            .where(AnswerRow.expires_at <= now)
            .order_by(AnswerRow.expires_at)
            .limit(_SWEPT_AT_ONCE)
            .with_for_update(skip_locked=True)
        )
        session.execute(
            delete(AnswerRow).where(AnswerRow.id.in_(expired)),
            execution_options={"synchronize_session": False},
        )
        session.execute(
            delete(AnswerRow).where(AnswerRow.id == answer_id, AnswerRow.expires_at <= now),
            execution_options={"synchronize_session": False},
        )
        values = {
            "id": answer_id,
            "caller": creation.caller,
            "route": creation.route,
            "key": creation.key,
            "fingerprint": creation.fingerprint,
            # What is committed holds the answer, given at the transaction's end.
            "status": 0,
            "headers": {},
            "body": "",
            "created_at": now,
            "expires_at": now + timedelta(seconds=creation.lifetime_s),
        }
        if insert_new(session, AnswerRow, [values]) == 0:
            raise KeyTakenError(f"another process has answered {creation.route} {creation.key!r}")
