"""``helperhub trust``: keys that sign and encrypt what is enqueued."""

from __future__ import annotations

import click

from helperhub.cli.call import current_call
from helperhub.cli.moments import read_clock
from helperhub.cli.output import echo_document, wants_json
from helperhub.cli.words import json_option
from helperhub.errors import ConfigurationError, Conflict, HelperHubError, UsageError
from helperhub.trust import keyring
from helperhub.trust.keyring import Key, KeyRing


@click.group()
def trust() -> None:
    """Make, derive and rotate the keys that sign and encrypt what is enqueued."""


@trust.command("new-key")
@click.option("--id", "key_id", metavar="ID", help="What messages name it by; default: today's date.")
@json_option
def new_key(key_id: str | None) -> None:
    """Print a new key, as HELPERHUB_SIGNING__KEYS and HELPERHUB_ENCRYPTION__KEYS take it."""
    key = _make(key_id)
    _tell({"id": key.id, "key": str(key)}, str(key))


@trust.command()
@click.argument("helpers", nargs=-1, required=True, metavar="HELPER...")
@click.option("--encryption", is_flag=True, help="Derive from HELPERHUB_ENCRYPTION__KEYS instead.")
@json_option
def derive(helpers: tuple[str, ...], *, encryption: bool) -> None:
    """Print the keys of single helpers, as HELPERHUB_SIGNING__HELPER_KEYS takes them.

    A worker process that has only these can run and enqueue these helpers, and nobody believes
    what it writes for any other.
    """
    envelopes = current_call().open_hub(may_lack_redis=True).envelopes
    keys = envelopes.cipher.keys if encryption else envelopes.signatures.keys
    lines = []
    for helper in helpers:
        name = helper.partition("/")[0]
        ring = keys.of(name)
        if ring is None:
            message = f"There is no key to derive that of '{name}' from."
            setting = "HELPERHUB_ENCRYPTION__KEYS" if encryption else "HELPERHUB_SIGNING__KEYS"
            raise ConfigurationError(message, hint=f"Run this where {setting} is set.")
        lines += [f"{name}={key}" for key in ring.keys]
    _tell({"helper_keys": ",".join(lines)}, ",".join(lines))


@trust.command()
@click.option("--id", "key_id", metavar="ID", help="What messages name it by; default: today's date.")
@json_option
def rotate(key_id: str | None) -> None:
    """Put a new key before those in the data directory, while 'helperhub up' is stopped.

    The old ones are still believed. A hub with a Redis of its own is rotated by its setting.
    """
    from helperhub.supervise.data_dir import DataDirectory  # noqa: PLC0415 - help must not import what it needs not
    from helperhub.supervise.key_file import read_key_file, write_key_file  # noqa: PLC0415 - as above

    settings = current_call().load_settings().settings
    if settings.redis_url is not None or settings.signing.keys is not None:
        message = "The keys of this hub are in HELPERHUB_SIGNING__KEYS, not in the data directory."
        raise UsageError(message, hint="Put what 'helperhub trust new-key' prints there: see docs/howto/trust.md.")
    if DataDirectory(settings.data_dir).is_locked():
        message = "'helperhub up' runs, and would go on with the keys that it has read."
        raise Conflict(message, hint="Stop it, rotate, and start it again.")
    ring = read_key_file(settings.data_dir)
    if ring is None:
        message = f"{settings.data_dir} has no key yet."
        raise ConfigurationError(message, hint="'helperhub up' makes one.")
    key = _make(key_id)
    if ring.find(key.id) is not None:
        message = f"There is a key '{key.id}' already."
        raise UsageError(message, hint="Give the new one another --id.")
    write_key_file(settings.data_dir, KeyRing((key, *ring.keys)))
    older = [key.id for key in ring.keys]
    text = f"Key '{key.id}' signs from the next start on; still believed: {', '.join(older)}."
    _tell({"id": key.id, "older": older}, text)


@trust.command()
@json_option
def status() -> None:
    """Show the keys, and how much of what is open is under each of them."""
    found = current_call().open_hub().renewal.status()
    if wants_json():
        echo_document(found)
        return
    for name, word in (("signing", "signed"), ("encryption", "encrypted")):
        state = found[name]
        ids = ", ".join(state["keys"]) or "no key"
        click.echo(f"{name}: {ids if state['enabled'] else f'off ({ids})'}")
        for what in ("executions", "catalogue"):
            for key_id, count in sorted(state.get(what, {}).items()):
                click.echo(f"  {count} {what} {f'{word} with {key_id}' if key_id else f'not {word}'}")


@trust.command()
@json_option
def renew() -> int:
    """Sign and encrypt anew, under the first keys, what waits, runs or is a dead letter, and the catalogue.

    Exits with 1 if some of it isn't believed or can't be decrypted; that stays as it is.
    """
    done = current_call().open_hub().renewal.renew()
    text = f"{done.executions} executions and {done.catalogue} entries of the catalogue renewed."
    _tell(done.to_document(), text)
    for name, why in done.refused.items():
        click.echo(f"helperhub: '{name}' stays as it is. {why}", err=True)
    return HelperHubError.exit_code if done.refused else 0


def _tell(document: dict[str, object], text: str) -> None:
    if wants_json():
        echo_document(document)
    else:
        click.echo(text)


def _make(key_id: str | None) -> Key:
    try:
        return keyring.new_key(key_id or f"{read_clock():%Y%m%d}")
    except ValueError as error:
        raise UsageError(str(error)) from error
