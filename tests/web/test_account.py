"""The account page: preferences, password and API tokens, as a browser without JavaScript asks."""

import html
import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from downloads.accounts import tokens
from downloads.accounts.preferences import preferences_of
from downloads.models import ApiToken, Preferences, Scope, Theme
from tests.conftest import PASSWORD

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]

NEW_PASSWORD = "correct horse battery"


@pytest.fixture
def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text_of(answer: Any) -> str:
    return html.unescape(answer.content.decode())


def save(browser: Client, **changed: str) -> Any:
    usual = {"theme": "auto", "density": "compact", "announcements": "all"}
    usual |= {"motion": "system", "update_seconds": "0"}
    return browser.post("/account/preferences", {**usual, **changed})


def change_password(browser: Client, *, old: str = PASSWORD, new: str = NEW_PASSWORD) -> Any:
    fields = {"old_password": old, "new_password1": new, "new_password2": new}
    return browser.post("/account/password", fields)


# Preferences.


def test_without_a_choice_the_defaults_hold(browser: Client) -> None:
    page = text_of(browser.get("/account/"))

    assert 'data-theme="auto"' in page
    assert 'data-density="compact"' in page
    assert 'data-announcements="all"' in page
    assert 'data-notifications="0"' in page
    assert 'data-keys="1"' in page
    assert 'data-motion="system"' in page
    assert 'data-frequency="0"' in page
    assert 'data-paused="0"' in page


def test_every_page_is_drawn_as_its_user_likes_it(browser: Client) -> None:
    save(browser, theme="dark", density="comfortable", announcements="failures")

    page = text_of(browser.get("/"))

    assert 'data-theme="dark"' in page
    assert 'data-density="comfortable"' in page
    assert 'data-announcements="failures"' in page
    assert 'data-keys="0"' in page  # the box was not ticked


def test_the_list_has_the_columns_that_were_chosen(browser: Client) -> None:
    all_of_them = text_of(browser.get("/"))
    save(browser, shows_facts="on")

    chosen = text_of(browser.get("/"))

    assert "data-without" not in all_of_them
    assert "columns." not in all_of_them
    assert 'data-without="pictures ages"' in chosen
    assert "downloads/columns." in chosen


def test_who_wants_it_calm_is_told_less_often_and_nothing_moves(browser: Client) -> None:
    save(browser, motion="reduced", update_seconds="5", starts_paused="on")

    page = text_of(browser.get("/"))

    assert 'data-motion="reduced"' in page
    assert 'data-frequency="5"' in page
    assert 'data-paused="1"' in page


def test_a_frequency_that_is_not_offered_is_refused(browser: Client, user: User) -> None:
    assert save(browser, update_seconds="3").status_code == 422

    assert not Preferences.objects.filter(user=user).exists()


def test_the_bookmarklet_opens_the_form_with_the_address_of_the_page(browser: Client) -> None:
    href = "javascript:void open('http://testserver/add?url='+encodeURIComponent(location.href))"

    assert href in text_of(browser.get("/account/")).replace("\\u002D", "-")


def test_a_page_asks_for_preferences_once(
    user: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    same = User.objects.get(pk=user.pk)
    with django_assert_num_queries(1):
        preferences_of(same)
        preferences_of(same)


def test_a_speed_limit_is_stored_in_bytes(browser: Client, user: User) -> None:
    save(browser, rate_limit="2.5")

    assert Preferences.objects.get(user=user).rate_limit == 2_621_440
    assert 'value="2.5"' in text_of(browser.get("/account/"))


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("fast", "Enter a number, such as 2.5."),
        ("-1", "Enter at least 0.001, or nothing for no limit."),
        ("1e30", "Enter at most 1048576."),
    ],
)
def test_a_wrong_speed_limit_is_named_and_loses_nothing(
    browser: Client, user: User, typed: str, sentence: str
) -> None:
    save(browser, theme="light")

    answer = save(browser, theme="dark", rate_limit=typed)

    assert answer.status_code == 422
    assert sentence in text_of(answer)
    assert f'value="{typed}"' in text_of(answer)
    assert 'data-theme="light"' in text_of(answer)
    assert Preferences.objects.get(user=user).theme == Theme.LIGHT


def test_the_language_is_asked_only_when_there_are_several(
    browser: Client, user: User, settings: Settings
) -> None:
    answer = save(browser, language="es")

    assert Preferences.objects.get(user=user).language == "es"
    assert answer.cookies[settings.LANGUAGE_COOKIE_NAME].value == "es"
    assert 'name="language"' in text_of(browser.get("/account/"))
    settings.LANGUAGES = [("en", "English")]
    assert 'name="language"' not in text_of(browser.get("/account/"))


