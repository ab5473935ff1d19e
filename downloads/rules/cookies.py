"""The cookies that a user gives for a site: their form, their limits, and whose they are.

Pure. `cookie_texts` reads them from what people paste; a download that is served by a site's
cookies gets them all, and its cookie jar decides which request carries which.
"""

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self
from urllib.parse import quote, unquote, urlsplit

from downloads.rules.links import MAX_HOST_LENGTH, clean_url
from downloads.rules.words import say

MAX_COOKIES = 500  # of one site
MAX_COOKIE_BYTES = 4096  # name and value, as browsers limit them
MAX_PATH_LENGTH = 1024

# A shorter value is no secret that cannot be guessed, and may be a word of any text.
MIN_SECRET_LENGTH = 12

# Other addresses of a site, for which it sets no cookies: its own are the ones that count there.
ALIASES = {
    "b23.tv": "bilibili.com",
    "dai.ly": "dailymotion.com",
    "fb.watch": "facebook.com",
    "redd.it": "reddit.com",
    "twitter.com": "x.com",
    "youtu.be": "youtube.com",
}
# Below a country these are not a site's name: `co.uk`, `com.au`. What is rarer than these is taken
# for a site; then a cookie of all its sites is accepted, which no browser would have stored.
SECOND_LEVELS = frozenset(
    {
        *("ac", "asn", "co", "com", "edu", "gen", "go", "gob", "gov", "id", "info", "ltd", "me"),
        *("mil", "name", "ne", "net", "nom", "or", "org", "plc", "sch"),
    }
)
_DOMAIN = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*|[0-9a-f:]*:[0-9a-f:.]*")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f;]")  # would end a cookie, or the header that carries it


@dataclass(frozen=True, kw_only=True)
class Cookie:
    """One cookie. Nothing but its value is secret."""

    domain: str  # lower case, without a leading dot
    path: str
    name: str
    value: str
    secure: bool = False
    http_only: bool = False
    host_only: bool = False  # not sent to what is below the domain
    expires: int | None = None  # seconds since 1970; None: it lasts as long as the site lets it

    def __repr__(self) -> str:
        """Name the cookie without its value, for tracebacks and logs."""
        return f"<Cookie {self.name} of {self.domain}>"

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any]) -> Self:
        """Make a cookie of what `asdict` made. Raises TypeError and ValueError for anything else.

        The child sends renewed cookies so, and may have been taken over by a site.
        """
        cookie = cls(**values)
        texts = (cookie.domain, cookie.path, cookie.name, cookie.value)
        flags = (cookie.secure, cookie.http_only, cookie.host_only)
        if not all(type(text) is str for text in texts):
            raise TypeError("domain, path, name and value must be texts")
        if not all(type(flag) is bool for flag in flags) or type(cookie.expires) not in (
            int,
            type(None),
        ):
            raise TypeError("a flag or the expiry has another type")
        if fault := cookie.fault:
            raise ValueError(fault)
        return cookie

    @property
    def key(self) -> tuple[str, bool, str, str]:
        """What makes two cookies the same one, whatever their values."""
        return self.domain, self.host_only, self.path, self.name

    @property
    def fault(self) -> str:
        """Say what keeps it from being a cookie; "" when nothing does."""
        if len(self.domain) > MAX_HOST_LENGTH or not _DOMAIN.fullmatch(self.domain):
            return say("the domain is not one")
        if not self.path.startswith("/") or len(self.path) > MAX_PATH_LENGTH:
            return say(
                "the path must begin with / and have at most {most:,} characters",
                most=MAX_PATH_LENGTH,
            )
        if any(_UNSAFE.search(text) for text in (self.path, self.name, self.value)):
            return say("there is a control character or a semicolon in it")
        if len(f"{self.name}{self.value}".encode(errors="replace")) > MAX_COOKIE_BYTES:
            return say(
                "name and value together have more than {most:,} bytes", most=MAX_COOKIE_BYTES
            )
        return ""

    @property
    def can_be_sent(self) -> bool:
        """Whether a header can carry it as it is."""
        return bool(self.name) and f"{self.name}{self.value}{self.path}".isascii()

    def has_expired(self, now: float) -> bool:
        return self.expires is not None and self.expires <= now

    def belongs_to(self, host: str) -> bool:
        """Whether it is of the same site as `host`: of it, or of what is above, below or beside."""
        return site_around(self.domain) == site_around(host)

    def without_value(self) -> dict[str, Any]:
        """Return what may be shown of it."""
        return {name: value for name, value in asdict(self).items() if name != "value"}


def host_of(text: str) -> str:
    """Return the host for which cookies are kept: of a link, or of a host with or without port.

    Without `www.`; of another address of a site the site's own. Raises InvalidLink.
    """
    url = clean_url(text if "://" in text else f"http://{_bracketed(text.strip())}")
    host = (urlsplit(url).hostname or "").removesuffix(".").removeprefix("www.")
    return ALIASES.get(host, host)


def hosts_serving(url: str) -> list[str]:
    """Return the hosts whose cookies serve a download of a clean URL, the nearest first."""
    host = host_of(url)
    return [host, *_parents(host)]


def site_around(host: str) -> str:
    """Return the domain below which all belongs to one site: `example.co.uk` of `a.example.co.uk`.

    An address and a single label, such as `localhost` or `com`, stand for themselves.
    """
    return [host, *_parents(host)][-1]


def newest(cookies: Iterable[Cookie]) -> tuple[Cookie, ...]:
    """Keep the last of those that are the same cookie, in order."""
    return tuple({cookie.key: cookie for cookie in cookies}.values())


def secrets_of(values: Iterable[str]) -> set[str]:
    """Return those of the values that are secret, as they are and as URLs have them."""
    forms = {form for value in values for form in (value, quote(value, safe=""), unquote(value))}
    return {form for form in forms if len(form) >= MIN_SECRET_LENGTH}


def _parents(host: str) -> Iterator[str]:
    """Yield the domains above a host that are below a public suffix."""
    if _is_address(host):
        return
    labels = host.split(".")
    suffix = 2 if len(labels[-1]) == 2 and labels[-2:-1] and labels[-2] in SECOND_LEVELS else 1
    for start in range(1, len(labels) - suffix):
        yield ".".join(labels[start:])


def _bracketed(host: str) -> str:
    return f"[{host}]" if host.count(":") > 1 and not host.startswith("[") else host


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
