"""What is in the library and no download knows is found, and adopted or removed by staff."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from downloads.library import removal, unknown
from downloads.library.models import Removal, Step
from downloads.library.unknown import NotUnknown, Unknown
from downloads.models import Download, LibraryEntry
from downloads.rules.states import State
from tests.library.conftest import Shelve
from tests.management.test_import_library import FILM, put
from tests.web.test_turns import browser_of
from tests.web.test_views import words_of

pytestmark = [
    pytest.mark.both_databases,
    pytest.mark.django_db,
    pytest.mark.usefixtures("clean_disk"),
]

PAGE = "/library/unknown/"


@pytest.fixture
def root() -> Path:
    return Path(settings.VNSITE.media_root)


@pytest.fixture
def browser(staff: User) -> Client:
    return browser_of(staff)


def paths() -> list[str]:
    return [each.path for each in unknown.unknown()]


def post(browser: Client, deed: str, path: str) -> str:
    """What the page says then."""
    return words_of(browser.post(f"{PAGE}{deed}", {"path": path}, follow=True))


def test_entries_hidden_files_and_links_are_not_found(
    root: Path, user: User, shelve: Shelve
) -> None:
    card = shelve(user)
    put(root / ".hidden" / "film.mp4")
    (root / "link").symlink_to(root / card.entry.path)
    put(root / "Ada" / "A talk.mp4")
    put(root / "Ada" / "notes.txt", b"notes")
    put(root / "alone.mp4")

    found = unknown.unknown()

    size = len(FILM)
    assert found == [
        Unknown(path="Ada", size_bytes=size + 5),
        Unknown(path="alone.mp4", size_bytes=size),
    ]


def test_what_lies_beside_an_entry_in_a_folder_is_found(root: Path, user: User) -> None:
    put(root / "Ada" / "A talk" / "A talk.mp4")
    unknown.adopt("Ada", owner=user, actor="test")
    put(root / "Ada" / "another.mp4")

    assert paths() == ["Ada/another.mp4"]


def test_what_is_being_published_is_known(root: Path, user: User, shelve: Shelve) -> None:
    path = shelve(user).entry.path
    LibraryEntry.objects.all().delete()  # the row comes after the folder

    assert (root / path).is_dir()
    assert paths() == []


def test_a_folder_is_adopted_by_who_asks(root: Path, browser: Client, staff: User) -> None:
    put(root / "Ada" / "one.mp4")
    put(root / "Ada" / "two.mp4", FILM + b"2")
    put(root / "other.mp4", FILM + b"3")

    said = post(browser, "adopt", "Ada")

    assert "2 videos are in the library now." in said
    entries = LibraryEntry.objects.order_by("path")
    assert [(each.path, each.owner) for each in entries] == [
        ("Ada/one", staff),
        ("Ada/two", staff),
    ]
    assert set(Download.objects.values_list("state", flat=True)) == {State.CLEANED}
    assert paths() == ["other.mp4"]


def test_one_film_is_adopted_with_what_belongs_to_it_and_no_other(
    root: Path, browser: Client
) -> None:
    put(root / "one.mp4")
    put(root / "one.en.vtt", b"WEBVTT\n")
    put(root / "two.mp4", FILM + b"2")

    said = post(browser, "adopt", "one.mp4")

    assert "1 video is in the library now." in said
    assert sorted(path.name for path in (root / "one").iterdir()) == ["one.en.vtt", "one.mp4"]
    assert paths() == ["two.mp4"]


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"no film", "1 video was left out"), (None, "There is no video in it.")],
)
def test_what_cannot_be_adopted_stays_and_is_said(
    root: Path, browser: Client, content: bytes | None, said: str
) -> None:
    put(root / "folder" / ("a.txt" if content is None else "a.mp4"), content or b"text")

    assert said in post(browser, "adopt", "folder")
    assert paths() == ["folder"]


@pytest.mark.parametrize("name", ["folder", "film.mp4"])
def test_what_is_removed_can_be_had_back_and_is_gone_later(
    root: Path, browser: Client, staff: User, name: str
) -> None:
    film = root / name / "film.mp4" if name == "folder" else root / name
    put(film)

    assert "kept for a day" in post(browser, "remove", name)
    assert not (root / name).exists()
    row = Removal.objects.get()
    assert (row.step, row.actor, row.owner) == (Step.REMOVED, f"user:{staff.username}", None)
    browser.post(f"/library/removed/{row.pk}/restore")
    assert film.read_bytes() == FILM
    post(browser, "remove", name)
    browser.post("/library/removed/empty")

    assert not film.exists()
    assert [path.name for path in (root / ".trash").iterdir()] == [".lock"]
    assert set(Removal.objects.values_list("step", flat=True)) == {Step.RESTORED, Step.GONE}


@pytest.mark.parametrize("deed", ["adopt", "remove"])
@pytest.mark.parametrize("path", ["", "../outside", ".trash", "gone", "known", "a\0b"])
def test_nothing_else_is_touched(
    root: Path, browser: Client, user: User, deed: str, path: str
) -> None:
    put(root / "known" / "known.mp4")
    unknown.adopt("known", owner=user, actor="test")

    said = post(browser, deed, path)

    assert "is not there any more, or a download knows it by now." in said
    assert (root / "known" / "known.mp4").is_file()
    assert not Removal.objects.exists()
    with pytest.raises(NotUnknown):
        unknown.require(path)


@pytest.fixture
def immovable(clean_disk: None, root: Path) -> Iterator[None]:
    """A file stands where the trash would be."""
    shutil.rmtree(root / ".trash", ignore_errors=True)
    put(root / ".trash")
    yield
    (root / ".trash").unlink()


@pytest.mark.usefixtures("immovable")
def test_what_cannot_be_moved_stays_and_leaves_no_record(root: Path, browser: Client) -> None:
    put(root / "folder" / "a.txt", b"text")

    assert "“folder” stays: it cannot be moved." in post(browser, "remove", "folder")

    assert paths() == ["folder"]
    assert not Removal.objects.exists()


def test_the_page_lists_them_or_says_that_there_are_none(root: Path, browser: Client) -> None:
    assert "Each file in the library is known." in words_of(browser.get(PAGE))
    put(root / "folder" / "a.txt", b"text")

    assert "folder 4 B" in words_of(browser.get(PAGE))


def test_a_library_that_cannot_be_read_is_said(root: Path, browser: Client) -> None:
    shutil.rmtree(root, ignore_errors=True)
    put(root, "no folder")
    try:
        assert "The library cannot be read: Not a directory." in words_of(browser.get(PAGE))
    finally:
        root.unlink()


def test_a_removal_that_was_interrupted_before_its_move_is_carried_on(
    root: Path, browser: Client
) -> None:
    put(root / "film.mp4")
    post(browser, "remove", "film.mp4")
    row = Removal.objects.get()
    (root / ".trash" / row.key).rename(root / "film.mp4")
    Removal.objects.update(step=Step.REMOVING)

    removal.tend()

    assert Removal.objects.get().step == Step.REMOVED
    assert (root / ".trash" / row.key).read_bytes() == FILM
    assert not (root / "film.mp4").exists()


def test_a_folder_into_which_something_was_published_meanwhile_stays(
    root: Path, user: User
) -> None:
    put(root / "Ada" / "notes.txt", b"notes")
    put(root / "Ada" / "A talk" / "A talk.mp4")
    unknown.adopt("Ada", owner=user, actor="test")

    with pytest.raises(removal.NameTaken):
        removal.remove_unknown("Ada", size_bytes=5, actor="test")

    assert (root / "Ada" / "A talk" / "A talk.mp4").is_file()
    assert not Removal.objects.exists()
