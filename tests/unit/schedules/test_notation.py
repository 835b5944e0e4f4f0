from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helperhub.errors import InvalidSchedule
from helperhub.model.schedule import Cron, Daily, Every, Once, Schedule
from helperhub.schedules.notation import (
    check_schedule,
    describe,
    parse_schedule,
    schedule_to_dict,
    split_schedule_dict,
)

MOMENT = datetime(2026, 11, 23, 8, 30, tzinfo=UTC)
BERLIN = "Europe/Berlin"
SECOND = timedelta(seconds=1)

zones = st.none() | st.sampled_from([BERLIN, "UTC", "America/New_York"])
jitters = st.integers(0, 10**10).map(lambda ms: timedelta(milliseconds=ms))
offsets = st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))
# Away from the calendar's ends, where another offset would leave it.
instants = st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1), timezones=offsets)  # noqa: DTZ001 - hypothesis wants naive bounds
schedules = st.one_of(
    st.builds(Daily, st.times().map(lambda time: f"{time:%H:%M:%S}"), tz=zones, jitter=jitters),
    st.builds(Daily, st.times().map(lambda time: f"{time:%H:%M}"), tz=zones, jitter=jitters),
    st.builds(Every, st.integers(1, 366 * 86_400).map(SECOND.__mul__), start=st.none() | instants, jitter=jitters),
    st.builds(Cron, st.sampled_from(["0 9 * * 1-5", "@daily", "*/5 * * * *"]), tz=zones, jitter=jitters),
    st.builds(Once, instants),
)


def refusal(value: str | Mapping[str, Any]) -> str:
    with pytest.raises(InvalidSchedule) as caught:
        split_schedule_dict(value) if isinstance(value, Mapping) else parse_schedule(value)
    return str(caught.value)


@given(schedule=schedules)
def test_schedule_is_read_back_exactly_after_it_was_written_as_json(schedule: Schedule) -> None:
    written = json.dumps(schedule_to_dict(schedule))

    assert parse_schedule(json.loads(written)) == schedule


@given(text=st.text(st.sampled_from("daily every once cron @ 0123456789 :*/-, =tz jitter smh Z T UTC"), max_size=40))
def test_any_text_is_a_schedule_or_refused_with_a_reason(text: str) -> None:
    said = ""
    try:
        schedule = parse_schedule(text)
        check_schedule(schedule, default_tz="UTC")
        said = describe(schedule, default_tz="UTC")
    except InvalidSchedule as error:
        said = str(error)

    assert said.startswith(("Schedule ", "daily ", "every ", "once ", "cron "))


@pytest.mark.parametrize(
    ("text", "schedule"),
    [
        ("daily 07:30", Daily("07:30")),
        ("daily 07:30:15 tz=Europe/Berlin", Daily("07:30:15", tz=BERLIN)),
        ("daily 07:30 jitter=30s tz=Europe/Berlin", Daily("07:30", tz=BERLIN, jitter=30 * SECOND)),
        ("every 30m", Every(timedelta(minutes=30))),
        ("every 1h 30m", Every(timedelta(minutes=90))),
        ("every 30m tz=Europe/Berlin", Every(timedelta(minutes=30))),
        ("cron 0 9 * * 1-5", Cron("0 9 * * 1-5")),
        ("cron 0 9 * * 1-5 tz=Europe/Berlin", Cron("0 9 * * 1-5", tz=BERLIN)),
        ("cron @daily", Cron("@daily")),
        ("0 9 * * 1-5", Cron("0 9 * * 1-5")),
        ("  */5 *  * * *  tz=UTC ", Cron("*/5 * * * *", tz="UTC")),
        ("@daily", Cron("@daily")),
        ("@weekly tz=Europe/Berlin", Cron("@weekly", tz=BERLIN)),
        ("once 2026-11-23T08:30:00Z", Once(MOMENT)),
        ("once 2026-11-23T09:30:00+01:00 tz=Europe/Berlin", Once(MOMENT)),
        ("once 2026-11-23T09:30:00 tz=Europe/Berlin", Once(MOMENT)),
    ],
)
def test_text_is_read_as_the_schedule_it_names(text: str, schedule: Schedule) -> None:
    assert parse_schedule(text) == schedule


