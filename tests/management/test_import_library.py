"""import_library: what another tool left becomes entries, each once, and nothing is lost."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import CommandError
from django.test import Client

from downloads.diagnostics.invariants import check
from downloads.fetch.info_file import MAX_INFO_BYTES
from downloads.library import catalogue, removal
from downloads.library.models import Card
from downloads.models import (
    ArchivedMedia,
    Counts,
    Download,
    LibraryEntry,
    PublishedFile,
    Reaction,
    Transition,
    submissions,
)
from downloads.models.batches import ADOPTED
from downloads.rules.options import DownloadOptions
from downloads.rules.states import Outcome, Reason, Result, Role, State
from tests.helpers.films import BOXES
from tests.helpers.nobody import NOBODY, being_nobody
from tests.helpers.waiting import wait_for
from tests.helpers.worker import ROOT, worker_environment
from tests.management.test_commands import run

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.both_databases,
    pytest.mark.usefixtures("clean_disk"),
]

FILM = BOXES + b"a film"
INFO = {
    "id": "dQw4w9WgXcQ",
    "extractor_key": "Youtube",
    "webpage_url": "https://www.youtube.com/watch?v=dQw4w9WgXcQ",
    "title": "A talk",
    "uploader": "Ada",
    "duration": 83.4,
    "upload_date": "20200131",
    "description": "of it",
    "tags": ["one"],
    "chapters": [{"start_time": 0, "end_time": 83, "title": "All"}],
    "width": 1280,
    "height": 720,
    "vcodec": "avc1.4d401f",
    "acodec": "mp4a.40.2",
}


@pytest.fixture
def root() -> Path:
    folder = Path(settings.VNSITE.media_root)
    folder.mkdir(parents=True)
    return folder


def put(path: Path, content: bytes | str | dict[str, Any] = FILM) -> Path:
    """Write a file, with its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(content) if isinstance(content, dict) else content
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def take(path: Path, *arguments: str) -> dict[str, Any]:
    """Import, and return what the command says of it."""
    answer: dict[str, Any] = json.loads(run("import_library", str(path), "--json", *arguments)[1])
    return answer


