from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import User
from django.core import signing
from django.test import Client

from downloads.accounts import first_admin
from vnsite.config import ConfigError

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]

PASSWORD = "a-long-Enough-1"


@pytest.fixture
def configure(settings: LazySettings):
    def configure(**values: object) -> None:
        settings.VNSITE = settings.VNSITE.model_copy(update=values)

    return configure


def setup_path() -> str:
    path = first_admin.setup_path()
    assert path is not None
    return path


def answers(**changes: str) -> dict[str, str]:
    return {"username": "ada", "password1": PASSWORD, "password2": PASSWORD, **changes}


# From the settings.


def test_the_settings_make_a_superuser(configure) -> None:
    configure(admin_user="ada", admin_password=PASSWORD)

    assert first_admin.ensure_from_settings()

    user = User.objects.get()
    assert (user.username, user.is_superuser, user.is_staff) == ("ada", True, True)
    assert user.check_password(PASSWORD)


def test_the_settings_make_one_only_once(configure) -> None:
    configure(admin_user="ada", admin_password=PASSWORD)
    first_admin.ensure_from_settings()
    configure(admin_user="eve", admin_password=PASSWORD)

    assert not first_admin.ensure_from_settings()

    assert User.objects.get().username == "ada"


@pytest.mark.parametrize(
    "values", [{}, {"admin_user": "ada"}, {"admin_password": PASSWORD}], ids=["none", "name", "pw"]
)
def test_half_of_the_settings_make_nobody(configure, values: dict[str, str]) -> None:
    configure(**values)

    assert not first_admin.ensure_from_settings()

    assert not User.objects.exists()


def test_the_password_may_be_in_a_file(configure, tmp_path: Path) -> None:
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    configure(admin_user="ada", admin_password_file=tmp_path / "password")

    assert first_admin.ensure_from_settings()

    assert User.objects.get().check_password(PASSWORD)


def test_a_file_that_cannot_be_read_is_said(configure, tmp_path: Path) -> None:
    configure(admin_user="ada", admin_password_file=tmp_path / "missing")

    with pytest.raises(ConfigError, match="VNSITE_ADMIN_PASSWORD_FILE"):
        first_admin.ensure_from_settings()


# By the link.


def test_the_link_makes_a_superuser_and_signs_in(client: Client) -> None:
    path = setup_path()
    assert client.get(path).status_code == 200

    answer = client.post(path, answers())

    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert User.objects.get().is_superuser
    assert client.get("/").status_code == 200


def test_the_language_that_is_chosen_there_stays(client: Client) -> None:
    page = client.post(setup_path(), answers(language="es"), follow=True)

    assert '<html lang="es"' in page.content.decode()
    assert client.cookies["django_language"].value == "es"  # which the sign-in page reads


def test_the_page_says_where_files_go_and_how_much_room_there_is(
    client: Client, settings: LazySettings
) -> None:
    page = unescape(client.get(setup_path()).content.decode())

    assert f"Files go to {settings.VNSITE.media_root}, where" in page


def test_a_folder_that_cannot_be_used_is_told_before_there_is_a_user(
    client: Client, configure
) -> None:
    configure(media_dir=Path("/dev/null/x"))

    page = unescape(client.get(setup_path()).content.decode())

    assert "/dev/null/x cannot be written" in page
    assert "VNSITE_MEDIA_DIR" in page


def test_a_password_may_be_pasted_and_kept_by_a_manager(client: Client) -> None:
    page = client.get(setup_path()).content.decode()

    assert page.count('autocomplete="new-password"') == 2
    assert 'autocomplete="username"' in page
    assert "onpaste" not in page


def test_the_link_works_once(client: Client) -> None:
    path = setup_path()
    client.post(path, answers())
    client.logout()

    answer = client.post(path, answers(username="eve"))

    assert answer["Location"] == "/login/"
    assert User.objects.get().username == "ada"


def test_there_is_no_link_when_a_user_exists(user: User) -> None:
    assert first_admin.setup_path() is None


def test_a_token_dies_when_a_user_exists() -> None:
    token = setup_path().partition("=")[2]
    assert first_admin.token_is_valid(token)

    User.objects.create_user("ada")

    assert not first_admin.token_is_valid(token)


@pytest.mark.parametrize("token", ["", "nonsense", "InNldHVwIg:1:x", "x" * 5000])
def test_a_wrong_token_opens_nothing(client: Client, token: str) -> None:
    assert not first_admin.token_is_valid(token)

    answer = client.post("/setup/", answers(), query_params={"token": token})

    assert answer.status_code == 403
    assert not User.objects.exists()


def test_a_token_of_another_purpose_opens_nothing() -> None:
    assert not first_admin.token_is_valid(signing.dumps("setup", salt="something.else"))


def test_a_token_is_good_for_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    token = setup_path().partition("=")[2]
    now = signing.time.time()
    day = timedelta(hours=24).total_seconds()

    monkeypatch.setattr(signing.time, "time", lambda: now + day - 60)
    assert first_admin.token_is_valid(token)
    monkeypatch.setattr(signing.time, "time", lambda: now + day + 60)
    assert not first_admin.token_is_valid(token)


@pytest.mark.parametrize(
    "wrong",
    [
        {"password2": "another-Long-1"},
        {"password1": "short", "password2": "short"},
        {"username": ""},
        {"username": "a b"},
    ],
)
def test_wrong_answers_are_said_at_the_field(client: Client, wrong: dict[str, str]) -> None:
    answer = client.post(setup_path(), answers(**wrong))

    assert answer.status_code == 422
    assert 'class="errors ' in answer.content.decode()
    assert not User.objects.exists()


def test_the_login_says_what_to_do_while_there_is_no_user(client: Client) -> None:
    assert "set-up link" in client.get("/login/").content.decode()


def test_the_login_says_nothing_of_it_afterwards(client: Client, user: User) -> None:
    assert "set-up link" not in client.get("/login/").content.decode()
