# ruff: noqa: INP001 - a script, not a package
"""Writes what the code knows into the reference: ``python docs/reference/write.py``.

Each page has a head that people wrote, down to a marker; what follows the marker is written here:
``cli.md`` from the commands, ``settings.md`` from the settings, ``http.md`` from the routes.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click

from helperhub.api.app import build_app
from helperhub.api.describe import describe
from helperhub.cli.main import command
from helperhub.hub import Hub
from helperhub.settings import load_settings
from helperhub.settings.listing import write_example

HERE = Path(__file__).parent
MARKER = "<!-- written by docs/reference/write.py from here -->\n"
_SETTING = re.compile(r"((?:^# (?!HELPERHUB_).*\n)+)^# (HELPERHUB_\w+)=(.*)$", re.MULTILINE)


def cli_pages(group: click.Group, path: tuple[str, ...] = ("helperhub",)) -> Iterator[tuple[str, click.Command]]:
    """Yield every command that people see, with its full name, in the order of the help."""
    context = click.Context(group, info_name=path[-1])
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        if found is None or found.hidden:
            continue
        yield " ".join((*path, name)), found
        if isinstance(found, click.Group):
            yield from cli_pages(found, (*path, name))


def write_cli() -> str:
    """Return the part of ``cli.md`` that the commands tell."""
    return "\n".join(
        f"{'##' if ' ' not in name.removeprefix('helperhub ') else '###'} `{name}`\n\n{_help_of(name, found)}"
        for name, found in cli_pages(command)
    )


def write_settings() -> str:
    """Return the part of ``settings.md`` that the settings tell."""
    written: list[str] = []
    for block in re.split(r"^# ---- ", write_example(), flags=re.MULTILINE):
        title, _, body = block.partition("\n")
        rows = [
            f"| `{name}` | {f'`{default}`' if default else ''} | {_unwrap(text)} |"
            for text, name, default in _SETTING.findall(body)
        ]
        heading = "The hub" if not written else title.rstrip(".")
        note = "\n`REPORTS` stands for the queue's name, in capitals.\n" if "REPORTS stands" in body else ""
        written.append(
            f"## {heading}\n{note}\n| variable | default | meaning |\n|---|---|---|\n" + "\n".join(rows) + "\n"
        )
    return "\n".join(written).replace("REPORTS stands for the queue's name. ", "")


def write_http() -> str:
    """Return the part of ``http.md`` that the routes tell."""
    hub = Hub(load_settings([], {}), "redis://127.0.0.1:1")  # nothing is asked of it
    described = describe(build_app(hub))
    by_noun: dict[str, list[str]] = {}
    for path, operations in described["paths"].items():
        for method, found in operations.items():
            summary = found["summary"] if found["summary"].endswith("?") else f"{found['summary']}."
            about = f"**{summary}** {_unwrap(found.get('description', ''))}".rstrip()
            row = f"| `{method.upper()}` | `{path}` | {found['x-scope']} | {about} |"
            by_noun.setdefault(found["tags"][0], []).append(row)
    head = "| | path | scope | |\n|---|---|---|---|\n"
    return "\n".join(f"## {noun}\n\n{head}" + "\n".join(rows) + "\n" for noun, rows in by_noun.items())


PAGES = {"cli.md": write_cli, "settings.md": write_settings, "http.md": write_http}


def write_page(name: str) -> str:
    """Return a page as it should be: its head as it is, and the rest anew."""
    head, marker, _ = (HERE / name).read_text().partition(MARKER)
    return f"{head}{marker}\n{PAGES[name]()}"


def _unwrap(comment: str) -> str:
    return " ".join(line.strip("# ") for line in comment.splitlines())


def _help_of(name: str, found: click.Command) -> str:
    parent, _, own = name.rpartition(" ")
    # Of its own accord, a context built by hand doesn't have what the group tells those below it.
    outer = click.Context(command, info_name=parent, **command.context_settings)
    context = click.Context(found, info_name=own, parent=outer, terminal_width=96)
    if isinstance(found, click.Group):
        return f"{inspect.cleandoc(found.help or '')}\n"
    return f"```text\n{found.get_help(context)}\n```\n"


if __name__ == "__main__":
    for page in PAGES:
        (HERE / page).write_text(write_page(page))
