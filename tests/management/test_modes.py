"""Who may read what vnsite writes, whatever the umask of whoever starts it."""

import os
import stat
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.helpers.media_server import MediaServer
from tests.helpers.worker import ROOT

pytestmark = pytest.mark.sqlite


def manage(data: Path, umask: int, *arguments: str, **environment: str) -> str:
    return run(data, umask, "manage.py", *arguments, **environment)


def run(data: Path, umask: int, *arguments: str, **environment: str) -> str:
    """What Python, which has to end well, says on stderr."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "DJANGO_SETTINGS_MODULE": "vnsite.settings",
            "VNSITE_DATA_DIR": str(data),
            **environment,
        },
        umask=umask,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def download(data: Path, site: MediaServer, umask: int, **environment: str) -> None:
    """One download from its beginning to its end, of a site that is made in `data`."""
    allowed = {"VNSITE_ALLOW_PRIVATE_HOSTS": site.origin, "VNSITE_CLEANUP_ON_SUCCESS": "false"}
    manage(data, umask, "migrate")
    manage(data, umask, "add_download", site.url("/video.mp4"), **allowed)
    manage(data, umask, "run_downloads", "--once", **allowed | environment)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def open_to_others(data: Path, *, but: Path) -> list[str]:
    """Everything below `data` that anybody but its owner has a right on, the library left out."""
    return [
        f"{path.relative_to(data)} {mode_of(path):o}"
        for path in sorted(data.rglob("*"))
        if but not in (path, *path.parents) and mode_of(path) & 0o077
    ]


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077], ids=oct)
def test_the_library_is_open_and_all_else_is_its_owners(
    tmp_path: Path, media_server: MediaServer, umask: int
) -> None:
    data = tmp_path / "data"

    download(data, media_server, umask)

    [entry] = [path for path in (data / "media").iterdir() if not path.name.startswith(".")]
    [file] = entry.iterdir()
    assert open_to_others(data, but=data / "media") == []
    assert mode_of(data / "media" / ".staging") == 0o700
    assert [mode_of(path) for path in (data, data / "media", entry, file)] == [
        0o711, 0o755, 0o755, 0o644,
    ]  # fmt: skip


def test_the_library_has_the_mode_that_is_set(tmp_path: Path, media_server: MediaServer) -> None:
    data, library = tmp_path / "data", tmp_path / "library"
    library.mkdir(mode=0o2770)
    library.chmod(0o2770)

    download(
        data,
        media_server,
        0o022,
        VNSITE_LIBRARY_MODE="0640",
        VNSITE_MEDIA_DIR=str(library),
    )

    [entry] = [path for path in library.iterdir() if not path.name.startswith(".")]
    [file] = entry.iterdir()
    assert [mode_of(path) for path in (data, library, entry, file)] == [
        0o700, 0o2770, 0o2750, 0o640,
    ]  # fmt: skip


def test_what_an_earlier_version_left_open_is_closed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    manage(data, 0o022, "migrate")
    data.chmod(0o755)
    for path in (data / "vnsite.sqlite3", data / "secret_key"):
        path.chmod(0o644)
    (data / "tmp").mkdir(exist_ok=True)
    (data / "tmp").chmod(0o755)

    manage(data, 0o022, "check")

    assert open_to_others(data, but=data / "media") == []
    assert mode_of(data) == 0o711


@pytest.mark.parametrize("place", ["data/a/b/media", "new/a/library"])
def test_every_folder_on_the_way_to_the_library_lets_others_through(
    tmp_path: Path, place: str
) -> None:
    data, library = tmp_path / "data", tmp_path / place

    for _ in range(2):
        manage(data, 0o077, "check", VNSITE_MEDIA_DIR=str(library))

    on_the_way = [path for path in library.parents if path.is_relative_to(tmp_path)][:-1]
    assert [path for path in on_the_way if not mode_of(path) & 0o001] == []
    assert mode_of(library) == 0o755


def test_a_library_in_a_data_directory_behind_a_link_stays_open(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk").chmod(0o755)
    (tmp_path / "data").symlink_to("disk")
    library = tmp_path / "disk" / "media"
    library.mkdir()
    library.chmod(0o755)

    manage(tmp_path / "data", 0o022, "check", VNSITE_MEDIA_DIR=str(library))

    assert [mode_of(tmp_path / "disk"), mode_of(library)] == [0o711, 0o755]


def test_a_database_elsewhere_is_closed_and_its_folder_is_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "else#where"
    folder.mkdir()
    folder.chmod(0o755)
    database = folder / "x.sqlite3"
    database.touch()
    database.chmod(0o644)

    url = f"sqlite:///{quote(str(database))}"
    manage(tmp_path / "data", 0o022, "migrate", VNSITE_DATABASE_URL=url)

    assert [mode_of(folder), mode_of(database)] == [0o755, 0o600]


def test_what_was_closed_is_said_once_in_one_line(tmp_path: Path) -> None:
    data = tmp_path / "data"
    manage(data, 0o022, "check")
    (data / "secret_key").chmod(0o644)

    said = [manage(data, 0o022, "check") for _ in range(2)]

    assert [text.count("\n") for text in said] == [1, 0]
    assert str(data / "secret_key") in said[0]


def test_a_site_that_another_server_starts_is_closed_too(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o755)
    (data / "vnsite.sqlite3").touch()
    (data / "vnsite.sqlite3").chmod(0o644)

    run(data, 0o022, "-c", "import vnsite.asgi")

    assert open_to_others(data, but=data / "media") == []
    assert [mode_of(data), mode_of(data / "media")] == [0o711, 0o755]
