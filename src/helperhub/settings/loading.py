"""Reads the settings once, at start: every mistake in one error, each named with what to write instead."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from helperhub.plugins.contract import ENTRY_POINT_GROUP
from helperhub.settings.environment import (
    ENV_FILE_VARIABLE,
    find_env_files,
    merge_environment,
    process_environment,
)
from helperhub.settings.filling import VariablesSource, fill_plugin_settings, section_of
from helperhub.settings.model import PREFIX, Settings
from helperhub.settings.problems import build_error, describe_problems
from helperhub.settings.variables import NESTING, find_unknown, segments_of, suggest

#: Names that other software uses too; the setting's own name wins.
ALIASES = {
    "HELPERHUB_REDIS_URL": "REDIS_URL",
    "HELPERHUB_DATABASE_URL": "DATABASE_URL",
    "HELPERHUB_SENTRY_DSN": "SENTRY_DSN",
    "HELPERHUB_WORKER__PROCESSES": "WORKER_COUNT",
}
#: Kubernetes and Docker links set these for a service whose name begins with "helperhub".
_INJECTED = re.compile(
    r"HELPERHUB_(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)
#: Not settings: what names the env files, and what a supervisor tells its children.
_OTHER_NAMES = frozenset({ENV_FILE_VARIABLE, "HELPERHUB_STARTED_AT", "HELPERHUB_LIFELINE"})
_TEST_PREFIX = "HELPERHUB_TEST_"

ModelT = TypeVar("ModelT")
PluginSections = Collection[str] | Callable[[], Collection[str]]


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """The settings, and what they were read from.

    Args:
        settings: The settings.
        environ: All variables, the process environment over env files; plugins are filled from it,
            and child processes can be started with it. Holds secrets.
        env_files: The env files that were read.
        sources: Where each variable came from: ``settings.env:3`` or ``process environment``.
    """

    settings: Settings
    environ: Mapping[str, str] = field(repr=False)
    env_files: tuple[Path, ...]
    sources: Mapping[str, str] = field(repr=False)


def load_settings(
    env_files: Sequence[Path] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    plugin_sections: PluginSections | None = None,
) -> LoadedSettings:
    """Return the settings, with the variables they were read from.

    Args:
        env_files: Files to read, later ones win; None means those of ``HELPERHUB_ENV_FILE``, else
            ``settings.env`` in the working directory if there is one.
        environ: The process environment; None means this process's.
        plugin_sections: Entry point names of installed plugins, loaded or not, or what returns
            them: their variables aren't misspelt. None asks the installed distributions.

    Raises:
        ConfigurationError: An env file can't be read, or a variable has no setting or a wrong
            value; the message lists all of them.
    """
    process = process_environment() if environ is None else environ
    files = find_env_files(process) if env_files is None else tuple(env_files)
    merged, sources = merge_environment(files, process)
    variables = {name.upper(): value for name, value in merged.items() if value}
    own = [name for name in variables if name.startswith(PREFIX) and not _is_foreign(name, variables[name])]
    unknown = find_unknown(own, Settings, PREFIX)
    sections = _sections(plugin_sections) if unknown else frozenset()
    unknown = [name for name in unknown if segments_of(name, PREFIX)[0] not in sections]
    problems = [_describe_unknown(name, sections) for name in unknown]
    try:
        settings = Settings(**_read_values(variables))
    except ValidationError as error:
        problems += describe_problems(
            error, model=Settings, prefix=PREFIX, environ=variables, aliases=ALIASES, refused=unknown
        )
        # Not chained: pydantic's own message shows values, secret ones too.
        raise build_error(problems) from None
    if problems:
        raise build_error(problems)
    return LoadedSettings(settings, merged, files, sources)


def plugin_settings(plugin: str, model: type[ModelT], loaded: LoadedSettings) -> ModelT:
    """Return ``model`` filled from the variables of ``plugin``, an entry point name.

    ``HELPERHUB_<PLUGIN>__*`` with ``__`` for nesting, JSON for lists and mappings, and durations
    as in ``90s``. Every variable of the section must fill something.

    Raises:
        ConfigurationError: A value is missing or doesn't fit, or a variable fills nothing; the
            message names each.
    """
    return fill_plugin_settings(plugin, model, loaded.environ)


def installed_plugins() -> frozenset[str]:
    """Return the entry point names of all installed plugins, without importing them."""
    return frozenset(entry_points(group=ENTRY_POINT_GROUP).names)


def _read_values(variables: Mapping[str, str]) -> dict[str, Any]:
    """Return the values for `Settings` that ``variables`` give, aliases where nothing else is said."""
    values = VariablesSource(Settings, variables)()
    for name, alias in ALIASES.items():
        if alias in variables:
            *path, last = (part.lower() for part in segments_of(name, PREFIX))
            place: Any = values
            for part in path:
                place = place.setdefault(part, {})
            if isinstance(place, dict):
                place.setdefault(last, variables[alias])
    return values


def _is_foreign(name: str, value: str) -> bool:
    """Return whether ``name`` only looks like a setting: test runs and container platforms set it."""
    if name in _OTHER_NAMES or name.startswith(_TEST_PREFIX):
        return True
    return _INJECTED.fullmatch(name) is not None and (not name.endswith("_PORT") or "://" in value or value.isdecimal())


def _sections(plugin_sections: PluginSections | None) -> frozenset[str]:
    source = installed_plugins if plugin_sections is None else plugin_sections
    return frozenset(section_of(name) for name in (source() if callable(source) else source))


def _describe_unknown(name: str, sections: Collection[str]) -> str:
    behind = NESTING.join(segments_of(name, PREFIX)[1:])
    near = suggest(name, Settings, PREFIX, [f"{PREFIX}{section}{NESTING}{behind}" for section in sections])
    if near:
        return f"{name} is not the name of a setting. Did you mean {near}?"
    return f"{name} is not the name of a setting, and no plugin of that name is installed."
