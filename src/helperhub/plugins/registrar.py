"""What a plugin's hook is handed: it checks everything that is brought in, and names what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from helperhub.errors import HelperHubError, InvalidHelper, InvalidSchedule
from helperhub.model.helper import HelperSpec, Overlap
from helperhub.model.notifier import Notifier
from helperhub.model.retry import RetryPolicy
from helperhub.model.schedule import Cron, Daily, Every, Once, Schedule
from helperhub.plugins.declaration import Declaration, Helper
from helperhub.plugins.payload_schema import build_payload_schema
from helperhub.plugins.spec_checks import build_spec, declare_actor
from helperhub.schedules.notation import check_schedule, parse_schedule, split_schedule_dict

ModelT = TypeVar("ModelT")


class SettingsOf(Protocol):
    """Fills a plugin's settings model."""

    def __call__(self, plugin: str, model: type[ModelT], /) -> ModelT:
        """Return ``model`` filled for ``plugin``, an entry point name."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a plugin comes from.

    Args:
        name: Its entry point's name, such as ``weather``.
        distribution: Such as ``helperhub-weather``.
        version: The distribution's.
    """

    name: str
    distribution: str
    version: str

    def __str__(self) -> str:
        """Return ``helperhub-weather 1.2``."""
        return f"{self.distribution} {self.version}".strip() or self.name


@dataclass(frozen=True, slots=True)
class LoadedPlugin:
    """What one plugin brought in.

    Args:
        name: Its entry point's name.
        distribution: What ships it.
        version: That distribution's.
        specs: What is stored in the catalogue: helpers and instances, unique by key.
        helpers: What runs, unique by name: what ``@helper`` or ``@dramatiq.actor`` made. A helper
            that was only added with instances is here too.
        problems: What the plugin couldn't adopt, one line each.
        settings: The plugin's settings, for ``ctx.settings``; None if it has none.
        notifiers: Ways to tell people of alerts, unique by name.
    """

    name: str
    distribution: str
    version: str
    specs: tuple[HelperSpec, ...]
    helpers: Mapping[str, Any]
    problems: tuple[str, ...] = ()
    settings: Any = field(default=None, repr=False)
    notifiers: tuple[Notifier, ...] = ()


