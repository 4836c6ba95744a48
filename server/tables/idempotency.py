"""The table of answers to requests that their clients named by an idempotency key."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from server.tables.base import Json, Table


class AnswerRow(Table):
    """What a creating request was answered; written in the transaction that creates.

    Attributes:
        id: digest of caller, route and key.
        caller: id of the API key that the request was made with; empty without keys.
        route: method and path template.
        key: as the client gave it.
        fingerprint: digest of the request's parameters and body.
        status: of the first answer.
        headers: of the answer.
        body: JSON, byte for byte.
        expires_at: from then on the key is free again.
    """

    __tablename__ = "idempotency_answers"

    id: Mapped[str] = mapped_column(primary_key=True)
    caller: Mapped[str]
    route: Mapped[str]
    key: Mapped[str]
    fingerprint: Mapped[str]
    status: Mapped[int]
    headers: Mapped[Json]
    body: Mapped[str]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
