"""``helperhub plugins``: what is installed, and what couldn't be loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from helperhub.cli.call import current_call
from helperhub.cli.output import Column, Kind, echo_document, echo_table, wants_json
from helperhub.cli.words import json_option

if TYPE_CHECKING:
    from helperhub.plugins.loader import Plugins


@click.group()
def plugins() -> None:
    """List what is installed, and what is broken."""


@plugins.command("list")
@json_option
def list_plugins() -> None:
    """List the installed plugins; those that couldn't be loaded say why. Asks no Redis."""
    found = current_call().open_hub(may_lack_redis=True).load_plugins()
    if wants_json():
        echo_document(to_document(found))
        return
    columns = [
        Column("plugin", Kind.ID),
        Column("version"),
        Column("state"),
        Column("helpers", Kind.NUMBER),
        Column("problems"),
    ]
    rows = [
        [plugin.name, plugin.version, "loaded", str(len(plugin.specs)), "\n".join(plugin.problems)]
        for plugin in found.loaded
    ]
    rows += [[plugin.name, plugin.version, "quarantined", "", plugin.reason] for plugin in found.quarantined]
    rows += [[plugin.name, plugin.version, "blocked", "", ""] for plugin in found.blocked]
    echo_table(columns, rows, empty="No plugin is installed. Install one with pip, such as helperhub-weather.")


def to_document(found: Plugins) -> dict[str, Any]:
    """Return what every face shows of the installed plugins."""
    return {
        "plugins": [
            {
                "name": plugin.name,
                "distribution": plugin.distribution,
                "version": plugin.version,
                "helpers": [spec.key for spec in plugin.specs],
                "problems": list(plugin.problems),
            }
            for plugin in found.loaded
        ],
        "quarantined": [
            {
                "name": plugin.name,
                "distribution": plugin.distribution,
                "version": plugin.version,
                "reason": plugin.reason,
                "remedy": plugin.remedy,
                "details": plugin.details,
            }
            for plugin in found.quarantined
        ],
        "blocked": [
            {"name": plugin.name, "distribution": plugin.distribution, "version": plugin.version}
            for plugin in found.blocked
        ],
    }