def tree(root: Path) -> dict[str, bytes]:
    """All files, by their paths."""
    found = (path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    return {str(path.relative_to(root)): path.read_bytes() for path in found}


def assert_in_order() -> None:
    assert check(hashes=True) == []


def test_a_folder_of_its_own_becomes_an_entry_where_it_is(user: User, root: Path) -> None:
    put(root / "Ada" / "A talk" / "A talk [dQw4w9WgXcQ].mp4")
    put(root / "Ada" / "A talk" / "A talk [dQw4w9WgXcQ].info.json", INFO)
    put(root / "Ada" / "A talk" / "A talk [dQw4w9WgXcQ].en.vtt", "WEBVTT\n")
    put(root / "Ada" / "A talk" / "A talk [dQw4w9WgXcQ]-poster.jpg", "picture")
    before = tree(root)

    answer = take(root)

    assert (answer["imported"], answer["left_out"]) == (["Ada/A talk"], {})
    assert tree(root) == before
    entry = LibraryEntry.objects.get()
    assert (entry.path, entry.title, entry.owner) == ("Ada/A talk", "A talk", user)
    assert entry.url == INFO["webpage_url"]
    files = {file.name.removeprefix("A talk [dQw4w9WgXcQ]"): file for file in entry.files.all()}
    assert {name: (file.role, file.media_type) for name, file in files.items()} == {
        ".mp4": (Role.VIDEO, "video/mp4"),
        ".info.json": (Role.INFO, "application/json"),
        ".en.vtt": (Role.SUBTITLES, "text/vtt"),
        "-poster.jpg": (Role.THUMBNAIL, "image/jpeg"),
    }
    assert (files[".mp4"].size, files[".en.vtt"].language) == (len(FILM), "en")
    assert_in_order()


def test_it_has_the_whole_life_of_a_download(user: User, root: Path) -> None:
    put(root / "A" / "A.mp4")

    take(root)

    download = Download.objects.get()
    assert (download.state, download.outcome, download.result, download.attempt) == (
        State.CLEANED,
        Outcome.COMPLETED,
        Result.FILES,
        1,
    )
    moves = Transition.objects.filter(download=download)
    assert tuple(move.to_state for move in moves) == ADOPTED
    assert {(move.actor, move.reason) for move in moves} == {
        ("command:import_library", Reason.IMPORTED)
    }
    assert Counts.objects.visible_to(user).by_state()[State.CLEANED] == 1


def test_it_gets_its_card_by_the_reaction(user: User, root: Path) -> None:
    Reaction.begin("library")
    put(root / "A" / "A.mp4")
    put(root / "A" / "A.info.json", INFO)

    take(root)
    while Reaction.step("library", catalogue.react):
        pass

    card = Card.objects.get()
    assert (card.title, card.uploader, card.site) == ("A talk", "Ada", "youtube.com")
    assert (card.duration_seconds, card.height, card.video_codec) == (83, 720, "avc1")
    assert (card.description, card.tags, len(card.chapters)) == ("of it", ["one"], 1)
    assert card.uploaded_at
    assert f"{card.uploaded_at:%Y-%m-%d}" == "2020-01-31"


def test_it_is_in_the_archive_and_not_fetched_again(user: User, root: Path) -> None:
    put(root / "A" / "A.mp4")
    put(root / "A" / "A.info.json", INFO)

    take(root)

    known = ArchivedMedia.objects.get()
    assert (known.owner, str(known)) == (user, "youtube dQw4w9WgXcQ")
    options = DownloadOptions()
    had = Download.objects.had_by(
        user, extractor="youtube", media_id="dQw4w9WgXcQ", options=options
    )
    assert had == Download.objects.get()
    assert submissions.known(user, [str(INFO["webpage_url"])], options)


@pytest.mark.parametrize(
    ("name", "arguments", "title", "media_id"),
    [
        ("A talk [dQw4w9WgXcQ]", ["--extractor", "YouTube"], "A talk", "dQw4w9WgXcQ"),
        ("dQw4w9WgXcQ", ["--extractor", "youtube"], "dQw4w9WgXcQ", "dQw4w9WgXcQ"),
        ("A talk [76979871]", ["--extractor", "vimeo"], "A talk", "76979871"),
        ("A talk [dQw4w9WgXcQ]", [], "A talk", ""),
        ("A talk [Remastered]", [], "A talk [Remastered]", ""),
        ("A talk [76979871]", ["--extractor", "youtube"], "A talk [76979871]", ""),
        ("A talk", ["--extractor", "youtube"], "A talk", ""),
    ],
)
def test_without_an_info_the_name_tells(
    user: User, root: Path, name: str, arguments: list[str], title: str, media_id: str
) -> None:
    put(root / "folder" / f"{name}.mp4")

    take(root, *arguments)

    download = Download.objects.get()
    assert (download.title, download.media_id) == (title, media_id)
    assert ArchivedMedia.objects.count() == bool(media_id)
    assert_in_order()


def test_running_it_again_imports_nothing_twice(user: User, root: Path) -> None:
    put(root / "A" / "A.mp4")
    take(root)
    put(root / "B" / "B.mp4")

    answer = take(root)

    assert (answer["imported"], answer["known"]) == (["B"], 1)
    assert run("import_library", str(root))[1] == "0 imported, 2 were known.\n"
    assert_in_order()


def test_a_dry_run_says_the_same_and_writes_nothing(user: User, root: Path) -> None:
    put(root / "A" / "A.mp4")
    put(root / "one.mp4")
    put(root / "one.en.vtt")
    put(root / "text.mp4", "no film")
    before = tree(root)

    dry = take(root, "--own-folders", "--dry-run")

    assert tree(root) == before
    assert not any(model.objects.exists() for model in (Download, LibraryEntry, ArchivedMedia))
    assert dry.pop("dry_run")
    done = take(root, "--own-folders")
    assert not done.pop("dry_run")
    assert dry == done


def test_videos_that_share_a_folder_are_left_out_and_said(user: User, root: Path) -> None:
    put(root / "shared" / "one.mp4")
    put(root / "shared" / "two.mkv")
    put(root / "alone.mp4")
    put(root / "noted" / "three.mp4")
    put(root / "noted" / "todo.txt", "not of a film")

    code, out, _ = run("import_library", str(root), "-v", "2")

    assert code == 0
    assert "0 imported" in out
    assert "4 videos share a folder with other things: --own-folders gives each one" in out
    assert "shared/two.mkv" in out
    assert not LibraryEntry.objects.exists()


def test_each_can_get_a_folder_of_its_own(user: User, root: Path) -> None:
    put(root / "one.mp4", FILM + b"1")
    put(root / "one.info.json", INFO)
    put(root / "one.more.mp4", FILM + b"2")
    put(root / "one.more.en.vtt", "WEBVTT\n")
    put(root / "one-poster.jpg", "picture")
    put(root / "notes.txt", "not of a film")

    answer = take(root, "--own-folders")

    assert answer["imported"] == answer["moved"] == ["one", "one.more"]
    assert sorted(tree(root)) == [
        "notes.txt",
        "one.more/one.more.en.vtt",
        "one.more/one.more.mp4",
        "one/one-poster.jpg",
        "one/one.info.json",
        "one/one.mp4",
    ]
    assert_in_order()
    assert take(root, "--own-folders")["known"] == 2


def test_a_move_that_was_interrupted_goes_on(user: User, root: Path) -> None:
    put(root / "one" / "one.en.vtt", "WEBVTT\n")
    put(root / "one.mp4")
    put(root / "one.info.json", INFO)

    assert take(root, "--own-folders")["imported"] == ["one"]

    assert sorted(tree(root)) == ["one/one.en.vtt", "one/one.info.json", "one/one.mp4"]
    assert PublishedFile.objects.count() == 3
    assert_in_order()


@pytest.mark.parametrize("taken", ["one/other.txt", "one/one.mkv", "one"])
def test_nothing_is_moved_over_something_else(user: User, root: Path, taken: str) -> None:
    put(root / "one.mp4", FILM + b"1")
    put(root / "two.mp4")
    put(root / taken, "another's")
    before = tree(root)

    answer = take(root, "--own-folders")

    assert "one.mp4" in answer["left_out"]["taken"]
    assert before.items() <= tree(root).items() | {"two.mp4": FILM}.items()
    assert tree(root)["one.mp4"] == FILM + b"1"


def test_a_file_that_is_in_both_places_is_moved_over_nothing(user: User, root: Path) -> None:
    put(root / "one" / "one.en.vtt", "of before")
    put(root / "one.en.vtt", "of now")
    put(root / "one.mp4")

    assert take(root, "--own-folders")["left_out"] == {"taken": ["one.mp4"]}

    assert sorted(tree(root).values()) == [FILM, b"of before", b"of now"]


def test_two_that_differ_only_in_their_suffix_are_left_out(user: User, root: Path) -> None:
    put(root / "one.mp4")
    put(root / "one.m4a")

    answer = take(root, "--own-folders")

    assert answer["left_out"] == {"same_name": ["one.m4a", "one.mp4"]}


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("text.mp4", b"<html>no film</html>", "not_media"),
        ("empty.mkv", b"", "not_media"),
        ("half.mp4", FILM[:20], "incomplete"),
        ("piece.f137.mp4", FILM, "unfinished"),
        ("a\nname.mp4", FILM, "name"),
        ("a\x1b[31mname.mp4", FILM, "name"),
        (os.fsdecode(b"not-\xff-utf8.mp4"), FILM, "name"),
    ],
)
def test_what_is_no_film_or_has_no_name_is_left_out(
    user: User, root: Path, name: str, content: bytes, fault: str
) -> None:
    put(root / "folder" / name, content)

    answer = take(root)

    assert list(answer["left_out"]) == [fault]
    assert not Download.objects.exists()
    assert run("import_library", str(root), "-v", "2")[0] == 0


