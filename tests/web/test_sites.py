"""Sites and their limits: the pages, the API and the admin."""

from typing import Any

import pytest
from django.contrib.admin.utils import quote
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from downloads.models import Download, Site
from downloads.rules.errors import ErrorClass
from tests.helpers import lives
from tests.web.test_turns import browser_of, caller
from tests.web.test_views import words_of

pytestmark = [
    pytest.mark.both_databases,
    pytest.mark.django_db,
    pytest.mark.usefixtures("clean_disk"),
]

HOST = "slow.example"
API = "/api/v1/sites"
SECRET = "socks5://ann:pa55word@proxy.example:1080"
LIMITS = {"running_limit": 2, "pause_seconds": 1.5, "rate_limit": 512_000, "proxy": SECRET}


def submit(owner: User | None, host: str = HOST) -> Download:
    return lives.submit(owner, url=f"https://{host}/{next(lives.numbers)}")


def make_wait(host: str = HOST) -> None:
    for _ in range(5):
        Site.objects.refused(host, ErrorClass.RATE_LIMITED, retry_after_seconds=None)


def limits_of(host: str = HOST) -> dict[str, Any]:
    site = Site.objects.get(host=host)
    return {name: getattr(site, name) for name in LIMITS}


def put(user: User, values: dict[str, Any], host: str = HOST) -> Any:
    return caller(user).put(f"{API}/{host}", values, content_type="application/json")


@pytest.fixture
def browser(staff: User) -> Client:
    return browser_of(staff)


# Pages.


def test_the_list_has_every_site_with_limits_a_refusal_or_active_downloads(
    browser: Client, user: User
) -> None:
    assert "No site yet." in words_of(browser.get("/sites/"))
    submit(user, "used.example")
    submit(user, "used.example")
    lives.claim_next(lives.make_worker())
    make_wait("blocked.example")
    Site.objects.set_limits(HOST, **LIMITS)

    words = words_of(browser.get("/sites/"))

    assert words.index("blocked.example") < words.index(HOST) < words.index("used.example")
    assert "used.example 1 running, 1 waiting No limits of its own" in words
    assert "2 at once · pause of 2 s · 500 KiB/s each · through a proxy" in words
    assert "blocked.example refused" in words
    assert "Try now" in words


def test_a_search_finds_hosts_and_offers_limits_for_a_new_one(browser: Client, user: User) -> None:
    submit(user, "used.example")

    assert "used.example" in words_of(browser.get("/sites/?q=USED"))
    words = words_of(browser.get("/sites/?q=new.example"))
    assert "No sites match “new.example”." in words
    assert "Set limits for new.example" in words
    assert "Set limits" not in words_of(browser.get("/sites/?q=not a host"))
    assert browser.get("/sites/?q=%00").status_code == 200


def test_the_form_writes_the_limits_and_shows_them_again(browser: Client) -> None:
    typed = {"running_limit": "2", "pause_seconds": "1.5", "rate_limit": "500", "proxy": SECRET}

    answer = browser.post(f"/sites/{HOST}/", typed, follow=True)

    assert f"The limits of {HOST} are saved." in words_of(answer)
    assert limits_of() == LIMITS
    page = browser.get(f"/sites/{HOST}/").content.decode()
    for name, value in {**typed, "rate_limit": "500.0"}.items():
        shown = value.replace("ann:pa55word", "…")
        assert f'name="{name}" value="{shown}"' in page


def test_a_password_is_shown_nowhere_and_kept_when_the_rest_is_changed(
    browser: Client, staff: User
) -> None:
    Site.objects.set_limits(HOST, **LIMITS)
    shown = SECRET.replace("ann:pa55word", "…")

    for path in ("/sites/", f"/sites/{HOST}/", API, f"{API}/{HOST}"):
        assert "pa55word" not in browser.get(path).content.decode()
    browser.post(f"/sites/{HOST}/", {"running_limit": "3", "proxy": shown})

    assert limits_of() == {**dict.fromkeys(LIMITS), "running_limit": 3, "proxy": SECRET}


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("running_limit", "-1", "greater than or equal to 0"),
        ("running_limit", "many", "Enter a whole number."),
        ("pause_seconds", "86401", "less than or equal to 86400"),
        ("pause_seconds", "nan", "Enter a number."),
        ("rate_limit", "0.5", "greater than or equal to 1"),
        ("proxy", "ftp://x", "begins with one of"),
    ],
)
def test_a_wrong_value_has_a_sentence_and_loses_nothing(
    browser: Client, name: str, value: str, sentence: str
) -> None:
    Site.objects.set_limits(HOST, **LIMITS)

    answer = browser.post(f"/sites/{HOST}/", {"running_limit": "7", name: value})

    assert answer.status_code == 422
    assert sentence in words_of(answer)
    assert f'value="{value}"' in answer.content.decode()
    assert limits_of() == LIMITS


