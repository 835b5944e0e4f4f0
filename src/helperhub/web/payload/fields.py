"""The fields of a form, made from a JSON Schema and filled with a payload; what can't be a field is JSON."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from helperhub.errors import UsageError
from helperhub.model.instant import parse_instant
from helperhub.trust.redaction import redact_fields
from helperhub.web.payload.shapes import Shape, find_shape

#: A form with more is no help: JSON is shorter.
MOST_FIELDS = 100
_DEEPEST = 3
_LONG = 200
_KINDS = {"integer": "whole", "number": "number", "string": "text", "boolean": "switch"}
_FORMATS = {"date": "date", "date-time": "moment", "time": "time"}
_PLAIN = {"date": re.compile(r"\d{4}-\d\d-\d\d"), "time": re.compile(r"\d\d:\d\d(:\d\d(\.\d{1,3})?)?")}
_YES_NO = ((True, "yes"), (False, "no"))


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a form.

    Args:
        path: Names from the outermost in.
        number: Its place in the form, for ids.
        plain: Its kind by its schema.
        kind: What it is shown as: ``text``, ``area``, ``secret``, ``whole``, ``number``, ``switch``, ``choice``,
            ``date``, ``time``, ``moment`` (UTC), ``lines`` (a list, one a line), ``json``, or ``group`` of fields.
        label: What it is called.
        required: Whether the payload must have it.
        conditional: Whether it is in a group that may be left out.
        nullable: Whether null fits.
        hidden: Its value is never shown.
        given: Whether what the form is filled with has it.
        default: What counts without it; None where that isn't known.
        hint: What its author says of it, and what counts without it.
        value: What stands in it.
        checked: Whether a switch is on.
        choices: Values as JSON, and what they are called.
        item: Of ``lines``, the kind of each.
        limits: Attributes of its input: ``min``, ``max``, ``minlength``, ``maxlength``.
        fields: Of a group.
        problem: What is wrong with what stands in it.
    """

    path: tuple[str, ...]
    number: int
    plain: str
    kind: str
    label: str
    required: bool = False
    conditional: bool = False
    nullable: bool = False
    hidden: bool = False
    given: bool = False
    default: Any = None
    hint: str = ""
    value: str = ""
    checked: bool = False
    choices: tuple[tuple[str, str], ...] = ()
    item: str = ""
    limits: Mapping[str, Any] = field(default_factory=dict)
    fields: tuple[Field, ...] = ()
    problem: str = ""

    @property
    def must(self) -> bool:
        """Whether something has to stand in it: a secret may be the one that the schedule gives."""
        is_asked_for = self.required and not self.nullable and not self.conditional
        return is_asked_for and not (self.hidden and self.given)

    @property
    def name(self) -> str:
        """Its name in the form, such as ``p/address/city``; it tells when another kind stands in for its own."""
        return self.name_as({"json": "j", "text": "t", "area": "t"}.get(self.kind, "p"))

    def name_as(self, kind: str) -> str:
        """Return its name as another kind: ``j`` for JSON, ``t`` for text, ``p`` for what it is by its schema."""
        return "/".join((kind, *(part.replace("~", "~0").replace("/", "~1") for part in self.path)))


class _NoForm(Exception):
    """JSON serves better."""


def build_fields(schema: Any, payload: Any, secret_fields: Collection[str] = ()) -> tuple[Field, ...] | None:
    """Return the fields for a payload; None where it is better written as JSON.

    Args:
        schema: Its JSON Schema.
        payload: What the fields are filled with; None for nothing. Of secrets nothing is taken.
        secret_fields: Names of what is secret, at any depth.
    """
    whole = find_shape(schema, schema)
    if whole.kind != "object" or not whole.properties or not isinstance(payload, Mapping | None):
        return None
    given = payload or {}
    if given.keys() - whole.properties.keys():
        return None
    try:
        return _Builder(schema, secret_fields).fields(whole, given, ())
    except _NoForm:
        return None


def all_fields(fields: Iterable[Field]) -> Iterator[Field]:
    """Yield the fields that are shown, and those of their groups."""
    for one in fields:
        yield one
        if one.kind == "group":
            yield from all_fields(one.fields)


