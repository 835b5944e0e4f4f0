from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helperhub_crontab.naming import name_lines, program_name
from helperhub_crontab.parse import CronLine, parse_crontab


def lines(text: str) -> tuple[CronLine, ...]:
    return parse_crontab(text.encode(), "/tab", system=False).lines


def names(text: str) -> dict[str, str]:
    return {line.text: name for name, line in name_lines(lines(text))}


@pytest.mark.parametrize(
    ("command", "name"),
    [
        ("/opt/backup.sh --all", "backup.sh"),
        ("cd /srv/app && ./manage.py clearsessions", "manage.py"),
        ("FOO=1 BAR='x y' /usr/bin/python3 -u /srv/report.py", "report.py"),
        ("nice -n 10 /opt/b.sh", "b.sh"),
        ("test -x /usr/sbin/anacron || run-parts /etc/cron.daily", "run-parts"),
        ("[ -x /usr/lib/php/sessionclean ] && /usr/lib/php/sessionclean", "sessionclean"),
        ("if [ -x /opt/a ]; then /opt/a; fi", "a"),
        ("command -v debian-sa1 > /dev/null && debian-sa1 1 1", "debian-sa1"),
        ("sh -c 'echo hi'", "echo hi"),
        ("7z a x.7z", "7z"),
        ("sleep 5", "sleep"),
        ("'", "line"),
        ("&&", "line"),
    ],
)
def test_program_name_is_what_people_call_the_command(command: str, name: str) -> None:
    assert program_name(command) == name


def test_name_is_readable_when_no_other_line_would_have_it() -> None:
    assert names("0 3 * * * /opt/backup.sh\n@daily other\n") == {
        "0 3 * * * /opt/backup.sh": "backup-sh",
        "@daily other": "other",
    }


def test_lines_that_would_share_a_name_keep_theirs_when_lines_are_moved_or_inserted() -> None:
    before = names("@daily backup a\n@daily backup b\n")

    after = names("@hourly new\n@daily backup b\n@daily backup c\n@daily backup a\n")

    assert len(set(before.values())) == 2
    assert before.items() <= after.items()


def test_equal_lines_get_a_count() -> None:
    first, second = (name for name, _ in name_lines(lines("@daily backup\n@daily backup\n")))

    assert second == f"{first}-2"


@given(commands=st.lists(st.text(st.characters(exclude_characters="\0\n\r", exclude_categories=["Cs"])), max_size=6))
def test_every_command_gets_a_name_of_its_own_that_helperhub_takes(commands: list[str]) -> None:
    found = [
        name for name, _ in name_lines(CronLine("/tab", i, f"@daily {c}", "@daily", c) for i, c in enumerate(commands))
    ]

    assert len(set(found)) == len(commands)
    assert all(re.fullmatch(r"[A-Za-z0-9._-]{1,80}", name) for name in found)
