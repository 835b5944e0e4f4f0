"""Alerts: what is watched, when it fires, who is told; and the heartbeat that somebody outside listens to."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, SecretStr, model_validator

from helperhub.errors import UsageError
from helperhub.model.alert import AlertRule
from helperhub.model.callback_url import parse_callback_url
from helperhub.model.quiet_hours import parse_quiet_span
from helperhub.schedules.zones import load_zone
from helperhub.settings.kinds import SECTION, Duration, Names, Span, read_names

#: Alerts are looked at this often at most: what takes longer than 10 s to be told isn't an alert.
_SLOWEST = timedelta(seconds=5)


def _check_spans(spans: list[str]) -> list[str]:
    for span in spans:
        try:
            parse_quiet_span(span)
        except UsageError as error:
            raise ValueError(str(error)) from error
    return spans


def _check_rules(names: list[str]) -> list[str]:
    unknown = [name for name in names if name not in set(AlertRule)]
    if unknown:
        message = f"'{unknown[0]}' is no rule; there are {', '.join(AlertRule)}."
        raise ValueError(message)
    return names


def _check_urls(urls: list[SecretStr]) -> list[SecretStr]:
    for url in urls:
        try:
            parse_callback_url(url.get_secret_value())
        except UsageError as error:
            # Not with the URL: it may hold a token.
            message = f"One of the URLs can't be used: {error.hint or 'write https://host/path'}"
            raise ValueError(message) from error
    return urls


def _check_zone(name: str) -> str:
    if name:
        try:
            load_zone(name, subject="Quiet hours")
        except UsageError as error:
            raise ValueError(str(error)) from error
    return name


Urls = Annotated[list[SecretStr], BeforeValidator(read_names), AfterValidator(_check_urls)]


class AlertSettings(BaseModel):
    """Alerts: what is watched, above what it fires, and who is told."""

    model_config = SECTION

    enabled: bool = True
    """Whether schedulers look for anything to alert of (true or false)."""
    off: Annotated[Names, AfterValidator(_check_rules)] = []
    """Rules that never fire (names as 'helperhub alerts rules' lists them, parted by commas, or a JSON list)."""
    every: Annotated[Span, Field(le=_SLOWEST)] = timedelta(seconds=2)
    """How often is looked (duration, up to 5s)."""
    window: Span = timedelta(hours=1)
    """Failures and new dead letters count for so long (duration)."""
    queue_depth: int = Field(default=100, ge=0)
    """Fires when more executions of a queue could start and wait (count)."""
    failures: int = Field(default=10, ge=0)
    """Fires when a helper, or the rest of the hub, was given up more often within the window (count)."""
    dead_letters: int = Field(default=0, ge=0)
    """Fires when a helper has more new dead letters (count); 0 is for any."""
    helper_absent: Duration = timedelta(minutes=5)
    """Fires when a helper was due, and this much later (duration) neither has a success nor is at it."""
    late: Duration = timedelta(seconds=30)
    """Fires when a due time isn't enqueued, or the first of a queue isn't started, for longer (duration)."""
    long: Span | None = None
    """Fires when an attempt runs for longer (duration); empty means that only near_limit counts."""
    near_limit: float = Field(default=0.9, gt=0.0, le=1.0)
    """Fires when an attempt has taken more of its time limit (0.0 to 1.0)."""
    worker_lost: int = Field(default=0, ge=0)
    """Fires when more worker processes of a machine died within 10 minutes (count); 0 is for any."""
    no_worker: Duration = timedelta(seconds=10)
    """Fires when work has waited for longer and no worker process claims (duration)."""
    scheduler_lost: int = Field(default=0, ge=0)
    """Fires when more schedulers of a machine fell silent within 10 minutes (count); 0 is for any."""
    archive_lag: Duration = timedelta(minutes=5)
    """Fires when the archive is further behind (duration)."""
    redis_memory: float = Field(default=0.75, gt=0.0, le=1.0)
    """Fires when Redis uses more of its maxmemory (0.0 to 1.0)."""
    webhooks: Urls = []
    """URLs that are told, by a signed POST as callbacks are (parted by commas, or a JSON list); those inside need
    HELPERHUB_CALLBACKS__ALLOW. Plugins such as helperhub-notify bring more ways."""
    escalate_webhooks: Urls = []
    """URLs that are told when nobody acknowledged (parted by commas, or a JSON list)."""
    escalate_after: Duration = timedelta(minutes=15)
    """How long an alert waits for somebody to acknowledge it before the second targets are told (duration); 0s is for
    ever."""
    remind_every: Duration = timedelta(hours=4)
    """How often is told again of what nobody acknowledged (duration); 0s is never."""
    calm: Duration = timedelta(seconds=30)
    """How long its cause must be gone before an alert is resolved (duration)."""
    group_for: Annotated[Duration, Field(le=timedelta(minutes=10))] = timedelta(seconds=5)
    """What one rule finds within this after it told of something is told in one message (duration, up to 10m)."""
    quiet: Annotated[Names, AfterValidator(_check_spans)] = []
    """Spans in which nobody is disturbed, such as 22:00-07:00 or sat-sun 00:00-00:00 (parted by commas, or a JSON
    list); what still fires is told afterwards."""
    quiet_zone: Annotated[str, AfterValidator(_check_zone)] = ""
    """Zone of the quiet hours (IANA name); empty means HELPERHUB_TIMEZONE."""
    quiet_but_critical: bool = True
    """Whether critical alerts are told in quiet hours too (true or false)."""
    keep: Span = timedelta(days=7)
    """How long resolved alerts are listed (duration)."""


class HeartbeatSettings(BaseModel):
    """A service outside that notices when this hub is dead, because it isn't heard any more."""

    model_config = SECTION

    url: SecretStr | None = None
    """URL that a scheduler calls (GET) as long as it, Redis and at least one worker process are well, as Healthchecks
    and its kin expect; empty means none. It may be inside."""
    every: Span = timedelta(seconds=60)
    """How often it is called (duration)."""
    fail: str = Field(default="/fail", pattern=r"^/[A-Za-z0-9._~/-]*$")
    """What is put behind the URL's path to say that something isn't well."""
    silent: bool = False
    """Whether to be silent instead when something isn't well (true or false)."""
    timeout: Span = timedelta(seconds=10)
    """How long a call may take (duration)."""

    @model_validator(mode="after")
    def _check_url(self) -> Self:
        if self.url is not None and not self.url.get_secret_value().startswith(("http://", "https://")):
            message = "HELPERHUB_HEARTBEAT__URL must start with http:// or https://."
            raise ValueError(message)
        return self
