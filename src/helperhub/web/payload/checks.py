"""What a payload has against its JSON Schema, in the words that the worker would say it in: pydantic's.

The worker decides, with the model itself. This says beforehand what the schema knows: types, what must be there,
bounds, lengths, patterns, choices. A keyword that isn't known here, or can't be used, checks nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson
from pydantic_core import CoreSchema, SchemaError, SchemaValidator, ValidationError, core_schema

Path = tuple[str | int, ...]
_DEFS = "#/$defs/"
_MOST = 50
_FITS_NONE = "Input fits none of the types that are allowed"
_BOUNDS = {"minimum": "ge", "maximum": "le", "exclusiveMinimum": "gt", "exclusiveMaximum": "lt"}
_BY_FORMAT: Mapping[str, Callable[[], CoreSchema]] = {
    "date": core_schema.date_schema,
    "date-time": core_schema.datetime_schema,
    "time": core_schema.time_schema,
    "uuid": core_schema.uuid_schema,
    # Authors write durations in many ways ("10s"), which the schema doesn't tell.
    "duration": core_schema.any_schema,
}


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something that doesn't fit.

    Args:
        path: Where: names of fields and places in lists; empty for the whole.
        text: What is wrong, for people.
    """

    path: Path
    text: str


def find_flaws(schema: str, payload: Any) -> list[Flaw]:
    """Return what of ``payload`` doesn't fit a JSON Schema (text); none where the schema can't be used."""
    validator = _validator_of(schema)
    if validator is None:
        return []
    try:
        validator.validate_python(payload)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        return [Flaw(one["loc"], one["msg"]) for one in found[:_MOST]]
    except RecursionError:
        return [Flaw((), "It is nested too deeply")]
    return []


@lru_cache(256)
def _validator_of(text: str) -> SchemaValidator | None:
    try:
        schema = orjson.loads(text)
        if not isinstance(schema, Mapping):
            return None
        named = schema.get("$defs", {})
        defs: list[CoreSchema] = [{**_convert(one), "ref": name} for name, one in named.items()]
        return SchemaValidator(core_schema.definitions_schema(_convert(schema), defs))
    except (SchemaError, orjson.JSONDecodeError, TypeError, ValueError, AttributeError, KeyError, RecursionError):
        # An author may write any schema by hand: one that can't be used checks nothing.
        return None


def _convert(schema: Any) -> CoreSchema:  # noqa: PLR0911 - one kind of schema after the other
    if not isinstance(schema, Mapping):
        return core_schema.any_schema()
    if "$ref" in schema:
        ref = str(schema["$ref"])
        known = ref.startswith(_DEFS)
        return core_schema.definition_reference_schema(ref.removeprefix(_DEFS)) if known else core_schema.any_schema()
    if "const" in schema or "enum" in schema:
        values = [schema["const"]] if "const" in schema else list(schema["enum"])
        return core_schema.literal_schema(values) if values else core_schema.any_schema()
    if isinstance(schema.get("type"), list):
        return _one_of([{**schema, "type": one} for one in schema["type"]])
    for name in ("anyOf", "oneOf"):
        if name in schema:
            return _one_of(schema[name])
    if len(schema.get("allOf", ())) == 1:
        return _convert(schema["allOf"][0])
    return _of_type(schema)


def _one_of(schemas: list[Any]) -> CoreSchema:
    some = [one for one in schemas if not (isinstance(one, Mapping) and one.get("type") == "null")]
    found = [_convert(one) for one in some]
    if not found:
        return core_schema.none_schema()
    fitting = (
        found[0]
        if len(found) == 1
        else core_schema.union_schema([*found], custom_error_type="fits_none", custom_error_message=_FITS_NONE)
    )
    return fitting if len(some) == len(schemas) else core_schema.nullable_schema(fitting)


def _of_type(schema: Mapping[str, Any]) -> CoreSchema:  # noqa: PLR0911 - as above
    match schema.get("type"):
        case "string":
            return _text(schema)
        case "integer":
            return core_schema.int_schema(**_bounds(schema))
        case "number":
            return core_schema.float_schema(**_bounds(schema), allow_inf_nan=False)
        case "boolean":
            return core_schema.bool_schema()
        case "null":
            return core_schema.none_schema()
        case "array":
            items = None if "prefixItems" in schema else _convert(schema.get("items", True))
            least, most = schema.get("minItems"), schema.get("maxItems")
            return core_schema.list_schema(items, min_length=least, max_length=most)
        case "object":
            return _object(schema)
        case _:
            return core_schema.any_schema()


def _bounds(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {ours: schema[name] for name, ours in _BOUNDS.items() if name in schema} | (
        {"multiple_of": schema["multipleOf"]} if "multipleOf" in schema else {}
    )


def _text(schema: Mapping[str, Any]) -> CoreSchema:
    special = _BY_FORMAT.get(schema.get("format", ""))
    if special is not None:
        return special()
    pattern = schema.get("pattern")
    try:
        # Rust's expressions, as the worker's model uses: their time grows with the text only.
        SchemaValidator(core_schema.str_schema(pattern=pattern))
    except SchemaError:
        pattern = None
    least, most = schema.get("minLength"), schema.get("maxLength")
    return core_schema.str_schema(min_length=least, max_length=most, pattern=pattern)


def _object(schema: Mapping[str, Any]) -> CoreSchema:
    others = schema.get("additionalProperties", True)
    if "properties" not in schema:
        values = core_schema.any_schema() if "patternProperties" in schema else _convert(others)
        return core_schema.dict_schema(core_schema.str_schema(), values)
    required = schema.get("required", ())
    fields = {
        name: core_schema.typed_dict_field(_convert(one), required=name in required)
        for name, one in schema["properties"].items()
    }
    if others is False and "patternProperties" not in schema:
        return core_schema.typed_dict_schema(fields, extra_behavior="forbid")
    return core_schema.typed_dict_schema(fields, extra_behavior="allow")


__all__ = ["Flaw", "Path", "find_flaws"]
