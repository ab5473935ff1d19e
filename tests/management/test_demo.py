"""The built-in demo of `serve`, from its button to the film. Real processes, no other site."""

from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import pytest
from django.contrib.auth.models import User
from django.test import Client

from downloads.models import Download, Thumbnail
from downloads.web import demo
from tests.helpers.serving import serving
from tests.helpers.worker import running_worker, submit, wait_for_state

ENDED = ("cleaned", "failed")


@pytest.mark.usefixtures("shared_db", "clean_disk")
def test_the_demo_is_a_download_like_any_other() -> None:
    with serving("--demo"):
        download = wait_for_state(Download.objects.get(), *ENDED)

    assert download.outcome == "completed"
    assert download.title == "The demo video of vnsite"
    assert (download.media["video_codec"], download.media["height"]) == ("h264", 360)
    assert download.files.filter(role="video").count() == 1
    assert Thumbnail.objects.filter(download=download).exists()


@pytest.mark.usefixtures("shared_db", "clean_disk")
def test_only_the_link_of_the_demo_may_lead_to_its_site() -> None:
    with serving("--demo"):
        [link] = Download.objects.values_list("url", flat=True)
        other = wait_for_state(submit(f"{link}film.mp4"), *ENDED)

    assert (other.outcome, other.error_class) == ("failed", "policy_blocked")


@pytest.mark.usefixtures("shared_db", "clean_disk")
def test_a_worker_of_its_own_may_not_reach_a_demo() -> None:
    link = demo.open_demo()

    with running_worker("--once"):
        download = wait_for_state(submit(link), *ENDED)

    assert download.error_class == "policy_blocked"


@pytest.mark.django_db
def test_the_button_adds_it_for_who_pressed_it(user: User) -> None:
    browser = Client()
    browser.force_login(user)
    link = demo.open_demo()

    answer = browser.post("/demo")

    assert answer.status_code == 302
    assert Download.objects.get(owner=user).url == link


def test_without_its_secret_the_demo_gives_nothing() -> None:
    address = urlsplit(demo.open_demo())

    with pytest.raises(OSError, match="404"):
        urlopen(f"http://{address.netloc}/wrong/film.mp4")


def test_the_film_can_be_asked_for_from_anywhere_on() -> None:
    film = demo.open_demo() + "film.mp4"
    size = (demo.SITE / "film.mp4").stat().st_size

    with urlopen(Request(film, headers={"Range": f"bytes={size - 9}-"})) as answer:
        rest = answer.read()

    assert answer.status == 206
    assert rest == (demo.SITE / "film.mp4").read_bytes()[-9:]
