"""Decides which texts are proxies. Pure."""

from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote, urlsplit

from downloads.rules.words import say

DEFAULT_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


class InvalidProxy(ValueError):
    """The text is not a proxy. The message is a sentence and has no password."""


@dataclass(frozen=True, kw_only=True)
class Proxy:
    """A proxy that downloads of a site go through."""

    url: str = field(repr=False)  # it may hold a password
    host: str  # lower case, without brackets
    port: int
    password: str = field(repr=False)  # "": none

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse `scheme://[user[:password]@]host[:port]`. Raises InvalidProxy."""
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:  # brackets that do not match, a port that is not one
            raise InvalidProxy(say("The address of the proxy is not valid.")) from None
        if parts.scheme not in DEFAULT_PORTS:
            schemes = ", ".join(f"{scheme}://" for scheme in DEFAULT_PORTS)
            raise InvalidProxy(
                say("The address of a proxy begins with one of {schemes}.", schemes=schemes)
            )
        is_more = parts.path.strip("/") or parts.query or parts.fragment
        if not parts.hostname or is_more or not text.isprintable() or " " in text:
            raise InvalidProxy(say("The address of a proxy is scheme://user:password@host:port."))
        return cls(
            url=text,
            host=parts.hostname,
            port=port or DEFAULT_PORTS[parts.scheme],
            password=unquote(parts.password or ""),
        )

    @property
    def endpoint(self) -> str:
        """Return `host:port`, as the guard takes it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"