@pytest.mark.parametrize(
    ("value", "schedule"),
    [
        ({"type": "daily", "time": "07:30:00"}, Daily("07:30:00")),
        ({"type": "daily", "time": "07:30", "tz": BERLIN, "jitter": "30s"}, Daily("07:30", BERLIN, 30 * SECOND)),
        ({"type": "interval", "interval_minutes": 30}, Every(timedelta(minutes=30))),
        ({"type": "interval", "interval": "90s"}, Every(90 * SECOND)),
        ({"type": "interval", "interval": "2w", "start": "2026-11-23T08:30:00Z"}, Every(timedelta(14), MOMENT)),
        ({"type": "cron", "cron": "0 9 * * 1-5", "time": None, "tz": None}, Cron("0 9 * * 1-5")),
        ({"type": "once", "at": "2026-11-23T08:30:00Z"}, Once(MOMENT)),
    ],
)
def test_dict_is_read_as_the_schedule_it_names(value: dict[str, Any], schedule: Schedule) -> None:
    assert parse_schedule(value) == schedule


@pytest.mark.parametrize(
    ("type_", "schedule"),
    [("daily", Daily("07:30:00")), ("interval", Every(timedelta(minutes=30))), ("cron", Cron("0 9 * * 1-5"))],
)
def test_type_decides_when_the_dict_has_what_belongs_to_others(type_: str, schedule: Schedule) -> None:
    value = {"type": type_, "time": "07:30:00", "interval_minutes": 30, "cron": "0 9 * * 1-5"}
    value |= {"priority": 1, "expiry": 3600, "enabled": True}

    found, rest = split_schedule_dict(value)

    assert found == schedule
    assert rest == {"priority": 1, "expires_after": timedelta(hours=1), "enabled": True}


def test_only_what_was_given_is_said_of_the_helper() -> None:
    _, rest = split_schedule_dict({"type": "daily", "time": "07:30", "enabled": False, "priority": None})

    assert rest == {"enabled": False}


@pytest.mark.parametrize("interval", ["5", 5, " 5 "])
def test_interval_without_a_unit_is_refused_with_the_units_that_may_be_meant(interval: str | int) -> None:
    said = refusal({"type": "interval", "interval": interval})

    assert said == (f"Schedule has interval '{interval}': a bare number has no unit. Write '5s', '5m' or '5h'.")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("", "has text '': that is not a schedule. Write 'daily 07:30', 'every 30m'"),
        ("at noon", "has text 'at noon': that is not a schedule."),
        ("run it every five minutes", "that is not a schedule."),
        ("daily", "that is not a schedule."),
        ("daily 7:30", "has time '7:30': that is not a time of day. Write HH:MM"),
        ("daily 07:30 zone=UTC", "'zone=' is unknown. Only 'tz=' and 'jitter=' may follow"),
        ("daily 07:30 tz=UTC tz=UTC", "'tz=' is given twice"),
        ("daily 07:30 tz=", "has tz '': it must be text, and not empty"),
        ("every 5", "has interval '5': a bare number has no unit."),
        ("every day", "has interval 'day': that is not a duration. Write a number with a unit"),
        ("every 500ms", "it is out of range. Take whole seconds, from 1 second"),
        ("every 400d", "it is out of range."),
        ("every 99999999999999999999w", "that is not a duration. Take 366 days at most, or leave it out"),
        ("every 1h tz=Europe/Berln", "has time zone 'Europe/Berln': there is no such zone."),
        ("once 2026-11-23T08:30:00", "has at '2026-11-23T08:30:00': it names no offset from UTC. Write"),
        ("once tomorrow", "has at 'tomorrow': it is not a time. Write it like 2026-11-23T08:30:00Z."),
        ("once tomorrow tz=UTC", "has at 'tomorrow': that is not a time. Write it like"),
        ("once 0001-01-01T00:00:00+05:00", "it is before the year 1 or after 9999 in UTC."),
        ({}, "Schedule has no 'type'. Add 'type', one of daily, interval, cron, once."),
        ({"type": "hourly"}, "has type 'hourly': there is no such type. Take one of daily, interval"),
        ({"type": "daily"}, "Schedule of type 'daily' has no 'time'. Add 'time'."),
        ({"type": "daily", "time": 730}, "has time '730': it must be text, and not empty."),
        ({"type": "daily", "tiem": "07:30"}, "has a key 'tiem' that schedules don't know. Did you mean 'time'?"),
        ({"type": "daily", "time": "07:30", "jitter": "30"}, "has jitter '30': a bare number has no unit."),
        ({"type": "interval"}, "Schedule of type 'interval' has no 'interval'."),
        ({"type": "interval", "interval_minutes": 0}, "it must be a whole number of minutes"),
        ({"type": "interval", "interval_minutes": True}, "it must be a whole number of minutes"),
        ({"type": "interval", "interval_minutes": "30"}, "it must be a whole number of minutes"),
        ({"type": "interval", "interval_minutes": 5, "interval": "5m"}, "it also has interval '5m'."),
        ({"type": "interval", "interval": "5m", "start": "2026-01-01"}, "has start '2026-01-01': it names no offset"),
        ({"type": "daily", "time": "07:30", "priority": 6}, "has priority '6': it is out of range. Take 1 (first)"),
        ({"type": "daily", "time": "07:30", "priority": True}, "has priority 'True': it is out of range."),
        ({"type": "daily", "time": "07:30", "expiry": 0}, "has expiry '0': it must be a number of seconds"),
        ({"type": "daily", "time": "07:30", "expiry": "1h"}, "has expiry '1h': it must be a number of seconds"),
        ({"type": "daily", "time": "07:30", "enabled": 1}, "has enabled '1': it must be true or false."),
    ],
)
def test_schedule_is_refused_with_its_value_and_what_to_do(value: str | dict[str, Any], said: str) -> None:
    assert said in refusal(value)


