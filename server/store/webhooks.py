"""Webhooks: events become deliveries in the transaction that makes them happen.

So no event is lost and none is made up. A delivery is claimed by pushing its next attempt into the
future: a runner that dies with it in hand leaves it to be tried again.
"""

import base64
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, delete, func, select, update
from sqlalchemy.orm import Session

from server.errors import NotFoundError, PreconditionFailedError
from server.ids import new_id
from server.store.base import Page, Transactions, clock, get, newest_first
from server.tables import DeliveryRow, Json, WebhookRow

SECRET_PREFIX = "whsec_"  # noqa: S105 -- what a secret begins with
CLAIM_S = 120.0
"""How long one attempt may take before another runner tries as well."""

MAX_ATTEMPTS = 10
FIRST_DELAY_S = 10.0
LONGEST_DELAY_S = 3600.0


@dataclass(frozen=True)
class ClaimedDelivery:
    """What is to be sent, and where; `attempt` is the claim's fence, `claimed_at` its time."""

    id: int
    url: str
    secret: str
    type: str
    data: Json
    created_at: datetime
    attempt: int
    claimed_at: datetime


class WebhookStore(Transactions):
    """Queries about webhooks and deliveries."""

    def add_webhook(self, name: str, url: str, events: Sequence[str]) -> WebhookRow:
        """Adds a webhook with a new secret."""
        with self._write() as session:
            now = clock(session)
            row = WebhookRow(
                id=new_id("hok", now),
                name=name,
                url=url,
                events=list(events),
                # As Standard Webhooks spells it: the alphabet with + and /, padded.
                secret=SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode(),
                active=True,
                created_at=now,
            )
            session.add(row)
            return row

    def get_webhook(self, webhook_id: str) -> WebhookRow:
        """Returns a webhook.

        Raises:
            NotFoundError: there is none.
        """
        with self._read() as session:
            return get(session, WebhookRow, webhook_id)

    def list_webhooks(self, limit: int, before: str | None = None) -> Page[WebhookRow]:
        """Returns webhooks, newest first."""
        with self._read() as session:
            return newest_first(session, select(WebhookRow), WebhookRow.id, limit, before)

    def set_webhook_active(
        self,
        webhook_id: str,
        is_expected: Callable[[WebhookRow], bool] = lambda _row: True,
        *,
        active: bool,
    ) -> WebhookRow:
        """Says whether a webhook is told of what happens from now on.

        Args:
            webhook_id: which.
            is_expected: whether the webhook, as it is now, is what is to be changed.
            active: whether it is told.

        Raises:
            NotFoundError: there is no such webhook.
            PreconditionFailedError: it is not what was expected.
        """
        with self._write() as session:
            row = _locked(session, webhook_id)
            if not is_expected(row):
                raise PreconditionFailedError(
                    f"If-Match must be the ETag of webhook {webhook_id} as it is now"
                )
            row.active = active
            return row

    def delete_webhook(self, webhook_id: str) -> None:
        """Deletes a webhook and its deliveries.

        Raises:
            NotFoundError: there is no such webhook.
        """
        with self._write() as session:
            # Under a lock, so that nothing is announced to it between the two.
            row = _locked(session, webhook_id)
            session.execute(delete(DeliveryRow).where(DeliveryRow.webhook_id == webhook_id))
            session.delete(row)

    def ping_webhook(self, webhook_id: str, kind: str) -> DeliveryRow:
        """Adds a delivery that says nothing but its type, also to one that is not active.

        Raises:
            NotFoundError: there is no such webhook.
        """
        with self._write() as session:
            row = get(session, WebhookRow, webhook_id)
            delivery = _delivery(row.id, kind, {"webhook": row.id}, clock(session))
            session.add(delivery)
            session.flush()
            return delivery

    def list_deliveries(
        self, webhook_id: str, limit: int, before: int | None = None
    ) -> Page[DeliveryRow]:
        """Returns the deliveries to a webhook, newest first.

        Raises:
            NotFoundError: there is no such webhook.
        """
        with self._read() as session:
            get(session, WebhookRow, webhook_id)
            statement = select(DeliveryRow).where(DeliveryRow.webhook_id == webhook_id)
            if before is not None:
                statement = statement.where(DeliveryRow.id < before)
            statement = statement.order_by(DeliveryRow.id.desc()).limit(limit + 1)
            rows = session.scalars(statement).all()
            following = str(rows[limit - 1].id) if len(rows) > limit else None
            return Page(rows[:limit], following)

    def retry_delivery(self, webhook_id: str, delivery_id: int) -> DeliveryRow:
        """Sends a settled delivery once more, or a waiting one at once.

        Raises:
            NotFoundError: there is no such delivery.
        """
        with self._write() as session:
            get(session, WebhookRow, webhook_id)
            row = get(session, DeliveryRow, delivery_id)
            if row.webhook_id != webhook_id:
                raise NotFoundError("delivery", str(delivery_id))
            row.status, row.next_attempt_at = "waiting", clock(session)
            row.attempts = min(row.attempts, MAX_ATTEMPTS - 1)
            return row

    # --- the sender's side ---------------------------------------------------------------------

    def claim_deliveries(self, limit: int) -> list[ClaimedDelivery]:
        """Returns deliveries that are due, which nobody else tries meanwhile.

        Webhooks take turns: however many deliveries to one there are, those to others are among
        the next.

        Args:
            limit: how many.
        """
        with self._write() as session:
            now = clock(session)
            due = and_(DeliveryRow.status == "waiting", DeliveryRow.next_attempt_at <= now)
            order = (DeliveryRow.next_attempt_at, DeliveryRow.id)
            turn = func.row_number().over(partition_by=DeliveryRow.webhook_id, order_by=order)
            turns = select(DeliveryRow.id, turn.label("turn")).where(due).subquery()
            rows = session.scalars(
                select(DeliveryRow)
                .join(turns, turns.c.id == DeliveryRow.id)
                .where(due)
                .order_by(turns.c.turn, *order)
                .limit(limit)
                .with_for_update(skip_locked=True, of=DeliveryRow)
            ).all()
            return [_claim(session, row, now) for row in rows]

    def settle_delivery(
        self, delivery: ClaimedDelivery, response_status: int | None, error: str | None
    ) -> None:
        """Records what came of an attempt; nothing if the delivery has moved on without it.

        Args:
            delivery: as claimed.
            response_status: of HTTP; None where nothing answered.
            error: what went wrong; None if it was delivered.
        """
        with self._write() as session:
            now = clock(session)
            status = "delivered" if error is None else "waiting"
            delay_s = min(FIRST_DELAY_S * 4 ** (delivery.attempt - 1), LONGEST_DELAY_S)
            next_attempt_at: datetime | None = now + timedelta(seconds=delay_s)
            if status == "waiting" and delivery.attempt >= MAX_ATTEMPTS:
                status = "failed"
            if status != "waiting":
                next_attempt_at = None
            session.execute(
                update(DeliveryRow)
                .where(
                    DeliveryRow.id == delivery.id,
                    DeliveryRow.attempts == delivery.attempt,
                    DeliveryRow.status == "waiting",
                )
                .values(
                    status=status,
                    next_attempt_at=next_attempt_at,
                    response_status=response_status,
                    error=error,
                    delivered_at=now if error is None else None,
                )
            )


