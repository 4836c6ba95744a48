"""The tables of webhooks: who is told of what, and what came of telling them."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Integer
from sqlalchemy.orm import Mapped, mapped_column

from server.tables.base import Json, ProjectOwned, Table, one_of


class WebhookRow(ProjectOwned, Table):
    """An address that is told of events. Its secret signs what is sent and is shown once."""

    __tablename__ = "webhooks"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    url: Mapped[str]
    events: Mapped[list[Any]]
    secret: Mapped[str]
    active: Mapped[bool]
    created_at: Mapped[datetime]

    __table_args__ = (Index(None, "project_id", "id"),)


class DeliveryRow(ProjectOwned, Table):
    """One event for one webhook, written in the transaction that made the event happen.

    Attributes:
        id: counts up; names the message, whatever the attempt.
        data: what happened; the body of all attempts is made from it.
        attempts: how often it was tried.
        next_attempt_at: not before then; null once it is settled.
        response_status: of HTTP, of the last attempt; null where nothing answered.
        error: what went wrong at the last attempt.
    """

    __tablename__ = "deliveries"

    id: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True
    )
    webhook_id: Mapped[str] = mapped_column(ForeignKey("webhooks.id"))
    type: Mapped[str]
    data: Mapped[Json]
    status: Mapped[str]
    attempts: Mapped[int]
    next_attempt_at: Mapped[datetime | None]
    response_status: Mapped[int | None]
    error: Mapped[str | None]
    created_at: Mapped[datetime]
    delivered_at: Mapped[datetime | None]

    __table_args__ = (
        one_of("status", ["waiting", "delivered", "failed"]),
        Index(None, "status", "next_attempt_at"),
        Index(None, "webhook_id", "id"),
        {"sqlite_autoincrement": True},
    )
