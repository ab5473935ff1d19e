"""A site that waits is seen everywhere: pages, API, stream, admin, doctor, metrics."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone
from django.utils.html import strip_tags

from downloads.accounts import tokens
from downloads.diagnostics.database import check_sites
from downloads.diagnostics.verdict import Level
from downloads.models import Download, Site
from downloads.rules.errors import ErrorClass
from downloads.rules.options import DownloadOptions
from downloads.rules.states import Reason, State
from downloads.stream.cursor import Cursor
from downloads.stream.frames import Stats
from downloads.waiting import Obstacles
from downloads.web.format import instant
from tests.helpers import lives
from tests.web.test_views import path_of, words_of

pytestmark = [
    pytest.mark.both_databases,
    pytest.mark.django_db,
    pytest.mark.usefixtures("clean_disk"),
]

HOST = "blocked.example"
TRY = f"/api/v1/sites/{HOST}/try"


@pytest.fixture
def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def staff_browser(staff: User) -> Client:
    client = Client()
    client.force_login(staff)
    return client


def submit(owner: User | None, host: str = HOST, **options: Any) -> Download:
    return lives.submit(owner, url=f"https://www.{host}/{next(lives.numbers)}", **options)


def make_wait(host: str = HOST, error_class: ErrorClass = ErrorClass.RATE_LIMITED) -> Site:
    for _ in range(5):
        site = Site.objects.refused(host, error_class, retry_after_seconds=None)
    assert site.waits_until
    return site


def until(site: Site) -> str:
    assert site.waits_until
    return strip_tags(instant(site.waits_until, clock=True))


def caller(user: User) -> Client:
    return Client(headers={"Authorization": f"Bearer {tokens.issue(user, name='test')}"})


def claim() -> Download:
    claimed = lives.claim_next(lives.make_worker())
    assert claimed is not None
    return claimed


# Pages.


def test_a_row_says_until_when_its_site_is_left_alone_and_why(browser: Client, user: User) -> None:
    submit(user)

    words = words_of(browser.get("/"))
    assert f"{HOST} refused" not in words

    site = make_wait()
    words = words_of(browser.get("/"))
    said = f"{HOST} refused 5 times (rate limited). Next try at {until(site)}"
    assert words.count(said) == 2  # in the row, and above the list
    assert "1 download waits for it." in words


def test_a_retried_download_of_a_site_that_waits_says_so_on_its_page(
    browser: Client, user: User
) -> None:
    download = submit(user)
    site = make_wait()
    browser.post(path_of(download, "cancel"))
    browser.post(path_of(download, "retry"))

    words = words_of(browser.get(path_of(download)))

    assert f"Next try at {until(site)}" in words


def test_a_download_that_does_not_wait_for_its_site_does_not_name_it(
    browser: Client, user: User
) -> None:
    make_wait()
    other = submit(user, host="fine.example")

    assert "Waiting for" not in words_of(browser.get("/"))
    assert "Waiting for" not in words_of(browser.get(path_of(other)))


def test_sites_of_others_are_not_named(browser: Client, staff: User) -> None:
    make_wait()
    submit(staff)

    assert HOST not in words_of(browser.get("/"))


def test_many_sites_that_wait_do_not_fill_the_page(browser: Client, user: User) -> None:
    for number in range(5):
        make_wait(f"site-{number}.example")
        submit(user, host=f"site-{number}.example")

    words = words_of(browser.get("/"))

    assert words.count("waits for it.") == 3
    assert "2 more sites wait." in words


def test_a_download_that_is_tried_again_says_when_and_which_attempt_that_is(
    browser: Client, user: User
) -> None:
    download = lives.start(submit(user))
    download.move(
        State.CREATED,
        actor="test",
        reason=Reason.WILL_RETRY,
        not_before=timezone.now() + timedelta(seconds=30),
        error_class=ErrorClass.RATE_LIMITED,
    )

    for path in ("/", path_of(download)):
        words = words_of(browser.get(path))
        assert "Next try in 2" in words
        assert "s , attempt 2 of 3" in words


def test_a_download_with_a_start_says_when_that_is(browser: Client, user: User) -> None:
    lives.make_worker()
    night = timezone.now() + timedelta(hours=9, minutes=30)
    download = submit(user, start_at=night.isoformat())

    for path in ("/", path_of(download)):
        words = words_of(browser.get(path))
        assert "Starts in 9 h" in words
        assert "Next try" not in words
    answer = caller(user).get(f"/api/v1/downloads/{download.correlation_id}").json()
    assert answer["waiting"]["why"] == "not_before"
    assert answer["not_before"] == DownloadOptions(start_at=night.isoformat()).start_at


def test_the_page_and_the_stream_have_the_same_word_for_a_wait(browser: Client, user: User) -> None:
    lives.make_worker()
    submit(user)
    make_wait()

    word = Obstacles.read().sites()[HOST]

    page = browser.get("/").content.decode()
    assert f'data-site="{HOST}" data-waiting="{word}"' in page  # above the list
    assert f'data-site="{HOST}" data-owner="{user.pk}" data-waiting="{word}"' in page


def test_staff_end_the_wait_from_the_page(staff_browser: Client, staff: User) -> None:
    make_wait()
    download = submit(staff)
    assert "Try now" in words_of(staff_browser.get(path_of(download)))

    answer = staff_browser.post("/sites/try", {"host": HOST}, follow=True)

    assert f"{HOST} is tried now." in words_of(answer)
    assert claim() == download
    again = staff_browser.post("/sites/try", {"host": HOST}, follow=True)
    assert f"{HOST} does not wait any more." in words_of(again)


def test_who_is_not_staff_cannot_end_the_wait(browser: Client, user: User) -> None:
    site = make_wait()
    submit(user)

    assert "Try now" not in words_of(browser.get("/"))
    assert browser.post("/sites/try", {"host": HOST}).status_code == 403
    assert caller(user).post(TRY).status_code == 403
    assert Site.objects.get().waits_until == site.waits_until


def test_no_host_at_all_is_no_error(staff_browser: Client) -> None:
    for data in ({}, {"host": "\0"}, {"host": "x" * 5000}):
        assert staff_browser.post("/sites/try", data).status_code == 302
    assert staff_browser.get("/sites/try").status_code == 405


def test_waiting_sites_cost_the_same_for_one_row_and_for_many(
    browser: Client, user: User, django_assert_max_num_queries: Any
) -> None:
    make_wait()
    submit(user)
    browser.get("/")
    with django_assert_max_num_queries(100) as one:
        browser.get("/")
    for _ in range(20):
        submit(user)

    with django_assert_max_num_queries(len(one)):
        browser.get("/")


# API.


def test_the_api_says_what_a_download_waits_for(user: User) -> None:
    download = submit(user)
    site = make_wait()
    assert site.waits_until

    detail = caller(user).get(f"/api/v1/downloads/{download.correlation_id}").json()
    [item] = caller(user).get("/api/v1/downloads").json()["items"]

    assert detail["waiting"] == item["waiting"]
    assert item["waiting"].pop("until")[:19] == f"{site.waits_until:%FT%T}"
    assert item["waiting"] == {
        "why": "site",
        "site": HOST,
        "failures": 5,
        "error_class": "rate_limited",
        "running": None,
        "used": None,
        "limit": None,
        "since": None,
        "who": None,
    }
    assert detail["attempt"] == 0


def test_the_api_says_until_when_a_next_try_waits(user: User) -> None:
    lives.make_worker()
    download = submit(user)
    caller_of_user = caller(user)
    path = f"/api/v1/downloads/{download.correlation_id}"
    assert caller_of_user.get(path).json()["waiting"] is None  # only for a free slot

    download.note(not_before=timezone.now() + timedelta(seconds=30))
    answer = caller_of_user.get(path).json()

    assert answer["waiting"]["why"] == "not_before"
    assert answer["waiting"]["until"] == answer["not_before"]


def test_the_api_says_that_no_worker_runs(user: User) -> None:
    download = submit(user)

    answer = caller(user).get(f"/api/v1/downloads/{download.correlation_id}").json()

    assert answer["waiting"]["why"] == "no_worker"


def test_staff_end_the_wait_by_the_api(staff: User) -> None:
    make_wait()
    make_wait("[::1]:8080")

    answer = caller(staff).post(TRY)
    other = caller(staff).post("/api/v1/sites/[::1]:8080/try")

    assert (answer.status_code, other.status_code) == (204, 204)
    for unknown in ("fine.example", "%00", "x" * 1000):
        assert caller(staff).post(f"/api/v1/sites/{unknown}/try").status_code == 404


# Stream.


def sites_in(event: bytes) -> dict[str, str]:
    name, data = event.decode().strip().split("\n")
    assert name == "event: waiting"
    words: dict[str, str] = json.loads(data.removeprefix("data: "))["sites"]
    return words


def test_the_stream_names_each_listeners_sites_when_they_change(user: User, staff: User) -> None:
    submit(user)
    site = make_wait()
    make_wait("other.example")
    submit(staff, host="other.example")
    own, all_of_them = Cursor(seq=0, owner_id=user.pk), Cursor(seq=0, owner_id=None)

    assert sites_in(own.take_waiting(Stats.read())).keys() == {HOST}
    assert sites_in(all_of_them.take_waiting(Stats.read())).keys() == {HOST, "other.example"}
    assert own.take_waiting(Stats.read()) == b""  # nothing new

    Site.objects.try_now(site.host)
    assert sites_in(own.take_waiting(Stats.read())) == {}


def test_who_follows_one_download_hears_of_sites_as_well() -> None:
    cursor = Cursor(seq=0, owner_id=None, correlation_id="abc")

    assert sites_in(cursor.take_waiting(Stats.read())) == {}
    assert cursor.take_waiting(None) == b""


# Admin, doctor, metrics.


def test_the_admin_tries_a_site_now(staff_browser: Client) -> None:
    make_wait()

    listed = staff_browser.get("/admin/downloads/site/")
    answer = staff_browser.post(
        "/admin/downloads/site/", {"action": "try_now", "_selected_action": [HOST]}, follow=True
    )

    assert HOST in words_of(listed)
    assert "1 tried now." in words_of(answer)
    assert Obstacles.read().sites() == {}
    assert "Tried now." in str(LogEntry.objects.get())


def test_who_may_only_look_has_no_such_action(db: None) -> None:
    make_wait()
    clerk = User.objects.create_user("clerk", is_staff=True)
    clerk.user_permissions.set(Permission.objects.filter(codename="view_site"))
    client = Client()
    client.force_login(clerk)

    listed = words_of(client.get("/admin/downloads/site/"))

    assert HOST in listed
    assert "Try now" not in listed


def test_doctor_names_the_sites_that_wait() -> None:
    assert check_sites().level is Level.OK

    site = make_wait(error_class=ErrorClass.FORBIDDEN)
    check = check_sites()

    assert check.level is Level.WARNING
    assert site.waits_until
    assert f"{HOST} until {site.waits_until:%H:%M} UTC" in check.sentence
    assert "forbidden" in check.sentence


def test_metrics_count_the_sites_that_wait(staff_browser: Client) -> None:
    make_wait()

    assert "\nvnsite_sites_waiting 1.0\n" in staff_browser.get("/metrics").content.decode()
