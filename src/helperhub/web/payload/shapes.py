"""What a property's JSON Schema comes to, as far as a form can show it: references followed, null set aside."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_DEFS = "#/$defs/"
_DEEPEST = 20
_MOST_CHOICES = 200
_LIMITS = {"minimum": "min", "maximum": "max", "minLength": "minlength", "maxLength": "maxlength"}
_SAID = ("title", "description", "default", "writeOnly")


@dataclass(frozen=True, slots=True)
class Shape:
    """One property's.

    Args:
        kind: ``string``, ``integer``, ``number``, ``boolean``, ``array``, ``object``; empty for anything else.
        nullable: Whether null fits too.
        secret: Whether its value is never shown.
        format: Of a text, such as ``date``.
        title: What it is called; empty if its author doesn't say.
        description: One line on it.
        default: What counts without it; None if there is none.
        choices: What it may be, where that is a list of plain values.
        limits: Attributes of an input: ``min``, ``max``, ``minlength``, ``maxlength``.
        properties: Of an object.
        required: Names of an object that must be there.
        items: Schema of a list's items.
    """

    kind: str = ""
    nullable: bool = False
    secret: bool = False
    format: str = ""
    title: str = ""
    description: str = ""
    default: Any = None
    choices: tuple[Any, ...] = ()
    limits: Mapping[str, Any] = field(default_factory=dict)
    properties: Mapping[str, Any] = field(default_factory=dict)
    required: frozenset[str] = frozenset()
    items: Any = None


def find_shape(schema: Any, root: Any) -> Shape:
    """Return what ``schema`` comes to.

    Args:
        schema: A property's, or the whole.
        root: The whole, in which references lead.
    """
    found, nullable = _follow(schema, root)
    choices = _choices_of(found)
    kind = found.get("type")
    if not isinstance(kind, str):
        kind = _kind_of(choices)
    return Shape(
        kind,
        nullable,
        found.get("writeOnly") is True,
        _text(found.get("format")),
        _text(found.get("title")),
        # The rest of a docstring is for who reads the code.
        " ".join(_text(found.get("description")).partition("\n\n")[0].split()),
        found.get("default"),
        choices,
        {ours: found[name] for name, ours in _LIMITS.items() if _is_number(found.get(name))},
        _mapping(found.get("properties")),
        frozenset(name for name in _list(found.get("required")) if isinstance(name, str)),
        found.get("items") if "prefixItems" not in found else None,
    )


def _follow(schema: Any, root: Any) -> tuple[Mapping[str, Any], bool]:
    """Return the schema that is meant, with what was said of it on the way, and whether null fits too."""
    said: dict[str, Any] = {}
    nullable = False
    for _ in range(_DEEPEST):
        if not isinstance(schema, Mapping):
            return said, nullable
        # What is said nearer to the property counts.
        said = {**{name: schema[name] for name in _SAID if name in schema}, **said}
        if "$ref" in schema:
            ref = str(schema["$ref"])
            defs = _mapping(_mapping(root).get("$defs"))
            schema = defs.get(ref.removeprefix(_DEFS)) if ref.startswith(_DEFS) else None
            continue
        options = _list(schema.get("anyOf", schema.get("oneOf", schema.get("allOf"))))
        some = [one for one in options if not (isinstance(one, Mapping) and one.get("type") == "null")]
        nullable = nullable or len(some) < len(options)
        if not options:
            return {**schema, **said}, nullable
        if len(some) == 2 and {_mapping(one).get("type") for one in some} == {"number", "string"}:  # a Decimal
            some = [one for one in some if one["type"] == "string"]
        if len(some) != 1:
            return said, nullable
        schema = some[0]
    return said, nullable


def _choices_of(schema: Mapping[str, Any]) -> tuple[Any, ...]:
    values = [schema["const"]] if "const" in schema else _list(schema.get("enum"))
    plain = all(isinstance(one, str | int | float) for one in values)
    return tuple(values) if plain and len(values) <= _MOST_CHOICES else ()


def _kind_of(choices: tuple[Any, ...]) -> str:
    if not choices:
        return ""
    return "string" if isinstance(choices[0], str) else "number"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


__all__ = ["Shape", "find_shape"]
