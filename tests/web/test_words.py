"""The words of the scripts: a script of their own for each language, which browsers keep."""

import json
import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

from downloads.web.words import words

pytestmark = [
    pytest.mark.both_databases,
    pytest.mark.django_db,
    pytest.mark.usefixtures("clean_disk"),
]


def address_in(client: Client, path: str, language: str) -> str:
    page = client.get(path, headers={"Accept-Language": language}).content.decode()
    found = re.search(
        r'<script src="([^"]*/words/[^"]*)" defer></script>\s*<script type="module"', page
    )
    assert found, "the words do not come before the modules"
    return found[1]


@pytest.mark.parametrize(
    ("language", "said"), [("en", "Completed: %(title)s"), ("es", "Completada: %(title)s")]
)
@pytest.mark.parametrize("path", ["/", "/workers/", "/account/"])
def test_a_page_has_the_words_of_its_language_before_its_modules(
    client: Client, user: User, path: str, language: str, said: str
) -> None:
    client.force_login(user)

    answer = client.get(address_in(client, path, language), headers={"Accept-Language": "de"})

    sent = json.loads(answer.content.removeprefix(b"vnsiteWords="))
    assert sent.keys() == words().keys()
    assert sent["completed"] == said
    assert answer["Content-Type"] == "text/javascript"
    assert answer["Cache-Control"] == "max-age=31536000, public, immutable"


def test_the_words_of_another_version_are_not_kept(client: Client) -> None:
    answer = client.get("/words/en/0123456789ab.js")

    assert answer.content.startswith(b"vnsiteWords=")
    assert answer["Cache-Control"] == "no-store"
    assert client.get("/words/tlh/0123456789ab.js").status_code == 404
