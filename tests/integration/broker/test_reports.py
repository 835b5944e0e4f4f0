"""Progress and log lines can be read while an execution runs, and a while after."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from helperhub import Context, helper
from helperhub.broker.reports import MAX_LINE_BYTES, MAX_LINES
from helperhub.model.execution import Status
from helperhub.testing.running import running_hub

WaitUntil = Callable[..., None]
leave = threading.Event()


@helper
def talk(ctx: Context[Any]) -> None:
    ctx.log.info("began", extra={"room": "hall"})
    ctx.progress(1, 2, "half of it")
    leave.wait(20)
    try:
        raise OSError("no door")  # noqa: TRY301, EM101 - the shortest way to one
    except OSError:
        ctx.log.warning("ended", exc_info=True)


@helper
def chatter(ctx: Context[Any]) -> None:
    for number in range(MAX_LINES * 2):
        ctx.log.info("line %d %s", number, "x" * 5000)


def test_reports_are_read_while_it_runs_and_after_its_end(redis_url: str, wait_until: WaitUntil) -> None:
    leave.clear()
    with running_hub([talk], url=redis_url) as hub:
        id_ = hub.enqueue("talk")

        wait_until(lambda: hub.executions.log(id_) and hub.executions.progress(id_))
        assert hub.executions.get(id_).status is Status.RUNNING
        (line,) = hub.executions.log(id_)
        assert (line["level"], line["text"], line["fields"]["room"]) == ("info", "began", "hall")
        assert hub.executions.progress(id_) == {"done": 1, "total": 2, "text": "half of it"}

        leave.set()
        wait_until(lambda: len(hub.executions.log(id_)) == 2)
        last = hub.executions.log(id_)[-1]
        assert (last["level"], last["text"], last["error"]) == ("warning", "ended", "OSError: no door")


def test_only_the_last_lines_are_kept_and_none_is_long(redis_url: str, wait_until: WaitUntil) -> None:
    with running_hub([chatter], url=redis_url) as hub:
        id_ = hub.enqueue("chatter")

        wait_until(lambda: hub.executions.log(id_) and hub.executions.log(id_)[-1]["text"].startswith("line 399"))

        raw = hub.records.log(id_)
        assert len(raw) == MAX_LINES
        assert max(map(len, raw)) <= MAX_LINE_BYTES
        assert 0 < hub.scripts.client.pttl(hub.scripts.keys.at("log", id_)) <= 3_600_000
