"""A crontab file's bytes to lines and problems, by the rules of Debian's cron (crontab(5)).

Nothing here raises, whatever the bytes: what can't be adopted becomes a `Problem`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from zoneinfo import ZoneInfo

#: Without @reboot, which names no time.
ALIASES = frozenset({"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"})
REBOOT = "@reboot"
#: Linux gives one argument of a command no more than this (MAX_ARG_STRLEN, execve(2)).
MAX_LINE_BYTES = 131_071

_BLANKS = re.compile(r"[ \t]+")
# Names and values may be quoted; quotes are only taken off, nothing in them is expanded.
_VARIABLE = re.compile(
    r"""(?:"(?P<name1>[^"=]*)"|'(?P<name2>[^'=]*)'|(?P<name3>[^\s="'][^\s=]*))"""
    r"""[ \t]*=[ \t]*"""
    r"""(?:"(?P<value1>[^"]*)"|'(?P<value2>[^']*)'|(?P<value3>[^"'].*)?)"""
)
_VARIABLE_NAME = re.compile(r"[A-Za-z_][^\s=]*")
_ESCAPED_OR_PERCENT = re.compile(r"\\.|%", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something in a file that could not be adopted, or not as it stands there.

    Args:
        path: The file.
        number: Its line, from 1; 0 means the file as a whole.
        what: What happened and why.
        remedy: What to do about it.
        text: The line as it stands in the file.
        adopted: Whether the line was adopted all the same.
    """

    path: str
    number: int
    what: str
    remedy: str
    text: str = ""
    adopted: bool = False

    def __str__(self) -> str:
        """Return one line: place, what, what to do, and the line's text."""
        place = f"{self.path}:{self.number}" if self.number else self.path
        shown = self.text if len(self.text) <= 120 else f"{self.text[:117]}..."
        quoted = f" Line: {shown!r}" if shown else ""
        return f"{place}: {self.what} {self.remedy}{quoted}"


@dataclass(frozen=True, slots=True)
class CronLine:
    """One line that runs a command.

    Args:
        path: Its file.
        number: Its line, from 1.
        text: The line as it stands in the file, without blanks at its ends.
        expression: Five fields, an alias such as ``@daily``, or ``@reboot``.
        command: What the shell is given.
        stdin: What the command reads; None means nothing.
        user: The user named in a system crontab.
        variables: The file's variables above the line.
    """

    path: str
    number: int
    text: str
    expression: str
    command: str
    stdin: str | None = None
    user: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def timezone(self) -> str | None:
        """The zone its file sets with CRON_TZ."""
        return self.variables.get("CRON_TZ") or None


@dataclass(frozen=True, slots=True)
class Crontab:
    """What a file holds."""

    lines: tuple[CronLine, ...] = ()
    problems: tuple[Problem, ...] = ()


class _Unusable(Exception):
    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


def parse_crontab(content: bytes, path: str, *, system: bool) -> Crontab:
    """Return the lines and problems of a crontab file.

    Args:
        content: The file's bytes.
        path: The file's path, for messages.
        system: Whether lines name a user between times and command.
    """
    lines: list[CronLine] = []
    problems: list[Problem] = []
    variables: Mapping[str, str] = MappingProxyType({})
    for number, raw in enumerate(content.split(b"\n"), start=1):
        stripped = raw.strip(b" \t\r")
        if not stripped or stripped.startswith(b"#"):
            continue
        shown = stripped[:200].decode(errors="backslashreplace")
        try:
            text = _decode(stripped)
            assignment = _VARIABLE.fullmatch(text)
            if assignment:
                name, value = _parse_assignment(assignment)
                variables = MappingProxyType({**variables, name: value})
            else:
                lines.append(_parse_line(text, path, number, system=system, variables=variables))
        except _Unusable as error:
            problems.append(Problem(path, number, error.what, error.remedy, shown))
    problems.extend(_quirks(content, path))
    return Crontab(tuple(lines), tuple(problems))


def _decode(line: bytes) -> str:
    if len(line) > MAX_LINE_BYTES:
        message = f"Not adopted: the line has {len(line)} bytes, and no command may have more than {MAX_LINE_BYTES}."
        raise _Unusable(message, "Put it into a script and call that.")
    if b"\0" in line:
        message = "Not adopted: the line holds a NUL byte, which no command can be given."
        raise _Unusable(message, "Is this a crontab file at all? If so, remove the byte.")
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        message = f"Not adopted: byte {error.start + 1} of the line isn't UTF-8."
        raise _Unusable(message, "Convert the file, such as with 'iconv -f latin1 -t utf-8'.") from error


def _parse_assignment(match: re.Match[str]) -> tuple[str, str]:
    groups = match.groupdict()
    name = next((value for key in ("name1", "name2", "name3") if (value := groups[key]) is not None), "")
    value = next((value for key in ("value1", "value2", "value3") if (value := groups[key]) is not None), "")
    if not _VARIABLE_NAME.fullmatch(name):
        message = f"Not adopted: {name!r} can't be a variable's name."
        raise _Unusable(message, "Begin it with a letter, or write five time fields and a command.")
    if name == "LOGNAME":
        message = "Not adopted: LOGNAME is always the user the command runs as, in cron too."
        raise _Unusable(message, "Remove the line.")
    return name, value


def _parse_line(text: str, path: str, number: int, *, system: bool, variables: Mapping[str, str]) -> CronLine:
    times = 1 if text.startswith("@") else 5
    parts = _BLANKS.split(text, maxsplit=times + system)
    if len(parts) <= times + system:
        wanted = f"{'an alias' if times == 1 else 'five time fields'}{', a user' if system else ''} and a command"
        message = f"Not adopted: {len(parts)} {'word' if len(parts) == 1 else 'words'} can't be {wanted}."
        raise _Unusable(message, "Complete the line, or put a # before it.")
    expression = " ".join(parts[:times])
    if times == 1 and expression not in ALIASES and expression != REBOOT:
        message = f"Not adopted: cron knows no {expression!r}."
        raise _Unusable(message, f"Take {', '.join(sorted(ALIASES | {REBOOT}))} or five time fields.")
    _check_zone(variables.get("CRON_TZ", ""))
    command, stdin = split_percent(parts[-1])
    if not command.strip():
        message = "Not adopted: there is no command before the %."
        raise _Unusable(message, r"Write \% for a literal percent sign.")
    return CronLine(path, number, text, expression, command, stdin, parts[times] if system else None, variables)


def _check_zone(name: str) -> None:
    if not name:
        return
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError) as error:
        message = f"Not adopted: CRON_TZ={name} above it is no time zone, so nobody knows when it is due."
        raise _Unusable(message, "Write an IANA name, such as CRON_TZ=Europe/Berlin.") from error


