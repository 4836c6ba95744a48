"""Which times of a schedule are due, and what becomes of each: a function of times, no more."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from server.campaigns.schedules import Schedule
from server.campaigns.settings import CatchUp, RunAll, RunOnce

MAX_AT_ONCE = 2000
"""Times that one transaction looks at; a long absence takes several."""


@dataclass(frozen=True)
class Firing:
    """A time that came, or several in a row that are skipped for one reason.

    Attributes:
        fire_at: the time, or the last of them.
        first_at: the first of them.
        count: how many.
        skip_reason: why nothing is done; None if it shall fire.
    """

    fire_at: datetime
    first_at: datetime
    count: int = 1
    skip_reason: str | None = None


@dataclass(frozen=True)
class Plan:
    """What is due.

    Attributes:
        firings: in the order of their times.
        accounted_until: all times up to this one have been dealt with.
        next_at: the first time after it; None if there is none. It may have passed, too.
    """

    firings: tuple[Firing, ...]
    accounted_until: datetime
    next_at: datetime | None


def plan(
    schedule: Schedule,
    catch_up: CatchUp,
    grace: timedelta,
    accounted_until: datetime,
    now: datetime,
    max_at_once: int = MAX_AT_ONCE,
) -> Plan:
    """Returns what is due of a schedule.

    Args:
        schedule: of the campaign.
        catch_up: what becomes of times that were missed.
        grace: a time that is noticed so much later is not missed yet.
        accounted_until: times up to this one have been dealt with.
        now: by the database's clock.
        max_at_once: times to look at.
    """
    times = schedule.after(accounted_until)
    due: list[datetime] = []
    following = next(times, None)
    while following is not None and following <= now and len(due) < max_at_once:
        due.append(following)
        following = next(times, None)
    missed = [time for time in due if now - time > grace]
    more_missed = following is not None and now - following > grace
    firings = _settle_missed(catch_up, missed, now, more_missed=more_missed)
    firings += [Firing(time, time) for time in due[len(missed) :]]
    return Plan(tuple(firings), due[-1] if due else accounted_until, following)


def _settle_missed(
    catch_up: CatchUp, missed: Sequence[datetime], now: datetime, *, more_missed: bool
) -> list[Firing]:
    match catch_up:
        case RunAll(max_age_seconds=age):
            oldest = now - timedelta(seconds=age)
            num_skipped = sum(time < oldest for time in missed)
            reason = f"missed by more than max_age_seconds ({age}): no runner was up"
        case RunOnce():
            num_skipped = len(missed) - (not more_missed)
            reason = "missed, as no runner was up; only the last one missed is made up for"
        case _:
            num_skipped = len(missed)
            reason = "missed: no runner was up, and catch_up is skip"
    return [
        *skipped(missed[: max(0, num_skipped)], reason),
        *(Firing(time, time) for time in missed[max(0, num_skipped) :]),
    ]


def skipped(times: Sequence[datetime], reason: str) -> list[Firing]:
    """Returns times that are skipped for one reason, as one record of them; none for none."""
    if not times:
        return []
    return [Firing(times[-1], times[0], len(times), reason)]


def pass_over(
    schedule: Schedule, accounted_until: datetime, now: datetime, reason: str
) -> tuple[list[Firing], datetime | None]:
    """Returns the times up to now as skipped, and the first time after now.

    Args:
        schedule: of the campaign.
        accounted_until: times up to this one have been dealt with.
        now: by the database's clock.
        reason: why they are skipped. Beyond `MAX_AT_ONCE` they are no longer counted.
    """
    times = [time for time in islice(schedule.after(accounted_until), MAX_AT_ONCE) if time <= now]
    return skipped(times, reason), next(schedule.after(now), None)
