"""Listings, entries and the archive in the admin: looked at, and of the archive forgotten."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from downloads.models import ArchivedMedia, add_entries
from downloads.models.archive import archive
from downloads.rules.archive import MediaId
from downloads.rules.options import DownloadOptions
from tests.helpers import lives

pytestmark = [
    pytest.mark.both_databases,
    pytest.mark.django_db,
    pytest.mark.usefixtures("clean_disk"),
]

ADMIN = "/admin/downloads"


@pytest.fixture
def browser(client: Client, staff: User) -> Client:
    client.force_login(staff)
    return client


@pytest.mark.parametrize(("model", "query"), [("listing", "A list"), ("entry", "video-2")])
def test_listings_and_entries_are_only_looked_at(
    browser: Client, user: User, model: str, query: str
) -> None:
    listing = lives.list_up(lives.submit(user), *map(lives.entry, range(1, 4)))
    key = {"listing": listing.pk, "entry": listing.entries.get(position=2).pk}[model]

    found = browser.get(f"{ADMIN}/{model}/", {"q": query})

    assert f"{ADMIN}/{model}/{key}/change/" in found.content.decode()
    assert browser.get(f"{ADMIN}/{model}/{key}/change/").status_code == 200
    for action in ("change", "delete"):
        answer = browser.post(f"{ADMIN}/{model}/{key}/{action}/", {"post": "yes"})
        assert answer.status_code == 403


def test_a_download_names_its_list_and_what_was_had(browser: Client, user: User) -> None:
    listing = lives.list_up(lives.submit(user), lives.entry(1))
    other = lives.complete(lives.submit(user))
    (addition,) = add_entries(
        listing, listing.entries.all(), options=DownloadOptions(), actor="test"
    )
    assert addition.entry.download
    lives.start(addition.entry.download).complete_as_had(have=other, actor="test")

    found = browser.get(f"{ADMIN}/download/", {"result": "have_it"}).content.decode()
    page = browser.get(f"{ADMIN}/download/{addition.entry.download.pk}/change/").content.decode()

    assert "1 download" in found
    for each in (listing.download, other):
        assert f"/admin/downloads/download/{each.pk}/change/" in page


def test_the_archive_is_searched_and_a_video_of_it_forgotten(browser: Client, user: User) -> None:
    archive(user, [MediaId("youtube", "abc"), MediaId("youtube", "xyz")])
    row = ArchivedMedia.objects.get(media_id="abc")

    found = browser.get(f"{ADMIN}/archivedmedia/", {"q": "abc"}).content.decode()
    browser.post(f"{ADMIN}/archivedmedia/{row.pk}/delete/", {"post": "yes"})

    assert f"archivedmedia/{row.pk}/change/" in found
    assert "xyz" not in found
    assert ArchivedMedia.objects.get().media_id == "xyz"
