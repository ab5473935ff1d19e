"""The addresses at which other machines reach this one."""

import fcntl
import socket
import struct
from ipaddress import ip_address

SIOCGIFADDR = 0x8915  # netdevice(7): the IPv4 address of an interface
ADDRESS = slice(20, 24)  # in the answer
WILDCARDS = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 — compared, not bound


def reachable_at(host: str) -> list[str]:
    """Return the hosts, as links have them, at which others reach what listens at `host`.

    Those of all interfaces for a wildcard; none for loopback, and for a name.
    """
    host = host.strip("[]")
    if host in WILDCARDS:
        return own_addresses()
    try:
        address = ip_address(host)
    except ValueError:
        return []
    if address.is_loopback:
        return []
    return [f"[{address}]" if address.version == 6 else host]


def own_addresses() -> list[str]:
    """Return the IPv4 addresses of this machine's interfaces but loopback."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for _, name in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(asking, SIOCGIFADDR, struct.pack("256s", name.encode()))
            except OSError:  # this interface has none
                continue
            found.append(socket.inet_ntoa(answer[ADDRESS]))
    return [address for address in found if not ip_address(address).is_loopback]
