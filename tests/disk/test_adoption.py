"""Which files of a folder are a film and what belongs to it, and what is none."""

from pathlib import Path

import pytest

from downloads.disk.adoption import Fault, Film, LeftOut, films_in, give_folder, look
from downloads.rules.states import Role
from tests.helpers.films import BOXES

FLAC = b"fLaC" + b"\0" * 100
MODE = 0o755


def found(root: Path, *, known: frozenset[str] = frozenset()) -> list[Film | str]:
    return list(films_in(root, root=root, known=known))


def only(root: Path) -> Film:
    (film,) = found(root)
    assert isinstance(film, Film)
    return film


def fill(folder: Path, *names: str, content: bytes = BOXES) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_bytes(content)


@pytest.mark.parametrize(
    "name",
    ["A.info.json", "A.en.vtt", "A.jpg", "A-poster.jpg", "A-thumb.webp", "A.nfo", "A.strange",
     "A.live_chat.json", "poster.jpg", "Folder.JPG", "movie.nfo"],
)  # fmt: skip
def test_what_belongs_to_a_film(tmp_path: Path, name: str) -> None:
    fill(tmp_path / "folder", "A.mp4", name)

    film = only(tmp_path)

    assert (film.fault, film.entry, [path.name for path in film.beside]) == (None, "folder", [name])


@pytest.mark.parametrize("name", ["Another.nfo", "AB.nfo", "A-other.jpg", ".hidden", "A", "notes"])
def test_what_does_not_belong_to_it(tmp_path: Path, name: str) -> None:
    fill(tmp_path / "folder", "A.mp4", name)

    film = only(tmp_path)

    assert (film.fault, film.beside) == (Fault.SHARED if name != "A" else Fault.TAKEN, [])


@pytest.mark.parametrize("name", ["A.f137.mp4", "A.f251-drc.webm", "A.temp.mkv"])
def test_a_piece_of_a_download_is_no_film(tmp_path: Path, name: str) -> None:
    fill(tmp_path / "folder", name)

    assert only(tmp_path).fault is Fault.UNFINISHED


def test_the_longest_name_of_a_film_counts(tmp_path: Path) -> None:
    fill(tmp_path, "A.mp4", "A.B.mp4", "A.nfo", "A.B.nfo", "A.B-poster.jpg")

    films = {film.home.name: film.beside for film in found(tmp_path) if isinstance(film, Film)}

    assert {name: len(beside) for name, beside in films.items()} == {"A": 1, "A.B": 2}


def test_a_known_entry_is_named_and_not_looked_into(tmp_path: Path) -> None:
    fill(tmp_path / "Ada" / "A" / "inside", "A.mp4")

    assert found(tmp_path, known=frozenset({"Ada/A"})) == ["Ada/A"]


def test_hidden_folders_and_links_to_folders_are_passed_over(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    fill(root / ".trash", "A.mp4")
    fill(outside, "A.mp4")
    (root / "link").symlink_to(outside)

    assert found(root) == []


@pytest.mark.parametrize(
    ("name", "content", "role", "media_type"),
    [
        ("A.mp4", BOXES, Role.VIDEO, "video/mp4"),
        ("A.m4a", BOXES, Role.AUDIO, "audio/mp4"),
        ("A.flac", FLAC, Role.AUDIO, "audio/flac"),
        ("A.mp4", FLAC, Role.AUDIO, "audio/flac"),  # whatever its name says
    ],
)
def test_the_content_says_what_it_is(
    tmp_path: Path, name: str, content: bytes, role: Role, media_type: str
) -> None:
    fill(tmp_path / "folder", name, content=content)

    (main,) = look(only(tmp_path)).files

    assert (main["role"], main["media_type"], main["size"]) == (role, media_type, len(content))


def test_a_film_that_is_gone_by_now_is_left_out(tmp_path: Path) -> None:
    fill(tmp_path / "folder", "A.mp4")
    film = only(tmp_path)
    film.main.unlink()

    with pytest.raises(LeftOut) as left_out:
        look(film)
    assert left_out.value.fault is Fault.UNREADABLE


def test_what_appears_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    fill(tmp_path, "A.mp4", "A.nfo")
    film = only(tmp_path)
    fill(tmp_path / "A", "A.mp4", content=b"another's")

    with pytest.raises(LeftOut) as left_out:
        give_folder(film, mode=MODE)

    assert left_out.value.fault is Fault.TAKEN
    assert (tmp_path / "A.mp4").read_bytes() == BOXES
    assert (tmp_path / "A" / "A.mp4").read_bytes() == b"another's"


@pytest.mark.parametrize("moves", [0, 1, 2])
def test_interrupted_after_any_move_it_goes_on(tmp_path: Path, moves: int) -> None:
    fill(tmp_path, "A.mp4", "A.nfo", "A.en.vtt")
    begun = only(tmp_path)
    begun.home.mkdir()
    for path in [*begun.beside, begun.main][:moves]:
        path.rename(begun.home / path.name)

    give_folder(only(tmp_path), mode=MODE)

    film = only(tmp_path)
    assert (film.fault, film.is_shared, film.entry) == (None, False, "A")
    names = sorted(path.name for path in film.home.iterdir())
    assert names == ["A.en.vtt", "A.mp4", "A.nfo"]
