"""How a command ends that can't do what it was asked: one line on stderr and an exit code."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeVar

import click

from helperhub.errors import HelperHubError

T = TypeVar("T")

#: What a shell reports for a program that Ctrl-C ended: 128 + SIGINT.
INTERRUPTED = 130


def report_failures(run: Callable[[], T], *, as_json: Callable[[], bool]) -> T:
    """Return what ``run`` returns; tell people of an expected failure and exit.

    What nobody expected keeps its traceback: it is a bug, and Python exits with 1.

    Args:
        run: The command.
        as_json: Whether a JSON document is wanted too; asked once it failed, since the command
            reads its options itself.

    Raises:
        click.exceptions.Exit: With the failure's exit code.
    """
    try:
        return run()
    except HelperHubError as error:
        click.echo(f"helperhub: {error}", err=True)
        if as_json():
            _echo_document(error.code, error.message, error.hint)
        raise click.exceptions.Exit(error.exit_code) from error
    except click.ClickException as error:
        error.show()
        if as_json():
            _echo_document("usage", error.format_message(), "")
        raise click.exceptions.Exit(error.exit_code) from error
    except (KeyboardInterrupt, click.Abort) as interruption:
        click.echo("\nhelperhub: interrupted", err=True)
        raise click.exceptions.Exit(INTERRUPTED) from interruption


def _echo_document(code: str, message: str, hint: str) -> None:
    document = {"error": {"code": code, "message": message, "hint": hint}}
    click.echo(json.dumps(document, ensure_ascii=False), err=True)
