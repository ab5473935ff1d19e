"""The first steps in place of an empty list, for who has not completed a download yet."""

import re
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client

from downloads.models import Preferences
from downloads.web import demo
from tests.helpers import lives

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_disk")]


@pytest.fixture
def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def steps_on(page: str) -> dict[str, str]:
    """The sentence of each step, by what its icon means; nothing when there are no steps."""
    section = re.search(r'<section class="first-steps".*?</section>', page, re.DOTALL)
    found = re.findall(
        r'<span class="hidden">(.*?):</span>\s*<div>\s*<p>(.*?)</p>', section[0] if section else ""
    )
    return {sentence: word for word, sentence in found}


def dashboard(browser: Client) -> str:
    return browser.get("/").content.decode()


def test_the_steps_say_what_is_there_and_what_comes_next(browser: Client) -> None:
    lives.make_worker()
    demo.open_demo()

    steps = steps_on(dashboard(browser))

    assert steps["A worker is running."] == "Done"
    assert steps["Try the built-in demo video. It needs no internet."] == "Next"
    assert steps["Paste the link of a video into the box above."] == "Next"
    assert len(steps) == 5


def test_a_worker_that_starts_is_drawn_with_the_banners(browser: Client) -> None:
    command = ".venv/bin/python manage.py run_downloads"
    assert command in dashboard(browser)
    lives.make_worker()

    fresh = browser.get("/banners").content.decode()

    assert command not in fresh
    assert steps_on(fresh)["A worker is running."] == "Done"


def test_a_folder_that_is_wrong_is_named_with_the_remedy(
    browser: Client, settings: object, tmp_path: Path
) -> None:
    from django.conf import settings as present

    wrong = present.VNSITE.model_copy(update={"media_dir": tmp_path / "file" / "media"})
    (tmp_path / "file").write_text("in the way")
    settings.VNSITE = wrong  # type: ignore[attr-defined]

    page = dashboard(browser)

    assert "VNSITE_MEDIA_DIR" in str(steps_on(page))


def test_who_hides_them_sees_them_no_more(browser: Client, user: User) -> None:
    assert steps_on(dashboard(browser))

    browser.post("/first-steps/hide")

    assert not steps_on(dashboard(browser))
    assert not Preferences.objects.get(user=user).has_first_steps


def test_they_go_with_the_first_completion_for_ever(browser: Client, user: User) -> None:
    download = lives.submit(user)
    download.note(extractor="generic", media_id="1")
    completed = lives.complete(download)
    assert not steps_on(dashboard(browser))

    completed.refresh_from_db()
    completed.forget()

    assert "Nothing here yet" in dashboard(browser)


def test_a_search_without_results_is_no_beginning(browser: Client, user: User) -> None:
    lives.submit(user)

    assert not steps_on(browser.get("/?q=nothing").content.decode())
