"""The language of pages: the reader's choice, else the browser's; the API is English."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

pytestmark = pytest.mark.django_db


def page(client: Client, path: str = "/login/", **headers: str) -> str:
    return client.get(path, headers={"accept-language": "es", **headers}).content.decode()


def test_a_page_is_in_the_language_of_the_browser() -> None:
    shown = page(Client())

    assert '<html lang="es"' in shown
    assert "Iniciar sesión" in shown


def test_a_language_that_there_is_not_gives_english() -> None:
    assert '<html lang="en"' in page(Client(), **{"accept-language": "tlh"})


def test_what_was_chosen_goes_before_the_browser(user: User) -> None:
    client = Client()
    client.force_login(user)
    fields = {"theme": "auto", "density": "compact", "announcements": "all", "language": "en"}
    fields |= {"motion": "system", "update_seconds": "0"}
    client.post("/account/preferences", fields)

    assert '<html lang="en"' in page(client, "/account/")


def test_the_api_is_english(user: User) -> None:
    client = Client()
    client.force_login(user)

    answer = client.get("/api/v1/openapi.json", headers={"accept-language": "es"})

    assert answer["Content-Language"] == "en"
