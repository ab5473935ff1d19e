"""Decides which links of a text are taken: the same answer for form, API and command.

It resolves no name: what an address is judged by at last is the guard in the child, when a
connection is made. This is the earlier, friendlier no for what can be seen in the link itself.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings

from downloads.rules.links import InvalidLink, LinkFault, clean_url
from downloads.rules.links_in_text import Findings, FoundLink, find_links
from downloads.sandbox.addresses import AllowedHosts, as_address, refusal

DEFAULT_PORTS = {"http": 80, "https": 443}
# RFC 6761 keeps the first for this machine; Linux distributions put the others into /etc/hosts.
LOCAL_NAMES = frozenset(
    {"localhost", "localhost.localdomain", "localhost4", "localhost6", "ip6-localhost"}
)


@dataclass(frozen=True, kw_only=True)
class WrongLink:
    """A link that cannot be submitted."""

    found: FoundLink
    fault: InvalidLink


@dataclass(frozen=True, kw_only=True)
class CheckedLinks:
    """The links of a text: those that may be submitted, and the others."""

    urls: tuple[str, ...]  # each once, in its normal form
    wrong: tuple[WrongLink, ...]


def links_in(text: str) -> Findings:
    """Find the links in a text, not yet checked. Raises InvalidLink when there is none."""
    found = find_links(text)
    if not found.links:
        raise InvalidLink(LinkFault.NOT_HTTP if text.strip() else LinkFault.EMPTY)
    return found


def check_text(text: str) -> str:
    """Return the normal form of the one link in a text. Raises InvalidLink as `check_link` does."""
    first, *others = links_in(text).links
    if others:
        raise InvalidLink(LinkFault.SEVERAL)
    return check_link(first.url)


def check_links(found: Findings) -> CheckedLinks:
    """Tell the links that may be submitted from those that are wrong."""
    urls: dict[str, None] = {}
    wrong = []
    for link in found.links:
        try:
            urls[check_link(link.url)] = None
        except InvalidLink as fault:
            wrong.append(WrongLink(found=link, fault=fault))
    return CheckedLinks(urls=tuple(urls), wrong=tuple(wrong))


def check_link(text: str) -> str:
    """Return the normal form of a link that may be submitted.

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
