"""A search finds what a look at each row finds, and reads few rows for it."""

import pytest
from django.contrib.auth.models import User
from django.db import connection

from downloads.migrations._search import DOWNLOADS
from downloads.models import Download, DownloadQuerySet, search
from downloads.web.listing import Filter, ListQuery
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
        for statement in DOWNLOADS.sqlite_removal:
            cursor.execute(statement)

    assert found("harbour") == by_looking("harbour")


@pytest.mark.sqlite
@pytest.mark.usefixtures("titled")
def test_the_index_is_made_of_the_downloads_that_are_there() -> None:
    with connection.cursor() as cursor:
        for statement in DOWNLOADS.sqlite_removal + DOWNLOADS.sqlite:
            cursor.execute(statement)

    assert found("harbour") == by_looking("harbour")


def plans_of(rows: DownloadQuerySet) -> tuple[str, str]:
    """How SQLite reads the first page of downloads, of those that have ended and of the newest."""
    ended = ORDERS[Sort.NOW][-1].ordered(rows, backwards=False)
    return ended[:51].explain(), rows.order_by("-id")[:51].explain()


PARTS = ["harbour", "harbour ou", "harbour 東京の", "{id}", "id:{start}", "host:clips.example"]
PARTS += ["error:unavailable", "before:2000-01-01", "is:paused", "is:list", "state:failed"]


@pytest.mark.sqlite
@pytest.mark.usefixtures("titled")
@pytest.mark.parametrize("name", ["user", "staff"])
@pytest.mark.parametrize("text", PARTS)
def test_what_few_match_is_read_by_key(
    text: str, name: str, request: pytest.FixtureRequest
) -> None:
    reader: User = request.getfixturevalue(name)
    clip = lives.fail(lives.submit(reader, url="https://clips.example/1"))
    text = text.format(id=clip.correlation_id, start=clip.correlation_id[:5])

    plans = plans_of(Download.objects.visible_to(reader).search(text))

    assert all(
        "downloads_download USING INTEGER PRIMARY KEY (rowid=?)" in plan for plan in plans if plan
    )


@pytest.mark.sqlite
@pytest.mark.usefixtures("titled")
@pytest.mark.parametrize(
    "text", ["example", "host:example.org", "after:2000-01-01", "error:network"]
)
def test_what_many_match_is_read_in_the_order_of_the_list(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "FEW", -1)

    ended, newest = plans_of(Download.objects.search(text))

    assert "USING INDEX download_by_end" in ended
    assert "TEMP B-TREE" not in ended + newest


@pytest.mark.sqlite
@pytest.mark.usefixtures("titled")
@pytest.mark.parametrize("of", ["completed", "failed", "cancelled"])
def test_a_filter_that_lets_many_through_sorts_none(
    of: str, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "FEW", -1)
    of_all = ListQuery(filter=Filter(of)).select(Download.objects.all())
    of_user = ListQuery(filter=Filter(of)).select(Download.objects.visible_to(user))

    ended, _ = plans_of(of_all)
    ended_of_user, _ = plans_of(of_user)

    assert "USING INDEX download_by_end" in ended
    assert "USING INDEX download_by_owner_end" in ended_of_user


@pytest.mark.postgresql
@pytest.mark.usefixtures("titled")
def test_postgresql_finds_words_in_an_index_of_trigrams() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off")

    assert "downloads_search" in Download.objects.search("harbour").order_by("id").explain()
