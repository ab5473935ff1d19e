"""Nothing that a site, a title or a person wrote runs, loads or sends anything in a page.

Every page that a link leads to, the admin's included, is opened in a real Chromium, with hostile
texts in whatever the pages show.
"""

import re
from collections import Counter
from collections.abc import Iterator
from urllib.parse import urldefrag, urlsplit

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page

from downloads.accounts import tokens
from downloads.models import Download, Listing, Preset, Progress, PublishedFile, Worker
from downloads.rules.errors import ErrorClass
from tests.browser.conftest import sign_in
from tests.helpers import lives
from tests.helpers.presets import save
from tests.helpers.serving import Serving, serving

# Every way out of a text that we could think of.
HOSTILE = (
    '"><script>alert(1)</script><img src=x onerror=alert(2)><a href=javascript:alert(3)>out</a>'
    "</textarea></title></style></script>{{ 7 * 7 }}{% now 'Y' %}${alert(4)}`'-->"
    "\u202e\x1b[31m&lt;b&gt;"
)
# The one of ours opens a page of this site from another one: it is dragged to the bookmarks.
OURS = "[href^='javascript:void open(']"
GOT_OUT = (
    f"img[src=x], a[href^='javascript']:not({OURS}),"
    " script:not([src]):not([type='application/json'])"
)
NOTES_VIOLATIONS = """
    window.violations = [];
    document.addEventListener("securitypolicyviolation", (event) =>
        window.violations.push(`${event.violatedDirective}: ${event.blockedURI} ${event.sample}`));
"""
MOST_VIEWS_OF_ONE_PAGE = 2  # sorted and filtered in all ways, a list of the admin has hundreds
MOST_ROWS = 4  # of one table whose pages differ in nothing but the row: one in each state
NUMBER = re.compile(r"/\d+/")


@pytest.fixture
def site(shared_db: None, clean_disk: None) -> Iterator[Serving]:
    """Without a worker: the downloads stay as they are."""
    with serving("--no-worker") as server:
        yield server


@pytest.fixture
def hostile_site(site: Serving, staff: User) -> Serving:
    """A site where every text that somebody else chose is hostile, in every state of a download."""
    User.objects.create(username=HOSTILE[:150], email="a@example.org", first_name=HOSTILE[:150])
    tokens.issue(staff, name=HOSTILE[:100])
    lives.start(lives.submit(staff))
    lives.fail(lives.submit(staff), ErrorClass.INTERNAL)
    lives.complete(lives.submit(staff))
    entry = {"title": HOSTILE[:500], "url": "javascript:alert(5)", "media_id": HOSTILE[:300]}
    lives.list_up(lives.submit(staff), lives.entry(1, **entry))
    Listing.objects.update(title=HOSTILE[:500])
    lives.submit(staff, url=f"https://example.org/{HOSTILE.replace(' ', '')}")
    save(staff, "Hostile", is_shared=True)
    Preset.objects.update(name=HOSTILE[:60], options={HOSTILE: HOSTILE})
    Download.objects.update(title=HOSTILE[:500], error_data={"message": HOSTILE})
    Progress.objects.update(phase="fetching")
    PublishedFile.objects.update(name=HOSTILE.replace("/", "|")[:255])
    Worker.objects.filter(pk=Worker.objects.latest("pk").pk).update(name=HOSTILE[:120])
    return site


def links_of(page: Page, site: Serving) -> set[str]:
    """Where the page leads to on this site, files left out."""
    found = page.eval_on_selector_all("a[href]", "links => links.map((link) => link.href)")
    links = {urldefrag(link).url for link in found}
    return {link for link in links if link.startswith(site.url) and "/media/" not in link}


def test_no_page_lets_a_hostile_text_out(page: Page, hostile_site: Serving, staff: User) -> None:
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.add_init_script(NOTES_VIOLATIONS)
    sign_in(page, staff)
    views: Counter[str] = Counter()
    waiting = [page.url, f"{hostile_site.url}admin/"]
    seen = set(waiting)
    shown = 0

    for address in waiting:
        path = urlsplit(address).path
        kind = NUMBER.sub("/N/", path)
        views[kind] += 1
        if views[kind] > (MOST_VIEWS_OF_ONE_PAGE if kind == path else MOST_ROWS):
            continue
        page.goto(address)
        assert page.evaluate("window.violations") == [], address
        assert page.locator(GOT_OUT).count() == 0, address
        shown += "<script>alert(1)" in page.inner_text("body")
        fresh = links_of(page, hostile_site) - seen
        waiting += sorted(fresh)
        seen |= fresh

    assert dialogs == []
    assert shown > 10
    assert {"/", "/admin/downloads/download/", "/admin/auth/user/"} <= set(views)
