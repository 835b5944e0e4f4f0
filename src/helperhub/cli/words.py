"""Options and arguments that several commands share, and how their words are read."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import click
import orjson
from click.core import ParameterSource

from helperhub.cli.call import Call
from helperhub.cli.moments import read_clock
from helperhub.errors import InvalidSchedule, UsageError
from helperhub.model.duration import parse_duration
from helperhub.model.instant import parse_instant

F = TypeVar("F", bound=Callable[..., Any])
#: What `LimitWord` reads ``none`` as: an option that isn't given is None.
NO_LIMIT = object()


class DurationWord(click.ParamType[timedelta]):
    """A duration such as ``90s`` or ``1h30m``."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Read it, or fail with what to write."""
        if isinstance(value, timedelta):
            return value
        try:
            return parse_duration(value)
        except UsageError as error:
            self.fail(str(error), param, ctx)


class InstantWord(click.ParamType[datetime]):
    """A time such as ``2026-11-23T08:30:00Z``.

    Args:
        ago: Also take a duration, which counts back from now.
    """

    name = "time"

    def __init__(self, *, ago: bool = False) -> None:
        self.ago = ago

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read it, or fail with what to write."""
        if isinstance(value, datetime):
            return value
        if self.ago:
            try:
                return read_clock() - parse_duration(value)
            except UsageError:
                pass  # not a duration: then it is a time
        try:
            return parse_instant(value)
        except UsageError as error:
            hint = " Or write a duration that counts back from now, such as '2h'." if self.ago else ""
            self.fail(f"{error}{hint}", param, ctx)


class JsonWord(click.ParamType[Any]):
    """JSON: as it stands, ``@file``, or ``-`` for stdin."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read it, or fail with where it breaks off."""
        try:
            return orjson.loads(self._read(value))
        except OSError as error:
            self.fail(f"{value[1:]} can't be read: {error.strerror}.", param, ctx)
        except orjson.JSONDecodeError as error:
            self.fail(f"that is not JSON: {error}. Put texts in double quotes: '\"Berlin\"'.", param, ctx)

    def _read(self, value: str) -> bytes | str:
        if value == "-":
            return sys.stdin.read()
        return Path(value[1:]).read_bytes() if value.startswith("@") else value


class PairWord(click.ParamType[tuple[str, str]]):
    """``name=value``."""

    name = "pair"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        """Read it, or fail with what to write."""
        name, equals, text = value.partition("=")
        if not name or not equals:
            self.fail(f"'{value}' is not of the form name=value.", param, ctx)
        return name, text


class LimitWord(click.ParamType[Any]):
    """A number of executions or a rate; ``none`` is no limit, and comes as `NO_LIMIT`."""

    def __init__(self, *, rate: bool = False) -> None:
        self.rate = rate
        self.name = "rate" if rate else "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read it, or fail with what to write."""
        if not isinstance(value, str):
            return value
        if value.lower() == "none":
            return NO_LIMIT
        if not self.rate:
            if not value.isdigit():
                self.fail(f"'{value}' is neither a number nor 'none'.", param, ctx)
            return int(value)
        from helperhub.model.limits import parse_rate  # noqa: PLC0415 - few commands need it

        try:
            return parse_rate(value)
        except UsageError as error:
            self.fail(str(error), param, ctx)


def read_notation(text: str) -> str | dict[str, Any]:
    """Return a schedule as `parse_schedule` takes it: the line as it is, JSON as its dict.

    Raises:
        InvalidSchedule: It begins like JSON, but isn't.
    """
    if not text.lstrip().startswith("{"):
        return text
    try:
        fields: dict[str, Any] = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        message = f"Schedule '{text}' is not JSON: {error}."
        raise InvalidSchedule(message) from error
    return fields


def is_given(option: str) -> bool:
    """Return whether the caller gave an option: ``--payload null`` and no ``--payload`` are both None."""
    return click.get_current_context().get_parameter_source(option) is ParameterSource.COMMANDLINE


def json_option(function: F) -> F:
    """Add ``--json``, which the call remembers: also failures then come as a document."""

    def remember(ctx: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's callback
        ctx.ensure_object(Call).as_json = value

    return click.option(
        "--json",
        is_flag=True,
        # Before the others, so that a mistake in them is told as a document too.
        is_eager=True,
        expose_value=False,
        callback=remember,
        help="Answer with one JSON document.",
    )(function)


def query_argument(function: F) -> F:
    """Add ``QUERY``, one argument with all its words or one for each."""

    def join(_ctx: click.Context, _param: click.Parameter, words: tuple[str, ...]) -> str:
        # The shell took the quotes off text:"timed out"; where it is one word of several they can be put back.
        return words[0] if len(words) == 1 else " ".join(map(_quote_again, words))

    return click.argument("query", nargs=-1, metavar="[QUERY]", callback=join)(function)


def _quote_again(word: str) -> str:
    if '"' in word or not any(one.isspace() for one in word):
        return word
    name, colon, text = word.partition(":")
    return f'{name}:"{text}"' if colon and not any(one.isspace() for one in name) else f'"{word}"'


def reason_option(function: F) -> F:
    """Add ``--reason``."""
    return click.option("--reason", default="", metavar="TEXT", help="Why; kept with the change.")(function)


def limit_option(function: F) -> F:
    """Add ``--limit``."""
    return click.option(
        "--limit", type=click.IntRange(min=1), default=50, show_default=True, metavar="N", help="Show at most so many."
    )(function)


def helper_option(function: F) -> F:
    """Add ``--helper``."""
    return click.option("--helper", metavar="NAME", help="Only this helper with its instances, or this instance.")(
        function
    )


def timeout_option(function: F) -> F:
    """Add ``--timeout``."""
    return click.option(
        "--timeout",
        type=DurationWord(),
        default="30s",
        show_default=True,
        metavar="DURATION",
        help="Wait at most so long.",
    )(function)
