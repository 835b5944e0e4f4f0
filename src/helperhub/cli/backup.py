"""``helperhub backup`` and ``helperhub restore``: the hub's state, into a file and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from helperhub.cli.call import current_call
from helperhub.cli.dead import is_terminal
from helperhub.cli.output import counted, echo_document, echo_facts, wants_json
from helperhub.cli.words import json_option
from helperhub.errors import Conflict, UsageError

if TYPE_CHECKING:
    from helperhub.hub import Hub
    from helperhub.store.restore import Contents

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("file", type=_FILE)
@click.option("--verify", is_flag=True, help="Check FILE instead of writing it; Redis isn't asked.")
@json_option
def backup(file: Path, *, verify: bool) -> None:
    """Write the hub's state to FILE, while it works.

    Every execution that was there when it began is in it, each in one state; helpers as operators
    changed them, the plan, dead letters, history, API keys, webhooks and the audit trail too. What
    ended since it began would run again. Signing keys and the archive aren't in it.
    """
    if verify:
        from helperhub.services.backup import Backups  # noqa: PLC0415 - help must not import what it needs not

        done = Backups.check(file)
    else:
        done = _open_hub().backups.write(file)
    document = done.to_document()
    if wants_json():
        echo_document(document)
        return
    click.echo(f"{'Whole' if verify else 'Written'}: {file}, {_size(document['bytes'])}, {_seconds(document)}.")
    echo_facts(_facts(document))


@click.command()
@click.argument("file", type=_FILE)
@click.option("--replace", is_flag=True, help="Delete what the hub has first.")
@click.option("--yes", is_flag=True, help="Don't ask.")
@json_option
def restore(file: Path, *, replace: bool, yes: bool) -> None:
    """Bring back the hub's state from FILE, while nothing else runs, and check that it is back.

    What ran waits again. A damaged file, or one of another hub or schema, is refused before
    anything is written. Without a configured Redis the embedded server is started for it.
    """
    backups = _open_hub().backups
    backups.refuse_at_work()
    found = backups.contents()
    if replace and found.keys and not yes:
        backups.check(file)
        _confirm(found)
    done = backups.restore(file, replace=replace)
    document = done.to_document()
    if wants_json():
        echo_document(document)
    else:
        click.echo(f"Restored and checked: {file}, {_seconds(document)}.")
        deleted = document["deleted_keys"]
        echo_facts([*_facts(document), ("deleted before", counted(deleted, "key") if deleted else "")])
    if done.doubted:
        click.echo(
            f"helperhub: {counted(done.doubted, 'open execution')} can't be run with the signing and encryption keys"
            " of this hub. Put the keys back that it had when the backup was written, before you start it.",
            err=True,
        )


def _open_hub() -> Hub:
    """Return the hub; where it has an embedded server that doesn't run, that runs until the command ends."""
    from helperhub.supervise.embedded import EmbeddedServer, find_running  # noqa: PLC0415 - as above

    settings = current_call().load_settings().settings
    if settings.redis_url is None and find_running(settings.data_dir) is None:
        server = EmbeddedServer.start(settings.data_dir)
        click.get_current_context().call_on_close(server.stop)
    return current_call().open_hub()


def _confirm(found: Contents) -> None:
    """Ask whether all that the hub has is to be deleted.

    Raises:
        UsageError: Nobody is there to ask.
        Conflict: The answer is no.
    """
    has = (
        f"{counted(found.executions, 'execution')} ({counted(found.dead_letters, 'dead letter')})"
        f" and {counted(found.helpers, 'helper')}"
    )
    if not is_terminal():
        message = f"Replacing {has} needs a yes."
        raise UsageError(message, hint="Give --yes.")
    if not click.confirm(f"Delete {has} for good, and restore the backup?", err=True):
        message = "Nothing was changed."
        raise Conflict(message)


def _facts(document: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        ("hub", document["hub"]),
        ("as it was", document["created_at"]),
        ("release", f"{document['version']}, schema {document['schema']}"),
        ("open", counted(document["open"], "execution")),
        ("ended", f"{counted(document['ended'], 'execution')}, {counted(document['dead_letters'], 'dead letter')}"),
        ("helpers", str(document["helpers"])),
        ("digest", document["digest"]),
    ]


def _size(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"


def _seconds(document: dict[str, Any]) -> str:
    return f"{document['seconds']:.1f} s"
