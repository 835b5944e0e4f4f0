"""What the long-running commands share: settings, logs, signals, and their children's environment."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType

from helperhub.settings import ENV_FILE_VARIABLE, LoadedSettings, load_settings
from helperhub.telemetry.logs import setup_logging


def load(env_files: Sequence[Path] | None) -> LoadedSettings:
    """Return the settings; None reads the env files that the environment names.

    Raises:
        ConfigurationError: A setting is wrong.
    """
    return load_settings(env_files or None)


def open_log(loaded: LoadedSettings, *, level: str | None = None) -> None:
    """Write logs to stderr as the settings say; ``level`` instead of theirs if it isn't None."""
    log = loaded.settings.log
    setup_logging(level=level or log.level, format=log.format, stream=sys.stderr)


def child_environment(
    loaded: LoadedSettings,
    env_files: Sequence[Path] | None,
    *,
    url: str,
    changes: Mapping[str, object] | None = None,
) -> dict[str, str]:
    """Return the whole environment of a child that works with the same settings and the same Redis.

    Args:
        loaded: This process's settings.
        env_files: Those of the command line.
        url: Redis.
        changes: Variables to set; None leaves one as it is.
    """
    environ = dict(loaded.environ)
    if env_files:
        environ[ENV_FILE_VARIABLE] = os.pathsep.join(str(path.resolve()) for path in env_files)
    environ["HELPERHUB_REDIS_URL"] = url
    environ.update({name: str(value) for name, value in (changes or {}).items() if value is not None})
    return environ


def stop_signals() -> threading.Event:
    """Return an event that SIGINT and SIGTERM set; a second one ends the process at once."""
    stopping = threading.Event()

    def handle(signum: int, frame: FrameType | None) -> None:
        del frame
        if stopping.is_set():
            os._exit(128 + signum)
        stopping.set()

    signal.signal(signal.SIGINT, handle)
    signal.signal(signal.SIGTERM, handle)
    return stopping


def stop_when(stopping: threading.Event, stop: Callable[[], None]) -> None:
    """Stop something once a signal has come; for a thread of its own."""
    stopping.wait()
    stop()
