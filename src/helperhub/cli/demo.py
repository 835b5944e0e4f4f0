"""``helperhub up --demo``: real plugins against a loopback HTTP target and a temporary crontab."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from helperhub.errors import ConfigurationError
from helperhub.hub import Hub
from helperhub.settings import LoadedSettings, installed_plugins, load_settings

_NEEDED = ("checkin", "crontab")
_HUB = "demo"


@dataclass(frozen=True, slots=True)
class Demo:
    """A demonstration that is set up.

    Args:
        loaded: The settings with the demonstration's own.
    """

    loaded: LoadedSettings

    def before_workers(self, hub: Hub) -> None:
        """Ask for one execution that no worker can start in time, for there is none yet."""
        hub.enqueue("checkin/late", {"name": "late", "tcp": "127.0.0.1:9"}, expires_after=timedelta(milliseconds=1))


@contextmanager
def open_demo(loaded: LoadedSettings) -> Iterator[Demo]:
    """Yield the demonstration: a target on loopback, a crontab beside it, and settings that use both.

    Raises:
        ConfigurationError: A plugin that it shows isn't installed, or the crontab can't be written.
    """
    missing = [name for name in _NEEDED if name not in installed_plugins()]
    if missing:
        message = f"The demonstration needs {' and '.join(f'helperhub-{name}' for name in missing)}."
        raise ConfigurationError(message, hint="Install them with pip, beside helperhub.")
    crontab = _write_crontab(loaded.settings.data_dir)
    with _target() as port:
        environ = {
            **loaded.environ,
            "HELPERHUB_HUB": _HUB,
            "HELPERHUB_CRONTAB__FILES": str(crontab),
            "HELPERHUB_CHECKIN__TARGETS": json.dumps(_targets(port)),
        }
        yield Demo(load_settings(list(loaded.env_files), environ))


def _write_crontab(directory: Path) -> Path:
    """Write it to the same place each time, for the helpers of a crontab are called by that."""
    crontab = directory / "demo.crontab"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        crontab.write_text(_CRONTAB)
    except OSError as error:
        message = f"The demonstration's crontab can't be written to '{crontab}': {error.strerror}."
        raise ConfigurationError(
            message, hint="Set HELPERHUB_DATA_DIR to a directory that can be written to."
        ) from error
    return crontab


#: Adopted as it is: a line a minute, one at the start, one that fails.
_CRONTAB = """\
SHELL=/bin/sh
@reboot echo "the hub has started"
* * * * * echo "hello from cron"; date -u
* * * * * echo "disk check failed" >&2; exit 3
"""


def _targets(port: int) -> list[dict[str, object]]:
    base = f"http://127.0.0.1:{port}"
    return [
        {"name": "shop", "url": f"{base}/ok", "schedule": "every 5s", "expect_text": "fine"},
        # Every other request fails: checked again after ten seconds, it answers.
        {"name": "flaky", "url": f"{base}/flaky", "schedule": "every 15s"},
        {"name": "broken", "url": f"{base}/broken", "schedule": "every 15s"},
        {"name": "late", "tcp": f"127.0.0.1:{port}", "schedule": "every 1h"},
    ]


class _Answers(BaseHTTPRequestHandler):
    seen: Counter[str]

    def do_GET(self) -> None:
        """Answer /ok well, /flaky every other time, and all else never."""
        self.seen[self.path] += 1
        well = self.path == "/ok" or (self.path == "/flaky" and self.seen[self.path] % 2 == 0)
        body = b"all is fine\n" if well else b"out of order\n"
        self.send_response(200 if well else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's name
        """Keep the terminal for the hub's own lines."""


@contextmanager
def _target() -> Iterator[int]:
    answers = type("_CountingAnswers", (_Answers,), {"seen": Counter()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), answers)
    thread = threading.Thread(target=server.serve_forever, name="demo-target", daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
