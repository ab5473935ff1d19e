"""ffmpeg and ffprobe as systems install them: links, chains of links, scripts around them."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from downloads.fetch.client import ForkServer
from downloads.sandbox.trial import tried
from tests.helpers.attempts import attempt, job_for, new_fork_server
from tests.helpers.media_server import MediaServer

NAMES = ("ffmpeg", "ffprobe")
Install = Callable[[Path, Path], None]


def copy(name: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(shutil.which(name) or pytest.skip(f"{name} is not installed"), target)


def by_alternatives(binaries: Path, elsewhere: Path) -> None:
    """Debian's alternatives: two links, to a program of another name."""
    (elsewhere / "alternatives").mkdir(parents=True)
    for name in NAMES:
        copy(name, elsewhere / "lib" / f"{name}-7.1")
        (elsewhere / "alternatives" / name).symlink_to(elsewhere / "lib" / f"{name}-7.1")
        (binaries / name).symlink_to(elsewhere / "alternatives" / name)


def by_profile(binaries: Path, elsewhere: Path) -> None:
    """Nix and Homebrew: each a link into the package."""
    for name in NAMES:
        copy(name, elsewhere / "ffmpeg" / "bin" / name)
        (binaries / name).symlink_to(elsewhere / "ffmpeg" / "bin" / name)


def with_a_link_for_ffprobe(binaries: Path, elsewhere: Path) -> None:
    copy("ffmpeg", binaries / "ffmpeg")
    copy("ffprobe", elsewhere / "ffprobe")
    (binaries / "ffprobe").symlink_to(elsewhere / "ffprobe")


def with_a_link_for_ffmpeg_alone(binaries: Path, elsewhere: Path) -> None:
    for name in NAMES:
        copy(name, elsewhere / name)
    (binaries / "ffmpeg").symlink_to(elsewhere / "ffmpeg")


def by_wrappers(binaries: Path, elsewhere: Path) -> None:
    """A script that sets something up and becomes the program."""
    for name in NAMES:
        copy(name, binaries / f".{name}-wrapped")
        (binaries / name).write_text(f'#!/bin/sh\nexec {binaries}/.{name}-wrapped "$@"\n')
        (binaries / name).chmod(0o755)


@pytest.fixture
def fork_server_behind(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Install], ForkServer]]:
    started: list[ForkServer] = []

    def start(install: Install) -> ForkServer:
        root = tmp_path_factory.mktemp("programs")
        (root / "bin").mkdir()
        install(root / "bin", root / "elsewhere")
        monkeypatch.setenv("PATH", f"{root / 'bin'}:{os.environ['PATH']}")
        started.append(new_fork_server())
        started[0].start()
        return started[0]

    yield start
    for each in started:
        each.close()


@pytest.mark.parametrize(
    "install",
    [by_alternatives, by_profile, with_a_link_for_ffprobe, with_a_link_for_ffmpeg_alone],
    ids=lambda install: install.__name__,
)
def test_programs_behind_links_convert_sound(
    install: Install,
    fork_server_behind: Callable[[Install], ForkServer],
    media_server: MediaServer,
    directory: Path,
) -> None:
    job = job_for(
        media_server.url("/video.mp4"),
        directory,
        audio="mp3",
        allow_private_hosts=(media_server.origin,),
    )

    ended = attempt(fork_server_behind(install), job)

    assert ended.file.name == "media.mp3"


def test_a_script_around_a_program_that_a_download_may_not_read_is_named(tmp_path: Path) -> None:
    by_wrappers(tmp_path, tmp_path)

    assert tried(Path(shutil.which("ffmpeg") or "")).version.startswith("ffmpeg version")
    assert ".ffmpeg-wrapped" in tried(tmp_path / "ffmpeg").fault
