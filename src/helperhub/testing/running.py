"""A hub that runs for the length of a ``with`` block: server, scheduler and worker in this process."""

from __future__ import annotations

import tempfile
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dramatiq

from helperhub.hub import Hub
from helperhub.plugins.contract import Registrar
from helperhub.plugins.loader import Plugins
from helperhub.plugins.registrar import Origin, PluginRegistrar
from helperhub.settings import load_settings, plugin_settings
from helperhub.testing.server import ServerForTests

#: What ``helpers`` may be: helpers and actors, or a plugin's ``helperhub_register``.
Helpers = Iterable[Any] | Callable[[Registrar], None]
#: Nobody renews leases within one process, and a debugger may stop it for long.
_LEASE = "1h"
_STOP_MS = 10_000
#: A ring of one key that everybody knows, so that hubs in tests sign as real ones do.
KNOWN_KEYS = "test:" + "a25vd24gdG8gZXZlcnlib2R5LCBmb3IgdGVzdHMgb24="


@contextmanager
def running_hub(
    helpers: Helpers = (),
    *,
    url: str | None = None,
    settings: Mapping[str, str] | None = None,
    plugin: str = "test",
    scheduler: bool = True,
    worker: bool = True,
    threads: int = 4,
) -> Iterator[Hub]:
    """Yield a hub that plans, enqueues and runs these helpers, and no installed plugin.

    It has a name of its own, so that many may share one server. Everything ends with the block;
    executions that run may finish first.

    >>> with running_hub([greet]) as hub:                                        # doctest: +SKIP
    ...     execution = hub.wait(hub.enqueue("greet", {"name": "Ada"}))
    ...     assert execution.result == "hello Ada"

    Args:
        helpers: What ``@helper`` or ``@dramatiq.actor`` made; or a plugin's ``helperhub_register``.
        url: Redis; None starts a server and throws it away afterwards, which must be done in the
            main thread.
        settings: Variables such as ``HELPERHUB_WEATHER__LATITUDE``; this process's aren't read.
        plugin: The plugin's entry point name, which its own variables are named after.
        scheduler: Plan, and enqueue what is due.
        worker: Run what is enqueued.
        threads: Executions that the worker runs at once.
    """
    with ExitStack() as stack:
        address = stack.enter_context(ServerForTests()).url if url is None else url
        hub = build_hub(helpers, url=address, settings=settings or {}, plugin=plugin)
        stack.callback(hub.close)
        hub.register()
        if worker:
            stack.enter_context(working(hub, threads=threads))
        if scheduler:
            stack.enter_context(scheduling(hub))
        yield hub


def build_hub(helpers: Helpers, *, url: str, settings: Mapping[str, str], plugin: str = "test") -> Hub:
    """Return a hub that has these helpers for its only plugin; nothing is registered or runs yet."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    variables = {
        "HELPERHUB_HUB": name,
        # The data directory of this machine's own hub has its signing key; this one is made when somebody writes there.
        "HELPERHUB_DATA_DIR": str(Path(tempfile.gettempdir(), name)),
        "HELPERHUB_WORKER__LEASE": _LEASE,
        "HELPERHUB_SIGNING__KEYS": KNOWN_KEYS,
        "HELPERHUB_ARCHIVE__ENABLED": str("HELPERHUB_DATABASE_URL" in settings).lower(),
        **settings,
    }
    loaded = load_settings([], variables, plugin_sections=lambda: [plugin])
    hub = Hub(loaded, url)
    registrar = PluginRegistrar(
        Origin(plugin, f"helperhub-{plugin}", "0"),
        settings_of=lambda section, model: plugin_settings(section, model, loaded),
        timezone=hub.settings.timezone,
        started_at=datetime.now(UTC),
    )
    hub.broker.on_worker = _keep_nothing
    dramatiq.set_broker(hub.broker)
    if callable(helpers):
        helpers(registrar)
    else:
        for found in helpers:
            registrar.add(found)
    # Taken for what the installed plugins would have brought in.
    hub._plugins = Plugins(loaded=(registrar.finish(),))  # noqa: SLF001
    hub._declare(hub._plugins)  # noqa: SLF001
    return hub


def _keep_nothing(worker: str, board: Path) -> None:
    del worker, board  # its lease is long enough for any test


@contextmanager
def working(hub: Hub, *, threads: int = 4, queues: Iterable[str] = ()) -> Iterator[dramatiq.Worker]:
    """Run a worker of ``hub`` in this process for the length of the block.

    Args:
        hub: A hub that no worker has run for in this process.
        threads: Executions that it runs at once.
        queues: Serve only these; empty means all.
    """
    running = dramatiq.Worker(hub.broker, queues=set(queues) or None, worker_threads=threads, worker_timeout=100)
    running.start()
    try:
        yield running
    finally:
        running.stop(timeout=_STOP_MS)


@contextmanager
def scheduling(hub: Hub) -> Iterator[None]:
    """Plan, and enqueue what is due, for the length of the block."""
    clock = hub.build_clock()
    thread = threading.Thread(target=clock.run, name="helperhub-test-scheduler")
    thread.start()
    try:
        yield
    finally:
        clock.stop()
        thread.join()


__all__ = ["KNOWN_KEYS", "Helpers", "build_hub", "running_hub", "scheduling", "working"]