def announce(session: Session, project_id: str, kind: str, data: Json, now: datetime) -> None:
    """Adds a delivery of an event to every active webhook of a project that wants to know."""
    statement = (
        select(WebhookRow)
        .where(WebhookRow.active, WebhookRow.project_id == project_id)
        # A webhook that is deleted in this moment must not fail what is announced.
        .with_for_update(read=True, key_share=True)
    )
    hooks = session.scalars(statement).all()
    session.add_all(_delivery(hook.id, kind, data, now) for hook in hooks if kind in hook.events)


def _claim(session: Session, row: DeliveryRow, now: datetime) -> ClaimedDelivery:
    row.attempts += 1
    row.next_attempt_at = now + timedelta(seconds=CLAIM_S)
    hook = get(session, WebhookRow, row.webhook_id)
    return ClaimedDelivery(
        row.id, hook.url, hook.secret, row.type, row.data, row.created_at, row.attempts, now
    )


def _delivery(webhook_id: str, kind: str, data: Json, now: datetime) -> DeliveryRow:
    return DeliveryRow(
        webhook_id=webhook_id,
        type=kind,
        data=data,
        status="waiting",
        attempts=0,
        next_attempt_at=now,
        created_at=now,
    )


def _locked(session: Session, webhook_id: str) -> WebhookRow:
    """Returns a webhook with a lock on its row (SQLite's write transactions lock everything).

    Raises:
        NotFoundError: there is none.
    """
    row = session.get(WebhookRow, webhook_id, with_for_update=True)
    if row is None:
        raise NotFoundError("webhook", webhook_id)
    return row
