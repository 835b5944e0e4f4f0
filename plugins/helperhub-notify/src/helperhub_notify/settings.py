"""The plugin's settings, filled from ``HELPERHUB_NOTIFY__*``: apprise URLs, which hold passwords and tokens."""

from __future__ import annotations

import json
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, SecretStr


def _read_urls(value: object) -> object:
    """Return the URLs of a text: a JSON list, or parted by blanks; commas belong to the URLs."""
    if not isinstance(value, str):
        return value
    if not value.lstrip().startswith("["):
        return value.split()
    try:
        return json.loads(value)
    except json.JSONDecodeError as error:
        # Not with the text: it is a secret.
        message = f"that is no JSON list: {error.msg} at character {error.pos}."
        raise ValueError(message) from None


Urls = Annotated[tuple[SecretStr, ...], BeforeValidator(_read_urls)]


class Settings(BaseModel):
    """Who is told.

    Args:
        targets: URLs as apprise writes them (parted by blanks, or a JSON list), told of every alert.
        escalate_to: Such URLs, told only of what nobody acknowledged in HELPERHUB_ALERTS__ESCALATE_AFTER.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    targets: Urls = ()
    escalate_to: Urls = ()
