"""Cookies of sites in words: what is stored, and what they have to do with a failed download."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from downloads.models import Download, SiteCookies
from downloads.rules.cookies import hosts_serving, site_around
from downloads.rules.errors import ErrorClass
from downloads.rules.links import InvalidLink
from downloads.rules.words import marked, say, say_number
from downloads.web.format import instant

UNREADABLE = marked("These cookies cannot be read any more: paste them again.")
# A site that refuses a request may want a login without saying so.
HELPED_BY_COOKIES = frozenset({ErrorClass.LOGIN_REQUIRED, ErrorClass.FORBIDDEN})


class ShownCookie(NamedTuple):
    name: str
    domain: str  # with a dot in front: and all below it
    expires: SafeString | str  # with what that means


class ShownSite(NamedTuple):
    """What a user gave for one host, without values."""

    host: str
    about: SafeString
    fault: str  # "" when nothing is wrong
    cookies: list[ShownCookie]


def shown_sites(rows: Iterable[SiteCookies]) -> list[ShownSite]:
    return [shown for row in rows if (shown := shown_cookies(row))]


def shown_cookies(row: SiteCookies | None) -> ShownSite | None:
    if row is None:
        return None
    expired = sum(_has_expired(cookie) for cookie in row.summary)
    words = say_number("{number} cookie", "{number} cookies", number=len(row.summary))
    if expired:
        words += ", " + say_number("{number} expired", "{number} expired", number=expired)
    about = format_html(
        gettext("{cookies}, stored {when}"), cookies=words, when=instant(row.updated_at)
    )
    fault = "" if row.is_readable else say(UNREADABLE)
    return ShownSite(row.host, about, fault, [_shown(cookie) for cookie in row.summary])


def _shown(cookie: dict[str, Any]) -> ShownCookie:
    domain = cookie["domain"] if cookie["host_only"] else f".{cookie['domain']}"
    if cookie["expires"] is None:
        return ShownCookie(cookie["name"], domain, gettext("as long as the site lets it"))
    expires = instant(datetime.fromtimestamp(cookie["expires"], UTC))
    words = gettext("expired {when}") if _has_expired(cookie) else gettext("until {when}")
    return ShownCookie(cookie["name"], domain, format_html(words, when=expires))


def _has_expired(cookie: dict[str, Any]) -> bool:
    return cookie["expires"] is not None and cookie["expires"] <= timezone.now().timestamp()


@dataclass(frozen=True, kw_only=True)
class CookiesHint:
    """What a user can do with cookies about a download that failed."""

    sentence: str  # what is known of those that they gave; "" when there are none
    address: str
    label: str


def cookies_hint(download: Download, *, viewer: User) -> CookiesHint | None:
    """Return None when cookies would not help, or when the download is somebody else's."""
    if download.owner != viewer or download.error_class not in HELPED_BY_COOKIES:
        return None
    try:
        hosts = hosts_serving(download.url)
    except InvalidLink:
        return None
    rows = SiteCookies.objects.for_hosts(viewer.pk, hosts)
    host = rows[0].host if rows else site_around(hosts[0])
    back = urlencode({"next": reverse("download", args=[download.correlation_id])})
    return CookiesHint(
        sentence=_known_of(rows[0], download) if rows else "",
        address=f"{reverse('site_cookies', args=[host])}?{back}",
        label=_give(host, has_some=bool(rows)),
    )


def _give(host: str, *, has_some: bool) -> str:
    if has_some:
        return say("Replace cookies of {host}", host=host)
    return say("Add cookies of {host}", host=host)


def _known_of(row: SiteCookies, download: Download) -> str:
    if not row.is_readable:
        return say(UNREADABLE)
    if download.finished_at and row.updated_at > download.finished_at:
        return say("You gave cookies of {host} after that. A retry uses them.", host=row)
    return say(
        "Your cookies of {host} were sent. Perhaps their login has ended: replace them.", host=row
    )
