"""Which addresses and URLs are outside, in all the ways that they can be written."""

from __future__ import annotations

import ipaddress
import socket
import threading
from datetime import timedelta
from typing import Any

import pytest

from helperhub.errors import UsageError
from helperhub.model.callback_url import MAX_URL, parse_callback_url
from helperhub.services.outside import CallFailed, Outside, TargetRefused
from helperhub.services.outside_addresses import is_outside, parse_allowed

INSIDE = [
    *("127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
    *("169.254.169.254", "100.64.0.1", "100.100.100.200", "192.0.0.1", "192.0.2.1", "198.18.0.1", "198.51.100.7"),
    *("203.0.113.9", "224.0.0.1", "239.1.2.3", "240.0.0.1", "255.255.255.255", "192.88.99.1"),
    *("::", "::1", "fe80::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "3fff::1", "100::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::93.184.215.14"),
    *("64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2002:a9fe:a9fe::1"),
    # Teredo: its server, then its client, whose bits are turned over.
    *("2001:0:7f00:1::", "2001:0:5ef8:1::80ff:fffe", "2001:0:5ef8:1:0:0:5601:5601"),
    # ISATAP.
    *("2a00:1450::5efe:127.0.0.1", "2a00:1450::200:5efe:10.0.0.1", "2001:2::1", "2001:10::1", "5f00::1"),
]
OUTSIDE = [
    *("93.184.215.14", "8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2a00:1450:4001:800::200e"),
    *("::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1", "2606:4700::1111"),
]


@pytest.mark.parametrize("text", INSIDE)
def test_address_is_inside(text: str) -> None:
    assert not is_outside(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", OUTSIDE)
def test_address_is_outside(text: str) -> None:
    assert is_outside(ipaddress.ip_address(text))


@pytest.mark.parametrize(
    "url",
    [
        *("", "ftp://example.org/", "file:///etc/passwd", "//example.org/", "example.org", "gopher://example.org/1"),
        *("http://", "http:///x", "http://:80/", "http://example.org:0/", "http://example.org:65536/", "http://a:b/"),
        *("http://user@example.org/", "http://user:password@example.org/", "http://@example.org/"),
        *("http://example.org\\@127.0.0.1/", "http://exa mple.org/", "http://example.org/\r\nHost: x", "http://é.org/"),
        *("http://example.org/\tx", "http://example.org/\x00", "http://exam%70le.org/", "http://[::1%25eth0]/"),
        *("http://[::1/", "http://[v1.x]/", "http://[127.0.0.1]/", "http://-x.org/", "http://..org/", "http://a..b/"),
        *("http://127.1/", "http://0x7f.1/", "http://0x7f000001/", "http://2130706433/", "http://017700000001/"),
        *("http://0177.0.0.1/", "http://127.0.0.1./", "http://127.0.0.1.1/", "http://256.0.0.1/", "http://x.0x10/"),
        f"http://example.org/{'x' * MAX_URL}",
    ],
)
def test_url_that_could_be_read_in_two_ways_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match=r"^The callback "):
        parse_callback_url(url)


@pytest.mark.parametrize(
    ("url", "authority", "target"),
    [
        ("https://Shop.Example.ORG", "shop.example.org", "/"),
        ("https://shop.example.org:443/a?b=c#d", "shop.example.org", "/a?b=c"),
        ("http://shop.example.org.:8080/a%20b", "shop.example.org:8080", "/a%20b"),
        ("http://[2A00:1450::1]:81/", "[2a00:1450::1]:81", "/"),
        ("http://93.184.215.14/", "93.184.215.14", "/"),
        ("http://under_score/", "under_score", "/"),
    ],
)
def test_url_is_read_as_one_thing(url: str, authority: str, target: str) -> None:
    found = parse_callback_url(url)

    assert (found.authority, found.target) == (authority, target)


def test_url_is_shown_without_its_query() -> None:
    assert str(parse_callback_url("https://x.org/a?token=secret")) == "https://x.org/a?..."


def test_refused_url_is_not_repeated_for_it_may_hold_a_password() -> None:
    with pytest.raises(UsageError) as refused:
        parse_callback_url("http://ada:hunter2@example.org/")

    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("host", ["127.1", "0x7f.1", "2130706433", "0177.1", "localhost", "127.0.0.1"])
def test_whatever_the_resolver_reads_as_loopback_is_refused(host: str) -> None:
    """Were the syntax let through, the address that comes out of the resolver counts all the same."""
    url = parse_callback_url("http://stands-in/")
    outside = Outside(resolve=lambda _host, port: [(i[0], i[4]) for i in socket.getaddrinfo(host, port)])

    with pytest.raises(TargetRefused):
        outside.post(url, b"", {})


@pytest.mark.parametrize("bad", ["127.0.0.1", "169.254.169.254", "::1", "fe80::1%eth0", "::ffff:10.1.2.3", "nonsense"])
def test_one_bad_address_among_good_ones_refuses_all(bad: str) -> None:
    places: list[tuple[int, Any]] = [(socket.AF_INET, ("93.184.215.14", 80)), (socket.AF_INET6, (bad, 80, 0, 0))]

    with pytest.raises(TargetRefused, match="leads inside"):
        Outside(resolve=lambda *_: places).post(parse_callback_url("http://x.org/"), b"", {})


def test_name_without_an_address_is_a_failure() -> None:
    with pytest.raises(CallFailed, match="no address"):
        Outside(resolve=lambda *_: []).post(parse_callback_url("http://x.org/"), b"", {})


def test_resolver_that_hangs_ends_at_the_time_limit() -> None:
    done = threading.Event()

    def resolve(host: str, port: int) -> list[tuple[int, Any]]:
        del host, port
        done.wait(20)
        return []

    with pytest.raises(CallFailed, match=r"within 0\.2 s"):
        Outside(timeout=timedelta(seconds=0.2), resolve=resolve).post(parse_callback_url("http://x.org/"), b"", {})
    done.set()


def test_allowed_are_names_addresses_and_networks() -> None:
    allowed = parse_allowed(["Intra.Example.org.", "10.1.0.0/16", "127.0.0.1", "[::1]"])

    assert allowed.has_name("intra.example.org")
    assert allowed.has(ipaddress.ip_address("10.1.255.1"))
    assert not allowed.has(ipaddress.ip_address("10.2.0.1"))
    assert allowed.has(ipaddress.ip_address("::1"))


@pytest.mark.parametrize("entry", ["10.1.0.1/16", "*.example.org", "http://x", "10.0.0.300", ""])
def test_what_allows_nothing_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match="no host name, address or network"):
        parse_allowed([entry])
