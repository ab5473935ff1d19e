"""Subscriptions in a browser: on a phone, by the keyboard, and without our scripts."""

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Browser, Page, expect

from downloads.rules.errors import ErrorClass
from downloads.subscriptions.models import Subscription
from tests.browser.conftest import TIMEOUT_MS, sign_in
from tests.helpers import following
from tests.helpers.serving import Serving
from tests.helpers.waiting import wait_for

URL = "https://example.org/@somebody"


@pytest.fixture(autouse=True)
def _patience() -> None:
    expect.set_options(timeout=TIMEOUT_MS)


@pytest.fixture
def site_settings() -> dict[str, str]:
    return {"VNSITE_MIN_FREE_BYTES": str(2**60)}  # nothing is claimed


@pytest.fixture
def unscripted(browser: Browser, site: Serving) -> Iterator[Page]:
    context = browser.new_context(base_url=site.url, java_script_enabled=False)
    context.set_default_timeout(TIMEOUT_MS)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("width", [360, 1280])
def test_no_page_of_subscriptions_is_wider_than_the_window(
    page: Page, staff: User, width: int
) -> None:
    subscription = following.subscribe(staff, name="W" * 200)
    for _ in range(3):
        following.fail(subscription, ErrorClass.UNAVAILABLE)
    page.set_viewport_size({"width": width, "height": 800})
    sign_in(page, staff)

    for path in ("/subscriptions/", "/subscriptions/new", f"/subscriptions/{subscription.pk}/"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert page.locator("header.top").bounding_box()["height"] < 60, path


def test_one_subscribes_by_the_keyboard_and_unsubscribes_without_scripts(
    unscripted: Page, user: User
) -> None:
    page = unscripted
    sign_in(page, user)
    page.goto("/subscriptions/")
    page.get_by_role("link", name="Subscribe to a list").press("Enter")
    page.get_by_label("Link of the channel").fill(URL)
    page.get_by_label("Link of the channel").press("Enter")
    expect(page.get_by_text("Subscribed:")).to_be_visible()
    wait_for(Subscription.objects.exists, what="a subscription")

    page.get_by_role("link", name=URL, exact=True).click()
    page.get_by_text("Unsubscribe…").click()
    page.get_by_role("button", name="Unsubscribe").click()

    expect(page.get_by_text("Unsubscribed:")).to_be_visible()
    assert not Subscription.objects.exists()
