"""A search finds what a look at each row finds, and reads few rows for it."""

import pytest
from django.contrib.auth.models import User
from django.db import connection

from downloads.migrations import _search
from downloads.models import Download, search
from downloads.web.order import ORDERS, Sort
from tests.helpers import lives

pytestmark = [pytest.mark.both_databases, pytest.mark.django_db]

TITLES = [
    "Sunrise over the harbour",
    "HARBOUR, 100 % of it: a_b and a%b",
    r"back\slash NEAR(star* AND) OR -not ^start {title}:x",
    "it's “quoted”",
    "Élan vital, été à la plage",
    "STRASSE and straße",
    "東京の夜景",
    "🎬🎥📽 film",
    "aaaa",
    "",
]
WORDS = [
    "harbour", "HARBOUR", "our", "ou", "a", "100 %", "%", "%%%", "a_b", "a%b", "___", "\\",
    "k\\s", "NEAR(", "star*", "AND)", "OR ", "-not", "^start", "{title}:x", "title:", "it's",
    "'s “", "“quoted”", "élan", "ÉLAN", "été", "ÉTÉ", "É", "é", "straße", "東京", "東京の",
    "京の夜景", "🎬🎥📽", "🎥", "aaa", "aaaaa", "example", "EXAMPLE.ORG", "org/1", "/3", "zzyzx",
    "https://example.org/4",
]  # fmt: skip


@pytest.fixture
def titled(user: User) -> list[Download]:
    downloads = [
        lives.submit(user, url=f"https://example.org/{number}") for number in range(len(TITLES))
    ]
    for download, title in zip(downloads, TITLES, strict=True):
        lives.start(download).note(title=title)
    return downloads


def found(text: str) -> list[str]:
    return [each.correlation_id for each in Download.objects.search(text).order_by("id")]


def by_looking(word: str) -> list[str]:
    rows = Download.objects.order_by("id")
    texts = [(each, f"{each.title}\n{each.url}".lower()) for each in rows]
    return [each.correlation_id for each, text in texts if word.lower() in text]


@pytest.mark.usefixtures("titled")
@pytest.mark.parametrize("few", [0, search.FEW])
def test_each_character_of_a_word_counts_as_it_stands(
    few: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "FEW", few)

    assert {word: found(f'"{word}"') for word in WORDS} == {
        word: by_looking(word) for word in WORDS
    }


def test_the_index_follows_titles_and_deletions(user: User) -> None:
    renamed, deleted, kept = (lives.submit(user) for _ in range(3))
    for download in (renamed, deleted, kept):
        download.note(title="kingfisher")

    renamed.note(title="heron")
    deleted.forget()

    assert found("kingfisher") == [kept.correlation_id]
    assert found("heron") == [renamed.correlation_id]


@pytest.mark.sqlite
@pytest.mark.usefixtures("titled")
def test_a_database_without_the_index_is_searched_row_by_row() -> None:
    with connection.cursor() as cursor:
        for statement in _search.SQLITE_REMOVAL:
            cursor.execute(statement)

    assert found("harbour") == by_looking("harbour")


@pytest.mark.sqlite
@pytest.mark.usefixtures("titled")
def test_the_index_is_made_of_the_downloads_that_are_there() -> None:
    with connection.cursor() as cursor:
        for statement in _search.SQLITE_REMOVAL + _search.SQLITE:
            cursor.execute(statement)

    assert found("harbour") == by_looking("harbour")


def plans_of(text: str) -> list[str]:
    """How SQLite reads the downloads of each group of the first page that may be long."""
    rows = Download.objects.search(text)
    ended = ORDERS[Sort.NOW][-1].ordered(rows, backwards=False)[:51]
    return [
        line
        for line in f"{ended.explain()}\n{rows.order_by('-id')[:51].explain()}".splitlines()
        if "downloads_download" in line
    ]


PARTS = ["harbour", "harbour ou", "harbour 東京の", "{id}", "id:{start}", "host:clips.example"]
PARTS += ["error:unavailable", "before:2000-01-01", "is:paused", "is:list", "state:failed"]


@pytest.mark.sqlite
@pytest.mark.usefixtures("titled")
@pytest.mark.parametrize("text", PARTS)
def test_what_few_match_is_read_by_key(text: str, staff: User) -> None:
    clip = lives.fail(lives.submit(staff, url="https://clips.example/1"))

    plans = plans_of(text.format(id=clip.correlation_id, start=clip.correlation_id[:5]))

    assert {"USING INTEGER PRIMARY KEY (rowid=?)" in plan for plan in plans} <= {True}


@pytest.mark.sqlite
@pytest.mark.usefixtures("titled")
@pytest.mark.parametrize("text", ["example", "host:example.org", "after:2000-01-01"])
def test_what_many_match_is_read_in_the_order_of_the_list(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "FEW", 2)

    ended, newest = plans_of(text)

    assert "USING INDEX download_by_end" in ended
    assert "SCAN downloads_download" in newest


@pytest.mark.postgresql
@pytest.mark.usefixtures("titled")
def test_postgresql_finds_words_in_an_index_of_trigrams() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off")

    assert "downloads_search" in Download.objects.search("harbour").order_by("id").explain()
