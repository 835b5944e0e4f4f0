from __future__ import annotations

from datetime import UTC, datetime

import pytest

from helperhub.errors import InvalidSchedule
from helperhub.model.schedule import Cron
from helperhub.schedules.cron import ALIASES, parse_cron
from helperhub.schedules.due_times import next_due

MONDAY = datetime(2026, 11, 23, 12, tzinfo=UTC)


def firings(expression: str, count: int = 3) -> list[str]:
    found = next_due(Cron(expression), after=MONDAY, default_tz="UTC", count=count)
    return [f"{at:%a %d %b %H:%M}" for at in found]


def refusal(expression: str) -> str:
    with pytest.raises(InvalidSchedule) as caught:
        parse_cron(expression)
    return str(caught.value)


@pytest.mark.parametrize(
    ("expression", "fired"),
    [
        ("0 9 * * 1-5", ["Tue 24 Nov 09:00", "Wed 25 Nov 09:00", "Thu 26 Nov 09:00"]),
        ("0 9 * * MON-fri", ["Tue 24 Nov 09:00", "Wed 25 Nov 09:00", "Thu 26 Nov 09:00"]),
        ("0 9 * * 0", ["Sun 29 Nov 09:00", "Sun 06 Dec 09:00", "Sun 13 Dec 09:00"]),
        ("0 9 * * 7", ["Sun 29 Nov 09:00", "Sun 06 Dec 09:00", "Sun 13 Dec 09:00"]),
        ("0 9 * * sat-7", ["Sat 28 Nov 09:00", "Sun 29 Nov 09:00", "Sat 05 Dec 09:00"]),
        ("0 0 * jan mon", ["Mon 04 Jan 00:00", "Mon 11 Jan 00:00", "Mon 18 Jan 00:00"]),
        ("10-30/10,45 8 * * *", ["Tue 24 Nov 08:10", "Tue 24 Nov 08:20", "Tue 24 Nov 08:30"]),
        ("\t0   9 *  * * ", ["Tue 24 Nov 09:00", "Wed 25 Nov 09:00", "Thu 26 Nov 09:00"]),
        ("0 0 L * *", ["Mon 30 Nov 00:00", "Thu 31 Dec 00:00", "Sun 31 Jan 00:00"]),
    ],
)
def test_cron_fires_when_its_fields_say(expression: str, fired: list[str]) -> None:
    assert firings(expression) == fired


def test_cron_fires_on_day_or_weekday_when_both_are_restricted() -> None:
    assert firings("0 0 1 * fri") == ["Fri 27 Nov 00:00", "Tue 01 Dec 00:00", "Fri 04 Dec 00:00"]


def test_cron_fires_on_day_and_weekday_when_one_begins_with_a_star() -> None:
    assert firings("0 0 */2 * fri") == ["Fri 27 Nov 00:00", "Fri 11 Dec 00:00", "Fri 25 Dec 00:00"]


def test_step_on_a_range_of_one_is_that_one() -> None:
    # cronsim 2.8 reads 5-5/10 as 5-59/10.
    assert firings("5-5/10 * * * *", count=2) == ["Mon 23 Nov 12:05", "Mon 23 Nov 13:05"]


@pytest.mark.parametrize(
    ("alias", "fired"),
    [
        ("@yearly", "Fri 01 Jan 00:00"),
        ("@annually", "Fri 01 Jan 00:00"),
        ("@monthly", "Tue 01 Dec 00:00"),
        ("@weekly", "Sun 29 Nov 00:00"),
        ("@daily", "Tue 24 Nov 00:00"),
        ("@midnight", "Tue 24 Nov 00:00"),
        ("@hourly", "Mon 23 Nov 13:00"),
        ("@Hourly", "Mon 23 Nov 13:00"),
    ],
)
def test_alias_fires_as_the_line_it_stands_for(alias: str, fired: str) -> None:
    assert alias.lower() in ALIASES
    assert firings(alias, count=1) == [fired]


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("61 * * * *", "minute '61' can't be read. Take 0-59"),
        ("* 24 * * *", "hour '24' can't be read. Take 0-23"),
        ("0 0 0 * *", "day '0' can't be read. Take 1-31"),
        ("0 0 * 13 *", "month '13' can't be read. Take 1-12 or jan-dec"),
        ("0 0 * * mo", "weekday 'mo' can't be read. Take 0-7 or sun-sat"),
        ("0 0 * * 5-1", "weekday '5-1' can't be read"),
        ("*/0 * * * *", "minute '*/0' can't be read"),
        ("0 ,9 * * *", "hour ',9' can't be read"),
        ("1" * 5000 + " * * * *", "can't be read"),
        ("0 9-24 * * *", "hour '9-24' can't be read"),
    ],
)
def test_wrong_field_is_named_when_cron_refuses_it(expression: str, said: str) -> None:
    assert said in refusal(expression)


def test_cron_with_seconds_is_refused_when_cronsim_would_take_it() -> None:
    assert refusal("30 0 9 * * 1-5") == (
        "Schedule has cron '30 0 9 * * 1-5': six fields, but a crontab line has five and knows no seconds. Write "
        "minute, hour, day, month and weekday, without seconds or user name; for less than a minute take 'every 30s'."
    )


@pytest.mark.parametrize("expression", ["", "0", "0 9 * *", "0 9 * * * * *"])
def test_cron_with_another_number_of_fields_is_refused(expression: str) -> None:
    assert "but a crontab line has five" in refusal(expression)


def test_step_without_a_range_is_refused_as_debians_cron_does() -> None:
    assert "weekday '5/2' has a step, but no range. Write '5-7/2'" in refusal("0 0 1 * *,5/2")
    assert "minute '5/15' has a step, but no range. Write '5-59/15'" in refusal("5/15 * * * *")


@pytest.mark.parametrize("expression", ["0 0 31 2 *", "0 0 30 2 *", "0 0 31 4,6,9,11 *", "0 0 31 feb */2"])
def test_impossible_date_is_refused(expression: str) -> None:
    assert "no year has day" in refusal(expression)


def test_impossible_day_is_taken_when_a_weekday_may_fire_instead() -> None:
    assert firings("0 0 31 2 mon", count=1) == ["Mon 01 Feb 00:00"]


def test_reboot_is_refused_with_its_reason() -> None:
    assert "'@reboot': a start of the machine has no time that could be planned." in refusal("@reboot")


def test_unknown_alias_is_refused_with_the_one_that_may_be_meant() -> None:
    assert refusal("@dayly").endswith("there is no such alias. Did you mean '@daily'?")


def test_refusal_begins_with_the_schedules_name_when_the_caller_gives_it() -> None:
    with pytest.raises(InvalidSchedule, match=r"^Schedule 'backup' in plugin helperhub-backup 1\.2 has cron 'x'"):
        parse_cron("x", subject="Schedule 'backup' in plugin helperhub-backup 1.2")
