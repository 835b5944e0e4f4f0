from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helperhub_crontab.parse import CronLine, Crontab, parse_crontab, split_percent


def parse(text: str | bytes, *, system: bool = False) -> Crontab:
    content = text.encode() if isinstance(text, str) else text
    return parse_crontab(content, "/tab", system=system)


def only_line(text: str, *, system: bool = False) -> CronLine:
    crontab = parse(text, system=system)
    assert crontab.problems == ()
    (line,) = crontab.lines
    return line


def test_five_fields_and_a_command_become_a_line() -> None:
    line = only_line("# backup\n\n  0 3 * * mon\t /opt/backup.sh  --all\n")

    assert (line.expression, line.command) == ("0 3 * * mon", "/opt/backup.sh  --all")
    assert (line.number, line.user, line.stdin) == (3, None, None)


@pytest.mark.parametrize(
    "alias", ["@reboot", "@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"]
)
def test_every_alias_of_cron_is_taken(alias: str) -> None:
    assert only_line(f"{alias} true\n").expression == alias


def test_an_alias_cron_does_not_know_is_reported_with_those_it_knows() -> None:
    (problem,) = parse("@fortnightly pay\n").problems

    assert "@fortnightly" in str(problem)
    assert "@weekly" in str(problem)
    assert str(problem).startswith("/tab:1: ")


def test_system_format_names_a_user() -> None:
    line = only_line("17 * * * *\troot    cd / && run-parts --report /etc/cron.hourly\n", system=True)

    assert (line.user, line.command) == ("root", "cd / && run-parts --report /etc/cron.hourly")
    assert only_line("@daily www-data clean\n", system=True).user == "www-data"


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("PATH=/opt/bin:/bin", "PATH", "/opt/bin:/bin"),
        ("NAME = value with  spaces", "NAME", "value with  spaces"),
        ("NAME='  kept  '", "NAME", "  kept  "),
        ('"NAME" = "a=b"', "NAME", "a=b"),
        ("MAILTO=", "MAILTO", ""),
        ('MAILTO=""', "MAILTO", ""),
        ("NAME=$HOME/x", "NAME", "$HOME/x"),
        ("NAME=a # no comment", "NAME", "a # no comment"),
    ],
)
def test_variables_are_read_as_cron_reads_them(text: str, name: str, value: str) -> None:
    assert only_line(f"{text}\n@daily x\n").variables == {name: value}


def test_variables_apply_to_the_lines_below_them_only() -> None:
    first, second, third = parse("@daily a\nX=1\n@daily b\nX=2\nY=3\n@daily c\n").lines

    assert (first.variables, second.variables) == ({}, {"X": "1"})
    assert third.variables == {"X": "2", "Y": "3"}


def test_an_assignment_in_the_command_is_no_variable_of_the_file() -> None:
    line = only_line("* * * * * FOO=bar run\n")

    assert (line.command, line.variables) == ("FOO=bar run", {})


def test_logname_can_not_be_changed_and_that_is_reported() -> None:
    crontab = parse("LOGNAME=eve\n@daily x\n")

    assert crontab.lines[0].variables == {}
    assert "LOGNAME" in str(crontab.problems[0])


def test_zone_applies_to_the_lines_after_it() -> None:
    first, second, third = parse("@daily a\nCRON_TZ=Asia/Tokyo\n@daily b\nCRON_TZ=\n@daily c\n").lines

    assert (first.timezone, second.timezone, third.timezone) == (None, "Asia/Tokyo", None)


def test_lines_under_an_unknown_zone_are_reported_and_not_run_at_a_guess() -> None:
    crontab = parse("CRON_TZ=Mars/Base\n@daily a\n0 1 * * * b\nCRON_TZ=UTC\n@daily c\n")

    assert [line.command for line in crontab.lines] == ["c"]
    assert [problem.number for problem in crontab.problems] == [2, 3]
    assert "Mars/Base" in str(crontab.problems[0])


