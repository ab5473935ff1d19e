"""Saved views of the list, as a browser without JavaScript uses them."""

import re
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from downloads.models import SavedView
from downloads.models.saved_views import MAX_VIEWS

pytestmark = [
    pytest.mark.both_databases,
    pytest.mark.django_db,
    pytest.mark.usefixtures("clean_disk"),
]

FILMS = {"name": "Films that failed", "state": "failed", "q": "host:example.org", "sort": "oldest"}
ADDRESS = "/?state=failed&q=host%3Aexample.org&sort=oldest"


@pytest.fixture
def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def text_of(answer: Any) -> str:
    return unescape(answer.content.decode())


def strip_of(browser: Client, address: str) -> dict[str, bool]:
    """The links of the strip by their words, and whether each is the current one."""
    strip = re.search(r'<nav class="filters".*?</nav>', text_of(browser.get(address)), re.DOTALL)
    assert strip
    links = re.findall(r"<a ([^>]*)>(.*?)</a>", strip[0], re.DOTALL)
    return {
        re.sub(r"<[^>]*>|\d|\s+", " ", words).strip(): "aria-current" in attributes
        for attributes, words in links
    }


def save(user: User, name: str) -> SavedView:
    view = SavedView(owner=user, filter="failed", text="host:example.org", sort="oldest")
    view.store(name=name)
    return view


def test_a_saved_view_is_a_link_above_the_list_and_current_where_it_leads(browser: Client) -> None:
    answer = browser.post("/views/save", FILMS)

    assert answer["Location"] == ADDRESS
    assert {link for link, is_current in strip_of(browser, ADDRESS).items() if is_current} == {
        "Films that failed"
    }
    elsewhere = strip_of(browser, "/")
    assert (elsewhere["Films that failed"], elsewhere["All"]) == (False, True)


def test_a_page_further_on_is_still_the_view(browser: Client, user: User) -> None:
    save(user, "Films")

    assert strip_of(browser, f"{ADDRESS}&before=0{2**62}")["Films"]


@pytest.mark.parametrize("query", ["q=harbour", "sort=newest"])
def test_a_search_and_an_order_can_be_saved(query: str, browser: Client) -> None:
    assert 'action="/views/save"' in text_of(browser.get(f"/?{query}"))


@pytest.mark.parametrize("query", ["", "state=failed", "q=state:nonsense"])
def test_what_has_a_link_already_or_makes_no_sense_cannot_be_saved(
    query: str, browser: Client
) -> None:
    assert 'action="/views/save"' not in text_of(browser.get(f"/?{query}"))


def test_a_view_gets_another_name(browser: Client, user: User) -> None:
    view = save(user, "Films")

    answer = browser.post(f"/views/{view.pk}/rename", {"name": "  Broken   films "})

    assert answer["Location"] == ADDRESS
    assert strip_of(browser, ADDRESS)["Broken films"]


def test_a_view_is_removed_and_its_list_stays(browser: Client, user: User) -> None:
    view = save(user, "Films")

    answer = browser.post(f"/views/{view.pk}/remove", follow=True)

    assert answer.redirect_chain[-1][0] == ADDRESS
    assert "Removed: Films" in text_of(answer)
    assert "Films" not in strip_of(browser, ADDRESS)


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        ({"name": " "}, "Enter a name."),
        ({"name": "a" * 61}, "A name can have at most 60 characters."),
        ({"name": "films"}, "You have a view named “films” already."),
        ({"q": "state:nonsense"}, "“state:” does not know “nonsense”."),
    ],
)
def test_a_refusal_says_why_and_keeps_what_was_sent(
    wish: dict[str, str], sentence: str, browser: Client, user: User
) -> None:
    save(user, "Films")

    answer = browser.post("/views/save", {**FILMS, **wish})

    assert answer.status_code == 422
    assert sentence in text_of(answer)
    for name, value in {**FILMS, **wish}.items():
        assert f'name="{name}" value="{value}"' in text_of(answer)
    assert SavedView.objects.count() == 1


def test_there_may_be_so_many_and_no_more(browser: Client, user: User) -> None:
    for number in range(MAX_VIEWS):
        save(user, f"View {number}")

    answer = browser.post("/views/save", FILMS)

    assert f"You have {MAX_VIEWS} views. Remove one of them." in text_of(answer)


def test_views_belong_to_one_user(browser: Client, staff: User) -> None:
    view = save(staff, "Films")

    assert "Films" not in strip_of(browser, "/")
    assert browser.post(f"/views/{view.pk}/rename", {"name": "Mine"}).status_code == 404
    assert browser.post(f"/views/{view.pk}/remove").status_code == 404
    view.refresh_from_db()
    assert view.name == "Films"