def test_refusal_begins_with_the_schedules_name_when_the_caller_gives_it() -> None:
    subject = "Schedule 'backup' in plugin helperhub-backup 1.2"

    with pytest.raises(InvalidSchedule, match=r"^Schedule 'backup' in plugin helperhub-backup 1\.2 has interval '5'"):
        parse_schedule("every 5", subject=subject)


@pytest.mark.parametrize(
    "schedule",
    [Daily("07:30", tz=BERLIN), Every(SECOND), Cron("@daily"), Once(MOMENT), Daily("07:30", jitter=30 * SECOND)],
)
def test_check_passes_what_can_be_followed(schedule: Schedule) -> None:
    check_schedule(schedule, default_tz="UTC")


@pytest.mark.parametrize(
    ("zone", "hint"),
    [
        ("Europe/Berln", "Did you mean 'Europe/Berlin'"),
        ("europe/berlin", "'Europe/Berlin'"),
        ("Berlin", "'Europe/Berlin'"),
        ("America/New York", "'America/New_York'"),
        ("Europe", "'Europe"),
        ("../../etc/passwd", "Write an IANA name such as 'Europe/Berlin' or 'UTC'."),
        ("\0", "Write an IANA name"),
    ],
)
@pytest.mark.parametrize("schedule_type", [Daily, Cron])
def test_check_refuses_an_unknown_zone_and_names_close_ones(
    schedule_type: type[Daily | Cron], zone: str, hint: str
) -> None:
    schedule = Daily("07:30", tz=zone) if schedule_type is Daily else Cron("@daily", tz=zone)

    with pytest.raises(InvalidSchedule) as caught:
        check_schedule(schedule, default_tz="UTC")

    assert caught.value.message == f"Schedule has time zone '{zone}': there is no such zone."
    assert hint in caught.value.hint


def test_check_refuses_an_unknown_default_zone_when_the_schedule_names_none() -> None:
    with pytest.raises(InvalidSchedule, match="'Mars/Olympus'"):
        check_schedule(Daily("07:30"), default_tz="Mars/Olympus")


def test_check_refuses_a_bad_cron_expression_and_names_the_field() -> None:
    with pytest.raises(InvalidSchedule, match=r"cron '0 25 \* \* \*': hour '25' can't be read"):
        check_schedule(Cron("0 25 * * *"), default_tz="UTC")


@pytest.mark.parametrize("jitter", [timedelta(seconds=-1), timedelta(microseconds=1)])
def test_check_refuses_a_jitter_that_cannot_be_kept(jitter: timedelta) -> None:
    with pytest.raises(InvalidSchedule, match="whole milliseconds, 0 or more"):
        check_schedule(Every(SECOND, jitter=jitter), default_tz="UTC")


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        (Daily("07:30", tz=BERLIN), "daily at 07:30 Europe/Berlin"),
        (Daily("07:30"), "daily at 07:30 UTC"),
        (Daily("07:30", jitter=30 * SECOND), "daily at 07:30 UTC, up to 30s later"),
        (Every(timedelta(minutes=30)), "every 30m"),
        (Every(timedelta(minutes=90), start=MOMENT), "every 1h30m from 2026-11-23T08:30:00Z"),
        (Cron("0 9 * * 1-5"), "cron 0 9 * * 1-5 (UTC)"),
        (Once(MOMENT), "once at 2026-11-23T08:30:00Z"),
    ],
)
def test_description_says_when_it_fires(schedule: Schedule, words: str) -> None:
    assert describe(schedule, default_tz="UTC") == words
