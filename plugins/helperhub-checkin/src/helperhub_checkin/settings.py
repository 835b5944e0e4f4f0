"""The plugin's settings, filled from ``HELPERHUB_CHECKIN__*``, and the targets in them."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cached_property
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, SecretStr, ValidationError

from helperhub_checkin.address import origin, parse_url
from helperhub_checkin.target import Target

VARIABLE = "HELPERHUB_CHECKIN__TARGETS"


def _list_as_json(value: object) -> object:
    return json.dumps(value) if isinstance(value, list) else value


def _check_list(value: SecretStr) -> SecretStr:
    try:
        targets = json.loads(value.get_secret_value() or "[]")
    except json.JSONDecodeError as error:
        message = f"that is not JSON: {error}."
        raise ValueError(message) from error
    if not isinstance(targets, list):
        message = """that is not a list. Write JSON, such as '[{"name": "site", "url": "https://example.org/"}]'."""
        raise ValueError(message)  # noqa: TRY004 - pydantic names the variable for a ValueError only
    return value


class Settings(BaseModel):
    """What is checked.

    Args:
        targets: A JSON list of targets as in `Target`; a secret as a whole, because headers hold
            some. Each target is read by itself, later, so that one that is wrong doesn't keep the
            others from being checked.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    targets: Annotated[SecretStr, BeforeValidator(_list_as_json), AfterValidator(_check_list)] = SecretStr("[]")

    @cached_property
    def entries(self) -> list[Any]:
        """The targets as they were written, each still to be checked."""
        entries: list[Any] = json.loads(self.targets.get_secret_value() or "[]")
        return entries


def read_targets(settings: Settings, *, report: Callable[[str], None]) -> list[Target]:
    """Return the targets that can be checked.

    Args:
        settings: The source.
        report: Is told, in one line each, about those that can't: what, where and why.
    """
    targets: dict[str, Target] = {}
    for number, entry in enumerate(settings.entries, start=1):
        try:
            target = Target.model_validate(entry)
        except ValidationError as error:
            report(f"{_place(number, entry)} is not checked: {describe_flaws(error)}. The others are.")
            continue
        if target.name in targets:
            report(f"{_place(number, entry)} is not checked: an earlier target has that name. Give it another one.")
            continue
        targets[target.name] = target
    return list(targets.values())


def configured_headers(target: Target, settings: Settings) -> dict[str, str]:
    """Return the headers that the settings hold for ``target``.

    Only a target of the same name on the same server counts: a payload somebody changed must not
    carry the secrets in them elsewhere.
    """
    entries = (each for each in settings.entries if isinstance(each, dict))
    entry = next((each for each in entries if each.get("name") == target.name), None)
    if entry is None or target.url is None:
        return {}
    try:
        configured = Target.model_validate(entry)
    except ValidationError:
        return {}
    if configured.url is None or origin(parse_url(configured.url)) != origin(parse_url(target.url)):
        return {}
    return configured.headers


def describe_flaws(error: ValidationError) -> str:
    """Return what is wrong with a target, without the values: they may hold secrets."""
    flaws = []
    for flaw in error.errors(include_input=False, include_url=False):
        where = ".".join(map(str, flaw["loc"]))
        what = flaw["msg"].removeprefix("Value error, ")
        flaws.append(f"{where}: {what}" if where else what)
    return "; ".join(flaws)


def _place(number: int, entry: Any) -> str:
    name = entry.get("name") if isinstance(entry, dict) else None
    return f"{VARIABLE}: target {number} ('{name}')" if name else f"{VARIABLE}: target {number}"
