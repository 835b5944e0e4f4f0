"""What was filled into a form: the payload that it makes, and the form again with what is wrong beside each field."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from helperhub.services.strict_json import read_json
from helperhub.web.payload.checks import Flaw
from helperhub.web.payload.fields import Field, all_fields

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?")
#: A field that says nothing: what it stands for counts as if nobody had been asked.
_NOTHING = object()


@dataclass(frozen=True, slots=True)
class Filled:
    """What a form came with.

    Args:
        payload: What its fields say; a text that isn't what its field takes is in it as it is.
        flaws: Fields whose JSON can't be read.
    """

    payload: dict[str, Any]
    flaws: tuple[Flaw, ...] = ()


def read_fields(fields: Iterable[Field], form: Mapping[str, str]) -> Filled:
    """Return what a form says."""
    flaws: list[Flaw] = []
    return Filled(_read_all(as_posted(fields, form), form, flaws), tuple(flaws))


def as_sent(fields: Iterable[Field]) -> dict[str, str]:
    """Return the form as it is sent by whoever changes nothing."""
    found: dict[str, str] = {}
    for one in fields:
        if one.kind == "group":
            found |= as_sent(one.fields)
        elif one.kind != "switch":
            found[one.name] = one.value
        elif one.checked:
            found[one.name] = "yes"
    return found


def filled_again(fields: Iterable[Field], form: Mapping[str, str], flaws: Iterable[Flaw]) -> tuple[Field, ...]:
    """Return the fields with what was filled in, but for secrets, and with what is wrong."""
    problems: dict[tuple[str, ...], str] = {}
    for flaw in flaws:
        problems.setdefault(tuple(str(part) for part in flaw.path), flaw.text)
    return tuple(_again(one, form, problems) for one in as_posted(fields, form))


def as_posted(fields: Iterable[Field], form: Mapping[str, str]) -> tuple[Field, ...]:
    """Return the fields in the kinds that the form had: it may have been filled with another payload."""
    return tuple(_posted(one, form) for one in fields)


def _posted(one: Field, form: Mapping[str, str]) -> Field:
    kind = one.plain
    if one.name_as("j") in form:
        kind = "json"
    elif one.name_as("t") in form:
        kind = one.kind if one.kind == "area" or one.plain == "area" else "text"
    return replace(one, kind=kind, fields=as_posted(one.fields, form))


def unplaced(fields: Iterable[Field], flaws: Iterable[Flaw]) -> list[Flaw]:
    """Return the flaws that no field shows."""
    shown = [one.path for one in all_fields(fields) if one.kind != "group"]
    return [flaw for flaw in flaws if not any(_is_within(flaw.path, path) for path in shown)]


def _is_within(path: tuple[str | int, ...], whole: tuple[str, ...]) -> bool:
    return tuple(map(str, path[: len(whole)])) == whole


def _again(one: Field, form: Mapping[str, str], problems: Mapping[tuple[str, ...], str]) -> Field:
    if one.kind == "group":
        return replace(one, fields=tuple(_again(inner, form, problems) for inner in one.fields))
    problem = next((text for path, text in problems.items() if _is_within(path, one.path)), "")
    if one.kind == "switch":
        return replace(one, checked=one.name in form, problem=problem)
    return replace(one, value="" if one.hidden else form.get(one.name, ""), problem=problem)


def _read_all(fields: Iterable[Field], form: Mapping[str, str], flaws: list[Flaw]) -> dict[str, Any]:
    found = {}
    for one in fields:
        value = _read_group(one, form, flaws) if one.kind == "group" else _read(one, form, flaws)
        if value is not _NOTHING:
            found[one.path[-1]] = value
    return found


def _read_group(one: Field, form: Mapping[str, str], flaws: list[Flaw]) -> Any:
    found = _read_all(one.fields, form, flaws)
    # A switch that is off says nothing of whether its group is meant.
    if one.required or any(value not in (False, {}) for value in found.values()):
        return found if found or not one.nullable else None
    return _NOTHING


def _read(one: Field, form: Mapping[str, str], flaws: list[Flaw]) -> Any:  # noqa: PLR0911 - one kind after the other
    if one.kind == "switch":
        is_on = one.name in form
        return is_on if one.required or one.given or is_on is not (one.default is True) else _NOTHING
    text = form.get(one.name, "").replace("\r\n", "\n")
    if one.kind not in ("text", "area", "secret"):
        text = text.strip()
    if not text:
        return _empty(one)
    match one.kind:
        case "whole" | "number":
            return _read_number(text)
        case "choice":
            return _read_choice(one, text)
        case "moment":
            return _read_moment(text)
        case "lines":
            return [_read_item(one, line) for line in filter(None, map(str.strip, text.splitlines()))]
        case "json":
            return _read_json(one, text, flaws)
    return text


def _empty(one: Field) -> Any:
    if one.required and one.nullable and not one.hidden:
        return None
    return [] if one.required and one.kind == "lines" else _NOTHING


def _read_number(text: str) -> Any:
    if _WHOLE.fullmatch(text):
        return int(text)
    try:
        number = float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) else text


def _read_choice(one: Field, text: str) -> Any:
    return orjson.loads(text) if text in dict(one.choices) else text


def _read_moment(text: str) -> str:
    found = _MOMENT.fullmatch(text)
    if found is None:
        return text
    return f"{text}Z" if found[1] else f"{text}:00Z"


def _read_item(one: Field, line: str) -> Any:
    return line if one.item == "text" else _read_number(line)


def _read_json(one: Field, text: str, flaws: list[Flaw]) -> Any:
    try:
        return read_json(text.encode(errors="replace"))
    except json.JSONDecodeError as error:
        flaws.append(Flaw(one.path, f"It isn't JSON: {error}"))
        return _NOTHING


__all__ = ["Filled", "as_sent", "filled_again", "read_fields", "unplaced"]
