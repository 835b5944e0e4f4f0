"""Writes a hub's keys as the release that runs this does, for tests of the releases after it.

``python -m tests.integration.upgrade.write_hub > hub-schema-N.json``, with the release before installed.
Commands rather than DUMP payloads: those can't be read by an older server.
"""

from __future__ import annotations

import base64
import json
import socket
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import dramatiq

from helperhub import Context, Every, RetryPolicy, helper
from helperhub.services.helpers import HelperUpdate
from helperhub.store.scripts import Gone
from helperhub.testing import ServerForTests, running_hub
from helperhub.testing.running import working

#: Bound by the signatures: whoever loads the keys has to have this name.
HUB = "upgrade"
#: What is in these keys lasts until the test runs, years later.
FOR_EVER = {"HELPERHUB_HISTORY__KEEP_FAILURES": "36500d", "HELPERHUB_QUEUES__DEFAULT__RESULT_TTL": "36500d"}
SETTINGS = {"HELPERHUB_HUB": HUB, "HELPERHUB_SCHEDULER__WINDOW": "2h", **FOR_EVER}

_SPREAD = Every(timedelta(minutes=20))


@helper
def echo(ctx: Context[Any]) -> Any:
    return ctx.payload


@helper(retry=RetryPolicy(max_attempts=2))
def fail(ctx: Context[Any]) -> None:
    message = f"attempt {ctx.attempt} of {ctx.payload}"
    raise RuntimeError(message)


@helper(schedule=_SPREAD, overlap="queue")
def tidy(ctx: Context[Any]) -> str:
    return "tidied"


@helper(schedule=_SPREAD, overlap="skip", priority=2, expires_after=timedelta(minutes=5))
def report(ctx: Context[Any]) -> str:
    return "reported"


HELPERS = [echo, fail, tidy, report]


def declare_total(hub: Any) -> dramatiq.Actor[..., Any]:
    @dramatiq.actor(broker=hub.broker, max_retries=0)
    def total(number: int) -> int:
        return number + 1

    return total


def write_hub(url: str) -> dict[str, str]:
    """Fill a hub with executions in every state; return their ids by what they are."""
    ids: dict[str, str] = {}
    with running_hub(HELPERS, url=url, settings=SETTINGS, worker=False, scheduler=False) as hub:
        total = declare_total(hub)
        hub.load_plugins()
        with working(hub, threads=2):
            ids["success"] = hub.enqueue("echo", {"n": 1, "word": "süß"}, metadata={"app": "shop"})
            ids["keyed"] = hub.enqueue("echo", "keyed", id="order-7")
            ids["retry"] = hub.enqueue("fail", "later")
            ids["dead"] = total.send("no number").message_id
            ids["dead too"] = total.send(None).message_id
            ids["expired"] = hub.enqueue("echo", "late", expires_after=timedelta(microseconds=1000))
            for name in ("success", "keyed", "dead", "dead too", "expired"):
                hub.wait(ids[name])
            _wait_for(lambda: len(hub.executions.get(ids["retry"]).errors) == 1)
        hub.dead_letters.replay([ids["dead too"]])
        ids["replayed"] = hub.executions.get(ids["dead too"]).reason.rpartition(" ")[2].rstrip(")")
        ids["cancelled"] = hub.enqueue("echo", "not wanted")
        hub.executions.cancel(ids["cancelled"], reason="by hand")
        _hold(hub, ids)
        _plan(hub, ids)
        ids["queued"] = hub.enqueue("echo", {"n": 2}, priority=5, metadata={"app": "shop"})
        ids["urgent"] = hub.enqueue("echo", {"n": 3}, priority=1, expires_after=timedelta(days=36500))
        ids["delayed"] = hub.enqueue("echo", {"n": 4}, delay=timedelta(hours=1))
        ids["pipeline"] = (total.message(1) | total.message()).run().messages[0].message_id
        hub.helpers.update("report", HelperUpdate(priority=4), reason="less urgent")
        hub.queues.pause("default")
    return ids


def _hold(hub: Any, ids: dict[str, str]) -> None:
    """Leave one execution running, and one that may have killed its process."""
    for name in ("running", "suspect"):
        worker = f"old-machine:1:{name[:4]}"
        ids[name] = hub.enqueue("echo", name, priority=1)
        hub.scripts.join(worker, lease_ms=1_000, about={"queues": "default", "host": "old-machine", "pid": "1"})
        hub.scripts.claim(worker, ["default"], number=1, want=1, will_wait=False, waited=False)
        if name == "suspect":
            hub.scripts.reap([Gone(worker, "SIGSEGV", (ids[name],))])


def _plan(hub: Any, ids: dict[str, str]) -> None:
    """Plan; run two of one helper, so that one is parked, skip one and move one."""
    hub._planner.plan()
    first, second, third, *_ = hub.plan.upcoming(helper="tidy")
    ids["active"], ids["parked"] = first.id, second.id
    hub.plan.run(first.id, reason="now")
    clock = hub.build_clock()
    clock._promoter.promote()
    hub.plan.run(second.id, reason="now too")
    clock._promoter.promote()
    ids["moved"] = third.id
    hub.plan.move(third.id, to=datetime.now(UTC) + timedelta(minutes=90), reason="later")
    ids["skipped"] = hub.plan.upcoming(helper="report")[1].id
    hub.plan.skip(ids["skipped"], reason="not today")


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        if time.monotonic() > deadline:
            message = "waited in vain"
            raise TimeoutError(message)
        time.sleep(0.02)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def read_keys(client: Any) -> list[list[str]]:
    """Return the commands that write all keys of a server, each word in base 64."""
    commands: list[list[bytes]] = []
    for key in sorted(client.scan_iter()):
        kind = client.type(key).decode()
        if kind == "string":
            commands.append([b"SET", key, client.get(key)])
        elif kind == "hash":
            commands.append([b"HSET", key, *(word for pair in client.hgetall(key).items() for word in pair)])
        elif kind == "set":
            commands.append([b"SADD", key, *sorted(client.smembers(key))])
        elif kind == "list":
            commands.append([b"RPUSH", key, *client.lrange(key, 0, -1)])
        elif kind == "zset":
            rows = client.zrange(key, 0, -1, withscores=True)
            commands.append([b"ZADD", key, *(word for name, score in rows for word in (b"%d" % score, name))])
        else:
            commands += [
                [b"XADD", key, id_, *(word for pair in values.items() for word in pair)]
                for id_, values in client.xrange(key)
            ]
    return [[_text(word) for word in command] for command in commands]


def write_keys(client: Any, commands: list[list[str]]) -> None:
    """Carry out what `read_keys` returned."""
    for command in commands:
        client.execute_command(*(base64.b64decode(word) for word in command))


def main() -> None:
    """Write the keys and the ids to stdout."""
    socket.gethostname = lambda: "old-machine"
    with ServerForTests() as server:
        ids = write_hub(server.url)
        from helperhub.store.connection import build_client  # noqa: PLC0415 - its place may change

        client = build_client(server.url)
        json.dump({"ids": ids, "commands": read_keys(client)}, sys.stdout, indent=0)


if __name__ == "__main__":
    main()
