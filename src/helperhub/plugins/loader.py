"""Finds the installed plugins and loads each by itself: one that is broken is set aside, the others run."""

from __future__ import annotations

import re
import threading
import traceback
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.metadata import EntryPoint
from importlib.metadata import entry_points as installed_entry_points
from typing import Any

import pluggy

from helperhub.errors import ConfigurationError, HelperHubError, InvalidHelper
from helperhub.plugins.contract import ENTRY_POINT_GROUP, HookSpecs
from helperhub.plugins.registrar import LoadedPlugin, Origin, PluginRegistrar, SettingsOf

BLOCKED_VARIABLE = "HELPERHUB_PLUGINS__BLOCKED"
#: What Dramatiq raises for a second actor of one name (dramatiq/actor.py).
_ACTOR_EXISTS = re.compile(r"An actor named '(.+)' is already registered\.")


class _TooLong(Exception):
    """A plugin hangs."""


@dataclass(frozen=True, slots=True)
class QuarantinedPlugin:
    """A plugin that was not loaded.

    Args:
        name: Its entry point's name.
        distribution: What ships it.
        version: That distribution's.
        reason: Why, for people.
        remedy: What to do about it, as the beginning of a sentence; may be empty.
        details: The traceback; may be empty.
    """

    name: str
    distribution: str
    version: str
    reason: str
    remedy: str = ""
    details: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class BlockedPlugin:
    """A plugin that the operator doesn't want loaded.

    Args:
        name: Its entry point's name.
        distribution: What ships it.
        version: That distribution's.
    """

    name: str
    distribution: str
    version: str


@dataclass(frozen=True, slots=True)
class Plugins:
    """All installed plugins, each list in order of the names.

    Args:
        loaded: Those that run.
        quarantined: Those that couldn't be loaded.
        blocked: Those that weren't to be loaded.
    """

    loaded: tuple[LoadedPlugin, ...] = ()
    quarantined: tuple[QuarantinedPlugin, ...] = ()
    blocked: tuple[BlockedPlugin, ...] = ()


def load_plugins(
    *,
    blocked: Collection[str],
    settings_of: SettingsOf,
    timezone: str,
    timeout: timedelta = timedelta(seconds=30),
    started_at: datetime | None = None,
    entry_points: Iterable[EntryPoint] | None = None,
) -> Plugins:
    """Import every installed plugin and let it bring its helpers in.

    Each plugin is imported and called in a thread of its own, one after the other. One that raises,
    exits or takes longer than ``timeout`` is quarantined. **A thread can't be stopped:** a plugin
    that hangs goes on hanging in a daemon thread until the process ends. What it adds later counts
    for nothing, but it holds the import locks of the modules it is importing, so that another
    plugin which needs one of them waits too and is quarantined likewise. Being in a thread, plugins
    can't set signal handlers at import. A plugin that ends the process by ``os._exit`` or a crash
    ends it.

    Args:
        blocked: Entry point names that are not to be loaded.
        settings_of: Fills a plugin's settings model.
        timezone: IANA name, for schedules that name none.
        timeout: How long one plugin may take.
        started_at: When this start of the hub began, aware; None means now.
        entry_points: Taken instead of those of the installed distributions.

    Raises:
        ConfigurationError: Two plugins have one name or one helper name: nothing is to be started.
    """
    found = installed_entry_points(group=ENTRY_POINT_GROUP) if entry_points is None else entry_points
    points = sorted(((_origin_of(point), point) for point in found), key=lambda pair: (pair[0].name, str(pair[0])))
    _check_names([origin for origin, _ in points if origin.name not in blocked])
    start = datetime.now(UTC) if started_at is None else started_at
    loaded: list[LoadedPlugin] = []
    quarantined: list[QuarantinedPlugin] = []
    off: list[BlockedPlugin] = []
    for origin, point in points:
        if origin.name in blocked:
            off.append(BlockedPlugin(origin.name, origin.distribution, origin.version))
            continue
        registrar = PluginRegistrar(origin, settings_of=settings_of, timezone=timezone, started_at=start)
        result = _load_in_time(point, registrar, timeout)
        if isinstance(result, LoadedPlugin):
            loaded.append(result)
        else:
            _check_actor_conflict(result, origin, loaded)
            quarantined.append(_quarantine(origin, result, timeout))
    _check_helper_names(loaded)
    return Plugins(tuple(loaded), tuple(quarantined), tuple(off))


def quarantine_message(plugin: QuarantinedPlugin, plugins: Plugins) -> str:
    """Return what to tell the operator of a plugin that was not loaded: why, what runs, what to do.

    Args:
        plugin: The one to tell of.
        plugins: All of them.
    """
    running = len(plugins.loaded)
    others = {0: "No other runs.", 1: "The other one runs."}.get(running, f"The other {running} run.")
    # The setting is one list: those that are blocked already must stay in it.
    names = ",".join(sorted({plugin.name, *(off.name for off in plugins.blocked)}))
    block = f"set {BLOCKED_VARIABLE}={names}."
    remedy = f"{plugin.remedy}, or {block}" if plugin.remedy else block[0].upper() + block[1:]
    reason = plugin.reason.rstrip(".")
    origin = f"{plugin.distribution} {plugin.version}".strip()
    return f"Plugin '{plugin.name}' ({origin}) was not loaded: {reason}. {others} {remedy}"


