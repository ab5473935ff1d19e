"""The small picture of a video, from its site to whoever may see it."""

import signal
from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.test import Client

from downloads.models import Download, Thumbnail
from tests.helpers import lives
from tests.helpers.choices import Choices
from tests.helpers.posters import png
from tests.helpers.scripted_site import Answer
from tests.helpers.waiting import wait_for
from tests.helpers.worker import running_worker, submit, wait_for_state

BARE = {"thumbnail": False, "quality": "360p"}


def has_picture(download: Download) -> bool:
    return Thumbnail.objects.filter(download=download).exists()


@pytest.fixture
def browser_of() -> Callable[[User], Client]:
    def browser_of(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return browser_of


@pytest.mark.usefixtures("shared_db", "clean_disk")
@pytest.mark.both_databases
def test_a_picture_goes_from_the_site_to_the_page(
    offer: Choices, user: User, browser_of: Callable[[User], Client]
) -> None:
    browser = browser_of(user)
    download = submit(offer.url("/page"), owner=user, **BARE)

    with running_worker("--once", VNSITE_ALLOW_PRIVATE_HOSTS=offer.site.origin) as worker:
        assert worker.wait() == 0

    told = browser.get(f"/api/v1/downloads/{download.correlation_id}").json()
    answer = browser.get(told["media"]["thumbnail_url"])
    assert answer.content == (offer.media / "poster.png").read_bytes()
    assert answer.headers["Content-Type"] == "image/png"


@pytest.mark.usefixtures("shared_db", "clean_disk")
@pytest.mark.both_databases
def test_a_running_download_has_its_picture(offer: Choices) -> None:
    film = (offer.media / "360.mp4").read_bytes()
    offer.file("/360.mp4", film, hold_after=len(film) // 2)
    download = submit(offer.url("/page"), **BARE)

    with running_worker(VNSITE_ALLOW_PRIVATE_HOSTS=offer.site.origin):
        wait_for(lambda: has_picture(download), what="the picture of a running download")
        wait_for_state(download, "downloading")


@pytest.mark.usefixtures("shared_db", "clean_disk")
def test_the_next_attempt_does_not_fetch_it_again(offer: Choices) -> None:
    film = (offer.media / "360.mp4").read_bytes()
    offer.file("/360.mp4", film, hold_after=len(film) // 2)
    download = submit(offer.url("/page"), **BARE)
    allowed = {"VNSITE_ALLOW_PRIVATE_HOSTS": offer.site.origin}
    with running_worker("--grace", "0", **allowed) as worker:
        wait_for(lambda: has_picture(download), what="the picture of the first attempt")
        worker.send(signal.SIGTERM)
        assert worker.wait() == 0
    offer.file("/360.mp4", film)
    offer.site.serve("/poster.png", Answer(body=png(width=8, height=8)))

    with running_worker("--once", **allowed) as worker:
        assert worker.wait() == 0

    download.refresh_from_db()
    assert (download.outcome, download.attempt) == ("completed", 2)
    assert len(offer.site.requests_of("/poster.png")) == 1


@pytest.mark.usefixtures("shared_db", "clean_disk")
def test_what_ends_at_once_has_its_picture_as_well(offer: Choices) -> None:
    page = f'<meta property="og:image" content="{offer.url("/poster.png")}">'
    videos = '<video src="/180.mp4"></video><video src="/360.mp4"></video>'
    offer.site.serve("/two", Answer(body=f"<!doctype html><head>{page}</head>{videos}"))
    broken = '<video src="/missing.mp4" poster="/poster.png"></video>'
    offer.site.serve("/broken", Answer(body=f"<!doctype html>{broken}"))
    listed, failed = (submit(offer.url(path)) for path in ("/two", "/broken"))

    with running_worker("--once", VNSITE_ALLOW_PRIVATE_HOSTS=offer.site.origin) as worker:
        assert worker.wait() == 0

    listed.refresh_from_db()
    failed.refresh_from_db()
    assert (listed.result, has_picture(listed)) == ("listing", True)
    assert (failed.outcome, has_picture(failed)) == ("failed", True)


@pytest.fixture
def pictured(user: User) -> Download:
    download = lives.complete(lives.submit(user))
    content = png(width=8, height=8)
    Thumbnail.objects.keep(Thumbnail(download=download, media_type="image/png", content=content))
    return download


@pytest.mark.django_db
@pytest.mark.usefixtures("clean_disk")
def test_a_browser_keeps_a_picture_and_runs_nothing_of_it(
    pictured: Download, user: User, browser_of: Callable[[User], Client]
) -> None:
    browser, address = browser_of(user), f"/downloads/{pictured.correlation_id}/thumbnail"

    answer = browser.get(address)
    again = browser.get(address, headers={"If-None-Match": answer.headers["ETag"]})

    assert answer.headers["Cache-Control"] == "private, max-age=31536000, immutable"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.django_db
@pytest.mark.usefixtures("clean_disk")
def test_a_picture_is_for_those_who_may_see_its_download(
    pictured: Download, staff: User, browser_of: Callable[[User], Client]
) -> None:
    address = f"/downloads/{pictured.correlation_id}/thumbnail"
    stranger = User.objects.create_user("samuel")

    statuses = [
        browser.get(address).status_code
        for browser in (Client(), browser_of(stranger), browser_of(staff))
    ]

    assert statuses == [401, 404, 200]


@pytest.mark.django_db
@pytest.mark.usefixtures("clean_disk")
def test_a_picture_goes_with_its_download(pictured: Download) -> None:
    pictured.forget()

    assert not Thumbnail.objects.exists()


@pytest.mark.django_db
@pytest.mark.usefixtures("clean_disk")
def test_a_picture_is_never_replaced(pictured: Download) -> None:
    first = Thumbnail.objects.get().content

    Thumbnail.objects.keep(Thumbnail(download=pictured, media_type="image/png", content=b"x"))

    assert Thumbnail.objects.get().content == first
