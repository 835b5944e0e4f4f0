"""Alerts and backups: what fires comes back, and who died or stopped makes no hub one that isn't empty."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from helperhub import Hub
from helperhub.store.calls import Gone
from helperhub.testing import ServerForTests
from helperhub.testing.running import build_hub


def test_alerts_come_back_and_a_hub_that_was_only_started_is_empty(tmp_path: Path) -> None:
    with ExitStack() as stack:

        def open_hub() -> Hub:
            server = stack.enter_context(ServerForTests())
            hub = build_hub((), url=server.url, settings={"HELPERHUB_HUB": "kept"})
            stack.callback(hub.close)
            return hub

        old, new = open_hub(), open_hub()
        old.scripts.join("machine:1:x", lease_ms=30_000, about={"queues": "default"})
        old.scripts.reap([Gone("machine:1:x", "SIGKILL")])
        old.build_alert_watch().turn()
        old.backups.write(tmp_path / "a")
        new.catalogue.note_stopped("machine:2:y", now_ms=1)

        new.backups.restore(tmp_path / "a")

        assert [one["subject"] for one in new.alerts.all()] == ["worker:machine"]