class _Builder:
    def __init__(self, root: Any, secret_fields: Collection[str]) -> None:
        self.root = root
        self.secret_fields = secret_fields
        self.number = 0

    def fields(self, shape: Shape, payload: Mapping[str, Any], path: tuple[str, ...]) -> tuple[Field, ...]:
        return tuple(
            self.field(find_shape(schema, self.root), (*path, name), payload, required=name in shape.required)
            for name, schema in shape.properties.items()
        )

    def field(self, shape: Shape, path: tuple[str, ...], payload: Mapping[str, Any], *, required: bool) -> Field:
        self.number += 1
        if self.number > MOST_FIELDS:
            raise _NoForm
        name = path[-1]
        kind = _kind_of(shape, len(path))
        made = Field(
            path,
            self.number,
            kind,
            kind,
            shape.title or name,
            required=required,
            nullable=shape.nullable,
            hidden=shape.secret,
            given=name in payload,
            default=None if shape.secret else shape.default,
            hint=shape.description,
        )
        value = payload.get(name)
        if kind == "group":
            return self._group(made, shape, value)
        made = _with_details(made, shape, find_shape(shape.items, self.root))
        if shape.secret or not made.given:
            return made
        if redact_fields(value, self.secret_fields) != value:
            return replace(made, kind="json", hidden=True)
        return _filled(made, value)

    def _group(self, made: Field, shape: Shape, value: Any) -> Field:
        fits = isinstance(value, Mapping) and not value.keys() - shape.properties.keys()
        fields = self.fields(shape, value if fits else {}, made.path)
        if not made.required or made.nullable:
            fields = tuple(_in_optional(one) for one in fields)
        made = replace(made, fields=fields)
        if fits or not made.given or (value is None and made.default is None):
            return made
        if redact_fields(value, self.secret_fields) != value:
            return replace(made, kind="json", hidden=True)
        return _as_json(made, value)


def _in_optional(one: Field) -> Field:
    return replace(one, conditional=True, fields=tuple(_in_optional(inner) for inner in one.fields))


def _kind_of(shape: Shape, depth: int) -> str:
    kind = _KINDS.get(shape.kind, "json")
    if shape.secret:
        return "secret" if kind in ("text", "whole", "number") and not shape.choices else "json"
    if shape.choices or (kind == "switch" and shape.nullable):
        return "choice"
    if shape.kind == "array":
        return "lines"
    if shape.kind == "object" and shape.properties:
        return "group" if depth < _DEEPEST else "json"
    if kind == "text":
        kind = _FORMATS.get(shape.format, "area" if (shape.limits.get("maxlength") or 0) > _LONG else "text")
    return kind


def _with_details(made: Field, shape: Shape, item: Shape) -> Field:
    if made.kind == "choice":
        values = [(one, str(one)) for one in shape.choices] or list(_YES_NO)
        made = replace(made, choices=tuple((_write(one), text) for one, text in values))
    if made.kind == "lines":
        kind = _KINDS.get(item.kind, "json")
        plain = kind in ("text", "whole", "number") and not item.secret and not item.nullable and not item.format
        kinds = ("lines", "lines") if plain else ("json", "json")
        made = replace(made, plain=kinds[0], kind=kinds[1], item=kind)
        if plain and item.choices:
            made = replace(made, hint=_joined(made.hint, f"Any of {', '.join(map(str, item.choices))}."))
    if made.kind == "switch":
        made = replace(made, checked=made.default is True)
    if made.kind in ("text", "area", "whole", "number", "secret"):
        made = replace(made, limits=shape.limits)
    default = _write(made.default)
    if made.default not in (None, "", [], {}) and made.kind not in ("switch", "choice") and len(default) < _LONG:
        text = made.default if isinstance(made.default, str) else default
        made = replace(made, hint=_joined(made.hint, f"Without it: {text}"))
    return made


def _filled(made: Field, value: Any) -> Field:  # noqa: PLR0911 - one kind of field after the other
    """Return the field with a value in it, or as JSON where it couldn't say that value."""
    match made.kind:
        case "switch" if isinstance(value, bool):
            return replace(made, checked=value)
        case "choice" if _write(value) in dict(made.choices):
            return replace(made, value=_write(value))
        case "whole" | "number" if isinstance(value, int | float) and not isinstance(value, bool):
            return replace(made, value=_write(value))
        case "text" | "area" if isinstance(value, str) and value and "\r" not in value:
            return replace(made, kind="area" if "\n" in value else made.kind, value=value)
        case "date" | "time" | "moment" if isinstance(value, str) and value:
            return _at(made, value)
        case "lines" if isinstance(value, list) and value and all(_is_line(one) for one in value):
            return replace(made, value="\n".join(one if isinstance(one, str) else _write(one) for one in value))
        case "json":
            return _as_json(made, value)
    # Left empty, it says null, or nothing, which counts as its default.
    if value is None and made.default is None:
        return made
    return _as_json(made, value)


def _at(made: Field, value: str) -> Field:
    if made.kind == "moment":
        try:
            at = parse_instant(value)
        except UsageError:
            return replace(made, kind="text", value=value)
        if at.microsecond:
            return replace(made, kind="text", value=value)
        return replace(made, value=at.replace(tzinfo=None).isoformat())
    kind = made.kind if _PLAIN[made.kind].fullmatch(value) else "text"
    return replace(made, kind=kind, value=value)


def _is_line(value: Any) -> bool:
    if isinstance(value, str):
        return bool(value) and value == value.strip() and len(value.splitlines()) == 1
    return isinstance(value, int | float) and not isinstance(value, bool)


def _as_json(made: Field, value: Any) -> Field:
    return replace(made, kind="json", value=orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())


def _write(value: Any) -> str:
    return orjson.dumps(value).decode()


def _joined(*texts: str) -> str:
    return " ".join(filter(None, texts))


__all__ = ["MOST_FIELDS", "Field", "all_fields", "build_fields"]
