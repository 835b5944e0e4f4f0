"""The JSON Schema of a payload model, as it is kept with its helper: bounded, and without what is secret.

Whoever shows a form for a payload has no plugin loaded, and goes by this.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import orjson

from helperhub.errors import InvalidHelper
from helperhub.trust.redaction import is_secret_name, redact

#: It is in the catalogue, which every process reads: 300 fields with a description each have room in it.
MOST_BYTES = 16 * 1024
#: What shows values. Of a secret field, all of these are taken out.
_SHOWN = ("default", "examples", "example")
_VALUES = (*_SHOWN, "const", "enum")
_DEEPEST = 50


def build_payload_schema(model: Any, secret_fields: Collection[str]) -> str:
    """Return the schema of a payload model as JSON text.

    Args:
        model: A pydantic model.
        secret_fields: Names of fields whose values nobody is to see; they are marked ``writeOnly``.

    Raises:
        InvalidHelper: It can't be made, or is too large.
    """
    name = getattr(model, "__name__", "of payloads")
    try:
        text = orjson.dumps(_without_secrets(_schema_of(model), secret_fields, depth=0)).decode()
    except Exception as error:  # a model's own hooks may raise anything; its helper runs without a form
        message = f"model {name} has no JSON Schema: {type(error).__name__}: {str(error).partition(chr(10))[0]}"
        raise InvalidHelper(message) from error
    size = len(text.encode())
    if size > MOST_BYTES:
        message = f"the JSON Schema of model {name} has {size:,} bytes, more than {MOST_BYTES:,}"
        raise InvalidHelper(message)
    return text


def _schema_of(model: Any) -> Any:
    # Imported here: pydantic isn't, for helpers that have no model.
    from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind  # noqa: PLC0415 - as said

    class Quiet(GenerateJsonSchema):
        # A default that JSON can't express is left out: nobody has to be warned of that at each start.
        ignored_warning_kinds: set[JsonSchemaWarningKind] = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012 - as its base has it

    return model.model_json_schema(schema_generator=Quiet)


def _without_secrets(schema: Any, secret_fields: Collection[str], *, depth: int) -> Any:
    if depth > _DEEPEST:
        message = "it is nested too deeply"
        raise ValueError(message)
    if isinstance(schema, list):
        return [_without_secrets(one, secret_fields, depth=depth + 1) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {}
    for key, value in schema.items():
        if key == "properties" and isinstance(value, dict):
            found[key] = {name: _property(name, one, secret_fields, depth=depth + 1) for name, one in value.items()}
        elif key in _SHOWN:
            found[key] = redact(value, secret_fields)
        else:
            found[key] = _without_secrets(value, secret_fields, depth=depth + 1)
    return found


def _property(name: str, schema: Any, secret_fields: Collection[str], *, depth: int) -> Any:
    found = _without_secrets(schema, secret_fields, depth=depth)
    is_text = isinstance(schema, dict) and schema.get("type") != "boolean"
    if not isinstance(found, dict) or not (name in secret_fields or (is_text and is_secret_name(name))):
        return found
    return {**{key: value for key, value in found.items() if key not in _VALUES}, "writeOnly": True}


__all__ = ["MOST_BYTES", "build_payload_schema"]