def test_the_menu_changes_the_theme_alone_and_comes_back(browser: Client, user: User) -> None:
    save(browser, density="comfortable")

    answer = browser.post("/account/theme", {"theme": "contrast", "next": "/?state=failed"})

    chosen = Preferences.objects.get(user=user)
    assert (chosen.theme, chosen.density) == ("contrast", "comfortable")
    assert (answer.status_code, answer["Location"]) == (302, "/?state=failed")


def test_the_sign_in_page_has_the_theme_that_was_chosen_in_this_browser(browser: Client) -> None:
    browser.post("/account/theme", {"theme": "dark"})
    browser.post("/logout/")

    assert 'data-theme="dark"' in text_of(browser.get("/login/"))
    assert 'data-theme="auto"' in text_of(Client().get("/login/"))


def test_a_sign_in_brings_the_theme_of_its_user(browser: Client) -> None:
    save(browser, theme="dark")
    elsewhere = Client()

    elsewhere.post("/login/", {"username": "ursula", "password": PASSWORD})

    elsewhere.post("/logout/")
    assert 'data-theme="dark"' in text_of(elsewhere.get("/login/"))


@pytest.mark.parametrize("theme", ["", "pink", '"><script>'])
def test_a_theme_that_there_is_not_is_none(browser: Client, theme: str) -> None:
    browser.cookies["vnsite_theme"] = theme

    assert browser.post("/account/theme", {"theme": theme}).status_code == 404
    browser.logout()
    browser.cookies["vnsite_theme"] = theme
    assert 'data-theme="auto"' in text_of(browser.get("/login/"))


# Password.


def test_a_new_password_keeps_this_session_and_ends_the_others(browser: Client, user: User) -> None:
    other = Client()
    other.force_login(user)

    answer = change_password(browser)

    user.refresh_from_db()
    assert answer.status_code == 302
    assert user.check_password(NEW_PASSWORD)
    assert browser.get("/account/").status_code == 200
    assert other.get("/account/").status_code == 302


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"old": "wrong"}, "This is not your password of now."),
        ({"new": "short"}, "This password is too short."),
    ],
)
def test_a_password_that_is_refused_says_why(
    browser: Client, user: User, fields: dict[str, str], sentence: str
) -> None:
    answer = change_password(browser, **fields)

    user.refresh_from_db()
    assert answer.status_code == 422
    assert sentence in text_of(answer)
    assert user.check_password(PASSWORD)


def test_who_has_no_password_here_is_not_asked_for_it(browser: Client, user: User) -> None:
    user.set_unusable_password()
    user.save()
    browser.force_login(user)

    assert 'name="old_password"' not in text_of(browser.get("/account/"))


def test_wrong_old_passwords_are_counted(browser: Client) -> None:
    answers = [change_password(browser, old=f"wrong {number}").status_code for number in range(11)]

    assert answers == [422] * 9 + [429] * 2


# API tokens.


def test_a_token_is_shown_once_and_works(browser: Client, user: User) -> None:
    fields = {"name": "backup", "scope": "read", "days": "30"}

    page = text_of(browser.post("/account/tokens", fields))

    (text,) = re.findall(rf'value="({tokens.PREFIX}[^"]+)"', page)
    found = tokens.find(text)
    assert found is not None
    assert (found.user, found.name, found.scope) == (user, "backup", Scope.READ)
    assert found.expires_at is not None
    again = browser.get("/account/")
    assert text not in text_of(again)
    assert "backup" in text_of(again)


def test_the_page_says_when_a_token_was_used_last(browser: Client, user: User) -> None:
    tokens.issue(user, name="new")
    tokens.find(tokens.issue(user, name="old"))

    page = text_of(browser.get("/account/"))

    assert page.count("never used") == 1
    assert re.search(r"used <time[^>]*>just now</time>", page)


def test_a_token_without_a_name_is_refused(browser: Client) -> None:
    answer = browser.post("/account/tokens", {"name": " ", "scope": "write", "days": ""})

    assert answer.status_code == 422
    assert "Enter a name" in text_of(answer)
    assert not ApiToken.objects.exists()


def test_a_token_is_revoked_by_its_owner_alone(browser: Client, user: User, staff: User) -> None:
    tokens.issue(user, name="mine")
    tokens.issue(staff, name="foreign")
    mine, foreign = ApiToken.objects.get(name="mine"), ApiToken.objects.get(name="foreign")

    assert browser.post(f"/account/tokens/{mine.pk}/revoke").status_code == 302
    assert browser.post(f"/account/tokens/{foreign.pk}/revoke").status_code == 404
    assert [token.name for token in ApiToken.objects.all()] == ["foreign"]
    assert "foreign" not in text_of(browser.get("/account/"))


# Help.


def test_everybody_gets_help(client: Client) -> None:
    page = text_of(client.get("/help/"))

    assert "What the states mean" in page
    assert "manage.py changepassword" in page
