"""The plugin's settings, filled from ``HELPERHUB_HOUSEKEEPING__*``."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from helperhub import Daily, HelperHubError
from helperhub.model.duration import parse_duration
from helperhub.schedules.notation import check_schedule

_OUTCOMES = ("success", "error", "expired", "cancelled", "skipped")


def _read_duration(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return parse_duration(value)
    except HelperHubError as error:
        # pydantic names the variable for a ValueError only.
        raise ValueError(str(error)) from error


def _read_names(value: object) -> object:
    return [name.strip() for name in value.split(",") if name.strip()] if isinstance(value, str) else value


def _check_zone(name: str | None) -> str | None:
    if name is None:
        return None
    try:
        check_schedule(Daily("09:00", tz=name), default_tz=name, subject="The report")
    except HelperHubError as error:
        raise ValueError(str(error)) from error
    return name


def _check_url(url: SecretStr | None) -> SecretStr | None:
    place = urlsplit(url.get_secret_value()) if url else None
    if place is not None and (place.scheme not in ("http", "https") or not place.hostname):
        message = "it is not an HTTP URL."
        raise ValueError(message)
    return url


#: How long something is kept: a day at least.
Age = Annotated[timedelta, BeforeValidator(_read_duration), Field(ge=timedelta(days=1))]


class Settings(BaseModel):
    """What is kept for how long, and who gets the report.

    Args:
        keep: How long executions stay in the archive.
        keep_success: Instead, those that succeeded.
        keep_error: Instead, those that were given up.
        keep_expired: Instead, those that expired.
        keep_cancelled: Instead, those that were cancelled.
        keep_skipped: Instead, due times that were skipped.
        keep_hours: How long the sums of hours stay; those of days stay for ever.
        timezone: Zone of 02:00, of Monday 09:00 and of the week; None is the hub's.
        mail_to: Addresses that get the report; it goes through the server of ``HELPERHUB_ON_FAILURE__SMTP_*``.
        chat_url: A chat's webhook that takes ``{"text": ...}``.
        backup_dir: Directory that a backup of the hub is written to every night; None is no backup.
        keep_backups: How many of them stay there; older ones are removed.
        page_url: Where the hub's HTTP server is reached from outside, for links to the report.
    """

    # An error must not quote the values: one of them is a secret.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    keep: Age = timedelta(days=30)
    keep_success: Age | None = None
    keep_error: Age | None = None
    keep_expired: Age | None = None
    keep_cancelled: Age | None = None
    keep_skipped: Age | None = None
    keep_hours: Age = timedelta(days=90)
    timezone: Annotated[str | None, AfterValidator(_check_zone)] = None
    mail_to: Annotated[list[str], BeforeValidator(_read_names)] = Field(default_factory=list)
    chat_url: Annotated[SecretStr | None, AfterValidator(_check_url)] = None
    page_url: str = ""
    backup_dir: Path | None = None
    keep_backups: Annotated[int, Field(ge=1, le=1000)] = 7

    def ages(self) -> dict[str, timedelta]:
        """Return the outcomes that have an age of their own."""
        given = {outcome: getattr(self, f"keep_{outcome}") for outcome in _OUTCOMES}
        return {outcome: age for outcome, age in given.items() if age is not None}


__all__ = ["Settings"]
