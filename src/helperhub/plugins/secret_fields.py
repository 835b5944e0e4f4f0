"""Fields of a payload that its model declares secret: SecretStr, or ``json_schema_extra={"secret": True}``."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from typing import Any


def find_secret_fields(model: type[Any] | None) -> tuple[str, ...]:
    """Return the names, sorted, under which ``model`` and the models within it have secrets; aliases too."""
    return tuple(sorted(set(_names(model, set()))))


def _names(model: Any, seen: set[Any]) -> Iterator[str]:
    fields = getattr(model, "model_fields", None)
    if not isinstance(model, type) or not isinstance(fields, dict) or model in seen:
        return
    seen.add(model)
    for name, found in fields.items():
        extra = found.json_schema_extra
        inside = list(_parts(found.annotation))
        if (isinstance(extra, dict) and extra.get("secret")) or any(_is_secret(part) for part in inside):
            yield from (text for text in (name, found.alias, found.validation_alias) if isinstance(text, str))
        for part in inside:
            yield from _names(part, seen)


def _parts(annotation: Any) -> Iterator[Any]:
    """Yield an annotation and what it is made of, such as the str of ``list[str] | None``."""
    yield annotation
    for part in typing.get_args(annotation):
        yield from _parts(part)


def _is_secret(annotation: Any) -> bool:
    # By its method: pydantic isn't imported for helpers that have no model.
    return isinstance(annotation, type) and hasattr(annotation, "get_secret_value")


__all__ = ["find_secret_fields"]
