"""Brings in one way to tell people for each apprise URL of the settings."""

from __future__ import annotations

from helperhub import Notifier, Registrar, hookimpl
from helperhub_notify.settings import Settings
from helperhub_notify.target import build_notifier, scheme_of


@hookimpl
def helperhub_notifiers(hub: Registrar) -> list[Notifier]:
    """Return the targets; one that can't be used is reported, and the others are told."""
    settings = hub.settings(Settings)
    found: dict[str, Notifier] = {}
    for variable, urls, second in (("TARGETS", settings.targets, False), ("ESCALATE_TO", settings.escalate_to, True)):
        for number, secret in enumerate(urls, start=1):
            url = secret.get_secret_value()
            notifier = build_notifier(url, second=second)
            if notifier is None:
                place = f"URL {number} of HELPERHUB_NOTIFY__{variable} ({scheme_of(url)}://...)"
                hub.report(
                    f"{place} is told nothing: apprise can't use it. The others are. See apprise's list of URLs."
                )
            elif notifier.name not in found:
                found[notifier.name] = notifier
    return list(found.values())
