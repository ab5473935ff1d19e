"""A feed of a search is made, copied, read by an app that has no session, and revoked."""

import re
from urllib.parse import urlsplit

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from downloads.library import catalogue
from downloads.models import Download
from tests.browser.conftest import TIMEOUT_MS, sign_in
from tests.helpers import lives
from tests.helpers.serving import Serving


@pytest.fixture(autouse=True)
def _patience() -> None:
    expect.set_options(timeout=TIMEOUT_MS)


@pytest.fixture
def site_settings() -> dict[str, str]:
    return {"VNSITE_MIN_FREE_BYTES": str(2**60)}  # nothing is claimed


@pytest.mark.parametrize("width", [360, 1280])
def test_a_feed_from_the_button_to_its_end(
    page: Page, site: Serving, user: User, width: int
) -> None:
    download = lives.submit(user)
    Download.objects.filter(pk=download.pk).update(title="A talk")
    lives.complete(Download.objects.get(pk=download.pk))
    while catalogue.catch_up():
        pass
    page.set_viewport_size({"width": width, "height": 800})
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    sign_in(page, user)

    page.goto("library/?q=talk")
    assert is_narrow_enough(page)
    page.get_by_role("button", name="Podcast feed").click()
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_text("Copied")).to_be_visible()
    assert is_narrow_enough(page)
    address = urlsplit(page.evaluate("navigator.clipboard.readText()"))

    feed = site.ask(address.path)
    again = site.ask(address.path, If_None_Match=feed.headers["ETag"])
    head = site.ask(address.path, method="HEAD")
    (film,) = re.findall(r'<enclosure [^>]*url="([^"]+)"', feed.body.decode())
    part = site.ask(urlsplit(film).path, Range="bytes=1-3")

    assert f"{address.scheme}://{address.netloc}/" == site.url
    assert film.startswith(site.url)
    assert (feed.status, feed.headers["Content-Type"]) == (
        200,
        "application/rss+xml; charset=utf-8",
    )
    assert "Set-Cookie" not in feed.headers
    assert (again.status, again.body) == (304, b"")
    assert (head.status, head.body, head.headers["ETag"]) == (200, b"", feed.headers["ETag"])
    assert (part.status, part.body, part.headers["Content-Range"]) == (206, b"ide", "bytes 1-3/5")

    page.get_by_role("button", name="Revoke talk").click()
    expect(page.get_by_text("Revoked: talk")).to_be_visible()
    assert site.ask(address.path).status == site.ask(urlsplit(film).path).status == 404


def is_narrow_enough(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))