def _load_in_time(point: EntryPoint, registrar: PluginRegistrar, timeout: timedelta) -> LoadedPlugin | BaseException:
    """Return the plugin, or what it raised; `_TooLong` if it isn't done in time."""
    results: list[LoadedPlugin | BaseException] = []

    def load() -> None:
        try:
            results.append(_load(point, registrar))
        except BaseException as error:  # noqa: BLE001 - SystemExit too: no plugin decides about the others
            results.append(error)

    thread = threading.Thread(target=load, name=f"load-plugin-{point.name}", daemon=True)
    thread.start()
    thread.join(timeout.total_seconds())
    return results[0] if results else _TooLong()


def _load(point: EntryPoint, registrar: PluginRegistrar) -> LoadedPlugin:
    # A manager for each plugin: a failed or hanging one can't leave half a registration behind.
    manager = pluggy.PluginManager(ENTRY_POINT_GROUP)
    manager.add_hookspecs(HookSpecs)
    manager.register(point.load(), name=point.name)
    manager.check_pending()
    hooks = manager.hook
    if not (hooks.helperhub_register.get_hookimpls() or hooks.helperhub_notifiers.get_hookimpls()):
        message = f"{point.value} has no helperhub_register hook."
        hint = "Decorate 'def helperhub_register(hub)' there with @hookimpl."
        raise InvalidHelper(message, hint=hint)
    hooks.helperhub_register(hub=registrar)
    for found in hooks.helperhub_notifiers(hub=registrar):
        registrar.add_notifiers(found)
    return registrar.finish()


def _origin_of(point: EntryPoint) -> Origin:
    distribution: Any = point.dist
    if distribution is None:
        return Origin(point.name, "", "")
    return Origin(point.name, distribution.name or "", distribution.version or "")


def _quarantine(origin: Origin, error: BaseException, timeout: timedelta) -> QuarantinedPlugin:
    reason, remedy = _explain(error, timeout)
    # Our own errors say it all; a traceback would only show this package.
    details = "" if isinstance(error, HelperHubError | _TooLong) else "".join(traceback.format_exception(error))
    return QuarantinedPlugin(origin.name, origin.distribution, origin.version, reason, remedy, details)


def _explain(error: BaseException, timeout: timedelta) -> tuple[str, str]:
    """Return why a plugin wasn't loaded, and what to do about it."""
    reason, remedy = f"{type(error).__name__}: {error}".rstrip(": ") + _place(error), ""
    match error:
        case HelperHubError():
            reason = str(error)
        case ModuleNotFoundError(name=str(name)):
            reason, remedy = str(error), f"Install {name.partition('.')[0]}"
        case ImportError() if str(error):
            reason = str(error)
        case SyntaxError():
            reason = f"syntax error: {error}"
        case SystemExit():
            reason = f"it called sys.exit({'' if error.code is None else repr(error.code)}) while it was loaded"
        case _TooLong():
            reason = f"it was not done after {timeout.total_seconds():g} seconds"
    return reason, remedy


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""


def _check_names(origins: Iterable[Origin]) -> None:
    by_section: dict[str, Origin] = {}
    for origin in origins:
        # Names that share their section of variables share their settings.
        other = by_section.setdefault(re.sub(r"[-.]", "_", origin.name).lower(), origin)
        if other is not origin:
            raise _conflict(other, origin, f"Plugin name '{origin.name}'")


def _check_helper_names(loaded: Iterable[LoadedPlugin]) -> None:
    owners: dict[str, Origin] = {}
    for plugin in loaded:
        origin = Origin(plugin.name, plugin.distribution, plugin.version)
        for name in plugin.helpers:
            other = owners.setdefault(name, origin)
            if other is not origin:
                raise _conflict(other, origin, f"Helper '{name}'")


def _check_actor_conflict(error: BaseException, origin: Origin, loaded: Iterable[LoadedPlugin]) -> None:
    """Refuse a second ``@dramatiq.actor`` of one name, which Dramatiq itself does at import."""
    match = _ACTOR_EXISTS.fullmatch(str(error)) if isinstance(error, ValueError) else None
    for plugin in loaded if match else ():
        if match and match[1] in plugin.helpers:
            first = Origin(plugin.name, plugin.distribution, plugin.version)
            raise _conflict(first, origin, f"Helper '{match[1]}'") from error


def _conflict(first: Origin, second: Origin, what: str) -> ConfigurationError:
    message = f"{what} comes from both {first} (plugin '{first.name}') and {second} (plugin '{second.name}')."
    hint = "Uninstall one of them"
    hint += "." if first.name == second.name else f", or set {BLOCKED_VARIABLE}={second.name}."
    return ConfigurationError(message, hint=hint)
