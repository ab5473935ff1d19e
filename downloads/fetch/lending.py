"""What the worker lends to a child for its site: cookies and a proxy, and how it keeps them secret.

Used in a forked child only, on its own copy of the downloader: nothing of the fork server changes.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, fields, is_dataclass, replace
from functools import partial
from http.cookiejar import Cookie as JarCookie
from http.cookiejar import CookieJar, DefaultCookiePolicy
from time import time
from typing import Any

import requests.sessions
from requests.cookies import RequestsCookieJar
from yt_dlp.utils.networking import HTTPHeaderDict, clean_proxies

from downloads.fetch.downloader import Downloader
from downloads.fetch.protocol import Lent, Message, Renewed, Send
from downloads.rules.cookies import MAX_COOKIES, MIN_SECRET_LENGTH, Cookie, secrets_of
from downloads.rules.proxies import Proxy
from downloads.rules.redaction import REDACTED

MAX_RENEWED_BYTES = 256 * 1024  # of one host, with names and paths
HTTP_ONLY = ("HttpOnly", "httponly", "HTTPOnly")  # as sites spell it
# The fields of messages that are for programs. A link that is changed would lead nowhere.
NO_WORDS = frozenset(
    {
        *("end", "extractor", "kind", "kinds", "language", "level", "media_id", "media_type"),
        *("name", "phase", "role", "sha256", "url"),
    }
)
LOCAL = ".local"  # what http.cookiejar adds to a host without a dot


class Lending:
    """What one child was lent."""

    def __init__(self, lent: Lent) -> None:
        self._cookies = {
            host: [Cookie.from_mapping(values) for values in listed]
            for host, listed in lent.cookies.items()
        }
        self.proxy = Proxy.parse(lent.proxy) if lent.proxy else None

    def lend(self, downloader: Downloader) -> None:
        """Give the downloader the cookies and the proxy."""
        if self._cookies:
            # Otherwise a cookie of one host alone would go to all hosts below it.
            strict = DefaultCookiePolicy(strict_ns_domain=DefaultCookiePolicy.DomainStrictNonDomain)
            downloader.cookiejar.set_policy(strict)
            # Some extractors refuse a site at once unless cookies came from a file.
            downloader.params["cookiefile"] = ""
            # requests makes each header with a jar of its own.
            requests.sessions.RequestsCookieJar = partial(  # type: ignore[assignment]
                RequestsCookieJar, policy=strict
            )
        # The nearest host is the first, and wins.
        for cookies in reversed(self._cookies.values()):
            for cookie in cookies:
                downloader.cookiejar.set_cookie(_to_jar(cookie))
        if self.proxy is not None:
            proxies = {"all": self.proxy.url}
            clean_proxies(proxies, HTTPHeaderDict())
            downloader.params["proxy"], downloader.proxies = self.proxy.url, proxies
            for handler in downloader._request_director.handlers.values():
                handler.proxies = proxies

    def renewed(self, downloader: Downloader) -> Iterator[Renewed]:
        """Yield what the site changed: for each host all of its cookies, as they are now.

        What a site adds goes to the nearest host. Nothing is yielded for a host whose cookies the
        site took away: its user may want them again.
        """
        origin = {
            each.key: host for host, found in self._cookies.items() for each in reversed(found)
        }
        now: dict[str, list[Cookie]] = {host: [] for host in self._cookies}
        nearest = next(iter(now), "")
        for cookie in self._in(downloader.cookiejar):
            if nearest and cookie.belongs_to(nearest):
                now[origin.get(cookie.key, nearest)].append(cookie)
        for host, cookies in now.items():
            kept = _bounded(sorted(cookies, key=lambda cookie: cookie.key not in origin))
            if kept and set(kept) != set(self._cookies[host]):
                yield Renewed(host=host, cookies=[asdict(cookie) for cookie in kept])

    def discreet(self, send: Send) -> Send:
        """Wrap `send` so that no text for people, in logs and errors, repeats what was lent.

        Redaction knows secrets by their names. A site or an extractor may repeat one without.
        """
        secrets = sorted(self._secrets(), key=len, reverse=True)  # one may be a part of another
        if not secrets:
            return send

        beginnings = {secret[:MIN_SECRET_LENGTH] for secret in secrets}

        def clean(text: str) -> str:
            # Nearly every text has none, and a list has thousands of texts.
            parts = range(len(text) - MIN_SECRET_LENGTH + 1)
            if beginnings.isdisjoint(text[part : part + MIN_SECRET_LENGTH] for part in parts):
                return text
            for secret in secrets:
                text = text.replace(secret, REDACTED)
            return text

        def send_without(message: Message) -> None:
            send(message if isinstance(message, Renewed) else _cleaned(message, clean))

        return send_without

    def _secrets(self) -> set[str]:
        values = [each.value for cookies in self._cookies.values() for each in cookies]
        return secrets_of([*values, self.proxy.password] if self.proxy else values)

    def _in(self, jar: CookieJar) -> Iterator[Cookie]:
        """Yield the cookies of a jar that can be kept."""
        for found in jar:
            cookie = Cookie(
                domain=self._without_local(found.domain.removeprefix(".")).strip("[]"),
                path=found.path,
                name=found.name,
                value=found.value or "",
                secure=bool(found.secure),
                http_only=any(found.has_nonstandard_attr(name) for name in HTTP_ONLY),
                host_only=not found.domain_specified,
                expires=int(found.expires) if found.expires else None,
            )
            if cookie.can_be_sent and not cookie.fault and not cookie.has_expired(time()):
                yield cookie

    def _without_local(self, domain: str) -> str:
        plain = domain.removesuffix(LOCAL)
        return plain if plain.strip("[]") in self._cookies else domain


def _cleaned(value: Any, clean: Callable[[str], str]) -> Any:
    """Clean all texts of a message, however deep they are, but those that are no words."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [_cleaned(each, clean) for each in value]
    if isinstance(value, dict):
        return {key: _cleaned(each, clean) for key, each in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        words = [each.name for each in fields(value) if each.name not in NO_WORDS]
        return replace(value, **{name: _cleaned(getattr(value, name), clean) for name in words})
    return value


def _to_jar(cookie: Cookie) -> JarCookie:
    host = f"[{cookie.domain}]" if ":" in cookie.domain else cookie.domain
    host = host if "." in host else f"{host}{LOCAL}"
    return JarCookie(
        version=0,
        name=cookie.name,
        value=cookie.value,
        port=None,
        port_specified=False,
        domain=host if cookie.host_only else f".{host}",
        domain_specified=not cookie.host_only,
        domain_initial_dot=not cookie.host_only,
        path=cookie.path,
        path_specified=True,
        secure=cookie.secure,
        expires=cookie.expires,
        discard=cookie.expires is None,
        comment=None,
        comment_url=None,
        rest={"HttpOnly": ""} if cookie.http_only else {},
    )


def _bounded(cookies: list[Cookie]) -> list[Cookie]:
    """Keep the first of them, as many as a site may have."""
    kept: list[Cookie] = []
    size = 0
    for cookie in cookies[:MAX_COOKIES]:
        size += sum(map(len, (cookie.domain, cookie.path, cookie.name, cookie.value)))
        if size > MAX_RENEWED_BYTES:
            break
        kept.append(cookie)
    return kept