def test_a_download_that_was_not_finished_is_left_out(user: User, root: Path) -> None:
    put(root / "A" / "A.mp4")
    put(root / "A" / "A.mp4.part", "half")

    assert take(root)["left_out"] == {"unfinished": ["A/A.mp4"]}


def test_no_link_is_followed(user: User, root: Path, tmp_path: Path) -> None:
    secret = put(tmp_path / "secret.mp4")
    (root / "film").mkdir()
    (root / "film" / "film.mp4").symlink_to(secret)
    put(root / "beside" / "beside.mp4")
    (root / "beside" / "beside.info.json").symlink_to(put(tmp_path / "secret.json", INFO))
    put(root / "twice" / "twice.mp4")
    (root / "other-name").hardlink_to(root / "twice" / "twice.mp4")
    put(tmp_path / "outside" / "A" / "A.mp4")
    (root / "folder").symlink_to(tmp_path / "outside")
    put(root / "pipe" / "pipe.mp4")
    os.mkfifo(root / "pipe" / "pipe.nfo")

    answer = take(root, "--own-folders")

    linked = ["beside/beside.mp4", "film/film.mp4", "pipe/pipe.mp4", "twice/twice.mp4"]
    assert sorted(answer["left_out"].pop("linked")) == linked
    assert (answer["left_out"], answer["imported"]) == ({}, [])


