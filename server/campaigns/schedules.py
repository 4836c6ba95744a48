"""When a campaign fires: cron expressions in a time zone, intervals, single times.

Daylight saving, for cron expressions, is Debian's rule:

- fixed times ("30 2 * * *"): a time that the clocks skip happens at the moment at which they are
  set forward; a time that happens twice counts once, the first time;
- wildcards in minute or hour ("*/30 * * * *", "15 */6 * * *") go by the time that passes: what is
  skipped does not happen, what is repeated happens twice.

Intervals are exact seconds since their anchor, whatever clocks on walls do.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

MIN_INTERVAL_S = 60
MAX_INTERVAL_S = 10 * 366 * 86_400
_PROBE = datetime(2026, 1, 1)  # noqa: DTZ001 -- the zone is added; any day would do
_YEARS = (2000, 2200)
"""Before this year nothing was scheduled; later ones are a slip of the pen."""


@cache
def _time_zones() -> frozenset[str]:
    # Some systems list their own settings among the zones; they differ from machine to machine.
    return frozenset(available_timezones()) - {"localtime", "posixrules", "Factory"}


def _check_zone(name: str) -> str:
    if name not in _time_zones():
        raise ValueError('must be an IANA time zone such as "Europe/Berlin" or "UTC"')
    return name


def _check_year(moment: datetime) -> datetime:
    first, last = _YEARS
    if not first <= moment.year < last:
        raise ValueError(f"must be a time in the years {first} to {last - 1}")
    return moment.astimezone(UTC)


Time = Annotated[AwareDatetime, AfterValidator(_check_year)]
TimeZone = Annotated[str, Field(max_length=100), AfterValidator(_check_zone)]


class _Schedule(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CronSchedule(_Schedule):
    """The times of a cron expression of five fields, by the clocks of a time zone.

    Attributes:
        expression: minute, hour, day of month, month, day of week; names, ranges, steps and lists,
            `L` for the last day, `MON#2` for the second Monday. As in Debian, a day must match both
            day fields where one of them begins with a star, and else either.
        time_zone: an IANA name.
    """

    kind: Literal["cron"] = "cron"
    expression: str = Field(max_length=200)
    time_zone: TimeZone = "UTC"

    @model_validator(mode="after")
    def _check_expression(self) -> "CronSchedule":
        if len(self.expression.split()) != 5:
            raise ValueError(
                f"expression must have five fields (minute, hour, day of month, month, day of "
                f"week), got {self.expression!r}"
            )
        try:
            simulation = CronSim(self.expression, _PROBE.replace(tzinfo=ZoneInfo(self.time_zone)))
        except CronSimError as error:
            field = str(error).removeprefix("Bad ")
            raise ValueError(
                f"expression must have a possible {field}, got {self.expression!r}"
            ) from None
        if next(simulation, None) is None:
            raise ValueError(
                f"expression must name a time that comes within 50 years, got {self.expression!r}"
            )
        return self

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Yields the times after a moment, ascending, in UTC."""
        last = moment
        # Rare times are many years apart, and the calendar ends: nobody asks for so late ones.
        for local in CronSim(self.expression, moment.astimezone(ZoneInfo(self.time_zone))):
            if local.year >= _YEARS[1]:
                return
            time = local.astimezone(UTC)
            # A fixed time that happens twice would else come again if asked for between the two.
            if time > last:
                last = time
                yield time


class IntervalSchedule(_Schedule):
    """Every so many seconds, counted from a moment.

    Attributes:
        every_seconds: at least a minute.
        anchor: the first time; later ones are whole numbers of intervals after it.
    """

    kind: Literal["interval"] = "interval"
    every_seconds: int = Field(ge=MIN_INTERVAL_S, le=MAX_INTERVAL_S)
    anchor: Time

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Yields the times after a moment, ascending, in UTC."""
        interval = timedelta(seconds=self.every_seconds)
        number = max(0, (moment - self.anchor) // interval + 1)
        while True:
            yield self.anchor + number * interval
            number += 1


class OnceSchedule(_Schedule):
    """One time.

    Attributes:
        at: when.
    """

    kind: Literal["once"] = "once"
    at: Time

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Yields the time if it is after a moment."""
        if self.at > moment:
            yield self.at


Schedule = Annotated[
    CronSchedule | IntervalSchedule | OnceSchedule,
    Field(discriminator="kind"),
]
"""Everything that has `after(moment) -> Iterator[datetime]`."""
