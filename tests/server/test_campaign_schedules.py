"""When campaigns fire: daylight saving, impossible dates, and that a schedule has one sequence."""

from datetime import datetime, timedelta
from itertools import islice
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from server.campaigns.schedules import CronSchedule, IntervalSchedule, OnceSchedule, Schedule


def times(schedule: Any, start: str, count: int) -> list[str]:
    moments = islice(schedule.after(datetime.fromisoformat(start)), count)
    return [moment.isoformat(timespec="minutes").removesuffix("+00:00") for moment in moments]


def berlin(expression: str) -> CronSchedule:
    return CronSchedule(expression=expression, time_zone="Europe/Berlin")


def test_a_time_that_the_clocks_skip_happens_when_they_are_set_forward() -> None:
    # On 2026-03-29 02:00 becomes 03:00 in Berlin, which is 01:00 in UTC.
    assert times(berlin("30 2 * * *"), "2026-03-28T00:00Z", 3) == [
        "2026-03-28T01:30",
        "2026-03-29T01:00",
        "2026-03-30T00:30",
    ]
    # Two times of the skipped hour are one moment.
    assert times(berlin("15,45 2 * * *"), "2026-03-28T20:00Z", 2) == [
        "2026-03-29T01:00",
        "2026-03-30T00:15",
    ]


def test_a_time_that_exists_twice_happens_once_the_first_time() -> None:
    # On 2026-10-25 03:00 becomes 02:00 in Berlin: 02:30 is 00:30 and 01:30 in UTC.
    expected = ["2026-10-25T00:30", "2026-10-26T01:30"]
    assert times(berlin("30 2 * * *"), "2026-10-24T12:00Z", 2) == expected
    for between in ("00:30", "00:45", "01:00", "01:15", "01:30", "01:45"):
        assert times(berlin("30 2 * * *"), f"2026-10-25T{between}Z", 1) == expected[1:]


def test_new_york_changes_its_clocks_on_other_days() -> None:
    def new_york(expression: str) -> CronSchedule:
        return CronSchedule(expression=expression, time_zone="America/New_York")

    # On 2026-03-08 02:00 becomes 03:00, which is 07:00 in UTC.
    assert times(new_york("30 2 * * *"), "2026-03-07T17:00Z", 2) == [
        "2026-03-08T07:00",
        "2026-03-09T06:30",
    ]
    assert times(new_york("15 1-3 * * *"), "2026-03-07T17:00Z", 4) == [
        "2026-03-08T06:15",
        "2026-03-08T07:00",
        "2026-03-08T07:15",
        "2026-03-09T05:15",
    ]
    # On 2026-11-01 02:00 becomes 01:00: 01:30 is 05:30 and 06:30 in UTC.
    expected = ["2026-11-01T05:30", "2026-11-02T06:30"]
    assert times(new_york("30 1 * * *"), "2026-10-31T17:00Z", 2) == expected
    assert times(new_york("0 */6 * * *"), "2026-11-01T00:00Z", 2) == [
        "2026-11-01T04:00",
        "2026-11-01T11:00",
    ]


def test_wildcards_go_by_the_time_that_passes() -> None:
    assert times(berlin("*/30 * * * *"), "2026-03-29T00:15Z", 3) == [
        "2026-03-29T00:30",
        "2026-03-29T01:00",
        "2026-03-29T01:30",
    ]
    assert times(berlin("30 * * * *"), "2026-10-24T23:45Z", 3) == [
        "2026-10-25T00:30",
        "2026-10-25T01:30",
        "2026-10-25T02:30",
    ]


def test_days_are_those_of_the_time_zone() -> None:
    auckland = CronSchedule(expression="0 9 * * MON", time_zone="Pacific/Auckland")
    assert times(auckland, "2026-06-01T00:00Z", 1) == ["2026-06-07T21:00"]
    assert times(CronSchedule(expression="0 0 29 2 *"), "2026-01-01T00:00Z", 2) == [
        "2028-02-29T00:00",
        "2032-02-29T00:00",
    ]


def test_intervals_are_counted_from_their_anchor_across_daylight_saving() -> None:
    schedule = IntervalSchedule(every_seconds=86_400, anchor="2026-03-27T06:00+01:00")
    assert times(schedule, "2026-03-20T00:00Z", 1) == ["2026-03-27T05:00"]
    assert times(schedule, "2026-03-28T05:00Z", 2) == ["2026-03-29T05:00", "2026-03-30T05:00"]
    assert times(schedule, "2026-03-28T04:59Z", 1) == ["2026-03-28T05:00"]