def nested(depth: int) -> str:
    return f'{{"title": {"[" * depth}{"]" * depth}}}'


@pytest.mark.parametrize(
    "content",
    [
        nested(500_000),
        '{"title": "' + "x" * MAX_INFO_BYTES + '"}',
        "not JSON",
        "[1, 2]",
        b"\xff\xfe\x00",
        json.dumps({**INFO, "_type": "playlist"}),
    ],
)
def test_an_info_that_makes_no_sense_is_said_and_not_believed(
    user: User, root: Path, content: str | bytes
) -> None:
    put(root / "A" / "The name.mp4")
    put(root / "A" / "The name.info.json", content)

    _, out, _ = run("import_library", str(root), "-v", "2")

    assert "1 .info.json tells nothing" in out
    assert "A/The name.info.json" in out
    assert Download.objects.get().title == "The name"
    assert_in_order()


WRONG: list[Any] = [None, True, -1, 1e308, float("nan"), 10**4000, "\0\ud800\u202e", [[]], {"a": 1}]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda value: repr(value)[:12])
def test_values_of_a_wrong_type_count_as_absent(user: User, root: Path, wrong: Any) -> None:
    put(root / "A" / "The name.mp4")
    text = json.dumps(dict.fromkeys(INFO, 0)).replace(": 0", ": @")
    limit = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        put(root / "A" / "The name.info.json", text.replace("@", json.dumps(wrong)))
    finally:
        sys.set_int_max_str_digits(limit)

    assert take(root)["imported"] == ["A"]

    while catalogue.catch_up():
        pass
    assert Card.objects.get().title in ("The name", "\\ud800")
    assert Download.objects.get().url == ""
    assert_in_order()


def test_a_link_that_is_none_is_not_taken(user: User, root: Path) -> None:
    put(root / "A" / "A.mp4")
    put(root / "A" / "A.info.json", {**INFO, "webpage_url": "javascript:alert(1)"})

    take(root)

    assert Download.objects.get().url == ""
    assert ArchivedMedia.objects.get().media_id == "dQw4w9WgXcQ"


