from __future__ import annotations

import pytest

from helperhub.errors import ConfigurationError
from helperhub.settings import load_settings
from helperhub.store.address import Address, parse_address


@pytest.mark.parametrize("url", ["redis://localhost:6379/0", "rediss://u:p@h/1", "unix:///run/redis.sock?db=1"])
def test_one_server_is_left_to_the_client(url: str) -> None:
    assert parse_address(url) is None


def test_sentinels_are_read_with_the_primarys_name_database_and_both_logins() -> None:
    url = "rediss+sentinel://app:p%40ss@s1:26380,s2,[::1]:7/main?db=2&sentinel_password=x&ssl_ca_certs=/ca.pem"

    assert parse_address(url) == Address(
        hosts=(("s1", 26380), ("s2", 26379), ("::1", 7)),
        tls=True,
        service="main",
        db=2,
        username="app",
        password="p@ss",
        sentinel_login={"password": "x"},
        options={"ssl_ca_certs": "/ca.pem"},
    )


def test_cluster_is_read_with_its_hosts() -> None:
    found = parse_address("redis+cluster://:secret@c1:7000,c2:7001")

    assert found == Address((("c1", 7000), ("c2", 7001)), tls=False, password="secret")
    assert "secret" not in repr(found)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("redis+sentinel://s1,s2", "name of the primary"),
        ("redis+sentinel:///main", "no host"),
        ("redis+sentinel://s1:x/main", "'x' isn't a port"),
        ("redis+sentinel://s1/main?db=one", "db=one"),
        ("redis+cluster://c1/0", "neither a name nor databases"),
        ("redis+cluster://c1?db=1", "neither a name nor databases"),
    ],
)
def test_mistake_in_a_url_is_told_at_start(url: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why) as caught:
        load_settings([], {"HELPERHUB_REDIS_URL": url})

    assert "HELPERHUB_REDIS_URL" in caught.value.message
