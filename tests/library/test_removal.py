"""Entries leave the library by a person, can be had back for a day, and are on the record."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from downloads.diagnostics.invariants import check
from downloads.library import removal
from downloads.library.models import Card, Removal, Step
from downloads.models import Download, LibraryEntry, PublishedFile
from downloads.worker.upkeep import Upkeep
from tests.helpers import lives
from tests.helpers.disks import mounted
from tests.library.conftest import Shelve

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def browser(client: Client, user: User) -> Client:
    client.force_login(user)
    return client


def folder(card: Card | Removal) -> Path:
    path = card.path if isinstance(card, Removal) else card.entry.path
    return Path(settings.VNSITE.media_root, path)


def trash() -> list[str]:
    """The names in the trash."""
    found = Path(settings.VNSITE.media_root, ".trash").glob("[!.]*")
    return sorted(path.name for path in found)


def take_out(card: Card) -> Removal:
    removal.remove([card], actor="user:ursula")
    return Removal.objects.latest("pk")


def test_what_is_removed_leaves_the_folder_and_the_rows(user: User, shelve: Shelve) -> None:
    card = shelve(user)

    done = removal.remove([card], actor="user:ursula")

    row = Removal.objects.get()
    assert (done.count, done.size_bytes, done.refused) == (1, 5, [])
    assert (row.step, row.actor, row.owner, row.size_bytes) == (
        Step.REMOVED,
        "user:ursula",
        user,
        5,
    )
    assert not folder(row).exists()
    assert trash() == [row.key]
    assert not LibraryEntry.objects.exists()
    assert not Card.objects.exists()


def test_an_undo_brings_back_files_and_rows_as_they_were(user: User, shelve: Shelve) -> None:
    card = shelve(user, about={"description": "of it"}, uploader="Ada")
    before = Card.objects.values().get(), LibraryEntry.objects.values().get()
    files = list(PublishedFile.objects.values())

    removal.restore(take_out(card))

    assert (Card.objects.values().get(), LibraryEntry.objects.values().get()) == before
    assert list(PublishedFile.objects.values()) == files
    assert (folder(card) / "clip.mp4").read_bytes() == b"video"
    assert trash() == []
    assert Removal.objects.get().step == Step.RESTORED


def test_what_is_removed_is_not_had_any_more(user: User, shelve: Shelve) -> None:
    card = shelve(user)
    download = card.entry.download
    assert download

    take_out(card)

    download = Download.objects.get(pk=download.pk)
    assert not download.files.exists()
    assert not Download.objects.filter(entry__isnull=False).exists()


def test_an_undo_after_download_list_and_owner_were_deleted(user: User, shelve: Shelve) -> None:
    listing = lives.list_up(lives.submit(user), lives.entry(1)).download
    card = shelve(user, listed_in=listing)
    row = take_out(card)
    Download.objects.exclude(pk=listing.pk).get().forget()
    listing.forget()
    user.delete()

    removal.restore(Removal.objects.get(pk=row.pk))

    entry = LibraryEntry.objects.get()
    assert (entry.download, entry.owner, entry.card.listed_in, entry.card.owner) == (None,) * 4


def test_after_a_day_the_files_are_gone_and_the_record_stays(user: User, shelve: Shelve) -> None:
    row = take_out(shelve(user))

    removal.tend()
    assert trash() == [row.key]
    removal.tend(timezone.now() + timedelta(days=1, seconds=1))

    row.refresh_from_db()
    assert (row.step, row.contents, row.title) == (Step.GONE, "", "A talk")
    assert trash() == []
    with pytest.raises(removal.TooLate):
        removal.restore(row)


def test_one_who_was_killed_before_the_move_is_carried_on(user: User, shelve: Shelve) -> None:
    card = shelve(user)
    row = removal._take_rows(card.pk, actor="user:ursula")  # and killed
    assert row
    assert folder(row).is_dir()

    Upkeep().step()

    row.refresh_from_db()
    assert row.step == Step.REMOVED
    assert not folder(row).exists()
    removal.restore(row)
    assert (folder(row) / "clip.mp4").exists()


def test_one_who_was_killed_before_the_move_can_be_undone(user: User, shelve: Shelve) -> None:
    card = shelve(user)
    row = removal._take_rows(card.pk, actor="user:ursula")
    assert row

    removal.restore(row)

    assert (folder(row) / "clip.mp4").exists()
    assert Card.objects.get().title == "A talk"


def test_one_who_was_killed_while_emptying_is_carried_on(user: User, shelve: Shelve) -> None:
    row = take_out(shelve(user))
    Removal.objects.update(step=Step.EMPTYING)

    removal.tend()

    row.refresh_from_db()
    assert row.step == Step.GONE
    assert trash() == []


def test_a_folder_that_the_disk_keeps_holds_up_nothing_else(
    user: User, shelve: Shelve, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(removal, "BATCH", 1)
    stuck, other = shelve(user, "Stuck"), shelve(user, "Other")
    rows = [removal._take_rows(each.pk, actor="user:ursula") for each in (stuck, other)]
    old, seen = take_out(shelve(user, "Old")), shelve(user, "Seen")
    Removal.objects.filter(pk=old.pk).update(removed_at=timezone.now() - timedelta(days=2))
    (folder(seen) / "clip.mp4").unlink()

    assert rows[0]
    with mounted(folder(rows[0]), "size=1m"):  # what is mounted cannot be moved
        Upkeep().step()

    steps = dict(Removal.objects.values_list("title", "step"))
    assert steps == {"Stuck": Step.REMOVING, "Other": Step.REMOVED, "Old": Step.GONE}
    assert Card.objects.get(pk=seen.pk).missing_at
    assert "stays in the trash or on its way there" in caplog.text
    Upkeep().step()
    assert Removal.objects.get(title="Stuck").step == Step.REMOVED


def test_a_folder_that_cannot_be_moved_stays_with_its_rows(user: User, shelve: Shelve) -> None:
    card = shelve(user)
    Path(settings.VNSITE.media_root, ".trash").write_text("in the way")

    done = removal.remove([card], actor="user:ursula")
    Path(settings.VNSITE.media_root, ".trash").unlink()

    assert (done.count, done.refused) == (0, ["A talk"])
    assert folder(Removal.objects.get()).is_dir()
    removal.restore(Removal.objects.get())
    assert Card.objects.count() == 1


def test_nothing_is_recorded_of_a_folder_that_never_left(user: User, shelve: Shelve) -> None:
    card = shelve(user)
    before = Card.objects.values().get()

    with mounted(folder(card), "size=1m"):  # what is mounted cannot be moved
        done = removal.remove([card], actor="user:ursula")

    assert (done.count, done.refused) == (0, ["A talk"])
    assert Card.objects.values().get() == before
    assert (folder(card) / "clip.mp4").exists()
    assert not Removal.objects.exists()


def test_the_name_of_another_entry_is_never_touched(user: User, shelve: Shelve) -> None:
    row = take_out(shelve(user))
    other = shelve(user, "Another")
    LibraryEntry.objects.filter(pk=other.pk).update(path=row.path)
    folder(row).mkdir()
    (folder(row) / "other.mp4").write_bytes(b"other")

    with pytest.raises(removal.NameTaken):
        removal.restore(row)
    removal.tend(timezone.now() + timedelta(days=2))

    assert (folder(row) / "other.mp4").read_bytes() == b"other"
    assert Removal.objects.get().step == Step.GONE


def test_the_invariants_hold_while_it_can_be_undone(user: User, shelve: Shelve) -> None:
    take_out(shelve(user))

    findings = check(host=lives.HOST)

    assert [each for each in findings if each.is_breach] == []


def test_files_that_somebody_removed_are_found_and_found_again(user: User, shelve: Shelve) -> None:
    card = shelve(user)
    file = folder(card) / "clip.mp4"
    file.unlink()

    Upkeep().step()
    assert Card.objects.get().missing_at
    file.write_bytes(b"video")
    Upkeep().step()

    assert Card.objects.get().missing_at is None


def test_a_library_that_is_not_mounted_is_not_taken_for_empty(user: User, shelve: Shelve) -> None:
    shelve(user)
    root = Path(settings.VNSITE.media_root)
    root.rename(root.with_name("away"))
    try:
        Upkeep().step()
    finally:
        root.with_name("away").rename(root)

    assert Card.objects.get().missing_at is None


def test_the_question_says_what_leaves_and_removes_nothing(
    browser: Client, user: User, shelve: Shelve
) -> None:
    card = shelve(user)

    page = browser.post("/library/remove", {"ids": card.pk}).content.decode()

    assert "Remove 1 entry from the library?" in page
    assert f"5 B leave <code>{settings.VNSITE.media_root}</code>" in page
    assert Card.objects.exists()


def test_a_person_removes_and_undoes(browser: Client, user: User, shelve: Shelve) -> None:
    card = shelve(user)

    answer = browser.post("/library/remove", {"ids": card.pk, "confirm": 1}, follow=True)
    assert "1 entry (5 B) is removed from the library." in answer.content.decode()
    record = browser.get("/library/removed/").content.decode()
    assert "A talk" in record
    assert "ursula" in record
    row = Removal.objects.get()
    browser.post(f"/library/removed/{row.pk}/restore")

    assert Card.objects.get().pk == card.pk
    again = browser.post(f"/library/removed/{row.pk}/restore", follow=True).content.decode()
    assert "It is too late" in again


def test_others_can_neither_remove_nor_undo(client: Client, user: User, shelve: Shelve) -> None:
    mine, foreign = shelve(user), shelve(None, "Foreign")
    row = take_out(mine)
    client.force_login(User.objects.create_user("eve"))

    client.post("/library/remove", {"ids": [foreign.pk], "confirm": 1})
    answer = client.post(f"/library/removed/{row.pk}/restore")
    client.post("/library/removed/empty")

    assert answer.status_code == 404
    assert "A talk" not in client.get("/library/removed/").content.decode()
    assert Card.objects.get() == foreign
    assert trash() == [row.key]


def test_room_can_be_had_at_once(browser: Client, user: User, shelve: Shelve) -> None:
    take_out(shelve(user))

    answer = browser.post("/library/removed/empty", follow=True).content.decode()

    assert "5 B are free again." in answer
    assert trash() == []


@pytest.mark.parametrize("ids", [[], ["x"], ["-1"], [str(2**70)], ["²"]])
def test_a_selection_of_nothing_is_said(browser: Client, ids: list[str]) -> None:
    answer = browser.post("/library/remove", {"ids": ids, "confirm": 1}, follow=True)

    assert "Nothing is selected." in answer.content.decode()


def test_what_is_missing_is_said_and_shown(browser: Client, user: User, shelve: Shelve) -> None:
    shelve(user, "Whole")
    card = shelve(user, "Gone")
    (folder(card) / "clip.mp4").unlink()
    Upkeep().step()

    page = browser.get("/library/").content.decode()
    missing = browser.get("/library/?missing=1").content.decode()

    assert "Files of 1 entry were removed outside vnsite." in page
    assert "Gone" in missing
    assert "Whole" not in missing


def test_the_storage_page(browser: Client, user: User, shelve: Shelve) -> None:
    shelve(user, "One", uploader="Ada")
    shelve(user, "Two", uploader="Ada")
    shelve(None, "Foreign", uploader="Eve")
    take_out(shelve(user, "Three", uploader="Ada"))

    page = browser.get("/library/storage/").content.decode()

    assert "2 entries" in page
    assert "10 B" in page
    assert "The largest" in page
    assert page.count(">One</a>") == 2
    assert "Eve" not in page
