"""The pages of subscriptions, as a browser without JavaScript uses them."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils.html import escape

from downloads.models import Download, Preset, presets
from downloads.rules.options import OPTIONS, DownloadOptions
from downloads.subscriptions import pages
from downloads.subscriptions.models import NOT_OF_A_SUBSCRIPTION, Check, Subscription
from tests.helpers import following, lives

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("clean_disk")]

URL = "https://example.org/@somebody"
SENT = {
    "url": f"Look: {URL} !",
    "name": "Somebody",
    "interval_seconds": "3600",
    "first": "newest",
    "newest": "5",
    "include": "/^ep/",
    "exclude": "trailer",
    "min_minutes": "1.5",
    "max_minutes": "120",
    "since": "2026-01-01",
    "takes_live": "on",
    "keep_last": "5",
    "keep_days": "30",
    "preset": "podcast",
}


@pytest.fixture
def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text_of(response: Any) -> str:
    return " ".join(response.content.decode().split())


def test_without_a_subscription_the_page_says_what_one_is(browser: Client) -> None:
    page = text_of(browser.get("/subscriptions/"))

    assert "No subscription yet." in page
    assert 'href="/subscriptions/new"' in page


def test_every_page_leads_to_the_subscriptions(browser: Client) -> None:
    assert 'href="/subscriptions/"' in text_of(browser.get("/"))
    marked = '<a href="/subscriptions/" aria-current="page">'
    assert marked in text_of(browser.get("/subscriptions/"))


def test_a_subscription_is_made_as_it_was_filled_in(browser: Client, user: User) -> None:
    answer = browser.post("/subscriptions/new", SENT, follow=True)

    assert "Subscribed: Somebody" in text_of(answer)
    made = Subscription.objects.get()
    assert (made.owner, made.url, made.name) == (user, URL, "Somebody")
    assert (made.interval_seconds, made.first) == (3600, "newest:5")
    assert (made.include, made.exclude) == ("/^ep/", "trailer")
    assert (made.min_seconds, made.max_seconds) == (90, 7200)
    assert (str(made.since), made.shorts, made.live) == ("2026-01-01", False, True)
    assert (made.keep_last, made.keep_days) == (5, 30)
    assert made.preset == "podcast"
    assert made.download_options().audio == "mp3"


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"url": ""}, "Paste a link."),
        ({"url": "no link"}, "Link of the channel"),
        ({"url": "http://127.0.0.1/feed"}, "private"),
        ({"include": "/(/"}, "This is not a regular expression"),
        ({"min_minutes": "9", "max_minutes": "8"}, "The longest is shorter than the shortest."),
        ({"newest": ""}, "Say how many."),
        ({"interval_seconds": "60"}, "Check it"),
        ({"since": "yesterday"}, "Not older than this day"),
        ({"keep_last": "0"}, "Keep so many of the newest"),
        ({"preset": "nobody"}, "There is no preset named"),
    ],
)
def test_what_is_wrong_is_said_and_what_was_typed_stays(
    browser: Client, sent: dict[str, str], words: str
) -> None:
    answer = browser.post("/subscriptions/new", {**SENT, **sent})

    page = text_of(answer)
    assert answer.status_code == 422
    assert escape(words) in page.partition('role="alert"')[2].partition("</div>")[0]
    assert 'value="Somebody"' in page
    assert not Subscription.objects.exists()


def test_the_same_link_with_the_same_options_is_refused(browser: Client) -> None:
    browser.post("/subscriptions/new", SENT)

    answer = browser.post("/subscriptions/new", SENT)

    assert "already" in text_of(answer)
    assert Subscription.objects.count() == 1


def test_what_a_preset_says_of_lists_does_not_matter(browser: Client, user: User) -> None:
    preset = Preset(owner=user)
    preset.store(name="All", options=DownloadOptions(playlist="all"), is_shared=False)

    browser.post("/subscriptions/new", {**SENT, "preset": "all"})

    assert Subscription.objects.get().download_options().playlist == "ask"


def test_the_form_begins_with_the_users_default_preset(browser: Client, user: User) -> None:
    presets.make_default(user, "m4a")

    page = text_of(browser.get("/subscriptions/new", {"url": URL}))

    assert '<option value="m4a" selected>' in page
    assert f'value="{URL}"' in page


# Preview


def test_options_that_say_which_videos_are_not_offered(browser: Client) -> None:
    form = browser.get("/subscriptions/new").context["form"]

    assert form.fields.keys() & OPTIONS.keys() == OPTIONS.keys() - NOT_OF_A_SUBSCRIPTION


def test_a_preview_reads_the_list_and_then_says_what_would_be_fetched(browser: Client) -> None:
    wish = {**SENT, "include": "", "exclude": "Video 2", "newest": "2", "preview": "1"}
    wish |= {"since": "", "min_minutes": "", "max_minutes": ""}

    assert "The list is being read." in text_of(browser.post("/subscriptions/new", wish))
    lives.list_up(Download.objects.get(), *map(lives.entry, (4, 3, 2, 1)))
    page = text_of(browser.post("/subscriptions/new", wish))

    assert "2 of 4 videos would be fetched." in page
    assert "<li>Video 4" in page
    assert "<li>Video 2" not in page
    assert 'value="Video 2"' in page
    assert not Subscription.objects.exists()
    assert Download.objects.count() == 1


def test_a_list_offers_to_subscribe_to_it_and_is_its_own_preview(
    browser: Client, user: User
) -> None:
    listing = lives.list_up(lives.submit(user, url=URL), *map(lives.entry, (2, 1)))
    name = listing.download.correlation_id
    assert f'href="/subscriptions/new?from={name}"' in text_of(browser.get(f"/downloads/{name}/"))

    offer = browser.get(f"/subscriptions/new?from={name}")
    assert f'value="{URL}"' in text_of(offer)
    wish = {"url": URL, "interval_seconds": "21600", "first": "all", "takes_shorts": "on"}
    page = text_of(browser.post(f"/subscriptions/new?from={name}", {**wish, "preview": "1"}))

    assert "2 of 2 videos would be fetched." in page
    assert Download.objects.count() == 1


def test_a_link_of_one_video_is_said_to_be_no_list(browser: Client) -> None:
    wish = {**SENT, "preview": "1"}
    browser.post("/subscriptions/new", wish)
    running = lives.start(Download.objects.get())
    running.complete_as_checked(actor="test", media={})

    assert "No list was found there." in text_of(browser.post("/subscriptions/new", wish))


# The list


def test_a_row_says_what_the_last_check_found_and_when_the_next_is(
    browser: Client, user: User
) -> None:
    subscription = following.subscribe(user, exclude="Video 2")
    check = following.check(subscription, lives.entry(1), lives.entry(2))

    page = text_of(browser.get("/subscriptions/"))

    assert check.download is not None
    link = f'<a href="/downloads/{check.download.correlation_id}/">'
    assert f"{link}1 new video · 1 left by the filters</a>" in page
    assert "Next check" in page
    assert "in 6 h" in page or "in 5 h" in page


@pytest.mark.parametrize(
    ("walk", "words"),
    [
        (lambda row: None, "Due now"),
        (following.begin, "Being checked"),
        (Subscription.pause, "Paused"),
    ],
)
def test_a_row_says_its_state(browser: Client, user: User, walk: Any, words: str) -> None:
    walk(following.subscribe(user))

    assert words in text_of(browser.get("/subscriptions/"))


def test_what_fails_needs_attention_and_comes_first(browser: Client, user: User) -> None:
    failing = following.subscribe(user, name="Failing")
    following.subscribe(user, name="Newer")
    for _ in range(3):
        following.fail(failing)

    page = text_of(browser.get("/subscriptions/"))

    assert "Needs attention" in page
    assert "The site says this video does not exist (404)." in page
    assert page.index("Failing") < page.index("Newer")


def test_many_are_shown_page_by_page(
    browser: Client, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "PAGE_SIZE", 2)
    for number in range(3):
        following.subscribe(user, name=f"Number {number}")

    first = text_of(browser.get("/subscriptions/"))
    older = Subscription.objects.get(name="Number 1").pk
    assert f'<a rel="next" href="?before={older}">' in first
    second = text_of(browser.get(f"/subscriptions/?before={older}"))

    assert "Number 0" in second
    assert "Number 1" not in second
    assert "Number 0" not in first


def test_a_list_costs_as_many_queries_for_many_as_for_one(browser: Client, user: User) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            browser.get("/subscriptions/")
        return len(asked)

    following.begin(following.subscribe(user))
    of_one = queries()
    for _ in range(4):
        following.begin(following.subscribe(user))

    assert queries() == of_one


# Acting


def test_check_now_begins_a_check(browser: Client, user: User) -> None:
    subscription = following.subscribe(user)

    page = text_of(browser.post(f"/subscriptions/{subscription.pk}/check", follow=True))

    assert "Being checked" in page
    check = Check.objects.get()
    assert check.download is not None
    assert check.download.transitions.get().actor == "user:ursula"


def test_a_subscription_is_paused_and_resumed(browser: Client, user: User) -> None:
    path = f"/subscriptions/{following.subscribe(user).pk}"

    browser.post(f"{path}/pause")
    assert Subscription.objects.get().is_paused
    assert f'formaction="{path}/resume"' in text_of(browser.get("/subscriptions/"))

    browser.post(f"{path}/resume")
    assert not Subscription.objects.get().is_paused


def test_what_is_stored_is_what_the_form_shows_and_saves(browser: Client, user: User) -> None:
    browser.post("/subscriptions/new", SENT)
    before = Subscription.objects.values().get()
    path = f"/subscriptions/{before['id']}/"
    form = browser.get(path).context["form"]
    shown = {name: form[name].value() for name in form.fields}
    sent = {name: value for name, value in shown.items() if value not in (None, False)}

    browser.post(path, {**sent, "name": "Other"})

    assert Subscription.objects.values().get() == {**before, "name": "Other"}


def test_unsubscribing_is_asked_for_first_and_keeps_what_was_fetched(
    browser: Client, user: User
) -> None:
    subscription = following.subscribe(user)
    following.check(subscription, lives.entry(1))
    page = text_of(browser.get(f"/subscriptions/{subscription.pk}/"))
    assert "What it fetched stays." in page

    answer = browser.post(f"/subscriptions/{subscription.pk}/delete", follow=True)

    assert "Unsubscribed: A list" in text_of(answer)
    assert not Subscription.objects.exists()
    assert Download.objects.filter(url=lives.entry(1).url).exists()


@pytest.mark.parametrize("action", ["", "check", "pause", "resume", "delete"])
def test_those_of_somebody_else_are_not_found(browser: Client, staff: User, action: str) -> None:
    subscription = following.subscribe(staff)

    answer = browser.post(f"/subscriptions/{subscription.pk}/{action}", SENT)

    assert answer.status_code == 404
    after = Subscription.objects.get()
    assert (after.name, after.is_paused, after.is_checking) == ("", False, False)


def test_staff_see_whose_it_is(user: User, staff: User) -> None:
    following.subscribe(user)
    client = Client()
    client.force_login(staff)

    assert "ursula" in text_of(client.get("/subscriptions/"))