def test_once_is_once() -> None:
    schedule = OnceSchedule(at="2026-03-27T06:00+01:00")
    assert times(schedule, "2026-03-27T04:59Z", 2) == ["2026-03-27T05:00"]
    assert times(schedule, "2026-03-27T05:00Z", 2) == []


minutes = st.one_of(st.integers(0, 59).map(str), st.sampled_from(["*", "*/7", "15,45", "0-10/5"]))
hours = st.one_of(st.integers(0, 4).map(str), st.sampled_from(["*", "*/2", "1,2,3", "2-3"]))
days = st.sampled_from(["*", "*", "*", "29", "25-31", "L"])
zones = st.sampled_from(
    ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"]
)


def within(begin: str, hours: int) -> st.SearchStrategy[datetime]:
    return st.timedeltas(timedelta(0), timedelta(hours=hours)).map(
        lambda passed: datetime.fromisoformat(begin) + passed
    )


starts = st.one_of(
    within("2026-01-01T00:00Z", 365 * 24),
    within("2026-03-28T20:00Z", 8),
    within("2026-10-24T20:00Z", 8),
)


@given(minutes, hours, days, zones, starts, st.integers(0, 7200))
def test_wherever_one_begins_the_times_are_the_same(
    minute: str, hour: str, day: str, zone: str, start: datetime, later_s: int
) -> None:
    schedule = CronSchedule(expression=f"{minute} {hour} {day} * *", time_zone=zone)
    sequence = list(islice(schedule.after(start), 12))
    assert sequence[0] > start
    assert sequence == sorted(set(sequence))
    later = start + timedelta(seconds=later_s)
    rest = [moment for moment in sequence if moment > later]
    assume(rest)
    assert list(islice(schedule.after(later), len(rest))) == rest


@pytest.mark.parametrize(
    ("schedule", "field", "rule"),
    [
        ({"kind": "cron", "expression": "0 0 30 2 *"}, "", "a possible day-of-month"),
        ({"kind": "cron", "expression": "0 0 31 4,6,9,11 *"}, "", "a possible day-of-month"),
        ({"kind": "cron", "expression": "60 0 * * *"}, "", "a possible minute"),
        ({"kind": "cron", "expression": "0 24 * * *"}, "", "a possible hour"),
        ({"kind": "cron", "expression": "0 0 * 13 *"}, "", "a possible month"),
        ({"kind": "cron", "expression": "0 0 * * 8"}, "", "a possible day-of-week"),
        ({"kind": "cron", "expression": "0 0 30 2 MON#9"}, "", "a possible day-of-week"),
        ({"kind": "cron", "expression": "@daily"}, "", "five fields"),
        ({"kind": "cron", "expression": "* * * * * *"}, "", "five fields"),
        ({"kind": "cron", "expression": ""}, "", "five fields"),
        (
            {"kind": "cron", "expression": "0 0 * * *", "time_zone": "Europe/Atlantis"},
            "time_zone",
            "an IANA time zone",
        ),
        (
            {"kind": "cron", "expression": "0 0 * * *", "time_zone": "../../etc/passwd"},
            "time_zone",
            "an IANA time zone",
        ),
        (
            {"kind": "cron", "expression": "0 0 * * *", "time_zone": "localtime"},
            "time_zone",
            "an IANA time zone",
        ),
        ({"kind": "once", "at": "2026-02-30T00:00:00Z"}, "at", "day value is outside"),
        ({"kind": "once", "at": "2026-02-03T00:00:00"}, "at", "timezone"),
        ({"kind": "once", "at": "9999-12-31T23:59:59-12:00"}, "at", "years 2000 to 2199"),
        (
            {"kind": "interval", "every_seconds": 59, "anchor": "2026-01-01T00:00Z"},
            "every_seconds",
            "60",
        ),
        (
            {"kind": "interval", "every_seconds": 10**15, "anchor": "2026-01-01T00:00Z"},
            "every_seconds",
            "less than",
        ),
    ],
)
def test_schedules_that_cannot_be_are_refused(
    schedule: dict[str, Any], field: str, rule: str
) -> None:
    with pytest.raises(ValidationError) as error_info:
        TypeAdapter(Schedule).validate_python(schedule)
    (error,) = error_info.value.errors()
    assert rule in error["msg"]
    assert (error["loc"] + ("",))[1] == field
