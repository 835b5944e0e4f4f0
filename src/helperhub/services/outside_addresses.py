"""Which addresses are outside: what a stranger's URL may lead to, and nothing else.

An address is inside unless the registries say that it is global (IANA, IPv4 and IPv6 Special-Purpose
Address Registries, as of 2026), and so is one that carries an inside one within it. The tables stand
here and not only in the standard library's, which changed them in patch releases.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_INSIDE_4 = [
    ipaddress.IPv4Network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
    )
]
#: Global unicast is 2000::/3: whatever lies beyond is inside, but for what carries an IPv4 address.
_GLOBAL_6 = ipaddress.IPv6Network("2000::/3")
_INSIDE_6 = [
    ipaddress.IPv6Network(text)
    # Protocol assignments (with ORCHID and benchmarking), documentation, AS 112.
    for text in ("2001::/23", "2001:db8::/32", "2620:4f:8000::/48", "3fff::/20")
]
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_TEREDO = ipaddress.IPv6Network("2001::/32")
_6TO4 = ipaddress.IPv6Network("2002::/16")
#: The interface identifiers of ISATAP (RFC 5214, 6.1).
_ISATAP = frozenset({0x00005EFE, 0x02005EFE})


@dataclass(frozen=True, slots=True)
class Allowed:
    """Inside targets that an operator allows.

    Args:
        names: Hosts, in lower case.
        networks: Addresses.
    """

    names: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    def has_name(self, host: str) -> bool:
        """Return whether ``host`` may lead anywhere."""
        return host in self.names

    def has(self, address: Address) -> bool:
        """Return whether ``address`` is allowed."""
        return any(address in network for network in self.networks)


NOTHING_INSIDE = Allowed()


def parse_allowed(entries: Iterable[str]) -> Allowed:
    """Return what ``entries`` allow, each a host's name, an address or a network such as 10.1.0.0/16.

    Raises:
        ValueError: One is none of these.
    """
    names, networks = set(), []
    for entry in entries:
        text = entry.strip().strip("[]").lower().rstrip(".")
        try:
            networks.append(ipaddress.ip_network(text))
        except ValueError:
            if "/" in text or ":" in text or "*" in text or not text or text[-1].isdigit():
                message = f"'{entry}' is no host name, address or network such as 10.1.0.0/16."
                raise ValueError(message) from None
            names.add(text)
    return Allowed(frozenset(names), tuple(networks))


def is_outside(address: Address) -> bool:
    """Return whether ``address`` is one that a stranger's URL may lead to.

    >>> is_outside(ipaddress.ip_address("::ffff:127.0.0.1")), is_outside(ipaddress.ip_address("93.184.215.14"))
    (False, True)
    """
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _INSIDE_4) and address.is_global
    carried = list(_carried_by(address))
    if carried and not all(is_outside(one) for one in carried):
        return False
    if address.ipv4_mapped is not None or address in _NAT64:
        return True
    if address in _6TO4 or address in _TEREDO:
        return True
    return address in _GLOBAL_6 and not any(address in network for network in _INSIDE_6) and address.is_global


def _carried_by(address: ipaddress.IPv6Address) -> Iterator[ipaddress.IPv4Address]:
    """Yield the IPv4 addresses that routers, translators or tunnels would take out of an IPv6 address."""
    number = int(address)
    low = ipaddress.IPv4Address(number & 0xFFFFFFFF)
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    elif address in _NAT64 or number >> 32 & 0xFFFFFFFF in _ISATAP:
        yield low
    if address in _6TO4:
        yield ipaddress.IPv4Address(number >> 80 & 0xFFFFFFFF)
    if address in _TEREDO:
        yield ipaddress.IPv4Address(number >> 64 & 0xFFFFFFFF)
        yield ipaddress.IPv4Address(~number & 0xFFFFFFFF)


__all__ = ["NOTHING_INSIDE", "Address", "Allowed", "is_outside", "parse_allowed"]
