"""Takes the browser's address and scheme from reverse proxies that are configured as trusted.

Anybody else could put any address into `X-Forwarded-For` to evade the limit on failed sign-ins, or
claim that a plain connection was encrypted.
"""

from collections.abc import Awaitable, Callable, Iterable
from ipaddress import ip_address, ip_network
from typing import Any

Scope = dict[str, Any]
Application = Callable[[Scope, Any, Any], Awaitable[None]]

FORWARDED_FOR = b"x-forwarded-for"
FORWARDED_PROTO = b"x-forwarded-proto"


class BehindProxies:
    """An ASGI application that passes the browser's address and scheme on to another one.

    `proxies` are networks. The headers are removed from every request, trusted or not.
    """

    def __init__(self, application: Application, proxies: Iterable[str]) -> None:
        self._application = application
        self._networks = tuple(ip_network(text, strict=False) for text in proxies)

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            scope = self._as_the_browser_sees_it(scope)
        await self._application(scope, receive, send)

    def _as_the_browser_sees_it(self, scope: Scope) -> Scope:
        hops, schemes = _values(scope, FORWARDED_FOR), _values(scope, FORWARDED_PROTO)
        forwarded = (FORWARDED_FOR, FORWARDED_PROTO)
        scope = {
            **scope,
            "headers": [item for item in scope["headers"] if item[0] not in forwarded],
        }
        host, port = scope.get("client") or ("", 0)
        if not self._is_proxy(host):
            return scope
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
