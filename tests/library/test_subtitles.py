"""What is said in subtitles is found, and quoted where nothing else has the word."""

import logging
from contextlib import nullcontext
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from downloads.library import catalogue, removal, search, subtitles
from downloads.library.models import Card, Feed, Removal
from downloads.models import search as of_rows
from downloads.worker.reactions import Reactions
from tests.helpers import lives
from tests.library.conftest import Shelve
from tests.library.test_page import shown

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def browser(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


def file_in(language: str) -> dict[str, str]:
    columns = {"media_type": "text/vtt", "role": "subtitles", "language": language}
    return {"name": f"clip.{language}.vtt", **columns}


def path_of(card: Card, language: str = "en") -> Path:
    return Path(settings.VNSITE.media_root, card.entry.path, f"clip.{language}.vtt")


def let_say(card: Card, words: str, language: str = "en") -> None:
    """Write what is said into a file, and let it be read."""
    path_of(card, language).write_text(f"WEBVTT\n\n00:01.000 --> 00:02.000\n{words}\n")
    read_anew()


def read_anew() -> None:
    catalogue.make_anew()
    while subtitles.read_some():
        pass


def found(text: str) -> list[int]:
    return sorted(search.search(Card.objects.all(), text).values_list("pk", flat=True))


def said(card: Card) -> str:
    return Card.objects.values_list("subtitles", flat=True).get(pk=card.pk)


@pytest.fixture
def talk(user: User, shelve: Shelve) -> Card:
    card = shelve(user, "A talk", beside=[file_in("en")])
    let_say(card, "about the <i>Kingfisher</i>\nand the Übermut of birds")
    return card


@pytest.mark.parametrize("few", [0, of_rows.FEW])
@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        ("kingfisher", True),
        ("talk kingfisher", True),
        ('"kingfisher and the"', True),
        ("übermut", True),
        ("heron", False),
        ("-->", False),
        ("of", False),  # too short for the index
    ],
)
def test_what_is_said_is_found(
    user: User,
    shelve: Shelve,
    talk: Card,
    few: int,
    text: str,
    is_found: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shelve(user, "Silent")
    monkeypatch.setattr(search, "FEW", few)

    assert found(text) == ([talk.pk] if is_found else [])


def test_a_worker_reads_what_a_download_left(user: User) -> None:
    reactions = Reactions(guard=nullcontext, worker="test")
    while reactions.step():
        pass
    download = lives.complete(lives.submit(user), beside=[file_in("en")])
    path = Path(settings.VNSITE.media_root, download.library_path, "clip.en.vtt")
    path.write_text("WEBVTT\n\n00:01.000 --> 00:02.000\nkingfisher")

    while reactions.step():
        pass

    assert found("kingfisher") == [Card.objects.get().pk]
    assert not Card.objects.filter(has_unread_subtitles=True).exists()


def test_the_next_worker_reads_what_one_was_killed_at(user: User, talk: Card) -> None:
    Card.objects.update(subtitles="")
    catalogue.make_anew()  # and killed
    reactions = Reactions(guard=nullcontext, worker="test")

    while reactions.step():
        pass

    assert found("kingfisher") == [talk.pk]


@pytest.mark.parametrize(
    ("spoken", "languages", "read"),
    [
        ("de", ["en", "de"], "de"),
        ("de-CH", ["de", "de-AT", "en"], "de"),
        ("pt", ["en", "pt-BR"], "pt-BR"),
        ("fr", ["de", "en"], "de"),
        ("", ["en", "de"], "de"),
    ],
)
def test_one_language_is_read_that_of_the_video_first(
    user: User, shelve: Shelve, spoken: str, languages: list[str], read: str
) -> None:
    card = shelve(user, about={"language": spoken}, beside=[file_in(each) for each in languages])

    for language in languages:
        let_say(card, f"in {language}", language)

    assert said(card) == f"in {read}"


def test_a_file_that_is_gone_costs_a_line_in_the_log(
    talk: Card, caplog: pytest.LogCaptureFixture
) -> None:
    path_of(talk).unlink()

    with caplog.at_level(logging.WARNING):
        read_anew()

    assert "cannot be read" in caplog.text
    assert said(talk) == ""
    assert found("kingfisher") == []


@pytest.mark.parametrize("content", [b"", b"\xff\x00\xd8 no subtitles", b"<html>--</html>"])
def test_a_file_that_is_none_costs_a_line_in_the_log(
    talk: Card, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path_of(talk).write_bytes(content)

    with caplog.at_level(logging.WARNING):
        read_anew()

    assert "there are no subtitles in clip.en.vtt" in caplog.text
    assert said(talk) == ""


def test_a_link_is_not_followed(talk: Card, tmp_path: Path) -> None:
    secret = tmp_path / "secret.vtt"
    secret.write_text("WEBVTT\n\n00:01.000 --> 00:02.000\nsecret\n")
    path_of(talk).unlink()
    path_of(talk).symlink_to(secret)

    read_anew()

    assert said(talk) == ""


def test_what_no_database_takes_is_left_out(talk: Card) -> None:
    path_of(talk).write_bytes(
        b"WEBVTT\n\n00:01.000 --> 00:02.000\nking\x00fisher \xff &#0; &#xd800;"
    )

    read_anew()

    assert said(talk).startswith("kingfisher ")


def test_a_long_film_is_read_up_to_a_limit(talk: Card, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subtitles, "MAX_LENGTH", 20)

    let_say(talk, "kingfisher and heron and stork")

    assert said(talk) == "kingfisher and heron"


def test_the_command_reads_them_anew(talk: Card) -> None:
    Card.objects.update(subtitles="")

    call_command("index_library")

    assert found("kingfisher") == [talk.pk]


def test_a_removal_and_its_undo_keep_them(talk: Card) -> None:
    before = said(talk)
    removal.remove([talk], actor="user:ursula")
    assert found("kingfisher") == []

    removal.restore(Removal.objects.get())

    assert said(talk) == before != ""
    assert found("kingfisher") == [talk.pk]


def test_the_page_quotes_what_only_the_subtitles_have(
    browser: Client, user: User, shelve: Shelve, talk: Card
) -> None:
    shelve(user, "A kingfisher")

    page = browser.get("/library/?q=kingfisher").content.decode()

    assert page.count("In the subtitles:") == 1
    assert '<q dir="auto">about the Kingfisher and the Übermut of birds</q>' in page
    assert shown(browser, "?q=kingfisher") == ["A kingfisher", "A talk"]


@pytest.mark.usefixtures("talk")
@pytest.mark.parametrize("query", ["", "?q=talk", "?q=ta", "?q=host:example.org", "?q=heron"])
def test_the_page_quotes_nothing_else(browser: Client, query: str) -> None:
    assert "In the subtitles:" not in browser.get(f"/library/{query}").content.decode()


def test_what_is_said_is_no_markup(browser: Client, talk: Card) -> None:
    let_say(talk, "kingfisher &lt;script&gt;alert(1)&lt;/script&gt; \u202ebackwards")

    page = browser.get("/library/?q=kingfisher").content.decode()

    assert "<script>alert" not in page
    assert "\u202e" not in page


def test_a_search_asks_as_much_for_many_as_for_one(
    browser: Client,
    user: User,
    shelve: Shelve,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    for number in range(5):
        let_say(shelve(user, f"Talk {number}", beside=[file_in("en")]), "of a kingfisher")

    with django_assert_max_num_queries(11):
        page = browser.get("/library/?q=kingfisher").content.decode()

    assert page.count("In the subtitles:") == 5


@pytest.mark.usefixtures("talk")
@pytest.mark.parametrize("path", ["library/", "library/storage/", "api/v1/library", "feed"])
def test_no_list_reads_them(
    browser: Client,
    user: User,
    path: str,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    feed = f"feeds/{Feed.objects.make(user).token()}.xml"

    with django_assert_max_num_queries(20) as asked:
        answer = browser.get(f"/{feed if path == 'feed' else path}")

    assert b"A talk" in answer.content
    assert [each["sql"] for each in asked.captured_queries if '"subtitles"' in each["sql"]] == []
