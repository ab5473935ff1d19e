"""How often ffmpeg writes a file: once, whatever is to be done."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from yt_dlp.postprocessor.ffmpeg import Popen

from downloads.fetch import downloader as downloading
from downloads.fetch.packing import Packing
from downloads.fetch.pictures import picture_of
from downloads.fetch.recipe import Beside, Pack
from downloads.fetch.sidecars import Sidecars, Subtitles
from downloads.sandbox.addresses import AllowedHosts
from downloads.sandbox.guard import Guard
from tests.helpers.choices import SECONDS, Choices, webvtt
from tests.helpers.probe import probe

ALL_INSIDE = ("subtitles", "thumbnail", "chapters", "metadata")


@pytest.fixture
def downloader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.chdir(tmp_path)
    made = downloading.build()
    yield made
    made.close()


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands of yt-dlp that write a file with ffmpeg."""
    seen: list[list[str]] = []
    run = Popen.run.__func__

    def noting(cls: Any, command: list[str], *args: Any, **values: Any) -> Any:
        if "-y" in command:
            seen.append(command)
        return run(cls, command, *args, **values)

    monkeypatch.setattr(Popen, "run", classmethod(noting))
    return seen


def fetched(downloader: Any, offer: Choices, pack: Pack, *formats: dict[str, Any]) -> Path:
    """Fetch formats of the site with subtitles and a picture beside them."""
    directory = Path.cwd()
    sidecars = Sidecars(
        downloader,
        Beside(),
        directory=directory,
        guard=Guard(AllowedHosts.parse(()), programs=[]),
        clip=None,
        stall_seconds=30,
        on_life=lambda: None,
    )
    (directory / "subtitles0.vtt").write_text(webvtt((1, "Hello")))
    sidecars.subtitles = [Subtitles(path=directory / "subtitles0.vtt", language="en")]
    picture = (offer.media / "poster.jpg").read_bytes()
    sidecars.picture = picture_of(picture, directory=directory)
    downloader.packing = Packing(downloader, pack, sidecars, warn=sidecars.warn)
    if pack.container != "auto":
        downloader.params["merge_output_format"] = pack.container
    selector = "bestvideo+bestaudio/best" if len(formats) > 1 else "best"
    downloader.format_selector = downloader.build_format_selector(selector)
    chapters = [{"title": "All", "start_time": 0, "end_time": SECONDS}]
    result = downloader.process_ie_result(
        {
            **{"id": "1", "title": "video", "extractor": "x", "extractor_key": "X"},
            **{"webpage_url": offer.url(""), "chapters": chapters, "formats": list(formats)},
        }
    )
    return Path(result["requested_downloads"][0]["filepath"])


def film(offer: Choices, name: str, **values: str) -> dict[str, Any]:
    return {"format_id": name, "url": offer.url(f"/{name}"), "ext": name[-3:], **values}


def hls(offer: Choices, **values: str) -> dict[str, Any]:
    address = {"url": offer.url("/360.m3u8"), "protocol": "m3u8_native"}
    return {"format_id": "hls", "ext": "mp4", **address, **values}


def test_two_files_are_merged_and_filled_at_once(
    downloader: Any, offer: Choices, runs: list[list[str]]
) -> None:
    pack = Pack(container="mkv", embed=ALL_INSIDE, clip=(2, 4))

    path = fetched(
        downloader,
        offer,
        pack,
        hls(offer, vcodec="avc1", acodec="none"),
        film(offer, "sound.mp4", vcodec="none", acodec="mp4a"),
    )

    found = probe(path)
    assert len(runs) == 1
    assert (found.video, found.audio, found.has_picture) == ("h264", "aac", True)
    assert (found.subtitles, list(found.chapters)) == ([("subrip", "eng")], ["All"])
    assert found.tags["title"] == "video"


@pytest.mark.parametrize(
    "pack",
    [
        Pack(container="mkv"),
        Pack(embed=ALL_INSIDE),
        Pack(container="mkv", embed=ALL_INSIDE),
        Pack(clip=(1, 3), embed=("chapters",)),
        Pack(audio="m4a", embed=("thumbnail", "metadata"), clip=(1, 3)),
        Pack(audio="mp3", embed=("thumbnail", "metadata")),
    ],
    ids=str,
)
def test_a_stream_is_mended_and_packed_at_once(
    downloader: Any, offer: Choices, runs: list[list[str]], pack: Pack
) -> None:
    path = fetched(downloader, offer, pack, hls(offer))

    assert len(runs) == 1
    assert probe(path).audio in ("aac", "mp3")


def test_a_file_that_is_as_wished_is_not_touched(
    downloader: Any, offer: Choices, runs: list[list[str]]
) -> None:
    path = fetched(downloader, offer, Pack(container="mp4"), film(offer, "360.mp4"))

    assert runs == []
    assert path.read_bytes() == (offer.media / "360.mp4").read_bytes()
