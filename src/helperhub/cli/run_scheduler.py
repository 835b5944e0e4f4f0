"""``helperhub scheduler``: the clock in a process of its own. Any number may run at once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from helperhub.cli.environment import load, open_log, stop_signals, stop_when
from helperhub.hub import Hub, find_url
from helperhub.supervise.lifeline import Lifeline


def run_scheduler(*, env_files: Sequence[Path] | None, exclusive: bool = False) -> int:
    """Register what the plugins declare, then plan and enqueue until a signal; return the exit code.

    Args:
        env_files: Read instead of those the environment names.
        exclusive: All plugins there are, are installed here: forget helpers that none declares.

    Raises:
        HelperHubError: Settings are wrong, two plugins have one helper name, or Redis isn't there.
    """
    loaded = load(env_files)
    open_log(loaded)
    lifeline = Lifeline.from_environment(loaded.environ)
    stopping = stop_signals()
    hub = Hub(loaded, find_url(loaded))
    hub.require_trust(for_every_helper=True)
    hub.check_server(warn=lifeline is None)
    hub.start_reports()
    plugins = hub.load_plugins()
    registered = hub.register_if_room(exclusive=exclusive)
    clock = hub.build_clock(exclusive=exclusive, registered=registered)
    threading.Thread(target=stop_when, args=(stopping, clock.stop), daemon=True).start()
    if lifeline is not None:
        lifeline.watch(stopping.set)
        loaded_names = [f"{plugin.name} {plugin.version}" for plugin in plugins.loaded]
        quarantined = [f"{plugin.name}: {plugin.reason}" for plugin in plugins.quarantined]
        problems = [f"{plugin.name}: {problem}" for plugin in plugins.loaded for problem in plugin.problems]
        ready = {"event": "ready", "plugins": loaded_names, "quarantined": quarantined, "problems": problems}
        lifeline.send(ready)
    clock.run()
    hub.close()
    return 0
