"""The names of variables: which exist, which look misspelt, whose values are secret."""

from __future__ import annotations

import difflib
import inspect
import re
import types
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin

from pydantic import AliasChoices, BaseModel, SecretBytes, SecretStr
from pydantic.fields import FieldInfo

NESTING = "__"
_SECRET_WORDS = frozenset({"PASSWORD", "PASSWD", "SECRET", "TOKEN", "KEY", "DSN", "CREDENTIALS"})
_URL_LOGIN = re.compile(r"(?<=://)[^/@\s]+(?=@)")
_PLAIN_TYPES = (str, int, float, bytes)


class Variable(NamedTuple):
    """One variable that a settings model reads.

    Args:
        name: In capitals, such as ``HELPERHUB_WORKER__THREADS``.
        field: The field it fills; for a mapping's entry, the mapping's field.
        annotation: The type of its value.
        is_open: Whether any variable nested below it may be meant for it too.
    """

    name: str
    field: FieldInfo
    annotation: Any
    is_open: bool


def segments_of(name: str, prefix: str) -> list[str]:
    """Return the nested parts of ``name`` behind ``prefix``, in capitals."""
    return name.upper().removeprefix(prefix).split(NESTING)


def variables_of(model: type[BaseModel], prefix: str, *, keys: Sequence[str] = ()) -> Iterator[Variable]:
    """Yield every variable that fills ``model``, sections before what they hold.

    Args:
        model: The settings model.
        prefix: What all names begin with, such as ``HELPERHUB_``.
        keys: For mappings, whose entries are anybody's: the key to take at each depth.
    """
    for key, field in _keys(model):
        yield from _variables_at(prefix + key.upper(), field.annotation, field, keys[1:])


def find_unknown(names: Collection[str], model: type[BaseModel], prefix: str) -> list[str]:
    """Return those of ``names`` that fill nothing in ``model``."""
    return [name for name in names if not _is_known(name.upper(), model, prefix)]


def suggest(name: str, model: type[BaseModel], prefix: str, others: Collection[str] = ()) -> str:
    """Return the known variable that ``name`` looks like, or an empty text.

    Args:
        name: The variable that fills nothing.
        model: The settings model it should fill.
        prefix: What all names begin with.
        others: Further names to choose from.
    """
    known = [variable.name for variable in variables_of(model, prefix, keys=segments_of(name, prefix))]
    near = difflib.get_close_matches(name.upper(), [*known, *others], n=1, cutoff=0.8)
    return near[0] if near else ""


def secret_names(model: type[BaseModel], prefix: str, names: Collection[str]) -> frozenset[str]:
    """Return those of ``names`` whose values must not be shown, by their type or by their words."""
    secret = {name for name in names if _SECRET_WORDS.intersection(name.upper().split("_"))}
    for name in names:
        for variable in variables_of(model, prefix, keys=segments_of(name, prefix)):
            # A section given as one JSON value hides all of it if any part is secret.
            if _holds_secret(variable.annotation) and (variable.name + NESTING).startswith(name.upper() + NESTING):
                secret.add(name)
    return frozenset(secret)


def show_value(value: str, *, secret: bool) -> str:
    """Return ``value`` in quotes and shortened, with secrets and logins in URLs as ``***``."""
    if secret:
        return "'***'"
    shown = hide_login(value)
    return f"'{shown}'" if len(shown) <= 80 else f"'{shown[:77]}...'"


def hide_login(value: str) -> str:
    """Return ``value`` with what a URL in it has for user and password as ``***``."""
    return _URL_LOGIN.sub("***", value)


def members_of(annotation: Any) -> list[Any]:
    """Return the types that ``annotation`` allows, unions and metadata undone, None left out."""
    if get_origin(annotation) is Annotated:
        return members_of(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return [member for part in get_args(annotation) for member in members_of(part)]
    return [] if annotation is type(None) else [annotation]


def _keys(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in model.model_fields.items():
        alias = field.validation_alias
        choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
        aliases = [choice for choice in choices if isinstance(choice, str)]
        by_name = model.model_config.get("populate_by_name") or model.model_config.get("validate_by_name")
        for key in [*aliases, name] if by_name or not aliases else aliases:
            yield key, field


def _variables_at(name: str, annotation: Any, field: FieldInfo, keys: Sequence[str]) -> Iterator[Variable]:
    members = members_of(annotation)
    models = [member for member in members if inspect.isclass(member) and issubclass(member, BaseModel)]
    mappings = [member for member in members if (get_origin(member) or member) in (dict, Mapping)]
    yield Variable(name, field, annotation, any(map(_is_open, members)))
    for model in models:
        yield from variables_of(model, name + NESTING, keys=keys)
    for mapping in mappings:
        if keys:
            below = (*get_args(mapping), Any, Any)[1]
            yield from _variables_at(f"{name}{NESTING}{keys[0]}", below, field, keys[1:])


def _is_open(member: Any) -> bool:
    """Return whether pydantic itself must say what may be nested in a value of this type."""
    if inspect.isclass(member) and issubclass(member, BaseModel):
        return member.model_config.get("extra") == "allow"
    return member is Any or member is object or hasattr(member, "__dataclass_fields__")


def _is_known(name: str, model: type[BaseModel], prefix: str) -> bool:
    if model.model_config.get("extra") == "allow":
        return True
    return any(
        name == variable.name or (variable.is_open and name.startswith(variable.name + NESTING))
        for variable in variables_of(model, prefix, keys=segments_of(name, prefix))
    )


def _holds_secret(annotation: Any) -> bool:
    members = members_of(annotation)
    return any(
        member in (SecretStr, SecretBytes) or any(_holds_secret(part) for part in get_args(member))
        for member in members
        if member not in _PLAIN_TYPES
    )