def test_what_is_not_a_site_has_no_page(browser: Client) -> None:
    for host in ("a b", "example.org:99999", "www.example.org", "EXAMPLE.org", "0x7f.1"):
        assert browser.get(f"/sites/{host}/").status_code == 404
    assert browser.get("/sites/[::1]:8080/").status_code == 200


# API.


def test_staff_read_and_write_limits_by_the_api(staff: User, user: User) -> None:
    submit(user)

    answer = put(staff, LIMITS)

    assert answer.status_code == 200
    assert limits_of() == LIMITS
    assert answer.json() == {
        "host": HOST,
        "limits": {**LIMITS, "proxy": "socks5://…@proxy.example:1080"},
        "breaker": {"failures": 0, "error_class": None, "waits_until": None},
        "paused_until": None,
        "waiting": 1,
        "running": 0,
    }
    assert caller(staff).get(API).json()["items"] == [answer.json()]


def test_what_the_api_shows_may_be_sent_back_and_what_is_left_out_is_reset(staff: User) -> None:
    shown = put(staff, LIMITS).json()["limits"]

    assert put(staff, shown).status_code == 200
    assert limits_of() == LIMITS
    assert put(staff, {}).status_code == 200
    assert limits_of() == {**dict.fromkeys(LIMITS), "proxy": ""}


def test_others_read_the_sites_of_their_own_downloads_without_the_proxy(
    user: User, staff: User
) -> None:
    submit(user)
    submit(staff, "secret.example")
    Site.objects.set_limits(HOST, **LIMITS)
    Site.objects.set_limits("secret.example", **LIMITS)
    ask = caller(user)

    [site] = ask.get(API).json()["items"]

    assert (site["host"], site["waiting"]) == (HOST, 1)
    assert site["limits"] == {**LIMITS, "proxy": None}
    assert ask.get(f"{API}/{HOST}").json() == site
    assert ask.get(f"{API}/secret.example").status_code == 404
    assert put(user, LIMITS).status_code == 403


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"proxy": "ftp://x"}, "proxy"),
        ({"rate_limit": 10}, "rate_limit"),
        ({"pause_seconds": -1}, "pause_seconds"),
        ({"running_limit": 1.5}, "running_limit"),
        ({"speed": 1}, "speed"),
    ],
)
def test_a_wrong_value_is_refused_with_its_field(
    staff: User, values: dict[str, Any], field: str
) -> None:
    answer = put(staff, values)

    assert answer.status_code == 422
    [problem] = answer.json()["errors"]
    assert problem["field"] == field
    assert problem["reason"].endswith(".")
    assert not Site.objects.exists()


def test_what_is_not_a_site_cannot_have_limits(staff: User) -> None:
    assert put(staff, LIMITS, host="www.example.org").status_code == 404
    assert put(staff, LIMITS, host="a%00b").status_code == 404


# Admin.


def test_an_administrator_sets_limits_and_leaves_the_breaker_as_it_is(admin_client: Client) -> None:
    make_wait()
    before = Site.objects.get(host=HOST)
    values = {"running_limit": "2", "pause_seconds": "1.5", "rate_limit": "500", "proxy": SECRET}

    path = reverse("admin:downloads_site_change", args=[quote(HOST)])

    answer = admin_client.post(path, values, follow=True)

    assert "was changed successfully" in words_of(answer)
    page = admin_client.get(path).content.decode()
    assert "socks5://…@proxy.example:1080" in page
    assert "pa55word" not in page
    assert limits_of() == LIMITS
    assert Site.objects.get(host=HOST).breaker == before.breaker