@pytest.mark.parametrize(
    ("text", "command", "stdin"),
    [
        ("mail joe%Joe,%%Where are your kids?%", "mail joe", "Joe,\n\nWhere are your kids?\n"),
        ("mail joe%hello", "mail joe", "hello\n"),
        (r"date +\%s", "date +%s", None),
        (r"cat%100\%", "cat", "100%\n"),
        (r"printf 'a\n'", r"printf 'a\n'", None),
        (r"echo \\%in", "echo \\\\", "in\n"),
        ("cat%", "cat", None),
        ("cat%%", "cat", "\n"),
    ],
)
def test_percent_signs_end_the_command_and_part_its_input(text: str, command: str, stdin: str | None) -> None:
    assert split_percent(text) == (command, stdin)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0 3 * * *", "5 words"),
        ("hello", "1 word "),
        ("0 3 * * * %in", "no command"),
        ("=x", "1 word"),
        ("@daily=x", "'@daily'"),
        ('NAME="a" b', "2 words"),
        ("0=5", "'0'"),
    ],
)
def test_what_is_no_line_is_reported_with_its_place_reason_and_text(text: str, says: str) -> None:
    crontab = parse(f"# first\n{text}\n")

    (problem,) = crontab.problems
    assert crontab.lines == ()
    assert str(problem).startswith("/tab:2: Not adopted: ")
    assert says in str(problem)
    assert f"{text!r}" in str(problem)


def test_system_line_without_command_is_reported() -> None:
    (problem,) = parse("0 3 * * * root\n", system=True).problems

    assert "a user and a command" in str(problem)


def test_bytes_that_no_command_can_hold_are_reported_line_by_line() -> None:
    crontab = parse(b"@daily caf\xe9\n# caf\xe9\n@daily a\0b\n@daily ok\n@daily " + b"x" * 140_000 + b"\n")

    assert [line.command for line in crontab.lines] == ["ok"]
    assert [problem.number for problem in crontab.problems] == [1, 3, 5]
    assert [word for problem in crontab.problems for word in ("UTF-8", "NUL", "131071") if word in str(problem)] == [
        "UTF-8",
        "NUL",
        "131071",
    ]


def test_last_line_without_newline_is_adopted_and_reported_since_cron_refuses_it() -> None:
    crontab = parse("@daily a\n@daily b")

    assert [line.command for line in crontab.lines] == ["a", "b"]
    assert [(problem.number, problem.adopted) for problem in crontab.problems] == [(2, True)]


def test_carriage_returns_are_taken_off_and_reported_once() -> None:
    crontab = parse("X=1\r\n\r\n@daily a\r\n@daily b\r\n")

    assert [line.command for line in crontab.lines] == ["a", "b"]
    assert crontab.lines[0].variables == {"X": "1"}
    assert len(crontab.problems) == 1


pieces = st.sampled_from(
    [
        "@daily",
        "@reboot",
        "*",
        "0",
        "*/5",
        "mon",
        "root",
        "FOO=bar",
        "=",
        "%",
        "\\",
        "'",
        '"',
        "#",
        "CRON_TZ=",
        "x",
        " ",
    ]
)
near_crontabs = st.lists(st.one_of(st.lists(pieces, max_size=9).map(" ".join), st.text(max_size=20)), max_size=12).map(
    lambda lines: "\n".join(lines).encode(errors="surrogatepass")
)


@given(content=st.one_of(st.binary(max_size=400), near_crontabs), system=st.booleans())
def test_any_bytes_are_parsed_and_every_line_is_adopted_reported_or_a_variable(content: bytes, *, system: bool) -> None:
    crontab = parse_crontab(content, "/tab", system=system)

    adopted = {line.number for line in crontab.lines}
    refused = {problem.number for problem in crontab.problems if not problem.adopted}
    assert not adopted & refused
    for number, raw in enumerate(content.split(b"\n"), start=1):
        stripped = raw.strip(b" \t\r")
        accounted = number in adopted or number in refused
        if not stripped or stripped.startswith(b"#"):
            assert not accounted
        else:
            assert accounted or b"=" in stripped
    for problem in crontab.problems:
        assert "\n" not in str(problem)


@given(command=st.text(st.characters(exclude_characters="\0\n", exclude_categories=["Cs"])))
def test_escaped_percent_signs_survive(command: str) -> None:
    escaped = command.replace("\\", "").replace("%", r"\%")

    assert split_percent(escaped) == (command.replace("\\", ""), None)
