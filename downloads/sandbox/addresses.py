"""Decides which addresses a download may connect to: a pure function of the address.

The address is judged when a connection is made, because the site chooses what is fetched next.
`guard.py` asks; this module only judges.
"""

import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Endpoint = tuple[Address, int | None]  # a port of None means every port

V4_MAPPED = ipaddress.IPv6Network("::ffff:0:0/96")
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# All that IANA has allocated so far, and the forms that carry an IPv4 address. is_global is True
# for most of the rest: IPv4-compatible and -translated, local NAT64, site-local, segment routing.
IN_USE = (ipaddress.IPv6Network("2000::/3"), V4_MAPPED, NAT64)
# is_global is True for the 6to4 relay anycast and, on older Pythons, for documentation.
NEVER: tuple[Network, ...] = (
    ipaddress.IPv4Network("192.88.99.0/24"),
    ipaddress.IPv6Network("3fff::/20"),
)


@dataclass(frozen=True, kw_only=True)
class AllowedHosts:
    """The private hosts and networks that VNSITE_ALLOW_PRIVATE_HOSTS allows."""

    networks: tuple[Network, ...] = ()
    endpoints: frozenset[Endpoint] = frozenset()
    names: frozenset[tuple[str, int | None]] = frozenset()

    @classmethod
    def parse(cls, entries: Iterable[str]) -> "AllowedHosts":
        """Parse `host`, `host:port`, `[v6]:port`, `network/length`. ValueError names the entry."""
        networks: list[Network] = []
        endpoints: set[Endpoint] = set()
        names: set[tuple[str, int | None]] = set()
        for entry in entries:
            if "/" in entry:
                networks.append(ipaddress.ip_network(entry, strict=False))
                continue
            host, port = _split_port(entry)
            address = as_address(host)
            if address is None:
                names.add((host.lower(), port))
            else:
                endpoints.add((address, port))
        return cls(networks=tuple(networks), endpoints=frozenset(endpoints), names=frozenset(names))

    def pin(self, resolve: Callable[[str], Iterable[str]]) -> "AllowedHosts":
        """Resolve the names once. Addresses that they resolve to later are not allowed."""
        pinned = {
            (address, port)
            for name, port in self.names
            for text in resolve(name)
            if (address := as_address(text)) is not None
        }
        return AllowedHosts(
            networks=self.networks, endpoints=self.endpoints | pinned, names=self.names
        )

    def allows(self, address: Address, port: int) -> bool:
        return (
            any(address in network for network in self.networks if _same_family(address, network))
            or (address, port) in self.endpoints
            or (address, None) in self.endpoints
        )

    def allows_name(self, host: str, port: int) -> bool:
        """Whether a host is allowed by its name, before it is resolved."""
        address = as_address(host)
        if address is not None:
            return self.allows(address, port)
        return (host.lower(), port) in self.names or (host.lower(), None) in self.names


def as_address(text: str) -> Address | None:
    """Parse an address in canonical form, `[v6]` and zones included; None for anything else."""
    try:
        return ipaddress.ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return None


def refusal(address: Address, port: int, allowed: AllowedHosts) -> str | None:
    """Return why a connection to an address is refused, or None when it is allowed.

    Judges the address and every IPv4 address embedded in it (mapped, 6to4, Teredo, NAT64), because
    a gateway on the way delivers to that.
    """
    if allowed.allows(address, port):
        return None
    for candidate in (address, *carried(address)):
        if not allowed.allows(candidate, port) and not _is_public(candidate):
            return f"{address} is not a public address"
    return None


def carried(address: Address) -> list[Address]:
    """Return the embedded IPv4 addresses, to which a gateway on the way delivers."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in NAT64:
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
    return [candidate for candidate in found if candidate is not None]


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and not any(
        address in network for network in IN_USE
    ):
        return False
    if any(address in network for network in NEVER if _same_family(address, network)):
        return False
    return address.is_global and not address.is_multicast


def _same_family(address: Address, network: Network) -> bool:
    return address.version == network.version


def _split_port(entry: str) -> tuple[str, int | None]:
    """Split `host`, `host:8080`, `[::1]:8080` or a bare IPv6 address into host and port."""
    if as_address(entry) is not None:
        return entry, None
    host, separator, port = entry.rpartition(":")
    if not separator:
        return entry, None
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{entry!r} is not host, host:port or a network")
    return host, int(port)
