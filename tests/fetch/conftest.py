"""What the tests of streams may ask for."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from downloads.fetch.client import ForkServer
from tests.helpers.attempts import Ended, attempt, job_for
from tests.helpers.media_server import MediaServer
from tests.helpers.scripted_site import ScriptedSite
from tests.helpers.streams import (
    SECONDS,
    SILENT,
    SOUND,
    Fragments,
    Site,
)

Fetch = Callable[..., Ended]


@pytest.fixture
def fetch(fork_server: ForkServer, directory: Path) -> Fetch:
    def fetch(url: str, **values: object) -> Ended:
        allowed = (url.split("/")[2],)
        return attempt(fork_server, job_for(url, directory, allow_private_hosts=allowed, **values))

    return fetch


@pytest.fixture
def fetch_with_yt_dlp(directory: Path) -> Callable[[str], bytes]:
    """Fetch with yt-dlp alone, as its own command does.

    A test that asserts what is wrong with the result fails when yt-dlp has been mended: then what
    we do about it can go.
    """

    def fetch(url: str) -> bytes:
        command = [sys.executable, "-m", "yt_dlp", "--quiet", "--no-warnings", "--ignore-config"]
        subprocess.run([*command, "--output", "plain.mp4", url], cwd=directory, check=True)
        return (directory / "plain.mp4").read_bytes()

    return fetch


@pytest.fixture(scope="session")
def packed(
    media_server: MediaServer, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Fragments]:
    """Pack a film as HLS does, once for each way; `arguments` are ffmpeg's, for the streams."""
    made: dict[tuple[str, ...], Fragments] = {}

    def pack(kind: str, *arguments: str) -> Fragments:
        if (kind, *arguments) not in made:
            folder = tmp_path_factory.mktemp("packed")
            command = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25"]
            command += ["-f", "lavfi", "-i", "sine=frequency=440", "-t", str(3 * SECONDS)]
            command += ["-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "25", *arguments]
            command += ["-f", "hls", "-hls_time", str(SECONDS), "-hls_playlist_type", "vod"]
            command += ["-hls_segment_type", kind, "-hls_segment_filename", "%d", "index.m3u8"]
            subprocess.run(command, cwd=folder, check=True)
            init = folder / "init.mp4"
            made[kind, *arguments] = Fragments(
                init=init.read_bytes() if init.exists() else b"",
                segments=[
                    path.read_bytes()
                    for number in range(3)
                    if (path := folder / str(number)).exists()
                ],
            )
        return made[kind, *arguments]

    return pack


@pytest.fixture
def site(scripted_site: ScriptedSite) -> Site:
    return Site(site=scripted_site)


@pytest.fixture
def films(packed: Callable[..., Fragments]) -> Callable[..., dict[str, Fragments]]:
    def films(*arguments: str) -> dict[str, Fragments]:
        return {
            "video": packed("fmp4", *SILENT, *arguments),
            "audio": packed("fmp4", *SOUND, *arguments),
        }

    return films
