"""Whom a trusted proxy names is signed in; whom anybody else names is not."""

import re
from collections.abc import Iterator

import pytest
import requests
from django.contrib.auth.models import Permission, User

from downloads.accounts import tokens
from tests.conftest import PASSWORD
from tests.helpers import lives
from tests.helpers.serving import Answer, Serving, serving, sign_in
from tests.helpers.waiting import DEADLINE_SECONDS

pytestmark = [pytest.mark.usefixtures("shared_db"), pytest.mark.both_databases]

TRUST = {"VNSITE_TRUSTED_PROXIES": "127.0.0.1", "VNSITE_AUTH_HEADER": "Remote-User"}


@pytest.fixture(scope="module")
def site(request: pytest.FixtureRequest, django_db_setup: None) -> Iterator[Serving]:
    """Behind the proxy that a test is; with further settings."""
    with serving("--no-worker", **{**TRUST, **getattr(request, "param", {})}) as server:
        yield server


creating = pytest.mark.parametrize(
    "site", [{"VNSITE_AUTH_HEADER_NEW_USERS": "create"}], indirect=True
)
trusting_nobody_here = pytest.mark.parametrize(
    "site", [{"VNSITE_TRUSTED_PROXIES": "198.51.100.1"}], indirect=True
)


@pytest.fixture
def person() -> User:
    return User.objects.create_user("ursula", password=PASSWORD)


def is_inside(answer: Answer) -> bool:
    assert answer.status in (200, 302), answer.status
    return answer.status == 200


def session_of(site: Serving, name: str) -> str:
    """The cookie that whom the proxy names gets."""
    answer = requests.get(site.url, headers={"Remote-User": name}, timeout=DEADLINE_SECONDS)
    return f"sessionid={answer.cookies['sessionid']}"


def test_whom_the_proxy_names_is_signed_in(site: Serving, person: User) -> None:
    lives.submit(person, url="http://site.example/of-ursula")

    page = site.ask("/", Remote_User="ursula")

    assert is_inside(page)
    assert b"of-ursula" in page.body
    assert site.ask("/api/v1/downloads", Remote_User="ursula").status == 200


@trusting_nobody_here
@pytest.mark.parametrize("name", ["Remote-User", "remote-user", "REMOTE_USER", "remote_user"])
def test_a_stranger_cannot_name_anybody(site: Serving, person: User, name: str) -> None:
    for path in ("/", "/admin/", "/api/v1/downloads", "/events/"):
        browser = site.connect()
        browser.request("GET", path, headers={name: "ursula"})
        answer = Answer.of(browser.getresponse())
        browser.close()

        assert answer.status in (302, 401), path


def test_a_name_that_came_twice_is_nobodys(site: Serving, person: User) -> None:
    browser = site.connect()
    browser.putrequest("GET", "/")
    browser.putheader("Remote-User", "ursula")
    browser.putheader("Remote-User", "root")
    browser.endheaders()

    answer = Answer.of(browser.getresponse())
    browser.close()

    assert not is_inside(answer)


def test_the_session_ends_with_the_header(site: Serving, person: User) -> None:
    session = session_of(site, "ursula")

    with site.listen(Remote_User="ursula", Cookie=session) as stream:
        assert stream.status == 200
    with site.listen(Cookie=session) as stream:
        assert stream.status == 401
    assert not is_inside(site.ask("/", Cookie=session))


def test_another_name_is_another_session(site: Serving, person: User) -> None:
    User.objects.create_user("other")
    session = session_of(site, "ursula")

    with site.listen(Remote_User="other", Cookie=session) as stream:
        assert stream.status == 401
    page = site.ask("/", Remote_User="other", Cookie=session)

    assert is_inside(page)
    assert b"other" in page.body
    assert not is_inside(site.ask("/", Cookie=session))


def test_a_session_that_a_password_began_goes_on_without_the_header(
    site: Serving, person: User
) -> None:
    session = sign_in(person)

    assert is_inside(site.ask("/", Cookie=session))
    with site.listen(Cookie=session) as stream:
        assert stream.status == 200


def test_a_token_needs_no_header(site: Serving, person: User) -> None:
    token = tokens.issue(person, name="script")

    assert site.ask("/api/v1/downloads", Authorization=f"Bearer {token}").status == 200


@pytest.mark.parametrize("name", ["unknown", "away", "x" * 151, "a b;c"])
def test_who_is_no_active_user_is_refused_in_words(site: Serving, person: User, name: str) -> None:
    User.objects.create_user("away", is_active=False)

    page = site.ask("/", Remote_User=name)
    api = site.ask("/api/v1/downloads", Remote_User=name)

    assert page.status == 403
    assert b"You are not a user of this site" in page.body
    assert (api.status, b"There is no user" in api.body) == (403, True)
    assert User.objects.count() == 2


def test_who_is_refused_reads_it_in_their_language(site: Serving, person: User) -> None:
    page = site.ask("/", Remote_User="nobody", Accept_Language="es")

    assert (page.status, b'lang="es"' in page.body) == (403, True)


@creating
def test_a_new_name_becomes_a_user_without_any_rights(site: Serving, person: User) -> None:
    name = "zoë".encode().decode("latin-1")  # bytes, as a proxy sends them

    assert is_inside(site.ask("/", Remote_User=name))
    assert is_inside(site.ask("/", Remote_User=f" {name} "))

    made = User.objects.get(username="zoë")
    assert not (made.is_staff or made.is_superuser or made.has_usable_password())
    assert not Permission.objects.filter(user=made).exists()
    assert User.objects.count() == 2


@creating
def test_a_name_that_no_user_may_have_makes_none(site: Serving, person: User) -> None:
    assert site.ask("/", Remote_User="<b>x</b>").status == 403
    assert User.objects.count() == 1


@creating
def test_the_first_user_is_the_administrator_and_nobody_the_proxy_names(site: Serving) -> None:
    assert not is_inside(site.ask("/", Remote_User="ursula"))
    assert User.objects.count() == 0


def test_staff_come_into_the_admin(site: Serving, person: User) -> None:
    User.objects.create_superuser("boss")

    assert is_inside(site.ask("/admin/", Remote_User="boss"))
    assert not is_inside(site.ask("/admin/", Remote_User="ursula"))


@pytest.mark.parametrize(
    "site", [{"VNSITE_AUTH_LOGOUT_URL": "https://auth.example.org/logout?a=b"}], indirect=True
)
def test_signing_out_leads_to_where_the_outer_session_ends(site: Serving, person: User) -> None:
    browser = requests.Session()
    browser.headers["Remote-User"] = "ursula"
    page = browser.get(site.url)
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    assert token

    answer = browser.post(
        f"{site.url}logout/", data={"csrfmiddlewaretoken": token[1]}, allow_redirects=False
    )

    assert answer.headers["Location"] == "https://auth.example.org/logout?a=b"
    policy = answer.headers["Content-Security-Policy"]
    assert "form-action 'self' https://auth.example.org" in policy
