"""The lifeline tells each side that the other has ended, and carries what the child reports."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from helperhub.supervise.lifeline import ENVIRONMENT_NAME, LINE_LIMIT, Lifeline, ParentEnd, open_pair

CHILD = """
import os, time
from helperhub.supervise.lifeline import Lifeline
lifeline = Lifeline.from_environment(os.environ)
assert lifeline is not None
lifeline.watch(lambda: os._exit(7))
lifeline.send({"event": "ready", "worker_id": "w1"})
time.sleep(60)
"""


def start_child() -> tuple[ParentEnd, subprocess.Popen[bytes]]:
    line, theirs = open_pair()
    with theirs:
        environment = {**os.environ, ENVIRONMENT_NAME: str(theirs.fileno())}
        child = subprocess.Popen([sys.executable, "-c", CHILD], env=environment, pass_fds=[theirs.fileno()])
    return line, child


def wait_readable(line: ParentEnd) -> None:
    assert select.select([line], [], [], 10)[0]


def test_child_reports_over_its_lifeline_and_ends_when_the_parent_lets_go() -> None:
    line, child = start_child()

    wait_readable(line)
    assert line.receive() == [{"event": "ready", "worker_id": "w1"}]

    line.close()
    assert child.wait(10) == 7


def test_parent_sees_the_end_when_the_child_is_killed() -> None:
    line, child = start_child()
    wait_readable(line)
    line.receive()

    child.kill()

    wait_readable(line)
    assert line.receive() == []
    assert line.has_ended
    child.wait()
    line.close()


def test_process_without_a_lifeline_gets_none() -> None:
    assert Lifeline.from_environment({}) is None
    assert Lifeline.from_environment({ENVIRONMENT_NAME: "three"}) is None
    assert Lifeline.from_environment({ENVIRONMENT_NAME: "999999"}) is None


def test_inherited_variable_without_the_descriptor_gives_none_and_closes_nothing(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file, socket.socket() as network:
        for descriptor in (file.fileno(), network.fileno()):
            assert Lifeline.from_environment({ENVIRONMENT_NAME: str(descriptor)}) is None
            os.fstat(descriptor)


def test_lifeline_is_not_inherited_by_what_the_child_starts() -> None:
    line, theirs = open_pair()
    os.set_inheritable(theirs.fileno(), True)
    descriptor = theirs.detach()

    lifeline = Lifeline.from_environment({ENVIRONMENT_NAME: str(descriptor)})

    assert lifeline is not None
    assert not os.get_inheritable(descriptor)
    lifeline.close()
    line.close()


def test_messages_of_many_threads_arrive_whole(wait_until: Callable[[Callable[[], object]], None]) -> None:
    line, theirs = open_pair()
    lifeline = Lifeline(theirs)
    received: list[int] = []

    def report(start: int) -> None:
        for number in range(start, start + 50):
            lifeline.send({"number": number, "padding": "x" * 5000})

    def read() -> bool:
        received.extend(message["number"] for message in line.receive())
        return len(received) == 200

    threads = [threading.Thread(target=report, args=(start,)) for start in (0, 50, 100, 150)]
    for thread in threads:
        thread.start()
    wait_until(read)

    assert sorted(received) == list(range(200))
    for thread in threads:
        thread.join()
    lifeline.close()
    line.close()


def test_message_over_the_limit_is_refused() -> None:
    line, theirs = open_pair()
    lifeline = Lifeline(theirs)

    with pytest.raises(ValueError, match="limit is 65536"):
        lifeline.send({"text": "x" * LINE_LIMIT})

    lifeline.close()
    line.close()


def test_overlong_and_garbled_lines_are_dropped_and_the_next_one_arrives(
    wait_until: Callable[[Callable[[], object]], None],
) -> None:
    line, theirs = open_pair()
    received: list[object] = []
    writer = threading.Thread(
        target=theirs.sendall, args=(b"x" * (5 * LINE_LIMIT) + b'\n\xff\n{"cut\n[1]\n{"event":"ready"}\n',)
    )
    writer.start()

    def read() -> bool:
        received.extend(line.receive())
        return bool(received)

    wait_until(read)

    assert received == [{"event": "ready"}]
    assert len(line._unread) == 0
    writer.join()
    theirs.close()
    line.close()


def test_send_says_false_once_the_parent_is_gone() -> None:
    line, theirs = open_pair()
    lifeline = Lifeline(theirs)
    line.close()

    assert lifeline.send({"event": "ready"}) is False
    assert lifeline.send({"event": "ready"}) is False
    lifeline.close()
