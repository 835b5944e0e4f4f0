"""Every setting with its value and where that came from, and the example file that lists them all."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from helperhub.model.duration import format_duration
from helperhub.settings.loading import ALIASES, LoadedSettings
from helperhub.settings.model import PREFIX, Settings
from helperhub.settings.variables import NESTING, hide_login, members_of, secret_names

DEFAULT = "default"
_WIDTH = 100
# No line may begin with HELPERHUB_ here: whoever uncomments all of those gets the defaults.
_HEAD = """\
Settings of HelperHub. Copy this file to settings.env in the working directory, or name another file
in HELPERHUB_ENV_FILE, and take the '# ' from what you set. Each line shows the default; an empty
value is the same as none. The process environment wins over files.

Durations are numbers with a unit, such as 500ms, 30s, 5m, 2h, 1d or 1h30m.
This file is written by 'python -m helperhub.settings'."""


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting as ``helperhub config show`` prints it.

    Args:
        variable: The variable that sets it.
        value: Its value as one writes it in the environment; ``***`` for a secret, empty for none.
        source: ``default``, ``process environment`` or ``settings.env:3``, with the variable's name
            if another one said it.
        meaning: What it is, with its unit.
    """

    variable: str
    value: str
    source: str
    meaning: str


def list_settings(loaded: LoadedSettings) -> tuple[SettingRow, ...]:
    """Return every setting of the hub, in the order of the example file."""
    sources = {name.upper(): (name, source) for name, source in loaded.sources.items() if loaded.environ.get(name)}
    return tuple(
        SettingRow(name, format_value(value), _source_of(name, sources) if is_set else DEFAULT, _meaning_of(field))
        for name, value, field, is_set in _walk(loaded.settings, PREFIX)
    )


def list_plugin_variables(loaded: LoadedSettings) -> list[tuple[str, str, str]]:
    """Return variable, value and source of what is set for plugins, by name; secrets as ``***``."""
    names = []
    for name in sorted(loaded.environ):
        section, nested, _ = name.upper().removeprefix(PREFIX).partition(NESTING)
        if name.upper().startswith(PREFIX) and nested and section.lower() not in Settings.model_fields:
            names.append(name)
    secret = secret_names(Settings, PREFIX, names)
    values = {name: "***" if name in secret else hide_login(loaded.environ[name]) for name in names}
    return [(name, value, loaded.sources[name]) for name, value in values.items() if value]


def format_value(value: Any) -> str:
    """Return ``value`` as one writes it in the environment; secrets and logins in URLs as ``***``."""
    match value:
        case None:
            text = ""
        case SecretStr():
            text = "***"
        case bool():
            text = "true" if value else "false"
        case timedelta():
            text = format_duration(value)
        case list():
            text = ",".join(map(format_value, value))
        case _:
            text = hide_login(str(value))
    return text


def write_example() -> str:
    """Return the text of ``settings.env.example``: every setting with default, unit and meaning."""
    blocks = [textwrap.indent(_HEAD, "# ", predicate=lambda _: True).replace("# \n", "#\n")]
    sections = {name: _section_of(field) for name, field in Settings.model_fields.items()}
    for name, field in Settings.model_fields.items():
        if sections[name] is None:
            blocks.append(_write_setting(PREFIX + name.upper(), field))
    for name, section in sections.items():
        if section is not None:
            blocks += _write_section(name, section)
    return "\n\n".join(blocks) + "\n"


def _write_section(name: str, section: type[BaseModel]) -> Iterator[str]:
    prefix = f"{PREFIX}{name.upper()}{NESTING}"
    title = (section.__doc__ or "").partition("\n")[0]
    if Settings.model_fields[name].annotation is not section:
        prefix += f"REPORTS{NESTING}"
        title += "\n# REPORTS stands for the queue's name."
    yield f"# ---- {title}"
    for key, field in section.model_fields.items():
        yield _write_setting(prefix + key.upper(), field)


def _write_setting(name: str, field: FieldInfo) -> str:
    # A default that is computed differs between machines; the meaning says what it is.
    default = "" if field.default_factory is not None else format_value(field.default)
    meaning = textwrap.wrap(_meaning_of(field), _WIDTH - 2)
    return "\n".join([*(f"# {line}" for line in meaning), f"# {name}={default}"])


def _section_of(field: FieldInfo) -> type[BaseModel] | None:
    """Return the model of a section, or of the entries of a mapping of sections."""
    for member in members_of(field.annotation):
        for candidate in (member, *getattr(member, "__args__", ())):
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                return candidate
    return None


def _walk(model: BaseModel, prefix: str) -> Iterator[tuple[str, Any, FieldInfo, bool]]:
    """Yield variable, value and field of each setting, and whether it was set at all."""
    for key, field in type(model).model_fields.items():
        name, value = prefix + key.upper(), getattr(model, key)
        if isinstance(value, BaseModel):
            yield from _walk(value, name + NESTING)
        elif _section_of(field) is not None:
            for entry, section in value.items():
                yield from _walk(section, f"{name}{NESTING}{entry.upper()}{NESTING}")
        else:
            yield name, value, field, key in model.model_fields_set


def _source_of(name: str, sources: Mapping[str, tuple[str, str]]) -> str:
    if name in sources:
        return sources[name][1]
    # Else it was set by an alias, or by the JSON in the variable of its section.
    parts = name.split(NESTING)
    wholes = [NESTING.join(parts[:length]) for length in range(len(parts) - 1, 0, -1)]
    for other in (ALIASES.get(name, ""), *wholes):
        if other in sources:
            spelt, source = sources[other]
            return f"{source} ({spelt})"
    return DEFAULT


def _meaning_of(field: FieldInfo) -> str:
    return " ".join((field.description or "").split())
