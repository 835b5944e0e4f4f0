"""The helper, and the hook that brings in an instance of it for every target."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, assert_never

from pydantic import ValidationError

from helperhub import Context, Every, HelperHubError, Overlap, Registrar, RetryPolicy, helper, hookimpl
from helperhub.schedules.notation import parse_schedule
from helperhub_checkin.failure import InvalidTarget
from helperhub_checkin.http_check import check_http
from helperhub_checkin.settings import VARIABLE, Settings, configured_headers, describe_flaws, read_targets
from helperhub_checkin.target import Target
from helperhub_checkin.tcp_check import check_tcp
from helperhub_checkin.tls_check import check_tls

USUAL_SCHEDULE = "every 5m"
_USUAL_EXPIRY = timedelta(minutes=5)


@helper(
    overlap=Overlap.SKIP,
    expires_after=_USUAL_EXPIRY,
    # A second look, so that a blip is no alarm.
    retry=RetryPolicy(max_attempts=2, delays=(timedelta(seconds=10),)),
    time_limit=timedelta(minutes=3),
    settings=Settings,
    payload_model=Target,
    throws=InvalidTarget,
)
def checkin(ctx: Context[Settings]) -> dict[str, Any]:
    """Check a web page, a TCP port or a TLS certificate."""
    target = _target_of(ctx.payload)
    return {"target": target.name, "kind": target.kind, **_check(target, ctx.settings)}


@hookimpl
def helperhub_register(hub: Registrar) -> None:
    """Bring in an instance for every target; what can't be used is reported, and the others run.

    Raises:
        ConfigurationError: The setting isn't a JSON list.
    """
    settings = hub.settings(Settings)
    if not settings.entries:
        hub.report(f'{VARIABLE} names no targets, so nothing is checked. Set it to [{{"name": "site", "url": "..."}}].')
    for target in read_targets(settings, report=hub.report):
        try:
            _add(hub, target)
        except HelperHubError as error:
            hub.report(f"{VARIABLE}: target '{target.name}' is not checked: {error} The others are.")


def _add(hub: Registrar, target: Target) -> None:
    schedule = parse_schedule(target.schedule or USUAL_SCHEDULE, subject=f"Schedule of target '{target.name}'")
    hub.add(
        checkin,
        instance=target.name,
        schedule=schedule,
        payload=target.to_payload(),
        # A check that starts when the next one is due says nothing that the next one doesn't.
        expires_after=schedule.interval if isinstance(schedule, Every) else _USUAL_EXPIRY,
        description=target.description,
    )


def _target_of(payload: Any) -> Target:
    try:
        return Target.model_validate(payload)
    except ValidationError as error:
        message = f"The payload describes no target: {describe_flaws(error)}."
        hint = 'Send one such as {"name": "site", "url": "https://example.org/"}.'
        raise InvalidTarget(message, hint=hint) from error


def _check(target: Target, settings: Settings) -> dict[str, Any]:
    match target.kind:
        case "http":
            return check_http(target, target.headers or configured_headers(target, settings))
        case "tcp":
            return check_tcp(target)
        case "tls":
            return check_tls(target)
        case _:
            assert_never(target.kind)