def split_percent(text: str) -> tuple[str, str | None]:
    r"""Return the command and what it reads: the first % ends it, further ones are newlines.

    ``\%`` is a percent sign, any other backslash stays. Cron ends the input with a newline.
    """
    # chr(0) can't be in text: it stands for the unescaped percent signs while they are counted.
    marked = _ESCAPED_OR_PERCENT.sub(_mark, text)
    command, percent, rest = marked.partition("\0")
    if not percent or not rest:
        return command, None
    stdin = rest.replace("\0", "\n")
    return command, stdin if stdin.endswith("\n") else f"{stdin}\n"


def _mark(match: re.Match[str]) -> str:
    found = match.group()
    return {"%": "\0", r"\%": "%"}.get(found, found)


def _quirks(content: bytes, path: str) -> Iterator[Problem]:
    number = content.count(b"\n") + 1
    last = content.rpartition(b"\n")[2]
    if last.strip(b" \t\r"):
        yield Problem(
            path,
            number,
            "Adopted, but cron ignores a file whose last line has no newline.",
            "End the file with one.",
            last[:200].decode(errors="backslashreplace"),
            adopted=True,
        )
    if b"\r\n" in content:
        yield Problem(
            path,
            0,
            "Lines end in carriage return and newline; adopted without the carriage return, which cron would "
            "make part of the command.",
            "Convert the file, such as with dos2unix.",
            adopted=True,
        )
