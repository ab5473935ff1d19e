"""Rows, and the fields for new links, that are kept as they were drawn: never old."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import caches
from django.db import connection
from django.test import Client
from django.test.signals import template_rendered
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from downloads import actions
from downloads.models import Download, LibraryEntry, Listing, Preset, Queue, Site, Thumbnail
from downloads.rules.states import Reason, Result, State
from downloads.web.drawn import TEMPLATE
from downloads.web.order import Sort, key_of
from tests.helpers import lives
from tests.web import test_waits
from tests.web.test_views import row_of
from tests.web.test_waits import make_wait

FIELDS = "downloads/partials/add_inputs.html"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_disk")]


@pytest.fixture
def browser(user: User) -> Client:
    browser = Client()
    browser.force_login(user)
    return browser


@pytest.fixture(autouse=True)
def _nothing_drawn() -> None:
    caches["rows"].clear()


def cleaned(download: Download) -> Download:
    download.move(State.CLEANED, actor="test", reason=Reason.CLEANED, data={"freed_bytes": 1})
    return download


def completed(owner: User) -> Download:
    return cleaned(lives.complete(lives.submit(owner)))


@contextmanager
def counted() -> Iterator[list[str]]:
    """The templates that are rendered meanwhile."""
    rendered: list[str] = []

    def note(template: Any, **_: object) -> None:
        rendered.append(str(template.name))

    template_rendered.connect(note)
    try:
        yield rendered
    finally:
        template_rendered.disconnect(note)


def test_a_row_that_waits_or_has_ended_is_drawn_once(browser: Client, user: User) -> None:
    lives.make_worker()
    download = completed(user)
    lives.submit(user)
    first = row_of(browser.get("/"), download)

    with counted() as rendered:
        again = row_of(browser.get("/"), download)

    assert again == first
    assert TEMPLATE not in rendered


def test_a_running_row_is_drawn_each_time(browser: Client, user: User) -> None:
    lives.start(lives.submit(user))
    browser.get("/")

    with counted() as rendered:
        browser.get("/")

    assert rendered.count(TEMPLATE) == 1


def rename(download: Download) -> None:
    Download.objects.filter(pk=download.pk).update(title="Another one")


def picture(download: Download) -> None:
    Thumbnail.objects.keep(Thumbnail(download=download, media_type="image/png", content=b"x"))


def lose_files(download: Download) -> None:
    LibraryEntry.objects.filter(download=download).delete()


def grow(download: Download) -> None:
    download.files.update(size=3 * 2**20)


def rename_file(download: Download) -> None:
    download.files.update(name="other.mp4")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (rename, "Another one"),
        (picture, "/thumbnail"),
        (lose_files, "Files deleted"),
        (grow, "3.0 MiB"),
        (rename_file, "other.mp4"),
    ],
)
def test_what_changes_is_shown(
    browser: Client, user: User, change: Callable[[Download], None], said: str
) -> None:
    download = completed(user)
    before = row_of(browser.get("/"), download)
    change(download)

    assert said not in before
    assert said in row_of(browser.get("/"), download)


def test_its_age_is_shown(browser: Client, user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    download = completed(user)
    before = row_of(browser.get("/"), download)
    later = timezone.now() + timedelta(hours=3, minutes=1)
    monkeypatch.setattr(timezone, "now", lambda: later)

    assert "3 h ago" not in before
    assert "3 h ago" in row_of(browser.get("/"), download)


def test_its_place_is_that_of_the_order_of_the_page(browser: Client, user: User) -> None:
    download = completed(user)
    for sort in Sort:
        row = row_of(browser.get("/", {"sort": sort}), download)

        assert f'data-key="{key_of(download, sort)}"' in row


def test_a_row_that_no_longer_matches_is_marked(browser: Client, user: User) -> None:
    download = completed(user)
    here = {"ids": download.correlation_id}
    before = row_of(browser.get("/downloads/rows", here), download)

    assert "data-unmatched" not in before
    assert "data-unmatched" in row_of(
        browser.get("/downloads/rows", {**here, "q": "nothing"}), download
    )


def test_what_became_of_its_list_is_shown(browser: Client, user: User) -> None:
    listing: Listing = lives.list_up(lives.submit(user), lives.entry(1), lives.entry(2))
    download = cleaned(listing.download)
    before = row_of(browser.get("/"), download)
    lives.submit(user)
    added = lives.submit(user)
    entry = listing.entries.get(position=1)
    entry.download = added
    entry.save()

    assert "1 of 2 added" not in before
    assert "1 of 2 added" in row_of(browser.get("/"), download)


def test_what_changes_of_others_in_it_is_shown(browser: Client, user: User) -> None:
    listing = lives.list_up(lives.submit(user), lives.entry(1))
    had, has, listed = completed(user), completed(user), completed(user)
    rows = Download.objects
    rows.filter(pk=has.pk).update(have=had, result=Result.HAVE_IT)
    rows.filter(pk=listed.pk).update(listed_in=listing.download)
    page = browser.get("/")
    before = row_of(page, has), row_of(page, listed)
    picture(had)
    rename(listing.download)
    page = browser.get("/")
    after = row_of(page, has), row_of(page, listed)

    said = (f"/{had.correlation_id}/thumbnail", "Another one")
    assert [words in row for words, row in zip(said, before, strict=True)] == [False, False]
    assert [words in row for words, row in zip(said, after, strict=True)] == [True, True]


def test_each_reads_it_in_their_language(browser: Client, user: User) -> None:
    download = completed(user)
    row_of(browser.get("/"), download)

    spanish = row_of(browser.get("/", headers={"accept-language": "es"}), download)

    assert "Completada" in spanish


def test_why_it_waits_is_shown(browser: Client, user: User) -> None:
    lives.make_worker()
    first, second = lives.submit(user), lives.submit(user)
    before = row_of(browser.get("/"), second)
    actions.cancel(first, actor="test")
    after = row_of(browser.get("/"), second)
    Queue.pause(actor="user:staff")

    assert "2nd in the queue" in before
    assert "Next in the queue" in after
    assert ('data-place="2"' in before, 'data-place="1"' in after) == (True, True)
    Queue.pause(actor="user:staff")
    paused = row_of(browser.get("/"), second)
    assert "The queue is paused" in paused
    assert "data-place" not in paused


def test_a_row_whose_place_changes_is_not_drawn_again(browser: Client, user: User) -> None:
    lives.make_worker()
    first, second = lives.submit(user), lives.submit(user)
    browser.get("/")
    actions.cancel(first, actor="test")

    with counted() as rendered:
        row = row_of(browser.get("/"), second)

    assert 'data-place="1"' in row
    assert rendered.count(TEMPLATE) == 1  # that of the cancelled one


def test_all_that_it_waits_for_is_told_not_only_what_its_words_say(
    browser: Client, user: User
) -> None:
    """live.js compares it with what the stream tells."""
    lives.make_worker()
    site, download = make_wait(), test_waits.submit(user)
    Download.objects.filter(pk=download.pk).update(paused_at=timezone.now())
    assert site.waits_until
    for second in (5, 15):
        end = site.waits_until.replace(second=second)
        Site.objects.filter(pk=site.pk).update(waits_until=end)

        assert f'data-waiting="{end:%FT%TZ} paused"' in row_of(browser.get("/"), download)


def test_no_row_asks_for_more_than_was_read_of_all(browser: Client, user: User) -> None:
    """Of every kind: a column that is shown and was not read would cost a query for each row."""

    def add_one_of_each() -> None:
        had, has = completed(user), completed(user)
        picture(had)
        cleaned(lives.fail(lives.submit(user)))
        listing = lives.list_up(lives.submit(user), lives.entry(1))
        cleaned(listing.download)
        running = lives.start(lives.submit(user))
        waits, cancelled = lives.submit(user), lives.submit(user)
        actions.cancel(cancelled, actor="user:anna")
        rows, later = Download.objects, timezone.now() + timedelta(days=1)
        rows.filter(pk__in=[waits.pk, running.pk]).update(listed_in=listing.download)
        rows.filter(pk=has.pk).update(have=had, result=Result.HAVE_IT)
        rows.filter(pk=waits.pk).update(not_before=later)

    add_one_of_each()
    browser.get("/")
    caches["rows"].clear()
    with CaptureQueriesContext(connection) as for_one:
        browser.get("/")
    for _ in range(3):
        add_one_of_each()
    caches["rows"].clear()
    with CaptureQueriesContext(connection) as for_many:
        browser.get("/")

    assert len(for_many) == len(for_one)


def form_of(answer: Any) -> str:
    """The form for new links of a page."""
    text: str = answer.content.decode()
    return text[text.index('<form class="add"') : text.index("</form>", text.index('id="add"'))]


def test_the_fields_for_new_links_are_drawn_once(browser: Client, user: User) -> None:
    browser.get("/")

    with counted() as rendered:
        browser.get("/")

    assert FIELDS not in rendered


def test_a_new_preset_is_offered_at_once_and_to_its_owner(browser: Client, user: User) -> None:
    other = Client()
    other.force_login(User.objects.create_user("otto"))
    pages = [form_of(each.get("/")) for each in (browser, other)]
    Preset.objects.create(owner=user, name="For the train", options={})

    pages += [form_of(each.get("/")) for each in (browser, other)]

    assert ["For the train" in page for page in pages] == [False, False, True, False]


def test_the_fields_speak_the_readers_language(browser: Client) -> None:
    browser.get("/")

    spanish = form_of(browser.get("/", headers={"accept-language": "es"}))

    assert "Enlaces" in spanish


def test_the_token_of_the_form_is_that_of_the_session(user: User) -> None:
    sent = []
    for _ in range(2):
        browser = Client(enforce_csrf_checks=True)
        browser.force_login(user)
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form_of(browser.get("/")))
        assert token
        values = {"csrfmiddlewaretoken": token[1], "urls": "http://example.com/a"}
        sent.append(browser.post("/downloads/", values).status_code)

    assert sent == [302, 302]
