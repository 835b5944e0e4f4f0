"""The throwaway server that other tests stand on."""

from __future__ import annotations

import pytest
import redis

from helperhub.testing.server import ServerForTests


@pytest.mark.parametrize(("aof", "left"), [(True, b"1"), (False, None)])
def test_killed_server_comes_back_under_its_url_with_what_it_kept_on_disk(aof: bool, left: bytes | None) -> None:
    with ServerForTests(aof=aof) as server:
        url, pid = server.url, server.pid
        with redis.Redis.from_url(url) as client:
            client.set("key", "1")

        server.kill()
        server.start()

        assert server.url == url
        assert server.pid != pid
        with redis.Redis.from_url(url) as client:
            assert client.get("key") == left


def test_options_of_the_server_stay_over_a_restart() -> None:
    with ServerForTests(arguments=("--maxmemory", "64mb")) as server:
        server.restart()

        with redis.Redis.from_url(server.url) as client:
            assert client.config_get("maxmemory") == {"maxmemory": str(64 * 1024**2)}


def test_nothing_is_left_of_it_even_if_it_was_killed() -> None:
    with ServerForTests() as server:
        directory = server.directory
        server.kill()

    assert not directory.exists()


def test_fixtures_give_a_server_and_a_name_of_ones_own(redis_url: str, hub_name: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        assert client.keys(f"*{hub_name}*") == []