def test_what_cannot_be_read_is_left_out() -> None:
    with being_nobody() as nobody:
        media = nobody.folder / "data" / "media"
        put(media / "secret" / "secret.mp4").chmod(0)
        put(media / "closed" / "closed.mp4").parent.chmod(0)
        put(media / "open" / "open.mp4")
        for path in (media.parent, media, *media.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
        nobody.manage("migrate", "-v", "0")

        done = nobody.manage("import_library", str(media), "--json")

    answer = json.loads(done.stdout)
    assert answer["imported"] == ["open"]
    assert answer["left_out"] == {"unreadable": ["secret/secret.mp4"]}


def test_an_entry_that_was_removed_comes_back_as_it_was(user: User, root: Path) -> None:
    put(root / "Ada" / "A" / "A.mp4")
    put(root / "Ada" / "A" / "A.info.json", INFO)
    take(root)
    while catalogue.catch_up():
        pass
    before = tree(root), list(PublishedFile.objects.values()), Card.objects.values().get()

    removal.remove(Card.objects.all(), actor="user:ursula")
    assert not (root / "Ada").exists()
    removal.restore(removal.Removal.objects.get())

    files = {name: content for name, content in tree(root).items() if not name.startswith(".")}
    assert (files, list(PublishedFile.objects.values()), Card.objects.values().get()) == before
    assert_in_order()


def test_the_name_of_a_removed_entry_is_not_given_twice(user: User, root: Path) -> None:
    put(root / "A" / "A.mp4")
    take(root)
    while catalogue.catch_up():
        pass
    removal.remove(Card.objects.all(), actor="user:ursula")
    put(root / "A" / "A.mp4")

    assert take(root)["left_out"] == {"named": ["A/A.mp4"]}


def test_its_page_shows_it_without_a_link(user: User, client: Client, root: Path) -> None:
    put(root / "A" / "A talk.mp4")
    take(root)
    while catalogue.catch_up():
        pass
    client.force_login(user)

    page = client.get(f"/downloads/{Download.objects.get()}/").content.decode()
    rows = client.get("/").content.decode() + client.get("/library/").content.decode()

    assert "Imported: another tool had fetched it" in page
    assert "unknown site" in page
    assert rows.count("A talk</a>") == 2
    assert 'href=""' not in page + rows
    file = client.head(f"/media/{Download.objects.get()}/A%20talk.mp4")
    assert len(file.headers["ETag"]) > 2


def test_a_folder_elsewhere_is_refused_with_what_to_do(user: User, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"is not in the library, .*: move it there") as refused:
        run("import_library", str(tmp_path))
    assert refused.value.returncode == 2


@pytest.mark.parametrize("name", ["nowhere", "file", ".trash"])
def test_what_is_no_folder_of_the_library_is_refused(user: User, root: Path, name: str) -> None:
    put(root / "file")
    (root / ".trash").mkdir()

    with pytest.raises(CommandError, match=r"is not a folder|is hidden"):
        run("import_library", str(root / name))


@pytest.mark.parametrize("site", ["generic", "you tube", ""])
def test_a_site_that_has_no_ids_is_refused(user: User, root: Path, site: str) -> None:
    with pytest.raises(CommandError, match="is not yt-dlp's name of a site"):
        run("import_library", str(root), f"--extractor={site}")


def test_of_several_users_one_must_be_named(user: User, staff: User, root: Path) -> None:
    put(root / "A" / "A.mp4")

    with pytest.raises(CommandError, match="several users: say whose these are with --owner"):
        run("import_library", str(root))
    with pytest.raises(CommandError, match="no user named 'nina'"):
        run("import_library", str(root), "--owner", "nina")
    take(root, "--owner", "stefan")

    assert LibraryEntry.objects.get().owner == staff


def test_without_users_it_is_nobodys(root: Path) -> None:
    put(root / "A" / "A.mp4")

    take(root)

    assert LibraryEntry.objects.get().owner is None
    assert_in_order()


NUMBER = 200  # films in one folder, of four batches


@pytest.fixture
def flat(root: Path) -> dict[str, bytes]:
    """Films in one folder, each with a file beside it; their contents by name."""
    for number in range(NUMBER):
        put(root / "flat" / f"film {number:03}.mp4", FILM + bytes([number % 256, number // 256]))
        put(root / "flat" / f"film {number:03}.info.json", {**INFO, "id": f"video-{number:05}"})
    return {Path(name).name: content for name, content in tree(root).items()}


def moved(root: Path, number: int) -> Callable[[], bool]:
    return lambda: (root / "flat" / f"film {number:03}").exists()


@pytest.fixture
def child(root: Path) -> Iterator[Callable[[], "subprocess.Popen[bytes]"]]:
    started: list[subprocess.Popen[bytes]] = []

    def start() -> "subprocess.Popen[bytes]":
        command = [sys.executable, "manage.py", "import_library", str(root), "--own-folders"]
        environment = {**os.environ, **worker_environment()}
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.usefixtures("shared_db")
def test_killed_anywhere_and_run_again_each_is_there_once(
    root: Path, flat: dict[str, bytes], child: Callable[[], "subprocess.Popen[bytes]"]
) -> None:
    moments: list[Callable[[], bool]] = [
        moved(root, 10),
        lambda: LibraryEntry.objects.count() >= 50,
        moved(root, 120),
    ]
    for moment in moments:
        process = child()
        wait_for(moment, what="the import to be in the middle")
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert {Path(name).name: content for name, content in tree(root).items()} == flat
        assert [each for each in check() if each.is_breach] == []

    assert child().wait(60) == 0

    paths = {f"flat/film {number:03}" for number in range(NUMBER)}
    assert sorted(LibraryEntry.objects.values_list("path", flat=True)) == sorted(paths)
    assert {Path(name).name: content for name, content in tree(root).items()} == flat
    assert ArchivedMedia.objects.count() == NUMBER
    assert PublishedFile.objects.count() == 2 * NUMBER
    assert_in_order()


@pytest.mark.usefixtures("shared_db")
def test_of_two_imports_at_once_each_film_is_one_entry(root: Path) -> None:
    for number in range(NUMBER):
        put(root / f"film {number:03}" / "film.mp4")
        put(root / f"film {number:03}" / "film.info.json", {**INFO, "id": f"video-{number:05}"})
    command = [sys.executable, "manage.py", "import_library", str(root), "--json"]
    environment = {**os.environ, **worker_environment()}
    pipe = subprocess.PIPE
    both = [
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=pipe, text=True)
        for _ in range(2)
    ]

    answers = [json.loads(process.communicate(timeout=60)[0]) for process in both]

    assert sum(len(answer["imported"]) for answer in answers) == NUMBER
    assert sum(answer["known"] for answer in answers) == NUMBER
    assert LibraryEntry.objects.count() == ArchivedMedia.objects.count() == NUMBER
    assert_in_order()
