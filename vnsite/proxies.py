"""What a reverse proxy in front changes: the browser's address and scheme, and the path.

Only proxies that are configured as trusted are believed. Anybody else could put any address into
`X-Forwarded-For` to evade the limit on failed sign-ins, claim that a plain connection was
encrypted, or name somebody else.
"""

from collections.abc import Awaitable, Callable, Iterable
from ipaddress import ip_address, ip_network
from typing import Any

from downloads.accounts.by_proxy import SCOPE_KEY

Scope = dict[str, Any]
Application = Callable[[Scope, Any, Any], Awaitable[None]]

FORWARDED_FOR = b"x-forwarded-for"
FORWARDED_PROTO = b"x-forwarded-proto"


class BehindProxies:
    """An ASGI application that passes the browser's address, scheme and user on to another one.

    `proxies` are networks, `user_header` the name of VNSITE_AUTH_HEADER, "" for none. The headers
    are removed from every request, trusted or not; the user's name goes into the scope.
    """

    def __init__(
        self, application: Application, proxies: Iterable[str], *, user_header: str = ""
    ) -> None:
        self._application = application
        self._networks = tuple(ip_network(text, strict=False) for text in proxies)
        self._user_header = user_header.lower().encode()

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            scope = self._as_the_browser_sees_it(scope)
        await self._application(scope, receive, send)

    def _as_the_browser_sees_it(self, scope: Scope) -> Scope:
        hops, schemes = _values(scope, FORWARDED_FOR), _values(scope, FORWARDED_PROTO)
        users = [value for name, value in scope["headers"] if name == self._user_header]
        said = (FORWARDED_FOR, FORWARDED_PROTO, self._user_header)
        headers = [item for item in scope["headers"] if _canonical(item[0]) not in said]
        scope = {**scope, "headers": headers}
        host, port = scope.get("client") or ("", 0)
        if not self._is_proxy(host):
            return scope
        if len(users) == 1:  # of two, one is the client's own
            scope[SCOPE_KEY] = users[0].decode("utf-8", "replace")
        # Each proxy appends its peer: the last address that is not a proxy's is the browser's.
        for hop in reversed(hops):
            if not _is_address(hop):
                break
            host, port = hop, 0
            if not self._is_proxy(hop):
                break
        if schemes and schemes[-1] in ("http", "https"):
            scope["scheme"] = schemes[-1]
        return {**scope, "client": (host, port)}

    def _is_proxy(self, host: str) -> bool:
        return _is_address(host) and any(ip_address(host) in network for network in self._networks)


class BelowPrefix:
    """An ASGI application that passes requests for a path and what is below it on to another one.

    The path may come with the prefix or without it, as a proxy that strips it sends it. Paths that
    begin with it count as not stripped.
    """

    def __init__(self, application: Application, prefix: str) -> None:
        self._application = application
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and self._prefix:
            path = f"{scope['path']}/" if scope["path"] == self._prefix else scope["path"]
            if not path.startswith(f"{self._prefix}/"):
                path = self._prefix + path
            scope = {**scope, "path": path, "root_path": self._prefix}
        await self._application(scope, receive, send)


def _canonical(name: bytes) -> bytes:
    """Return a header's name as Django reads it: `remote_user` is `Remote-User` to it."""
    return name.lower().replace(b"_", b"-")


def _values(scope: Scope, name: bytes) -> list[str]:
    """Return the values of a header that separates them by commas, and may be repeated."""
    joined = b",".join(value for header, value in scope["headers"] if header == name)
    return [text.strip() for text in joined.decode("latin-1").split(",") if text.strip()]


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
