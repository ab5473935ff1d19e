"""Takes the browser's address and scheme from reverse proxies that are configured as trusted.

Anybody else could put any address into `X-Forwarded-For` to evade the limit on failed sign-ins, or
claim that a plain connection was encrypted.
"""

import ipaddress
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from django.conf import settings
from django.http import HttpRequest

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Scope = dict[str, Any]
Application = Callable[[Scope, Any, Any], Awaitable[None]]

FORWARDED_FOR = b"x-forwarded-for"
FORWARDED_PROTO = b"x-forwarded-proto"


class BehindProxies:
    """An ASGI application that passes the browser's address and scheme on to another one.

    `proxies` are networks. The headers are removed from every request, believed or not.
    """

    def __init__(self, application: Application, proxies: Iterable[str]) -> None:
        self._application = application
        self._networks = tuple(ipaddress.ip_network(text, strict=False) for text in proxies)

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            scope = self._as_the_browser_sees_it(scope)
        await self._application(scope, receive, send)

    def _as_the_browser_sees_it(self, scope: Scope) -> Scope:
        forwarded_for = b",".join(_values(scope, FORWARDED_FOR)).decode("latin-1")
        forwarded_proto = b",".join(_values(scope, FORWARDED_PROTO)).decode("latin-1")
        kept = [
            item for item in scope["headers"] if item[0] not in (FORWARDED_FOR, FORWARDED_PROTO)
        ]
        scope = {**scope, "headers": kept}
        host, port = scope.get("client") or ("", 0)
        if not self._is_proxy(host):
            return scope
        # Each proxy appends its peer: the last address that is not a proxy's is the browser's.
        for hop in reversed([text.strip() for text in forwarded_for.split(",") if text.strip()]):
            if not _is_address(hop):
                break
            host, port = hop, 0
            if not self._is_proxy(hop):
                break
        if forwarded_proto.rpartition(",")[2].strip() in ("http", "https"):
            scope["scheme"] = forwarded_proto.rpartition(",")[2].strip()
        return {**scope, "client": (host, port)}

    def _is_proxy(self, host: str) -> bool:
        return _is_address(host) and any(
            ipaddress.ip_address(host) in network for network in self._networks
        )


def behind_proxies(application: Application) -> Application:
    """Wrap the application behind the proxies of VNSITE_TRUSTED_PROXIES."""
    return BehindProxies(application, settings.VNSITE.trusted_proxies)


def client_address(request: HttpRequest) -> str:
    """Return the browser's address, for the limit on failed sign-ins."""
    return str(request.META.get("REMOTE_ADDR") or "")


def _values(scope: Scope, name: bytes) -> list[bytes]:
    return [value for header, value in scope["headers"] if header == name]


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
