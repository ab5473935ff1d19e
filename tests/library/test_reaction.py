"""The library's reaction: each completed download has one card, whatever is killed."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from pytest_django import DjangoAssertNumQueries

from downloads.library import catalogue, subtitles
from downloads.library.models import Card
from downloads.models import Download, LibraryEntry, Reaction, StreamPosition
from downloads.worker.reactions import Reactions, Subscriber
from tests.helpers import lives
from tests.helpers.waiting import wait_for
from tests.helpers.worker import ROOT, worker_environment

pytestmark = [pytest.mark.both_databases, pytest.mark.usefixtures("shared_db", "clean_disk")]


@contextmanager
def reactor() -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.helpers.reactor"],
        cwd=ROOT,
        env={**os.environ, **worker_environment()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def killed_after(words: int) -> str:
    """Let a process react until it has said so many words, and kill it there; return the last."""
    with reactor() as process:
        assert process.stdout
        assert process.stdin
        word = process.stdout.readline().strip()
        for _ in range(words - 1):
            process.stdin.write("\n")
            process.stdin.flush()
            word = process.stdout.readline().strip()
        process.kill()
        process.wait()
        return word


def step() -> bool:
    return Reaction.step("library", catalogue.react, batch=3)


def test_each_completed_download_has_one_card_whatever_is_killed() -> None:
    Reaction.begin("library")
    completed = [lives.complete(lives.submit()) for _ in range(4)]
    lives.fail(lives.submit())

    words = [killed_after(number) for number in (1, 2, 3, 4, 5)]
    while step():
        pass

    assert words == ["reacted", "committed", "reacted", "committed", "reacted"]
    assert sorted(Card.objects.values_list("entry__download", flat=True)) == sorted(
        download.pk for download in completed
    )
    assert Reaction.objects.get().seq == StreamPosition.current()


def test_a_killed_batch_has_left_nothing() -> None:
    Reaction.begin("library")
    lives.complete(lives.submit())
    begun_at = Reaction.objects.get().seq

    killed_after(1)

    assert Reaction.objects.get().seq == begun_at
    assert not Card.objects.exists()


def test_deletions_move_the_cursor_as_transitions_do() -> None:
    Reaction.begin("library")
    lives.fail(lives.submit()).forget()

    assert step() is False

    assert Reaction.objects.get().seq == StreamPosition.current()


def test_the_card_of_a_download_that_was_deleted_meanwhile_is_made_at_the_next_start() -> None:
    Reaction.begin("library")
    lives.complete(lives.submit()).forget()
    step()
    assert not Card.objects.exists()

    catalogue.catch_up()

    assert Card.objects.get().entry.download is None


def test_what_completed_before_there_was_a_catalogue_is_caught_up(user: User) -> None:
    completed = [lives.complete(lives.submit(user)) for _ in range(3)]
    reactions = Reactions(guard=nullcontext, worker="test")

    while reactions.step():
        pass

    assert Card.objects.visible_to(user).count() == len(completed)
    assert Reaction.objects.get().seq == StreamPosition.current()


def test_the_card_leaves_with_the_files() -> None:
    download = lives.complete(lives.submit())
    catalogue.catch_up()

    LibraryEntry.objects.get(download=download).delete()

    assert not Card.objects.exists()


def test_a_ring_lets_the_thread_react() -> None:
    reactions = Reactions(guard=nullcontext, worker="test")
    reactions.start()
    try:
        wait_for(Reaction.objects.exists, what="the reactions to begin")
        lives.complete(lives.submit())

        reactions.ring()

        wait_for(Card.objects.exists, what="the card")
    finally:
        reactions.end()


def test_what_is_left_when_the_worker_ends_is_done_before(user: User) -> None:
    reactions = Reactions(guard=nullcontext, worker="test")
    reactions.start()
    wait_for(Reaction.objects.exists, what="the reactions to begin")
    lives.complete(lives.submit(user))

    reactions.end()

    assert Card.objects.count() == 1


def test_a_subscriber_that_breaks_is_asked_again() -> None:
    lives.complete(lives.submit())
    calls: list[int] = []

    def catch_up() -> bool:
        calls.append(1)
        if len(calls) == 1:
            raise ValueError("broken")
        return catalogue.catch_up()

    reactions = Reactions(
        guard=nullcontext,
        worker="test",
        subscribers={
            "library": Subscriber(
                react=catalogue.react, catch_up=catch_up, follow_up=subtitles.read_some
            )
        },
    )
    reactions.start()
    try:
        wait_for(Card.objects.exists, what="the card")
    finally:
        reactions.end()


def test_nothing_is_asked_but_the_position_when_nothing_happened(
    django_assert_num_queries: DjangoAssertNumQueries,
) -> None:
    lives.complete(lives.submit())
    reactions = Reactions(guard=nullcontext, worker="test")
    while reactions.step():
        pass

    with django_assert_num_queries(1):
        reactions.step()


def test_a_card_says_what_is_known_of_the_video(user: User) -> None:
    media = {
        "uploader": "Ada",
        "channel": "Talks",
        "duration": 90,
        "uploaded_at": "2024-02-03T00:00:00+00:00",
        "width": 1920,
        "height": 1080,
        "video_codec": "h264",
        "audio_codec": "aac",
    }
    download = lives.complete(lives.submit(user), media=media)
    catalogue.catch_up()

    card = Card.objects.get()
    assert (card.uploader, card.channel, card.duration_seconds) == ("Ada", "Talks", 90)
    assert (card.width, card.height, card.video_codec) == (1920, 1080, "h264")
    assert card.dated_at == card.uploaded_at
    assert card.size_bytes == sum(file.size for file in download.files)
    assert (card.kind, card.owner) == ("video", user)


@pytest.mark.parametrize(
    "media",
    [
        {"uploader": 7, "duration": "long", "uploaded_at": "yesterday", "width": -1},
        {"uploader": ["x"], "duration": 2**40, "uploaded_at": "2024-02-31T00:00:00Z"},
        {"uploader": "x" * 1000, "uploaded_at": "2024-02-03T00:00:00"},
    ],
)
def test_what_makes_no_sense_is_not_on_the_card(media: dict[str, object]) -> None:
    lives.complete(lives.submit(), media=media)
    catalogue.catch_up()

    card = Card.objects.get()
    assert card.uploader in ("", "x" * 300)
    assert (card.duration_seconds, card.uploaded_at, card.width) == (0, None, 0)
    assert card.dated_at == card.added_at


def test_cards_are_made_anew_of_what_the_rows_say(capsys: pytest.CaptureFixture[str]) -> None:
    download = lives.complete(lives.submit(), media={"uploader": "Ada"})
    catalogue.catch_up()
    Download.objects.filter(pk=download.pk).update(media={"uploader": "Bea"})

    call_command("index_library")

    assert capsys.readouterr().out == "Entries in the catalogue: 1\n"
    assert Card.objects.get().uploader == "Bea"
