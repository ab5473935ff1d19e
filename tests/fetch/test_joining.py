"""Streams that change their form in the middle."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from downloads.rules.errors import ErrorClass
from tests.helpers.attempts import Ended
from tests.helpers.streams import (
    INIT,
    SECONDS,
    SILENT,
    Fragments,
    Site,
    decoding_errors,
    packets,
    seconds,
    stream_of,
)

Fetch = Callable[..., Ended]


def test_pictures_of_another_size_after_a_discontinuity_follow(
    fetch: Fetch, site: Site, packed: Callable[..., Fragments]
) -> None:
    lines = []
    for name, film in (("one", packed("fmp4")), ("two", packed("fmp4", "-s", "320x180"))):
        lines += ["#EXT-X-DISCONTINUITY"] if lines else []
        lines.append(f'#EXT-X-MAP:URI="{site.body(f"/{name}-init.mp4", film.init)}"')
        for number, segment in enumerate(film.segments):
            lines += ["#EXTINF:2,", site.body(f"/{name}-{number}", segment)]

    ended = fetch(site.playlist(*lines))

    assert seconds(ended.file, "v") == pytest.approx(6 * SECONDS, abs=0.2)
    assert seconds(ended.file, "a") == pytest.approx(6 * SECONDS, abs=0.2)
    assert len(packets(ended.file, "v")) == 6 * SECONDS * 25
    assert decoding_errors(ended.file) == ""
    assert {path.name for path in ended.directory.iterdir()} == {ended.file.name}


@pytest.mark.parametrize("flags", ["+faststart", "+write_colr"])
def test_segments_that_are_films_of_their_own_follow_one_another(
    fetch: Fetch, site: Site, packed: Callable[..., Fragments], directory: Path, flags: str
) -> None:
    """With the index in front, and behind."""
    bodies = []
    for number, segment in enumerate(packed("mpegts").segments):
        source, film = directory / f"source-{number}.ts", directory / f"source-{number}.mp4"
        source.write_bytes(segment)
        command = ["ffmpeg", "-v", "error", "-i", source, "-c", "copy", "-movflags", flags, film]
        subprocess.run(command, check=True)
        bodies.append(film.read_bytes())

    ended = fetch(stream_of(site, bodies))

    assert seconds(ended.file, "v") == pytest.approx(3 * SECONDS, abs=0.2)
    assert len(packets(ended.file, "v")) == 3 * SECONDS * 25
    assert decoding_errors(ended.file) == ""


@pytest.mark.parametrize(
    "arguments", [("-c:v", "mpeg4"), ("-ar", "22050"), SILENT, ("-c:a", "libopus", "-strict", "-2")]
)
def test_a_part_that_does_not_fit_is_said_to_be_that(
    fetch: Fetch, site: Site, packed: Callable[..., Fragments], arguments: tuple[str, ...]
) -> None:
    lines = []
    for name, film in (("one", packed("fmp4")), ("two", packed("fmp4", *arguments))):
        lines.append(f'#EXT-X-MAP:URI="{site.body(f"/{name}-init.mp4", film.init)}"')
        lines += ["#EXTINF:2,", site.body(f"/{name}", film.segments[0]), "#EXT-X-DISCONTINUITY"]

    ended = fetch(site.playlist(*lines))

    assert ended.error_class is ErrorClass.FORMAT_UNAVAILABLE
    assert "The stream changes from avc1" in ended.broke.message


def test_yt_dlp_alone_gives_up_at_a_second_beginning(
    fetch_with_yt_dlp: Callable[[str], bytes], site: Site, packed: Callable[..., Fragments]
) -> None:
    film = packed("fmp4")
    site.body("/init.mp4", film.init)
    lines = [INIT, "#EXTINF:2,", site.body("/0", film.segments[0]), INIT]

    with pytest.raises(subprocess.CalledProcessError):
        fetch_with_yt_dlp(site.playlist(*lines, "#EXTINF:2,", site.body("/1", film.segments[1])))
