"""Decides which texts are links, and brings a link into its one normal form.

Pure: resolves no name, connects nowhere. Whether the address behind a link may be reached is
decided when a connection is made. This check comes earlier and answers in friendlier words. It
also keeps from yt-dlp what it reads as more than a link: `ytsearch:`, `data:`, `//host`,
`-option`, and fragments, which can smuggle options into it (CVE-2023-46121).
"""

import ipaddress
import re
import unicodedata
from enum import StrEnum
from urllib.parse import urlsplit

import idna

from downloads.rules.words import marked, say

MAX_URL_LENGTH = 2048  # characters, of what was typed and of the normal form
MAX_LINKS = 1000  # in one submission
MAX_HOST_LENGTH = 253  # RFC 1035, as text

_SCHEME = re.compile(r"(https?)://", re.IGNORECASE)
_HOST_AND_PORT = re.compile(r"(\[[^\]]*\]|[^:]*)(?::(.*))?", re.DOTALL)
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")

# Zero-width joiners shape words and emoji, and browsers copy them in paths. The other format
# characters (BOM, bidi marks and overrides) only make a link look like another.
_JOINERS = "\u200c\u200d"
_INVISIBLE = frozenset({"Cc", "Cf", "Cs"})


class LinkFault(StrEnum):
    """Why a text is not a link that can be downloaded."""

    EMPTY = "empty"
    TOO_LONG = "too_long"
    CONTROL_CHARACTERS = "control_characters"
    WHITE_SPACE = "white_space"
    BACKSLASH = "backslash"
    NOT_HTTP = "not_http"
    SEVERAL = "several"
    NO_HOST = "no_host"
    USER_INFO = "user_info"
    INVALID_HOST = "invalid_host"
    INVALID_PORT = "invalid_port"
    PRIVATE_ADDRESS = (
        "private_address"  # decided by `downloads.submission`, which knows the settings
    )


SENTENCES = {
    LinkFault.EMPTY: marked("Enter a link."),
    LinkFault.TOO_LONG: marked("A link can have at most {most:,} characters."),
    LinkFault.CONTROL_CHARACTERS: marked("The link contains control or invisible characters."),
    LinkFault.WHITE_SPACE: marked("The link contains a space. Write it as %20."),
    LinkFault.BACKSLASH: marked("The link contains a backslash. Write it as / or as %5C."),
    LinkFault.NOT_HTTP: marked("A link must begin with http:// or https://."),
    LinkFault.SEVERAL: marked("There are several links in this text. Give each one by itself."),
    LinkFault.NO_HOST: marked("The link names no site after http:// or https://."),
    LinkFault.USER_INFO: marked("A link cannot contain a user name or password before an @."),
    LinkFault.INVALID_HOST: marked("The name of the site in the link is not valid."),
    LinkFault.INVALID_PORT: marked("The port in the link must be a number from 1 to 65535."),
    LinkFault.PRIVATE_ADDRESS: marked("The link leads to a private address, which is not allowed."),
}


class InvalidLink(ValueError):
    """The text is not a link that can be downloaded. The message is a sentence for a person."""

    def __init__(self, code: LinkFault) -> None:
        super().__init__(say(SENTENCES[code], most=MAX_URL_LENGTH))
        self.code = code


def clean_url(text: str) -> str:
    """Return the normal form of a link, by which duplicates are found. Raises InvalidLink.

    Surrounding white space and the fragment are dropped, scheme and host become lower case, the
    host is IDNA-encoded (UTS 46, as in browsers). Path and query stay as typed.
    """
    link = text.strip()
    _refuse_characters(link)
    scheme = _SCHEME.match(link)
    if scheme is None:
        raise InvalidLink(LinkFault.NOT_HTTP)
    rest = link[scheme.end() :].partition("#")[0]
    authority = re.split("[/?]", rest, maxsplit=1)[0]
    url = f"{scheme[1].lower()}://{_clean_authority(authority)}{rest[len(authority) :]}"
    if len(url) > MAX_URL_LENGTH:
        raise InvalidLink(LinkFault.TOO_LONG)
    return url


def site_of(url: str) -> str:
    """Return the site of a clean URL: its host without "www.", and any port but the default.

    A redirect to another host still counts for the site in the link.
    """
    return urlsplit(url).netloc.removeprefix("www.")


def _refuse_characters(link: str) -> None:
    if not link:
        raise InvalidLink(LinkFault.EMPTY)
    if len(link) > MAX_URL_LENGTH:
        raise InvalidLink(LinkFault.TOO_LONG)
    if any(unicodedata.category(c) in _INVISIBLE and c not in _JOINERS for c in link):
        raise InvalidLink(LinkFault.CONTROL_CHARACTERS)
    if any(character.isspace() for character in link):
        raise InvalidLink(LinkFault.WHITE_SPACE)
    if "\\" in link:
        raise InvalidLink(LinkFault.BACKSLASH)


def _clean_authority(authority: str) -> str:
    if "@" in authority:
        raise InvalidLink(LinkFault.USER_INFO)
    match = _HOST_AND_PORT.fullmatch(authority)
    if match is None:
        raise InvalidLink(LinkFault.INVALID_HOST)
    host, port = match.groups()
    if not host:
        raise InvalidLink(LinkFault.NO_HOST)
    if port is None:
        return _clean_host(host)
    return f"{_clean_host(host)}:{_clean_port(port)}"


def _clean_port(port: str) -> str:
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
        raise InvalidLink(LinkFault.INVALID_PORT)
    return port


def _clean_host(host: str) -> str:
    if host.startswith("["):
        return f"[{_clean_ipv6_address(host[1:-1])}]"
    name = host.lower() if host.isascii() else _encode(host)
    labels = name.removesuffix(".").split(".")
    if len(name) > MAX_HOST_LENGTH or not all(_LABEL.fullmatch(label) for label in labels):
        raise InvalidLink(LinkFault.INVALID_HOST)
    if _NUMBER.fullmatch(labels[-1]):
        _refuse_disguised_ipv4_address(name)
    return name


def _clean_ipv6_address(text: str) -> str:
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        raise InvalidLink(LinkFault.INVALID_HOST) from None
    if address.scope_id is not None:  # names an interface of this machine
        raise InvalidLink(LinkFault.INVALID_HOST)
    return str(address)


def _refuse_disguised_ipv4_address(name: str) -> None:
    """Refuse every spelling of an IPv4 address but the dotted decimal one.

    A host that ends in a number is an IPv4 address (WHATWG URL, "ends in a number"): resolvers read
    0x7f.1, 0177.0.0.1 and 2130706433 as 127.0.0.1. Only the plain form shows where it leads.
    """
    try:
        ipaddress.IPv4Address(name)
    except ValueError:
        raise InvalidLink(LinkFault.INVALID_HOST) from None


def _encode(host: str) -> str:
    # Bounded first: the encoder takes quadratic time for long input (CVE-2024-3651).
    if len(host) > MAX_HOST_LENGTH:
        raise InvalidLink(LinkFault.INVALID_HOST)
    try:
        return idna.encode(host, uts46=True).decode("ascii").lower()
    except UnicodeError:
        raise InvalidLink(LinkFault.INVALID_HOST) from None
