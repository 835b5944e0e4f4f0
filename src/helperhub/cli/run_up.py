"""``helperhub up``: embedded server, scheduler, workers and HTTP under one supervisor, and one line an outcome."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from helperhub.api.shield import LOOPBACK_NAMES
from helperhub.cli.call import whoami
from helperhub.cli.demo import Demo, open_demo
from helperhub.cli.environment import child_environment, load, open_log, stop_signals
from helperhub.cli.fleet import Fleet
from helperhub.cli.outcomes import Outcomes, banner
from helperhub.errors import ConfigurationError, HelperHubError
from helperhub.hub import Hub
from helperhub.settings import LoadedSettings
from helperhub.supervise.child_events import AfterExit, ChildEvent, ChildExited, ChildReady
from helperhub.supervise.children import Children, ChildSpec
from helperhub.supervise.embedded import EmbeddedServer
from helperhub.supervise.key_file import make_key_file

_WEB, _ARCHIVER = "web", "archiver"
#: Without these the work goes on: another hub may have the port, and a database may be set right later.
_SPARED = frozenset({_WEB, _ARCHIVER})
_STOP_SCHEDULER = timedelta(seconds=5)
_START = timedelta(seconds=60)
_LOOK_AT_OUTCOMES_S = 0.5


def run_up(*, env_files: Sequence[Path] | None, demo: bool = False, duration: timedelta | None = None) -> int:
    """Run everything on this machine until a signal, or for ``duration``; return the exit code.

    Args:
        env_files: Read instead of those the environment names.
        demo: Run a demonstration beside a loopback HTTP target and a temporary crontab.
        duration: Stop after this.

    Raises:
        HelperHubError: Settings are wrong, or the embedded server doesn't start.
    """
    loaded = load(env_files)
    # Each outcome is told on stdout; what the log says of it as well would only bury that.
    level = None if "HELPERHUB_LOG__LEVEL" in loaded.environ else "error"
    open_log(loaded, level=level)
    stopping = stop_signals()
    with ExitStack() as stack:
        shown = stack.enter_context(open_demo(loaded)) if demo else None
        if shown is not None:
            loaded = shown.loaded
        url = stack.enter_context(_server(loaded))
        changes: dict[str, object] = {"HELPERHUB_STARTED_AT": int(datetime.now(UTC).timestamp())}
        if level is not None:
            changes["HELPERHUB_LOG__LEVEL"] = level
        environ = child_environment(loaded, env_files, url=url, changes=changes)
        hub = Hub(loaded, url)
        for warning in hub.check_server():
            if level is not None:  # else the log has it
                sys.stderr.write(f"helperhub: {warning}\n")
        children = stack.enter_context(Children())
        hub.require_trust(for_every_helper=True)
        run = _Run(hub, children, environ, stopping, shown)
        return run.work(duration)


@dataclass(slots=True)
class _Run:
    hub: Hub
    children: Children
    environ: Mapping[str, str]
    stopping: threading.Event
    demo: Demo | None
    outcomes: Outcomes = field(init=False)
    fleet: Fleet = field(init=False)

    def __post_init__(self) -> None:
        self.outcomes = Outcomes(self.hub.executions, began=datetime.now(UTC))
        self.fleet = Fleet(self.children, self.hub.build_keeper(), self.environ, self.hub.settings.worker)

    def work(self, duration: timedelta | None) -> int:
        """Start, watch, stop."""
        deadline = None if duration is None else time.monotonic() + duration.total_seconds()
        ready = self._start_scheduler()
        if ready is None:
            return 78
        if self.demo is not None:
            self.demo.before_workers(self.hub)
        self.fleet.start(self.hub.settings.worker.processes)
        if self.hub.settings.archive.enabled:
            self._start(_ARCHIVER, "--upgrade")
        if self.hub.settings.web.enabled:
            self._start(_WEB)
        _say(banner(self.hub, ready))
        code = self._watch(deadline)
        _say("Stopping: running executions may finish.")
        self.fleet.stop()
        self.children.stop(["scheduler", _WEB, _ARCHIVER], timeout=_STOP_SCHEDULER)
        self._tell_outcomes()
        _say(self.outcomes.summary())
        return code

    def _start(self, name: str, *options: str) -> None:
        self.children.start(ChildSpec(name, (sys.executable, "-m", "helperhub", name, *options), self.environ))

    def _start_scheduler(self) -> ChildReady | None:
        # Embedded means one machine: what no plugin here declares is gone.
        exclusive = ("--exclusive",) if self.hub.settings.redis_url is None else ()
        self._start("scheduler", *exclusive)
        deadline = time.monotonic() + _START.total_seconds()
        while time.monotonic() < deadline and not self.stopping.is_set():
            for event in self.fleet.look():
                if isinstance(event, ChildReady):
                    return event
                if _is_bad(event):
                    return None
        message = f"The scheduler wasn't ready within {_START.total_seconds():.0f} s."
        raise ConfigurationError(message, hint="See the log above; a plugin may hang at import.")

    def _watch(self, deadline: float | None) -> int:
        looked_at = 0.0
        while not self.stopping.is_set() and (deadline is None or time.monotonic() < deadline):
            events = self.fleet.look()
            if any(_is_bad(event) for event in events):
                return 78
            self._tell_of_web(events)
            if time.monotonic() - looked_at >= _LOOK_AT_OUTCOMES_S:
                looked_at = time.monotonic()
                self._tell_outcomes()
        return 0

    def _tell_of_web(self, events: Sequence[ChildEvent]) -> None:
        for event in events:
            if isinstance(event, ChildReady) and event.name == _WEB:
                address = str(event.message.get("address"))
                _say(f"HTTP at {address}, described at {address}/docs; 'helperhub keys create' makes a key.")
                self._tell_of_dashboard(address)

    def _tell_of_dashboard(self, address: str) -> None:
        """Show whoever sits at this machine the way into the dashboard; who comes from outside needs a key."""
        web = self.hub.settings.web
        if not web.dashboard or web.host not in LOOPBACK_NAMES:
            return
        try:
            token = self.hub.sessions.make_link(whoami())
        except HelperHubError as error:
            sys.stderr.write(f"helperhub: {error}\n")
            return
        _say(f"Dashboard: {address}/ui/link/{token} signs in once, within 10 minutes.")

    def _tell_outcomes(self) -> None:
        try:
            for line in self.outcomes.lines():
                _say(line)
        except HelperHubError as error:  # they are told once Redis is back
            sys.stderr.write(f"helperhub: {error}\n")


@contextmanager
def _server(loaded: LoadedSettings) -> Iterator[str]:
    """Yield the configured Redis's URL, or that of an embedded server that stops with the block."""
    if loaded.settings.redis_url is not None:
        yield loaded.settings.redis_url.get_secret_value()
        return
    # In the main thread: the server's parent-death signal goes by the thread that started it.
    with EmbeddedServer.start(loaded.settings.data_dir) as server:
        signing = loaded.settings.signing
        if signing.enabled and signing.keys is None:
            make_key_file(loaded.settings.data_dir, f"{datetime.now(UTC):%Y%m%d}")
        yield server.url


def _is_bad(event: ChildEvent) -> bool:
    return isinstance(event, ChildExited) and event.then is AfterExit.BAD_CONFIGURATION and event.name not in _SPARED


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