class PluginRegistrar:
    """The `Registrar` of one plugin."""

    def __init__(self, origin: Origin, *, settings_of: SettingsOf, timezone: str, started_at: datetime) -> None:
        """Collect what the plugin of ``origin`` brings in.

        Args:
            origin: Named in every error.
            settings_of: Fills the plugin's settings model.
            timezone: IANA name, for schedules that name none.
            started_at: When this start of the hub began, aware.
        """
        self._origin = origin
        self._settings_of = settings_of
        self._timezone = timezone
        self._started_at = started_at
        self._specs: dict[str, HelperSpec] = {}
        self._helpers: dict[str, Any] = {}
        self._problems: list[str] = []
        self._notifiers: dict[str, Notifier] = {}
        self._settings: Any = None
        #: By helper: made once for all its instances.
        self._schemas: dict[str, str | None] = {}

    @property
    def timezone(self) -> str:
        """The hub's zone, an IANA name."""
        return self._timezone

    @property
    def started_at(self) -> datetime:
        """When this start of the hub began: the same for all its processes."""
        return self._started_at

    def add(  # noqa: PLR0913 - every argument is one field of the spec; see the contract
        self,
        helper: Helper | Any,
        *,
        instance: str | None = None,
        schedule: Schedule | Mapping[str, Any] | str | None = None,
        payload: Any = None,
        priority: int | None = None,
        expires_after: timedelta | None = None,
        retry: RetryPolicy | None = None,
        time_limit: timedelta | None = None,
        overlap: Overlap | str | None = None,
        enabled: bool | None = None,
        description: str | None = None,
    ) -> None:
        """Bring in a helper, one more instance of it, or a plain Dramatiq actor; see `Registrar.add`.

        Raises:
            InvalidHelper: The helper or a value can't be used.
            InvalidSchedule: The schedule can't be understood.
        """
        declaration = self._declaration_of(helper)
        given = {
            "payload": payload,
            "priority": priority,
            "expires_after": expires_after,
            "retry": retry,
            "time_limit": time_limit,
            "overlap": overlap,
            "enabled": enabled,
            "description": description,
        }
        replaced = {name: value for name, value in given.items() if value is not None}
        name = declaration.spec.name
        key = name if instance is None else f"{name}/{instance}"
        # One helper's mistakes are named with its plugin: its author reads a log among those of others.
        schedules, said = self._read_schedule(declaration.schedule if schedule is None else schedule, key)
        try:
            spec = build_spec(declaration, key, instance, schedules, {**said, **replaced})
            origin, schema = self._origin, self._schema_of(declaration)
            spec = replace(spec, plugin=origin.distribution, plugin_version=origin.version, payload_schema=schema)
        except InvalidSchedule:
            raise
        except HelperHubError as error:
            raise self._refusal(error.message, hint=error.hint) from error
        self._take_settings(declaration, key)
        self._keep(helper, spec)

    def settings(self, model: type[ModelT]) -> ModelT:
        """Return the plugin's settings, filled from ``HELPERHUB_<PLUGIN>__*``.

        Raises:
            ConfigurationError: A value is missing or doesn't fit; the message names the variable.
            InvalidHelper: The plugin has another settings model already.
        """
        if self._settings is None:
            self._settings = self._settings_of(self._origin.name, model)
        if not isinstance(self._settings, model):
            # Variables that no field takes are refused, so two models would refuse each other's.
            used = type(self._settings).__name__
            message = f"A plugin has one settings model, and it uses both {used} and {model.__name__}."
            raise self._refusal(message, hint="Make one a field of the other.")
        return self._settings

    def report(self, problem: str) -> None:
        """Tell the operator what could not be adopted, without stopping the plugin."""
        self._problems.append(problem)

    def add_notifiers(self, notifiers: Iterable[Any]) -> None:
        """Take what the plugin's ``helperhub_notifiers`` returned.

        Raises:
            InvalidHelper: One isn't a `Notifier`, or two have one name.
        """
        for one in notifiers:
            if not isinstance(one, Notifier):
                message = f"helperhub_notifiers returned {type(one).__name__}, which is no Notifier."
                raise self._refusal(message, hint="Return a list of helperhub.Notifier.")
            if one.name in self._notifiers:
                message = f"Two of its ways to tell of alerts are named '{one.name}'."
                raise self._refusal(message)
            self._notifiers[one.name] = one

    def finish(self) -> LoadedPlugin:
        """Return all that was brought in."""
        return LoadedPlugin(
            name=self._origin.name,
            distribution=self._origin.distribution,
            version=self._origin.version,
            specs=tuple(self._specs.values()),
            helpers=dict(self._helpers),
            problems=tuple(self._problems),
            settings=self._settings,
            notifiers=tuple(self._notifiers.values()),
        )

    def _declaration_of(self, helper: Any) -> Declaration:
        if isinstance(helper, Helper):
            return helper.declaration
        # Duck-typed, so that a process which only plans needn't import Dramatiq.
        if all(hasattr(helper, name) for name in ("actor_name", "queue_name", "fn", "options")):
            try:
                return declare_actor(helper)
            except InvalidHelper as error:
                raise self._refusal(error.message, hint=error.hint) from error
        message = f"{helper!r} is neither a helper nor a Dramatiq actor."
        raise self._refusal(message, hint="Decorate the function with @helper, and add what that returns.")

    def _read_schedule(self, value: Any, key: str) -> tuple[dict[str, Schedule], dict[str, Any]]:
        """Return the schedules by name, and what the dict of the HTTP API says of the helper."""
        subject = f"Schedule '{key}' in plugin {self._origin}"
        said: dict[str, Any] = {}
        if value is None:
            named: dict[str, Any] = {}
        elif isinstance(value, Mapping) and "type" in value:
            single, said = split_schedule_dict(value, subject=subject)
            named = {"": single}
        else:
            named = dict(value) if isinstance(value, Mapping) else {"": value}
        return {
            name: self._complete(one, f"Schedule '{key}#{name}' in plugin {self._origin}" if name else subject)
            for name, one in named.items()
        }, said

    def _complete(self, value: Any, subject: str) -> Schedule:
        """Return a checked schedule that names its zone, so that another hub's zone can't move it."""
        schedule = parse_schedule(value, subject=subject) if isinstance(value, str | Mapping) else value
        if not isinstance(schedule, Daily | Every | Cron | Once):
            message = f"{subject} is {value!r}, which is not a schedule."
            raise InvalidSchedule(message, hint="Take Daily, Every, Cron or Once.")
        if isinstance(schedule, Daily | Cron) and schedule.tz is None:
            schedule = replace(schedule, tz=self._timezone)
        check_schedule(schedule, default_tz=self._timezone, subject=subject)
        return schedule

    def _schema_of(self, declaration: Declaration) -> str | None:
        """Return the JSON Schema of the helper's payloads; None, and a report, where none can be made."""
        name = declaration.spec.name
        if declaration.payload_model is None or name in self._schemas:
            return self._schemas.get(name)
        try:
            self._schemas[name] = build_payload_schema(declaration.payload_model, declaration.spec.secret_fields)
        except InvalidHelper as error:
            self._schemas[name] = None
            self.report(f"Helper '{name}' has no form for its payload, only a field for JSON: {error.message}.")
        return self._schemas[name]

    def _take_settings(self, declaration: Declaration, key: str) -> None:
        if declaration.settings is None:
            return
        try:
            # At once: a missing variable is told at start, not by the first run at night.
            self.settings(declaration.settings)
        except InvalidHelper as error:
            message = f"{error.message} Helper '{key}' declares the latter."
            raise InvalidHelper(message, hint=error.hint) from error

    def _keep(self, helper: Any, spec: HelperSpec) -> None:
        if spec.key in self._specs:
            message = f"Helper '{spec.key}' is added twice."
            raise self._refusal(message, hint="Add it once, or give each an instance of its own.")
        if self._helpers.setdefault(spec.name, helper) is not helper:
            message = f"Two functions are helpers named '{spec.name}'."
            raise self._refusal(message, hint="Give one another name: @helper(name='...').")
        self._specs[spec.key] = spec

    def _refusal(self, message: str, *, hint: str = "") -> InvalidHelper:
        return InvalidHelper(f"Plugin {self._origin}: {message}", hint=hint)
