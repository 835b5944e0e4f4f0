"""The hook a plugin implements, and the door it comes through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

import pluggy

from helperhub.model.helper import Overlap
from helperhub.model.notifier import Notifier
from helperhub.model.retry import RetryPolicy
from helperhub.model.schedule import Schedule
from helperhub.plugins.declaration import Helper

#: Entry point group, and pluggy project name.
ENTRY_POINT_GROUP = "helperhub"

hookspec = pluggy.HookspecMarker(ENTRY_POINT_GROUP)
hookimpl = pluggy.HookimplMarker(ENTRY_POINT_GROUP)

SettingsT = TypeVar("SettingsT")


class Registrar(Protocol):
    """What a plugin is handed to bring its helpers in."""

    def add(  # noqa: PLR0913 - every argument is one field of the spec
        self,
        helper: Helper | Any,
        *,
        instance: str | None = None,
        schedule: Schedule | Mapping[str, Any] | None = None,
        payload: Any = None,
        priority: int | None = None,
        expires_after: timedelta | None = None,
        retry: RetryPolicy | None = None,
        time_limit: timedelta | None = None,
        overlap: Overlap | None = None,
        enabled: bool | None = None,
        description: str | None = None,
    ) -> None:
        """Bring in a helper, one more instance of it, or a plain Dramatiq actor.

        Args:
            helper: What ``@helper`` or ``@dramatiq.actor`` made.
            instance: Name of the instance; None for the helper itself. A helper that is only ever
                added with instances has no schedule of its own.
            schedule: Replaces the declared schedule: one, a mapping of names to several, or the
                dict of the HTTP API.
            payload: What scheduled executions of this instance are given; JSON.
            priority: Replaces the declared priority, 1 to 5.
            expires_after: Replaces the declared expiry.
            retry: Replaces the declared retry policy.
            time_limit: Replaces the declared time limit.
            overlap: Replaces the declared overlap policy.
            enabled: Replaces the declared switch.
            description: Replaces the declared description.

        Raises:
            InvalidHelper: The helper or a value can't be used; the message says which and why.
            InvalidSchedule: The schedule can't be understood.
        """

    def settings(self, model: type[SettingsT]) -> SettingsT:
        """Return the plugin's settings, filled from ``HELPERHUB_<PLUGIN>__*``.

        ``<PLUGIN>`` is the plugin's entry point name in capitals, dashes as underscores.

        Args:
            model: A pydantic model.

        Raises:
            ConfigurationError: A value is missing or doesn't fit; the message names the variable.
        """

    @property
    def timezone(self) -> str:
        """The hub's zone (``HELPERHUB_TIMEZONE``), an IANA name."""

    @property
    def started_at(self) -> datetime:
        """When this start of the hub began, aware; the same for all processes of one start."""

    def report(self, problem: str) -> None:
        """Tell the operator about something that could not be adopted, without stopping the plugin.

        Args:
            problem: One line: what, where and why. ``helperhub plugins list`` and ``doctor`` show it.
        """


class HookSpecs:
    """The hooks that HelperHub calls."""

    @hookspec
    def helperhub_register(self, hub: Registrar) -> None:
        """Bring the plugin's helpers in with ``hub.add(...)``; called once in every process."""

    @hookspec
    def helperhub_notifiers(self, hub: Registrar) -> Sequence[Notifier]:  # type: ignore[empty-body]  # a specification
        """Return the ways in which the plugin tells people of alerts; called once in every process.

        A notifier's name is the same wherever the settings are the same, for the scheduler says which is to be told
        and a worker process tells it, in an execution of ``helperhub.alert`` for each.
        """
