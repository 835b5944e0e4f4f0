"""A server that would lose work is refused before anything starts on it."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
import redis

from helperhub import Hub
from helperhub.errors import ConfigurationError, StoreUnavailable
from helperhub.services.start import check_server
from helperhub.store.server import ServerFacts
from helperhub.testing import ServerForTests
from helperhub.testing.running import build_hub

START = {
    "worker": ("helperhub", "worker", "--burst"),
    "scheduler": ("helperhub", "scheduler"),
    "up": ("helperhub", "up", "--for", "1s"),
    "dramatiq": ("dramatiq", "helperhub.actors", "--processes", "1", "--threads", "1"),
}
EVICTING = ("--maxmemory-policy", "allkeys-lru")


@pytest.fixture
def server() -> Iterator[ServerForTests]:
    with ServerForTests(aof=True) as server:
        yield server


@pytest.fixture
def hub(server: ServerForTests) -> Iterator[Hub]:
    found = build_hub((), url=server.url, settings={})
    yield found
    found.close()


def start(server: ServerForTests, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("HELPERHUB_")},
        "HELPERHUB_REDIS_URL": server.url,
        "HELPERHUB_PLUGINS__BLOCKED": "weather,checkin,crontab,housekeeping",
        "HELPERHUB_SIGNING__ENABLED": "false",
        **variables,
    }
    argv = [sys.executable, "-m", *command]
    return subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=25, check=False)


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("command", START)
def test_server_that_evicts_is_refused(command: str) -> None:
    with ServerForTests(arguments=EVICTING) as server:
        ended = start(server, *START[command])

    assert ended.returncode == 78, ended.stderr
    assert "allkeys-lru" in ended.stderr
    assert "noeviction" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_server_without_persistence_is_warned_about_once() -> None:
    with ServerForTests() as server:
        ended = start(server, *START["worker"], HELPERHUB_LOG__FORMAT="json")

    assert ended.returncode == 0, ended.stderr
    assert ended.stderr.count('"persistence_missing"') == 1


def test_up_tells_people_that_nothing_is_persisted() -> None:
    with ServerForTests() as server:
        ended = start(server, *START["up"])

    assert ended.returncode == 0, ended.stderr
    assert "a crash loses everything" in ended.stderr


def test_server_with_an_append_only_file_is_taken_without_a_word(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    hub.check_server()

    assert events(caplog) == []


def test_server_that_forbids_config_is_taken_and_what_cant_be_checked_is_told(
    server: ServerForTests, caplog: pytest.LogCaptureFixture
) -> None:
    """Managed servers forbid CONFIG."""
    with redis.Redis.from_url(server.url) as operator:
        operator.config_set("appendonly", "no")
        operator.acl_setuser("app", enabled=True, nopass=True, commands=["+@all", "-config"], keys=["*"])
    hub = build_hub((), url=server.url.replace("unix://", "unix://app:x@"), settings={})

    hub.check_server()
    hub.close()

    assert events(caplog) == ["server_unchecked"]
    assert "save" in str(vars(caplog.records[-1])["error"])


def test_server_that_forbids_info_is_taken_with_a_warning(
    server: ServerForTests, caplog: pytest.LogCaptureFixture
) -> None:
    with redis.Redis.from_url(server.url) as operator:
        operator.acl_setuser("app", enabled=True, nopass=True, commands=["+@all", "-info"], keys=["*"])
    hub = build_hub((), url=server.url.replace("unix://", "unix://app:x@"), settings={})

    hub.check_server()
    hub.close()

    assert events(caplog) == ["server_unchecked"]


def test_server_that_isnt_there_is_no_wrong_configuration(hub: Hub, server: ServerForTests) -> None:
    server.stop()

    with pytest.raises(StoreUnavailable):
        hub.check_server()


def facts(engine: str = "redis", version: str = "7.4.0", *, aof: bool = True, fsync: str = "everysec") -> ServerFacts:
    return ServerFacts(engine, version, aof, fsync, False, 0, 0, "noeviction", 0)


@pytest.mark.parametrize(
    ("found", "durable", "word"),
    [
        (facts(version="6.2.14"), False, "redis 6.2.14"),
        (facts("valkey", "7.2.5"), False, "valkey 7.2.5"),
        (facts(version="7.0.15"), True, "WAITAOF"),
        (facts(aof=False), True, "no append-only file"),
        (facts(fsync="no"), True, "appendfsync no"),
    ],
    ids=["old redis", "old valkey", "no WAITAOF", "no file", "never synced"],
)
def test_server_that_cant_do_what_is_needed_is_refused(
    found: ServerFacts, durable: bool, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is one server binary here: others' answers are given."""
    monkeypatch.setattr("helperhub.services.start.read_servers", lambda client: {"": found})

    with pytest.raises(ConfigurationError, match=word):
        check_server(None, durable=durable)


@pytest.mark.parametrize("found", [facts(), facts(version="7.2.0"), facts("valkey", "8.0.1"), facts("valkey", "9.1.2")])
def test_server_that_can_is_taken(found: ServerFacts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("helperhub.services.start.read_servers", lambda client: {"": found})
    check: Callable[..., list[str]] = check_server

    check(None, durable=True)


def test_durable_start_without_an_append_only_file_is_refused() -> None:
    with ServerForTests() as server:
        ended = start(server, *START["worker"], HELPERHUB_DURABLE="true")

    assert ended.returncode == 78
    assert "appendonly yes" in ended.stderr
