"""Whether a link that somebody typed is taken: the one answer of form, API and command.

It resolves no name: what an address is judged by at last is the guard in the child, when a
connection is made. This is the earlier, friendlier no for what can be seen in the link itself.
"""

from urllib.parse import urlsplit

from django.conf import settings

from downloads.rules.links import InvalidLink, LinkFault, clean_url
from downloads.sandbox.addresses import AllowedHosts, as_address, refusal

DEFAULT_PORTS = {"http": 80, "https": 443}
# RFC 6761 keeps the first for this machine; Linux distributions put the others into /etc/hosts.
LOCAL_NAMES = frozenset(
    {"localhost", "localhost.localdomain", "localhost4", "localhost6", "ip6-localhost"}
)


def check_link(text: str) -> str:
    """The normal form of a link that may be submitted.

    Raises InvalidLink, whose message is a sentence for a person; its code is PRIVATE_ADDRESS when
    the host is an address of a private network or this machine and
    VNSITE_ALLOW_PRIVATE_HOSTS does not name it.
    """
    url = clean_url(text)
    parts = urlsplit(url)
    host = (parts.hostname or "").removesuffix(".")
    port = parts.port or DEFAULT_PORTS[parts.scheme]
    if _is_private(host, port, AllowedHosts.parse(settings.VNSITE.allow_private_hosts)):
        raise InvalidLink(LinkFault.PRIVATE_ADDRESS)
    return url


def _is_private(host: str, port: int, allowed: AllowedHosts) -> bool:
    if allowed.allows_name(host, port):
        return False
    address = as_address(host)
    if address is None:
        return host in LOCAL_NAMES or host.endswith(".localhost")
    return refusal(address, port, allowed) is not None
