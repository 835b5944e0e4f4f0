"""One line for each thing that is wrong with a variable: its value, and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ValidationError

from helperhub.errors import ConfigurationError
from helperhub.model.duration import format_duration
from helperhub.settings.variables import NESTING, secret_names, show_value

_Details = Mapping[str, Any]
_TIMEDELTA_PART = re.compile(r"(\w+)=(-?\d+)")


def _show_bound(bound: object) -> str:
    """Return a bound as one writes it; pydantic gives those of durations as their ``repr``."""
    text = f"{bound}"
    if not text.startswith("datetime.timedelta("):
        return text
    return format_duration(timedelta(**{unit: int(count) for unit, count in _TIMEDELTA_PART.findall(text)}))


_WORDS: dict[str, Callable[[_Details], str]] = {
    "int_parsing": lambda _: "that is not a whole number. Write digits, such as '8'.",
    "int_from_float": lambda _: "that is not a whole number. Write digits, such as '8'.",
    "int_type": lambda _: "that is not a whole number. Write digits, such as '8'.",
    "float_parsing": lambda _: "that is not a number. Write it like '0.5'.",
    "bool_parsing": lambda _: "that is neither yes nor no. Write 'true' or 'false'.",
    "greater_than_equal": lambda ctx: f"it must be at least {_show_bound(ctx['ge'])}.",
    "greater_than": lambda ctx: f"it must be more than {_show_bound(ctx['gt'])}.",
    "less_than_equal": lambda ctx: f"it must be at most {_show_bound(ctx['le'])}.",
    "less_than": lambda ctx: f"it must be less than {_show_bound(ctx['lt'])}.",
    "literal_error": lambda ctx: f"write {ctx['expected']}.",
    "enum": lambda ctx: f"write {ctx['expected']}.",
    "string_pattern_mismatch": lambda ctx: f"it must match {ctx['pattern']}.",
    "list_type": lambda _: """that is not a list. Write JSON, such as '["a", "b"]'.""",
    "set_type": lambda _: """that is not a list. Write JSON, such as '["a", "b"]'.""",
    "tuple_type": lambda _: """that is not a list. Write JSON, such as '["a", "b"]'.""",
    "dict_type": lambda _: """that is not a JSON object. Write it like '{"name": "value"}'.""",
    "model_type": lambda _: "that is not a JSON object; write one, or give each setting a variable of its own.",
    "time_delta_parsing": lambda _: "that is not a duration. Write a number with a unit, such as '90s' or '1h30m'.",
    "missing": lambda _: "it is missing. Set it.",
}


def describe_problems(
    error: ValidationError,
    *,
    model: type[BaseModel],
    prefix: str,
    environ: Mapping[str, str],
    aliases: Mapping[str, str],
    refused: Sequence[str] = (),
) -> list[str]:
    """Return one line for each variable that ``error`` complains of.

    Args:
        error: What pydantic says.
        model: The model that was filled.
        prefix: What all its variables begin with.
        environ: The variables, names in capitals.
        aliases: Other names that variables may go by: name to alias.
        refused: Variables that are refused for their name already.
    """
    found: list[tuple[str, str]] = []
    for details in error.errors(include_url=False):
        name, rest = _find_variable(details["loc"], prefix, environ, aliases)
        if details["type"] == "extra_forbidden" and any(word.startswith(name) for word in refused):
            continue
        found.append((name, _describe(details, rest)))
    names = [name for name, _ in found]
    secret = secret_names(model, prefix, [*names, *(name for name, alias in aliases.items() if alias in names)])
    secret |= {aliases[name] for name in secret if name in aliases}
    return [_build_line(name, cause, environ, secret) for name, cause in dict.fromkeys(found)]


def build_error(problems: Sequence[str], *, about: str = "") -> ConfigurationError:
    """Return one error for all ``problems``.

    Args:
        problems: One line each; at least one.
        about: Whose settings they are, as the beginning of a sentence.
    """
    lead = f"{about}: " if about else ""
    if len(problems) == 1:
        return ConfigurationError(lead + problems[0])
    listed = "".join(f"\n  {problem}" for problem in problems)
    return ConfigurationError(f"{lead}{len(problems)} settings can't be used:{listed}")


def _build_line(name: str, cause: str, environ: Mapping[str, str], secret: frozenset[str]) -> str:
    value = environ.get(name)
    if value is None:
        return f"{name}: {cause}" if name else cause
    shown = show_value(value, secret=name in secret)
    return f"{name}={shown}: {cause.replace(value, '***') if name in secret else cause}"


def _find_variable(
    loc: tuple[int | str, ...], prefix: str, environ: Mapping[str, str], aliases: Mapping[str, str]
) -> tuple[str, tuple[int | str, ...]]:
    """Return the variable that set what ``loc`` points to, and where in its value that is."""
    for length in range(len(loc), 0, -1):
        name = prefix + NESTING.join(str(part).upper() for part in loc[:length])
        for candidate in (name, aliases.get(name, "")):
            if candidate in environ:
                return candidate, loc[length:]
    whole = prefix.rstrip("_")
    if whole in environ:
        return whole, loc
    # A check of the whole model names its variables itself; a missing one is named by its place.
    return (prefix + NESTING.join(str(part).upper() for part in loc), ()) if loc else ("", ())


def _describe(details: Any, rest: tuple[int | str, ...]) -> str:
    kind, ctx = details["type"], details.get("ctx", {})
    if kind == "value_error":
        words = str(ctx["error"])
    elif kind == "extra_forbidden":
        return f"'{rest[-1] if rest else details['loc'][-1]}' is not the name of a setting."
    elif kind in _WORDS:
        words = _WORDS[kind](ctx)
    else:
        words = details["msg"].replace("Input should", "it should") + "."
    where = ".".join(str(part + 1) if isinstance(part, int) else part for part in rest)
    return f"at {where}: {words}" if where else words
