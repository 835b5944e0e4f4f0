"""Settings of the plugin, from ``HELPERHUB_CRONTAB__*``."""

from __future__ import annotations

import json
import os
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from helperhub import HelperHubError, Overlap
from helperhub.model.duration import parse_duration


class Format(StrEnum):
    """How a crontab file is written."""

    AUTO = "auto"
    USER = "user"
    SYSTEM = "system"


def parse_files(value: object) -> object:
    """Return the paths that ``value`` lists: a JSON list, or paths parted by commas or colons.

    Raises:
        ValueError: It begins like a JSON list and isn't one.
    """
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [part.strip() for part in value.replace(os.pathsep, ",").split(",") if part.strip()]


def _duration(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return parse_duration(value)
    except HelperHubError as error:
        raise ValueError(str(error)) from error


def _none_if_blank(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _none_if_never(value: Any) -> Any:
    # An empty variable counts as not set, so "without a limit" needs a word.
    return None if isinstance(value, str) and value.strip().lower() == "never" else value


def _check_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, OSError) as error:
        message = f"'{name}' is no time zone. Write an IANA name, such as 'Europe/Berlin'."
        raise ValueError(message) from error
    return name


Duration = Annotated[timedelta, BeforeValidator(_duration), Field(gt=timedelta(0))]


class CrontabSettings(BaseModel):
    """What to adopt, and how its commands are run."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    files: Annotated[tuple[Path, ...], BeforeValidator(parse_files)] = ()
    """Crontab files and directories (JSON list, or paths parted by commas or colons); empty adopts nothing."""
    format: Format = Format.AUTO
    """user, system (lines name a user) or auto: /etc/crontab, directories and files in a cron.d are system."""
    enabled: bool = True
    """Whether adopted lines are planned from the start (true or false); false lets you look at them first."""
    shell: str = "/bin/sh"
    """Shell of lines whose file sets no SHELL (path)."""
    timezone: Annotated[Annotated[str, AfterValidator(_check_zone)] | None, BeforeValidator(_none_if_blank)] = None
    """Zone of lines whose file sets no CRON_TZ (IANA name); empty means this machine's, as cron has it."""
    queue: str = "default"
    """Queue the commands run in."""
    time_limit: Annotated[Duration | None, BeforeValidator(_none_if_blank)] = None
    """How long a command may take (duration); empty means its queue's limit."""
    max_attempts: int = Field(default=1, ge=1, le=1000)
    """Starts in all, the first included (count); 1 never retries, as cron."""
    expires_after: Annotated[Duration | None, BeforeValidator(_none_if_never)] = timedelta(hours=1)
    """A command isn't started later than its due time plus this (duration); never means never too late."""
    overlap: Overlap = Overlap.ALLOW
    """skip, queue or allow while the line's last execution still runs; allow is what cron does."""
    max_output: int = Field(default=32_768, ge=1024, le=1_048_576)
    """Most output kept of an execution (bytes), half from its head, half from its tail. Results over
    HELPERHUB_MAX_RESULT are cut by the hub."""
