"""``helperhub archiver``: takes over what ended from Redis into the archive. Any number may run at once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from pathlib import Path

from helperhub.cli.environment import load, open_log, stop_signals, stop_when
from helperhub.errors import ArchiveError, ArchiveUnavailable, ConfigurationError
from helperhub.hub import Hub, find_url
from helperhub.services.archiving import Archiver
from helperhub.supervise.lifeline import Lifeline

_log = logging.getLogger("helperhub.archive")
#: While the archive's database is away at the start it is asked again so often, seconds.
_AGAIN_S = 2.0


def run_archiver(*, env_files: Sequence[Path] | None, upgrade: bool = False) -> int:
    """Take over what ended until a signal; return the exit code.

    Args:
        env_files: Read instead of those the environment names.
        upgrade: Bring the archive's tables up to this release first.

    Raises:
        HelperHubError: Settings are wrong, the archive isn't set up, or Redis isn't there.
    """
    loaded = load(env_files)
    open_log(loaded)
    if not loaded.settings.archive.enabled:
        message = "HELPERHUB_ARCHIVE__ENABLED is false."
        raise ConfigurationError(message, hint="Without an archive there is nothing for an archiver to do.")
    lifeline = Lifeline.from_environment(loaded.environ)
    stopping = stop_signals()
    hub = Hub(loaded, find_url(loaded))
    if lifeline is not None:
        lifeline.watch(stopping.set)
    archiver = _build(hub, stopping, upgrade=upgrade)
    if archiver is not None:
        threading.Thread(target=stop_when, args=(stopping, archiver.stop), daemon=True).start()
        if lifeline is not None:
            lifeline.send({"event": "ready"})
        archiver.run()
    hub.close()
    return 0


def _build(hub: Hub, stopping: threading.Event, *, upgrade: bool) -> Archiver | None:
    """Return the archiver once its database is there; None if it is to stop before."""
    told = False
    while not stopping.is_set():
        try:
            if upgrade:
                hub.upgrade_archive()
            return hub.build_archiver()
        except ArchiveUnavailable as error:
            if not told:
                _log.warning("archive_delayed", extra={"work": "start", "error": str(error)})
            told = True
        except ArchiveError as error:
            # Not set up: it won't be better by itself, and a supervisor isn't to try again and again.
            raise ConfigurationError(error.message, hint=error.hint) from error
        stopping.wait(_AGAIN_S)
    return None
