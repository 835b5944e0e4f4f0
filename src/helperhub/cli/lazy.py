"""A group of commands whose modules are imported only when they are called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import click


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """A command that isn't imported yet.

    Args:
        target: ``module:attribute`` of the `click.Command`.
        help: One line for the list of commands.
        section: Heading under which the list shows it; empty means it isn't shown.
    """

    target: str
    help: str
    section: str = ""

    def load(self) -> click.Command:
        """Import the command."""
        module, _, attribute = self.target.partition(":")
        loaded: click.Command = getattr(import_module(module), attribute)
        return loaded


class LazyGroup(click.Group):
    """A group whose help needs no import of its commands.

    click's own group asks each command for its help text, and so needs all of them.
    """

    def __init__(self, *args: Any, lazy: Mapping[str, LazyCommand] | None = None, **options: Any) -> None:
        """Take ``lazy`` commands by name, in the order in which the help lists them."""
        super().__init__(*args, **options)
        self.lazy = dict(lazy or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return [*self.lazy, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command of that name, imported now, or None."""
        found = self.lazy.get(cmd_name)
        return found.load() if found else super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Refuse an unknown name with those that it resembles; click only knows of imported ones."""
        known = {name for name, lazy in self.lazy.items() if lazy.section}
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            raise click.NoSuchCommand(args[0], possibilities=sorted(known), ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands, section by section."""
        del ctx
        for section in dict.fromkeys(lazy.section for lazy in self.lazy.values() if lazy.section):
            with formatter.section(section):
                formatter.write_dl([(name, lazy.help) for name, lazy in self.lazy.items() if lazy.section == section])
