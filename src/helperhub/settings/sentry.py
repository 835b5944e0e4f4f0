"""What Sentry is told, beside the DSN."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel, Field

from helperhub.settings.kinds import SECTION, Span


class SentrySettings(BaseModel):
    """What Sentry is told, where HELPERHUB_SENTRY_DSN is set."""

    model_config = SECTION

    release: str = Field(default="", max_length=200)
    """What Sentry calls this version; empty means helperhub@ and HelperHub's version. Each event has its helper's
    plugin and version as tags anyway."""
    environment: str = Field(default="", max_length=64, pattern=r"^[^\s/]*$")
    """What Sentry calls this installation; empty means the hub's name."""
    check_ins: bool = True
    """Tell Sentry's cron monitors of every scheduled execution: when it starts, how it ends, that it was missed
    (true or false)."""
    checkin_margin: Span = timedelta(minutes=5)
    """How late a scheduled execution may start before Sentry calls it missed, for helpers without an expiry of their
    own (duration; Sentry counts whole minutes)."""
    traces_sample_rate: float = Field(default=0.0, ge=0.0, le=1.0)
    """Share of attempts that are sent as transactions, with times and outcome and without payload (0.0 to 1.0)."""
