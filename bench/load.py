"""Sends HTTP requests from a process of its own, at a fixed rate whatever the answers take: ``python -m bench.load``.

Latency is counted from when a request was due to be sent, not from when it could be: a server that stalls makes all
that waits behind the stall slow, as it is for those who ask. Raw sockets, kept alive. A JSON document on stdin says
what to do, one on stdout what came of it.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

#: Longer than any server may think about one request.
PATIENCE_S = 60.0


@dataclass
class Seen:
    """What came of the requests."""

    ms: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    body: str = ""

    def document(self) -> dict[str, Any]:
        """Return it for the one who asked."""
        return {"ms": self.ms, "statuses": self.statuses, "body": self.body}


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def ask(streams: Streams, request: bytes) -> tuple[str, bytes]:
    """Return status and body of the answer to one request."""
    reader, writer = streams
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").lower().split("\r\n")
    length = next(int(line[16:]) for line in lines if line.startswith("content-length: "))
    return lines[0].split()[1], await reader.readexactly(length)


def write_request(wish: dict[str, Any], number: int) -> bytes:
    """Return the bytes of a request; its paths take turns."""
    paths = wish["paths"]
    body = str(wish.get("body", "")).encode()
    head = [
        f"{wish['method']} {paths[number % len(paths)]} HTTP/1.1",
        f"Host: {wish['host']}:{wish['port']}",
        *wish.get("headers", []),
        *([f"Content-Length: {len(body)}", "Content-Type: application/json"] if body else []),
    ]
    return "\r\n".join([*head, "", ""]).encode() + body


async def at_a_rate(wish: dict[str, Any]) -> Seen:
    """Send ``count`` requests, ``rate`` a second, over ``connections``."""
    seen = Seen()
    idle: asyncio.Queue[Streams] = asyncio.Queue()
    for _ in range(wish["connections"]):
        idle.put_nowait(await asyncio.open_connection(wish["host"], wish["port"]))
    begun = time.perf_counter() + 0.1

    async def one(number: int, due: float) -> None:
        streams = await idle.get()
        try:
            status, body = await asyncio.wait_for(ask(streams, write_request(wish, number)), PATIENCE_S)
            seen.body = body.decode(errors="replace")[:2000]
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            status = type(error).__name__
            streams = await asyncio.open_connection(wish["host"], wish["port"])
        seen.ms.append((time.perf_counter() - due) * 1000)
        seen.statuses[status] += 1
        idle.put_nowait(streams)

    async with asyncio.TaskGroup() as group:
        for number in range(wish["count"]):
            due = begun + number / wish["rate"]
            await asyncio.sleep(max(0, due - time.perf_counter()))
            group.create_task(one(number, due))
    return seen


async def at_once(wish: dict[str, Any]) -> Seen:
    """Send ``count`` requests at one moment, each over a connection that is open by then."""
    seen = Seen()
    every = [await asyncio.open_connection(wish["host"], wish["port"]) for _ in range(wish["count"])]
    begun = time.perf_counter()

    async def one(number: int, streams: Streams) -> None:
        try:
            status, _ = await asyncio.wait_for(ask(streams, write_request(wish, number)), PATIENCE_S)
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            status = type(error).__name__
        seen.ms.append((time.perf_counter() - begun) * 1000)
        seen.statuses[status] += 1

    await asyncio.gather(*(one(number, streams) for number, streams in enumerate(every)))
    return seen


async def listening(wish: dict[str, Any]) -> Seen:
    """Let ``count`` connections listen for ``seconds``; ms are from an outcome's record to its event."""
    seen = Seen()
    opened = 0

    async def one(number: int) -> None:
        nonlocal opened
        reader, writer = await asyncio.open_connection(wish["host"], wish["port"], limit=1_000_000)
        writer.write(write_request(wish, number))
        try:
            while True:
                line = await reader.readline()
                if line == b"event: ready\n":
                    opened += 1
                    if opened == wish["count"]:
                        sys.stderr.write("ready\n")
                        sys.stderr.flush()
                elif line.startswith(b'data: {"id"'):
                    # One clock: both are on this machine.
                    now = time.time()
                    ended = datetime.fromisoformat(json.loads(line[6:])["finished_at"]).timestamp()
                    seen.ms.append((now - ended) * 1000)
                    seen.statuses["event"] += 1
                elif line in (b"event: gap\n", b""):
                    seen.statuses["gap" if line else "end"] += 1
                    return
        finally:
            writer.close()

    tasks = [asyncio.create_task(one(number)) for number in range(wish["count"])]
    await asyncio.sleep(wish["seconds"])
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return seen


KINDS = {"rate": at_a_rate, "once": at_once, "listen": listening}


def main() -> None:
    """Do what stdin says."""
    wish = json.load(sys.stdin)
    json.dump(asyncio.run(KINDS[wish["kind"]](wish)).document(), sys.stdout)


if __name__ == "__main__":
    main()
