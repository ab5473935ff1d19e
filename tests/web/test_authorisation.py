"""Who may use which route. A new route fails here until somebody says who.

Generated from the URL configuration: every route is asked, by every kind of visitor, with GET and
with POST. The stream of events is not in it; tests/stream/test_consumer.py has its visitors.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from downloads.models import AttemptLog, Download, Thumbnail
from tests.helpers import lives

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_disk")]


class May(Enum):
    """The least that a visitor must be."""

    ANYBODY = 0
    SIGNED_IN = 1
    OWNER = 2  # of the download in the path
    STAFF = 3


ROUTES = {
    "": May.SIGNED_IN,
    "downloads/": May.SIGNED_IN,
    "downloads/preview": May.SIGNED_IN,
    "add": May.SIGNED_IN,
    "add/share": May.ANYBODY,  # leads to `add`, which wants a session
    "manifest.webmanifest": May.ANYBODY,
    "service-worker.js": May.ANYBODY,
    "downloads/rows": May.SIGNED_IN,
    "first-steps/hide": May.SIGNED_IN,
    "demo": May.SIGNED_IN,
    "downloads/many": May.SIGNED_IN,  # with their own: tests/web/test_many.py
    "views/save": May.SIGNED_IN,
    "views/<int:pk>/rename": May.SIGNED_IN,  # one's own: tests/web/test_saved_views.py
    "views/<int:pk>/remove": May.SIGNED_IN,
    "queue/pause": May.STAFF,
    "queue/resume": May.STAFF,
    "banners": May.SIGNED_IN,
    "downloads/<correlation_id:correlation_id>/": May.OWNER,
    "downloads/<correlation_id:correlation_id>/fragment": May.OWNER,
    "downloads/<correlation_id:correlation_id>/menu": May.OWNER,
    "downloads/<correlation_id:correlation_id>/cancel": May.OWNER,
    "downloads/<correlation_id:correlation_id>/keep": May.OWNER,
    "downloads/<correlation_id:correlation_id>/retry": May.OWNER,
    "downloads/<correlation_id:correlation_id>/retry-changed": May.OWNER,
    "downloads/<correlation_id:correlation_id>/cleanup": May.OWNER,
    "downloads/<correlation_id:correlation_id>/pause": May.OWNER,
    "downloads/<correlation_id:correlation_id>/resume": May.OWNER,
    "downloads/<correlation_id:correlation_id>/first": May.OWNER,
    "downloads/<correlation_id:correlation_id>/up": May.OWNER,
    "downloads/<correlation_id:correlation_id>/down": May.OWNER,
    "downloads/<correlation_id:correlation_id>/last": May.OWNER,
    "downloads/<correlation_id:correlation_id>/delete": May.OWNER,
    "downloads/<correlation_id:correlation_id>/thumbnail": May.OWNER,
    "downloads/<correlation_id:correlation_id>/again": May.OWNER,
    "downloads/<correlation_id:correlation_id>/whole-list": May.OWNER,
    "downloads/<correlation_id:correlation_id>/download": May.OWNER,
    "downloads/<correlation_id:correlation_id>/remux": May.OWNER,
    "downloads/<correlation_id:correlation_id>/entries": May.OWNER,
    "downloads/<correlation_id:correlation_id>/entries/cancel": May.OWNER,
    "downloads/<correlation_id:correlation_id>/entries/retry": May.OWNER,
    "downloads/<correlation_id:correlation_id>/entries/cleanup": May.OWNER,
    "library/": May.SIGNED_IN,  # with their own: tests/library/test_page.py
    "library/storage/": May.SIGNED_IN,
    "library/remove": May.SIGNED_IN,  # their own: tests/library/test_removal.py
    "library/pin": May.SIGNED_IN,  # their own: tests/library/test_pins.py
    "library/watched": May.SIGNED_IN,  # in their own: tests/library/test_watched.py
    "library/unknown/": May.STAFF,
    "library/unknown/adopt": May.STAFF,
    "library/unknown/remove": May.STAFF,
    "library/removed/": May.SIGNED_IN,
    "library/removed/<int:pk>/restore": May.SIGNED_IN,
    "library/removed/empty": May.SIGNED_IN,
    "feeds/": May.SIGNED_IN,  # one's own: tests/web/test_feeds.py
    "feeds/make": May.SIGNED_IN,
    "feeds/<int:pk>/revoke": May.SIGNED_IN,
    # With a token of their own in the path: tests/web/test_feed.py
    "feeds/<feed_token:token>.xml": May.ANYBODY,
    "feeds/<feed_token:token>/covers/<correlation_id:correlation_id>.<slug:suffix>": May.ANYBODY,
    "feeds/<feed_token:token>/chapters/<correlation_id:correlation_id>.json": May.ANYBODY,
    "feeds/<feed_token:token>/<correlation_id:correlation_id>/<path:name>": May.ANYBODY,
    "sites/": May.STAFF,
    "presets/": May.SIGNED_IN,
    "presets/new": May.SIGNED_IN,
    "presets/save": May.SIGNED_IN,
    "presets/default": May.SIGNED_IN,
    "presets/<int:pk>/": May.SIGNED_IN,  # one's own: tests/web/test_presets.py
    "presets/<int:pk>/delete": May.SIGNED_IN,
    # One's own: tests/subscriptions/test_pages.py, tests/api/test_subscriptions.py
    "subscriptions/": May.SIGNED_IN,
    "subscriptions/new": May.SIGNED_IN,
    "subscriptions/<int:pk>/": May.SIGNED_IN,
    "subscriptions/<int:pk>/check": May.SIGNED_IN,
    "subscriptions/<int:pk>/pause": May.SIGNED_IN,
    "subscriptions/<int:pk>/resume": May.SIGNED_IN,
    "subscriptions/<int:pk>/delete": May.SIGNED_IN,
    "api/v1/subscriptions": May.SIGNED_IN,
    "api/v1/subscriptions/preview": May.SIGNED_IN,
    "api/v1/subscriptions/<id>": May.SIGNED_IN,
    "api/v1/subscriptions/<id>/check": May.SIGNED_IN,
    "sites/try": May.STAFF,
    # Everybody's own.
    "cookies/": May.SIGNED_IN,
    "sites/<str:host>/cookies": May.SIGNED_IN,
    "sites/<str:host>/cookies/delete": May.SIGNED_IN,
    "api/v1/sites/<host>/cookies": May.SIGNED_IN,
    "sites/<str:host>/": May.STAFF,
    "workers/": May.SIGNED_IN,
    "workers/<path:name>/drain": May.STAFF,
    "workers/<path:name>/resume": May.STAFF,
    "system/": May.STAFF,
    "system/<str:host>/extractors": May.STAFF,
    "media/<correlation_id:correlation_id>/<path:name>": May.OWNER,
    # Everybody's own, and nobody else's: tests/web/test_account.py.
    "account/": May.SIGNED_IN,
    "account/preferences": May.SIGNED_IN,
    "account/theme": May.SIGNED_IN,
    "account/density": May.SIGNED_IN,
    "account/password": May.SIGNED_IN,
    "account/tokens": May.SIGNED_IN,
    "account/tokens/<int:pk>/revoke": May.SIGNED_IN,
    "help/": May.ANYBODY,
    "help/keys": May.ANYBODY,
    "words/<slug:language>/<slug:version>.js": May.ANYBODY,
    "setup/": May.ANYBODY,  # with the secret that only `serve` prints, while there is no user
    "login/": May.ANYBODY,
    "logout/": May.ANYBODY,
    "api/v1/downloads": May.SIGNED_IN,
    "api/v1/downloads/batch": May.SIGNED_IN,
    "api/v1/downloads/many": May.SIGNED_IN,
    "api/v1/views": May.SIGNED_IN,
    "api/v1/views/<name>": May.SIGNED_IN,
    "api/v1/queue": May.SIGNED_IN,
    "api/v1/queue/pause": May.STAFF,
    "api/v1/queue/resume": May.STAFF,
    "api/v1/downloads/<correlation_id>/pause": May.OWNER,
    "api/v1/downloads/<correlation_id>/resume": May.OWNER,
    "api/v1/downloads/<correlation_id>/first": May.OWNER,
    "api/v1/downloads/<correlation_id>/up": May.OWNER,
    "api/v1/downloads/<correlation_id>/down": May.OWNER,
    "api/v1/downloads/<correlation_id>/last": May.OWNER,
    "api/v1/downloads/<correlation_id>": May.OWNER,
    "api/v1/downloads/<correlation_id>/log": May.OWNER,
    "api/v1/downloads/<correlation_id>/cancel": May.OWNER,
    "api/v1/downloads/<correlation_id>/keep": May.OWNER,
    "api/v1/downloads/<correlation_id>/remux": May.OWNER,
    "api/v1/downloads/<correlation_id>/retry": May.OWNER,
    "api/v1/downloads/<correlation_id>/cleanup": May.OWNER,
    "api/v1/downloads/<correlation_id>/entries": May.OWNER,
    "api/v1/downloads/<correlation_id>/entries/cancel": May.OWNER,
    "api/v1/downloads/<correlation_id>/entries/retry": May.OWNER,
    "api/v1/downloads/<correlation_id>/entries/cleanup": May.OWNER,
    "api/v1/library": May.SIGNED_IN,  # their own: tests/api/test_library.py
    "api/v1/library/<number>": May.SIGNED_IN,
    "api/v1/library/<number>/position": May.SIGNED_IN,
    "api/v1/library/<number>/pin": May.SIGNED_IN,
    "api/v1/library/<number>/watched": May.SIGNED_IN,
    "api/v1/library/<number>/restore": May.SIGNED_IN,
    "api/v1/feeds": May.SIGNED_IN,  # one's own: tests/api/test_feeds.py
    "api/v1/feeds/<id>": May.SIGNED_IN,
    "api/v1/stats": May.SIGNED_IN,
    "api/v1/archive": May.SIGNED_IN,
    "api/v1/sites": May.SIGNED_IN,
    "api/v1/sites/<host>": May.OWNER,  # of a download of it; staff alone change it
    "api/v1/presets": May.SIGNED_IN,
    "api/v1/presets/<name>": May.SIGNED_IN,  # to write one's own: tests/api/test_presets.py
    "api/v1/sites/<host>/try": May.STAFF,
    "api/v1/openapi.json": May.SIGNED_IN,
    "api/v1/": May.ANYBODY,  # django-ninja's name for the place: there is nothing at it
    "healthz": May.ANYBODY,
    "readyz": May.ANYBODY,
    "metrics": May.STAFF,
    "admin/login/": May.ANYBODY,
    "admin/logout/": May.ANYBODY,
    "admin/jsi18n/": May.ANYBODY,  # Django's words for its own scripts
}
ADMIN = "admin/"  # the rest of it: staff


def routes(resolver: URLResolver | None = None, prefix: str = "") -> Iterator[str]:
    for pattern in (resolver or get_resolver()).url_patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern, route)
        elif isinstance(pattern, URLPattern):
            yield route


ALL_ROUTES = sorted(set(routes()))


def least_for(route: str) -> May:
    return May.STAFF if route.startswith(ADMIN) and route not in ROUTES else ROUTES[route]


@dataclass(frozen=True)
class People:
    owner: User
    stranger: User
    staff: User

    def visitor(self, who: str) -> tuple[Client, int]:
        """A browser, and how much it may: the number of a May."""
        user, may = {
            "nobody": (None, May.ANYBODY),
            "stranger": (self.stranger, May.SIGNED_IN),
            "owner": (self.owner, May.OWNER),
            "staff": (self.staff, May.STAFF),
        }[who]
        client = Client()
        if user is not None:
            client.force_login(user)
        return client, may.value


@pytest.fixture
def people(user: User, staff: User) -> People:
    return People(user, User.objects.create_user("samuel"), staff)


@pytest.fixture
def theirs(people: People) -> Download:
    completed = lives.complete(lives.submit(people.owner))
    Thumbnail.objects.keep(Thumbnail(download=completed, media_type="image/png", content=b"x"))
    AttemptLog.objects.keep(
        AttemptLog(download=completed, attempt=completed.attempt, text="a line\n")
    )
    return completed


def address_of(route: str, download: Download) -> str:
    values = {
        "<correlation_id:correlation_id>": download.correlation_id,
        "<correlation_id>": download.correlation_id,
        "<feed_token:token>": "t" * 32,
        "<slug:suffix>": "jpg",
        "<slug:language>": "en",
        "<slug:version>": "0",
        "<path:name>": download.files.get().name,
        "<path:object_id>": str(download.pk),
        "<path:content_type_id>": "1",
        "<id>": str(download.pk),
        "<host>": "example.org",
        "<str:host>": "example.org",
        "<int:pk>": "1",
        "<number>": "1",
        "<name>": "podcast",
        "<str:name>": "box-12-ab34",
        "^(?P<app_label>auth|axes|downloads)/$": "downloads/",
        "(?P<url>.*)$": "nowhere",
    }
    for name, value in values.items():
        route = route.replace(name, value)
    assert "<" not in route, f"say what to put into {route}"
    return f"/{route}"


def is_refused(response: Any) -> bool:
    if response.status_code in (301, 302):
        return "login" in response["Location"]
    # 400: a body that the API cannot read is refused before anybody looks whose download it is.
    return response.status_code in (400, 401, 403, 404, 405)


def test_somebody_said_who_may_use_each_route() -> None:
    forgotten = [
        route for route in ALL_ROUTES if route not in ROUTES and not route.startswith(ADMIN)
    ]
    gone = [route for route in ROUTES if route not in ALL_ROUTES]

    assert (forgotten, gone) == ([], [])


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("who", ["nobody", "stranger", "owner"])
def test_nobody_else_may(who: str, method: str, people: People, theirs: Download) -> None:
    client, may = people.visitor(who)

    for route in ALL_ROUTES:
        if may >= least_for(route).value:
            continue
        response = getattr(client, method)(address_of(route, theirs))

        assert is_refused(response), f"{who} may {method} {route}: {response.status_code}"
    theirs.refresh_from_db()
    assert (theirs.state, theirs.files.count()) == ("completed", 1)


@pytest.mark.parametrize("who", ["nobody", "stranger", "owner", "staff"])
def test_who_may_can(who: str, people: People, theirs: Download) -> None:
    client, may = people.visitor(who)

    for route, least in ROUTES.items():
        if may < least.value:
            continue
        ask = client.head if route.startswith("media/") else client.get  # no file is left open
        response = ask(address_of(route, theirs))

        assert response.status_code not in (401, 403), f"{who} may not use {route}"
        if least is May.OWNER:
            assert response.status_code != 404, f"{who} may not use {route}"


@pytest.mark.parametrize("method", ["post", "delete"])
@pytest.mark.parametrize("token", ["", "t" * 32], ids=["no token", "a token that fits"])
def test_nothing_is_changed_from_another_site(
    token: str, method: str, people: People, theirs: Download
) -> None:
    """With the session of whoever may do most. A neighbouring host can plant a cookie in a browser,
    and so knows a token that fits."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(people.staff)
    client.cookies["csrftoken"] = token
    headers = {"Origin": "https://evil.example", "X-CSRFToken": token}

    for route in set(ALL_ROUTES) - {"add/share"}:  # a phone posts there, and it only prefills
        response = getattr(client, method)(address_of(route, theirs), headers=headers)

        assert response.status_code in (403, 404, 405), f"{route}: {response.status_code}"
    theirs.refresh_from_db()
    assert (theirs.state, Download.objects.count()) == ("completed", 1)
