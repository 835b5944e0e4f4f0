"""Fills a settings model from variables, by the rules of pydantic-settings."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, TypeVar

from pydantic import BaseModel, Field, ValidationError, create_model
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from helperhub.errors import ConfigurationError, UsageError
from helperhub.model.duration import parse_duration
from helperhub.settings.model import PREFIX, Settings
from helperhub.settings.problems import build_error, describe_problems
from helperhub.settings.variables import NESTING, find_unknown, members_of, suggest

ModelT = TypeVar("ModelT")
FilledT = TypeVar("FilledT", bound=BaseModel)


class VariablesSource(EnvSettingsSource):
    """Reads given variables instead of the process environment."""

    def __init__(self, settings_cls: type[BaseSettings], variables: Mapping[str, str]) -> None:
        """Take ``variables``, without regard to case; empty ones count as not set."""
        super().__init__(settings_cls)
        # Sorted, so that a section's JSON comes before the variables that refine it.
        self.env_vars = {name.lower(): value for name, value in sorted(variables.items()) if value}

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """Return what the JSON text says, or the text itself: validation then names the variable."""
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value


class _Nested(BaseSettings):
    model_config = SettingsConfigDict(env_nested_delimiter=NESTING)


def section_of(plugin: str) -> str:
    """Return the section of a plugin's variables: its entry point name in capitals, dashes as underscores."""
    return plugin.upper().replace("-", "_").replace(".", "_")


def fill_plugin_settings(plugin: str, model: type[ModelT], environ: Mapping[str, str]) -> ModelT:
    """Return ``model`` filled from ``HELPERHUB_<PLUGIN>__*``.

    ``__`` parts nested names, lists and mappings are JSON, durations may be written ``90s``.

    Args:
        plugin: The plugin's entry point name.
        model: A pydantic model; every variable of the section must fill one of its fields.
        environ: All variables.

    Raises:
        ConfigurationError: A value is missing or doesn't fit, or a variable fills nothing; the
            message names each.
    """
    about = f"Plugin '{plugin}'"
    section = section_of(plugin)
    if section.lower() in Settings.model_fields:
        message = f"{about} can't have settings: HELPERHUB_{section} is a section of HelperHub's own."
        raise ConfigurationError(message, hint="Give its entry point another name.")
    if not issubclass(model, BaseModel):
        message = f"{about} has settings of type {model.__name__}, which is not a pydantic model."
        raise ConfigurationError(message, hint="Derive it from pydantic.BaseModel.")
    return _fill(model, f"{PREFIX}{section}", environ, about=about)


def _fill(model: type[FilledT], name: str, environ: Mapping[str, str], *, about: str) -> FilledT:
    """Return ``model`` filled from the variable ``name`` (JSON) and those nested below it."""
    prefix = name + NESTING
    given = {
        key.upper(): value for key, value in environ.items() if value and (key.upper() + NESTING).startswith(prefix)
    }
    refused = find_unknown([key for key in given if key != name], model, prefix)
    problems = [_describe_unknown(key, model, prefix) for key in refused]
    try:
        filled = model.model_validate(_read_section(model, name, given))
    except ValidationError as error:
        problems += describe_problems(error, model=model, prefix=prefix, environ=given, aliases={}, refused=refused)
        # Not chained: pydantic's own message shows values, secret ones too.
        raise build_error(problems, about=about) from None
    if problems:
        raise build_error(problems, about=about)
    return filled


def _read_section(model: type[BaseModel], name: str, variables: Mapping[str, str]) -> Any:
    """Return the values for ``model``, read as one nested field of a settings class."""
    wrapper = create_model("Section", __base__=_Nested, section=(model, Field(validation_alias=name)))
    values = VariablesSource(wrapper, variables)().get(name, {})
    return _with_durations(model, values) if isinstance(values, dict) else values


def _with_durations(model: type[BaseModel], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``values`` with durations such as ``90s`` read, which pydantic doesn't take."""
    read = dict(values)
    for name, field in model.model_fields.items():
        members, value = members_of(field.annotation), read.get(name)
        if timedelta in members and isinstance(value, str):
            try:
                read[name] = parse_duration(value)
            except UsageError:
                continue  # ISO 8601 is left to pydantic
        nested = [member for member in members if isinstance(member, type) and issubclass(member, BaseModel)]
        if len(nested) == 1 and isinstance(value, dict):
            read[name] = _with_durations(nested[0], value)
    return read


def _describe_unknown(name: str, model: type[BaseModel], prefix: str) -> str:
    near = suggest(name, model, prefix)
    return f"{name} fills no setting of this plugin." + (f" Did you mean {near}?" if near else "")
