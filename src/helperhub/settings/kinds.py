"""The kinds of values that settings have: how each is read from text, and what is refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, SecretStr

from helperhub.errors import UsageError
from helperhub.model.duration import parse_duration
from helperhub.schedules.zones import load_zone
from helperhub.services.outside_addresses import parse_allowed
from helperhub.store.address import SCHEMES, parse_address
from helperhub.trust.keyring import parse_helper_keys, parse_ring

#: What an archive may be in.
DATABASE_SCHEMES = ("sqlite:///", "postgresql://", "postgres://")
_ZERO = timedelta(0)


def _read_duration(value: object) -> object:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return value
    try:
        # A bare number comes from JSON; it has no unit there either.
        return parse_duration(str(value))
    except UsageError as error:
        raise ValueError(str(error)) from error


def read_names(value: object) -> object:
    """Return the names that a text parts by commas; anything else as it is."""
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


def _read_word(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _check_zone(name: str) -> str:
    try:
        load_zone(name, subject="The hub")
    except UsageError as error:
        raise ValueError(str(error)) from error
    return name


def _check_redis_url(url: SecretStr) -> SecretStr:
    if not url.get_secret_value().startswith(SCHEMES):
        message = f"It must start with {', '.join(SCHEMES[:-1])} or {SCHEMES[-1]}."
        raise ValueError(message)
    try:
        parse_address(url.get_secret_value())
    except ValueError as error:
        message = f"It can't be understood: {error}."
        raise ValueError(message) from error
    return url


def _check_database_url(url: SecretStr) -> SecretStr:
    if not url.get_secret_value().startswith(DATABASE_SCHEMES):
        message = f"It must start with {' or '.join(DATABASE_SCHEMES)}."
        raise ValueError(message)
    return url


def _check_ring(ring: SecretStr) -> SecretStr:
    parse_ring(ring.get_secret_value())
    return ring


def _check_helper_keys(keys: SecretStr) -> SecretStr:
    parse_helper_keys(keys.get_secret_value())
    return keys


def _check_allowed(entries: list[str]) -> list[str]:
    parse_allowed(entries)
    return entries


Ring = Annotated[SecretStr, AfterValidator(_check_ring)]
RingsOfHelpers = Annotated[SecretStr, AfterValidator(_check_helper_keys)]
Duration = Annotated[timedelta, BeforeValidator(_read_duration)]
#: A span that makes no sense at length 0.
Span = Annotated[Duration, Field(gt=_ZERO)]
Names = Annotated[list[str], BeforeValidator(read_names)]
Durations = Annotated[list[Duration], BeforeValidator(read_names)]
Zone = Annotated[str, AfterValidator(_check_zone)]
#: One of a few words, in any case.
Word = BeforeValidator(_read_word)
RedisUrl = Annotated[SecretStr, AfterValidator(_check_redis_url)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_check_database_url)]
#: Addresses and networks.
Allowed = Annotated[Names, AfterValidator(_check_allowed)]
#: Of every section: what isn't a setting is refused.
SECTION = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
