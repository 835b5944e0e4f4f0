"""``helperhub config``: the settings, where each came from, and whether they can be used."""

from __future__ import annotations

import click

from helperhub.cli.call import current_call
from helperhub.cli.output import Column, Kind, echo_document, echo_table, wants_json
from helperhub.cli.words import json_option
from helperhub.errors import ConfigurationError


@click.group()
def config() -> None:
    """Show and check the settings."""


@config.command()
@json_option
def show() -> None:
    """Show each setting, its value and where it came from.

    Secrets are shown as ***. Variables of plugins are listed as far as they are set.
    """
    from helperhub.settings.listing import (  # noqa: PLC0415 - pydantic is slow to import
        list_plugin_variables,
        list_settings,
    )

    loaded = current_call().load_settings()
    rows = [(row.variable, row.value, row.source) for row in list_settings(loaded)]
    rows += list_plugin_variables(loaded)
    if wants_json():
        names = ("variable", "value", "source")
        echo_document({"settings": [dict(zip(names, row, strict=True)) for row in rows]})
    else:
        echo_table([Column("variable", Kind.ID), Column("value"), Column("source")], rows, empty="")


@config.command()
@json_option
def check() -> int:
    """Check the settings and those of the plugins; exits with 78 and names each problem."""
    problems = find_problems()
    if wants_json():
        echo_document({"ok": not problems, "problems": problems})
    for problem in problems:
        click.echo(f"helperhub: {problem}", err=True)
    if not problems and not wants_json():
        click.echo("All settings can be used.")
    return ConfigurationError.exit_code if problems else 0


def find_problems() -> list[str]:
    """Return what is wrong with the settings, or with what plugins read from them, a line each."""
    from helperhub.plugins.loader import quarantine_message  # noqa: PLC0415 - as above

    call = current_call()
    try:
        plugins = call.open_hub(may_lack_redis=True).load_plugins()
    except ConfigurationError as error:
        head, *more = str(error).split("\n  ")
        return more or [head]
    return [quarantine_message(plugin, plugins) for plugin in plugins.quarantined]
