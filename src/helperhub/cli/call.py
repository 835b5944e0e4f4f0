"""What one call of the command line carries from its options to its commands."""

from __future__ import annotations

import getpass
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from helperhub.hub import Hub
    from helperhub.settings import LoadedSettings

#: Nothing is asked of it: plugins can be looked at where no Redis runs.
_NO_REDIS = "redis://127.0.0.1:1"


@dataclass(slots=True)
class Call:
    """One call: its global options, and how its answer is wanted.

    Args:
        env_files: Env files to read; None means those of ``HELPERHUB_ENV_FILE``.
        as_json: Whether the answer is one JSON document; set by ``--json``.
    """

    env_files: tuple[Path, ...] | None = None
    as_json: bool = False

    def load_settings(self) -> LoadedSettings:
        """Return the settings.

        Raises:
            ConfigurationError: A setting is wrong; the message lists all that are.
        """
        from helperhub.settings import load_settings  # noqa: PLC0415 - pydantic costs what --help hasn't got

        return load_settings(self.env_files)

    def open_hub(self, *, may_lack_redis: bool = False) -> Hub:
        """Return the hub; it is closed when the command ends.

        Args:
            may_lack_redis: For commands that can do without: a hub that can't reach one is better
                than none.

        Raises:
            ConfigurationError: A setting is wrong.
            StoreUnavailable: No Redis is configured, and no embedded server runs.
        """
        from helperhub.errors import StoreUnavailable  # noqa: PLC0415 - see load_settings
        from helperhub.hub import Hub, find_url  # noqa: PLC0415 - as above
        from helperhub.model.access import Principal, Scope  # noqa: PLC0415 - as above
        from helperhub.services.audit import act_as  # noqa: PLC0415 - as above

        loaded = self.load_settings()
        try:
            url = find_url(loaded)
        except StoreUnavailable:
            if not may_lack_redis:
                raise
            url = _NO_REDIS
        hub = Hub(loaded, url)
        click.get_current_context().call_on_close(lambda: _close(hub))
        act_as(Principal(whoami(), frozenset(Scope)))
        return hub


def current_call() -> Call:
    """Return the call that runs."""
    found: Call = click.get_current_context().ensure_object(Call)
    return found


def whoami() -> str:
    """Return who calls, as the audit names him: ``person:<user>@<host>``."""
    return f"person:{_user()}@{socket.gethostname()}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number that no file knows
        return "unknown"


def _close(hub: Hub) -> None:
    # Both are built on first use: closing must not build what the command didn't need.
    if "broker" in vars(hub):
        hub.close()
    elif "scripts" in vars(hub):
        hub.scripts.client.close()
