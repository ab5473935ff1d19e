"""Lets plugins ask the servers beside vnsite that the administrator named, and nobody else.

A server that makes tokens for an extractor listens on an address that no site may lead to. What
tells a plugin's own request from one that a site led to is who made it: the code of the plugin
itself, by a plain request. A redirect, a manifest or a media URL never is that.
"""

import sys
from collections.abc import Iterable
from http.cookiejar import CookieJar
from typing import Any
from urllib.parse import urlsplit

import yt_dlp
from yt_dlp.networking import Request, RequestDirector, Response

from downloads.fetch.plugins import is_of_plugin
from downloads.sandbox.addresses import AllowedHosts
from downloads.sandbox.guard import Guard

DEFAULT_PORTS = {"http": 80, "https": 443}
# Between a plugin and `urlopen` lie only yt-dlp's ways to make one request. Its ways to read a
# manifest, which a page may have named, are not among them.
REQUESTS = frozenset(
    {
        "_download_webpage",
        "_download_webpage_handle",
        "_request_webpage",
        "download_content",  # _download_json and its like
        "download_handle",
        "urlopen",
    }
)


class Assistance:
    """The named servers, as one child may ask them."""

    def __init__(
        self, downloader: yt_dlp.YoutubeDL, guard: Guard, *, servers: Iterable[str]
    ) -> None:
        """`servers`: of `host:port`."""
        self._servers = AllowedHosts.parse(servers)
        self._pinned = guard.pin(self._servers)
        self._guard = guard
        self._downloader = downloader
        self._director: RequestDirector | None = None

    def is_meant(self, request: Request) -> bool:
        """Say whether a plugin itself asks one of the servers. Call it in `urlopen`."""
        try:
            parts = urlsplit(request.url)
            port = parts.port or DEFAULT_PORTS.get(parts.scheme, 0)
        except ValueError:
            return False
        return self._servers.allows_name(parts.hostname or "", port) and _is_asked_by_plugin()

    def open(self, request: Request) -> Response:
        with self._guard.allowing(self._pinned):
            response: Response = self._connections().send(request)
        return response

    def _connections(self) -> RequestDirector:
        """Return what keeps the connections to the servers.

        They are apart from all others: a redirect of a site would be sent over one that is open
        already, without a new one that the guard could judge. Cookies and proxies of sites are not
        for them.
        """
        if self._director is None:
            usual = self._downloader._request_director
            handlers: list[Any] = [type(each) for each in usual.handlers.values()]
            self._director = self._downloader.build_request_director(handlers, usual.preferences)
            for key, handler in self._director.handlers.items():
                handler.cookiejar, handler.proxies = CookieJar(), {}
                handler.timeout = usual.handlers[key].timeout
        return self._director


def _is_asked_by_plugin() -> bool:
    frame = sys._getframe(2)
    while frame is not None and frame.f_code.co_name in REQUESTS:
        frame = frame.f_back  # type: ignore[assignment]
    return frame is not None and is_of_plugin(str(frame.f_globals.get("__name__", "")))
