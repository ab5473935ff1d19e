"""Each option against real media, through a real child: what ffprobe finds is what was chosen."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from downloads.fetch.client import ForkServer
from downloads.rules.classify import code_of
from downloads.rules.errors import ErrorClass
from tests.fetch.conftest import Fetch
from tests.helpers import choices
from tests.helpers.attempts import Ended, attempt, facts, job_for
from tests.helpers.choices import CHAPTERS, DESCRIPTION, LINES, TITLE, UPLOADER, Choices, webvtt
from tests.helpers.probe import Found, probe
from tests.helpers.scripted_site import Answer, Request


def file_of(ended: Ended, role: str, language: str = "") -> Path:
    (only,) = [
        each for each in ended.fetched.files if each.role == role and each.language == language
    ]
    return ended.directory / only.name


def roles(ended: Ended) -> list[str]:
    return [f"{file.role} {file.language}".strip() for file in ended.fetched.files]


def warnings(ended: Ended) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = ended.fetched.data.get("warnings", [])
    return found


MP4, MKV, WEBM = "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "matroska,webm"


@pytest.mark.parametrize(
    ("path", "chosen", "video", "height", "audio", "suffix"),
    [
        ("/page", {}, "vp8", 540, "opus", ".webm"),
        ("/page", {"quality": "720p"}, "vp8", 540, "opus", ".webm"),
        ("/page", {"quality": "480p"}, "h264", 360, "aac", ".mp4"),
        ("/page", {"quality": "360p"}, "h264", 360, "aac", ".mp4"),
        ("/stream", {}, "h264", 360, "aac", ".mp4"),
        ("/page", {"compatible": True}, "h264", 360, "aac", ".mp4"),
        ("/page", {"container": "mkv"}, "vp8", 540, "opus", ".mkv"),
        ("/page", {"container": "webm"}, "vp8", 540, "opus", ".webm"),
        ("/page", {"container": "mp4", "compatible": True}, "h264", 360, "aac", ".mp4"),
        ("/film", {"container": "mkv"}, "h264", 360, "aac", ".mkv"),
        ("/film", {"container": "mp4"}, "h264", 360, "aac", ".mp4"),
        ("/stream", {"container": "mkv"}, "h264", 360, "aac", ".mkv"),
        ("/stream", {"container": "mp4"}, "h264", 360, "aac", ".mp4"),
    ],
)
def test_a_video_has_the_chosen_picture_codecs_and_container(
    fetch: Fetch,
    offer: Choices,
    path: str,
    chosen: dict[str, Any],
    video: str,
    height: int,
    audio: str,
    suffix: str,
) -> None:
    ended = fetch(offer.url(path), **chosen)

    file = file_of(ended, "video")
    found = probe(file)
    assert (found.video, found.height, found.audio) == (video, height, audio)
    assert found.seconds == pytest.approx(choices.SECONDS, abs=0.3)
    assert file.suffix == suffix
    kept = {name: ended.fetched.media[name] for name in ("video_codec", "height", "audio_codec")}
    assert kept == {"video_codec": video, "height": height, "audio_codec": audio}


@pytest.mark.parametrize(
    ("path", "chosen", "told"),
    [
        ("/page", {}, []),
        ("/film", {"audio": "mp3"}, []),
        ("/sound", {"audio": "best"}, [{"code": "not_compatible"}]),
    ],
)
def test_a_site_without_the_compatible_codecs_gives_its_best_and_says_so(
    fetch: Fetch, offer: Choices, path: str, chosen: dict[str, Any], told: list[dict[str, str]]
) -> None:
    ended = fetch(offer.url(path), compatible=True, thumbnail=False, **chosen)

    assert warnings(ended) == told


@pytest.mark.parametrize(
    ("path", "container"), [("/page", "mp4"), ("/film", "webm"), ("/stream", "webm")]
)
def test_what_does_not_fit_into_the_container_says_so(
    fetch: Fetch, offer: Choices, path: str, container: str
) -> None:
    ended = fetch(offer.url(path), container=container)

    assert ended.error_class is ErrorClass.FORMAT_UNAVAILABLE
    assert ended.broke.kinds[0] == "DoesNotFit"


@pytest.mark.parametrize(
    ("path", "audio", "codec", "kind", "suffix"),
    [
        ("/sound", "best", "opus", "ogg", ".opus"),
        ("/film", "best", "aac", MP4, ".m4a"),
        ("/film", "m4a", "aac", MP4, ".m4a"),
        ("/stream", "m4a", "aac", MP4, ".m4a"),
        ("/sound", "m4a", "aac", MP4, ".m4a"),
        ("/film", "mp3", "mp3", "mp3", ".mp3"),
        ("/sound", "opus", "opus", "ogg", ".opus"),
        ("/film", "opus", "opus", "ogg", ".opus"),
        ("/film", "flac", "flac", "flac", ".flac"),
    ],
)
def test_sound_alone_has_the_chosen_codec(
    fetch: Fetch, offer: Choices, path: str, audio: str, codec: str, kind: str, suffix: str
) -> None:
    ended = fetch(offer.url(path), audio=audio, thumbnail=False)

    found = probe(file_of(ended, "audio"))
    assert (found.video, found.audio, found.kind) == ("", codec, kind)
    assert found.seconds == pytest.approx(choices.SECONDS, abs=0.3)
    assert ended.file.suffix == suffix


@pytest.mark.parametrize(("path", "source"), [("/film", "360.mp4"), ("/sound", "sound.webm")])
def test_the_best_sound_is_not_encoded_again(
    fetch: Fetch, offer: Choices, path: str, source: str
) -> None:
    ended = fetch(offer.url(path), audio="best")

    assert sound_of(file_of(ended, "audio")) == sound_of(offer.media / source)


def sound_of(path: Path) -> str:
    """A hash of the packets of the sound."""
    command = ["ffmpeg", "-v", "error", "-i", path, "-map", "0:a", "-c", "copy"]
    command += ["-f", "streamhash", "-"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


# Beside the video


@pytest.mark.parametrize(
    ("path", "language", "line"),
    [
        ("/page", "en", LINES["en"]),
        ("/page", "de", LINES["de"]),
        ("/stream", "en", LINES["en"]),
        ("/stream", "es-419", LINES["es-419"]),
    ],
)
def test_subtitles_arrive_as_webvtt(
    fetch: Fetch, offer: Choices, path: str, language: str, line: str
) -> None:
    ended = fetch(offer.url(path), subtitles=[language])

    text = file_of(ended, "subtitles", language).read_text()
    assert text.startswith("WEBVTT")
    assert line in text
    assert warnings(ended) == []


def test_all_subtitles_arrive(fetch: Fetch, offer: Choices) -> None:
    ended = fetch(offer.url("/stream"), subtitles=["all"], thumbnail=False)

    assert roles(ended) == ["video", "subtitles en", "subtitles es-419"]


def test_a_language_stands_for_its_regions(fetch: Fetch, offer: Choices) -> None:
    ended = fetch(offer.url("/stream"), subtitles=["es"], thumbnail=False)

    assert roles(ended) == ["video", "subtitles es-419"]


def test_a_language_that_is_not_there_says_which_are(fetch: Fetch, offer: Choices) -> None:
    ended = fetch(offer.url("/stream"), subtitles=["it", "en"], thumbnail=False)

    assert roles(ended) == ["video", "subtitles en"]
    assert warnings(ended) == [{"code": "no_subtitles", "language": "it", "offered": "en es-419"}]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(body="<!doctype html><p>Sign in</p>"), "not_subtitles"),
        (Answer(body="WEBVTT\n\n"), "not_subtitles"),
        (Answer(body=b"\x00\x01\x02" * 100), "not_subtitles"),
        (Answer(body=""), "incomplete"),
        (Answer(status=403), "forbidden"),
        (Answer(status=404), "unavailable"),
        (Answer(status=429), "rate_limited"),
        (Answer(body=webvtt((1, "Half")), cut_after=20), "incomplete"),
    ],
)
def test_subtitles_that_the_site_refuses_cost_a_warning_and_not_the_video(
    fetch: Fetch, offer: Choices, answer: Answer, reason: str
) -> None:
    offer.site.serve("/en.vtt", answer)

    ended = fetch(offer.url("/page"), subtitles=["en"], thumbnail=False)

    assert roles(ended) == ["video"]
    assert warnings(ended) == [
        {"code": "not_fetched", "what": "subtitles", "reason": reason, "language": "en"}
    ]


@pytest.mark.parametrize("path", ["/page", "/film"])
def test_the_picture_is_kept_as_jpeg(fetch: Fetch, offer: Choices, path: str) -> None:
    ended = fetch(offer.url(path))

    picture = file_of(ended, "thumbnail")
    found = probe(picture)
    assert (found.video, found.height) == ("mjpeg", 180)
    assert picture.read_bytes().startswith(b"\xff\xd8\xff")
    assert [file.media_type for file in ended.fetched.files][1:] == ["image/jpeg"]


def test_without_the_wish_no_picture_is_asked_for(fetch: Fetch, offer: Choices) -> None:
    ended = fetch(offer.url("/film"), thumbnail=False)

    assert roles(ended) == ["video"]
    assert offer.site.requests_of("/poster.jpg") == []


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(body="<!doctype html><p>Sign in</p>"), "not_picture"),
        (Answer(body=b"\xff\xd8\xff\xe0 and nothing more"), "not_picture"),
        (Answer(body=b"#EXTM3U\n#EXTINF:1,\n/etc/passwd\n"), "not_picture"),
        (Answer(status=403), "forbidden"),
        (Answer(body=b"\xff\xd8\xff" * 100, cut_after=20), "incomplete"),
        (Answer(body=b"\xff\xd8\xff" * 6_000_000), "too_large"),
        (Answer(status=302, headers={"Location": "http://127.0.0.2:1/"}), "policy_blocked"),
    ],
)
def test_a_picture_that_the_site_refuses_costs_a_warning_and_not_the_video(
    fetch: Fetch, offer: Choices, answer: Answer, reason: str
) -> None:
    offer.site.serve("/poster.jpg", answer)

    ended = fetch(offer.url("/film"))

    assert roles(ended) == ["video"]
    assert warnings(ended) == [{"code": "not_fetched", "what": "thumbnail", "reason": reason}]


@pytest.mark.parametrize("path", ["/en.vtt", "/poster.png"])
def test_a_sidecar_that_does_not_come_is_not_waited_for(
    fetch: Fetch, offer: Choices, path: str
) -> None:
    offer.site.serve(path, Answer(body=b"WEBVTT" * 100, hold_after=10))

    ended = fetch(offer.url("/page"), subtitles=["en"], stall_seconds=3.0)

    assert [file.role for file in ended.fetched.files if file.role == "video"] == ["video"]
    assert [warning["reason"] for warning in warnings(ended)] == ["stalled"]


def test_many_pieces_of_subtitles_may_take_longer_than_one(fetch: Fetch, offer: Choices) -> None:
    pieces = "".join(f"#EXTINF:1,\n/en-0.vtt?{number}\n" for number in range(300))
    playlist = f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n{pieces}#EXT-X-ENDLIST\n"
    offer.file("/en.m3u8", playlist)

    ended = fetch(offer.url("/stream"), subtitles=["en"], thumbnail=False, stall_seconds=1.5)

    assert roles(ended) == ["video", "subtitles en"]


def test_the_next_best_picture_makes_good_for_the_best(fetch: Fetch, offer: Choices) -> None:
    page = offer.site.answer(Request(path="/film", headers={})).body
    assert isinstance(page, str)
    both = f'["{offer.url("/poster.jpg")}", "{offer.url("/the-best.jpg")}"]'
    offer.site.serve("/film", Answer(body=page.replace(f'["{offer.url("/poster.jpg")}"]', both)))

    ended = fetch(offer.url("/film"))

    assert len(offer.site.requests_of("/the-best.jpg")) == 1
    assert roles(ended) == ["video", "thumbnail"]
    assert warnings(ended) == []


# In the file

ALL_INSIDE = ["subtitles", "thumbnail", "chapters", "metadata"]


@pytest.mark.parametrize(
    ("path", "chosen", "codec"),
    [
        ("/stream", {}, "mov_text"),
        ("/stream", {"container": "mkv"}, "subrip"),
        ("/film", {"container": "mkv"}, ""),
    ],
)
def test_a_video_holds_what_was_to_be_put_into_it(
    fetch: Fetch, offer: Choices, path: str, chosen: dict[str, Any], codec: str
) -> None:
    ended = fetch(offer.url(path), subtitles=["en"], embed=ALL_INSIDE, **chosen)

    found = probe(file_of(ended, "video"))
    assert found.has_picture
    assert found.subtitles == ([(codec, "eng")] if codec else [])
    if codec:
        assert f"00:01.000 --> 00:02.000\n{LINES['en']}" in subtitles_in(file_of(ended, "video"))
    assert found.chapters == CHAPTERS
    require_metadata(found)
    assert (found.video, found.height, found.audio) == ("h264", 360, "aac")
    assert found.seconds == pytest.approx(choices.SECONDS, abs=0.3)


def test_a_file_that_cannot_be_filled_is_kept_as_it_is(fetch: Fetch, offer: Choices) -> None:
    """It calls itself MP4, and holds what no MP4 can hold."""
    content = (offer.media / "540.webm").read_bytes()
    offer.site.serve("/film.mp4", Answer(body=content, media_type="video/mp4"))

    ended = fetch(offer.url("/film.mp4"), embed=["metadata"], thumbnail=False)

    assert file_of(ended, "video").read_bytes() == content
    assert warnings(ended) == [{"code": "not_embedded", "what": "metadata"}]


def subtitles_in(path: Path) -> str:
    command = ["ffmpeg", "-v", "error", "-i", path, "-map", "0:s", "-f", "webvtt", "-"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def require_metadata(found: Found) -> None:
    assert found.tags["title"] == TITLE
    assert found.tags["artist"] == UPLOADER
    assert found.tags["description"] == DESCRIPTION
    assert found.tags["date"] == "20260131"


@pytest.mark.parametrize(
    ("audio", "has_picture", "missing"),
    [
        ("m4a", True, []),
        ("mp3", True, []),
        ("flac", True, ["chapters"]),
        ("opus", False, ["thumbnail"]),
    ],
)
def test_sound_holds_what_can_be_put_into_it(
    fetch: Fetch, offer: Choices, audio: str, has_picture: bool, missing: list[str]
) -> None:
    ended = fetch(offer.url("/film"), audio=audio, embed=["thumbnail", "chapters", "metadata"])

    found = probe(file_of(ended, "audio"))
    assert found.has_picture is has_picture
    assert found.chapters == ({} if "chapters" in missing else CHAPTERS)
    assert (found.tags["title"], found.tags["artist"]) == (TITLE, UPLOADER)
    assert warnings(ended) == [
        {"code": "not_embedded", "what": what, "container": audio} for what in missing
    ]


def test_a_webm_holds_subtitles_but_no_picture(fetch: Fetch, offer: Choices) -> None:
    ended = fetch(offer.url("/page"), subtitles=["en"], embed=ALL_INSIDE)

    found = probe(file_of(ended, "video"))
    assert found.subtitles == [("webvtt", "eng")]
    assert not found.has_picture
    assert roles(ended) == ["video", "subtitles en", "thumbnail"]
    assert warnings(ended) == [{"code": "not_embedded", "what": "thumbnail", "container": "webm"}]


@pytest.mark.parametrize("start", ['"PT2S"', '"soon"', "null", "{}", "-1", "1e99", '"\\u0000"'])
@pytest.mark.parametrize("sponsorblock", ["off", "mark"])
def test_chapters_that_make_no_sense_cost_nothing(
    fetch: Fetch, offer: Choices, start: str, sponsorblock: str
) -> None:
    page = offer.site.answer(Request(path="/film", headers={})).body
    assert isinstance(page, str)
    page = page.replace('"startOffset": 2', f'"startOffset": {start}')
    offer.site.serve("/film", Answer(body=page))

    ended = fetch(
        offer.url("/film"), embed=["chapters"], sponsorblock=sponsorblock, thumbnail=False
    )

    assert roles(ended) == ["video"]


# A part of it


@pytest.mark.parametrize(
    ("path", "clip", "seconds", "chapters"),
    [
        ("/film", "2-4", 2, {"Two = 2": (0, 2)}),
        ("/film", "3-", 3, {"Two = 2": (0, 1), "Three": (1, 3)}),
        ("/stream", "2-5", 3, {"Two = 2": (0, 2), "Three": (2, 3)}),
    ],
)
def test_a_part_is_cut_with_its_chapters(
    fetch: Fetch,
    offer: Choices,
    path: str,
    clip: str,
    seconds: int,
    chapters: dict[str, tuple[int, int]],
) -> None:
    ended = fetch(offer.url(path), clip=clip, embed=["chapters"])

    found = probe(file_of(ended, "video"))
    # A key frame a second: the part begins with the one before.
    assert seconds - 0.3 <= found.seconds <= seconds + 1.3
    assert found.chapters == chapters
    assert (found.video, found.audio) == ("h264", "aac")


def test_subtitles_are_those_of_the_part(fetch: Fetch, offer: Choices) -> None:
    ended = fetch(offer.url("/page"), clip="3-6", subtitles=["en"], thumbnail=False)

    text = file_of(ended, "subtitles", "en").read_text()
    assert LINES["en"] not in text
    assert "00:00:01.000 --> 00:00:02.000\nLater" in text


def test_a_part_of_the_sound(fetch: Fetch, offer: Choices) -> None:
    ended = fetch(offer.url("/film"), clip="1-3", audio="mp3", thumbnail=False)

    found = probe(ended.file)
    assert (found.video, found.audio) == ("", "mp3")
    assert found.seconds == pytest.approx(2, abs=0.3)


def test_a_part_after_the_end_is_said_to_be_none(fetch: Fetch, offer: Choices) -> None:
    ended = fetch(offer.url("/film"), clip="20-30")

    assert ended.error_class is ErrorClass.FORMAT_UNAVAILABLE
    assert code_of(facts(ended.broke)) == "empty_clip"


# Live streams


def test_a_running_stream_is_refused_as_wished(fetch: Fetch, offer: Choices) -> None:
    playlist = (offer.media / "180.m3u8").read_text()
    running = playlist.replace("#EXT-X-ENDLIST\n", "").replace("#EXT-X-PLAYLIST-TYPE:VOD\n", "")
    offer.file("/live.m3u8", running)

    ended = fetch(offer.url("/live.m3u8"), live="refuse")

    assert ended.error_class is ErrorClass.FORMAT_UNAVAILABLE
    assert code_of(facts(ended.broke)) == "live_refused"


# Extras


def test_extras_are_what_media_servers_read(fetch: Fetch, offer: Choices) -> None:
    ended = fetch(offer.url("/stream"), extras=["nfo", "poster", "info"])

    assert roles(ended) == ["video", "thumbnail", "info", "thumbnail", "info"]
    nfo = ElementTree.parse(ended.directory / "movie.nfo").getroot()
    told = {each.tag: each.text for each in nfo}
    assert nfo.tag == "movie"
    assert (told["title"], told["plot"], told["studio"]) == (TITLE, DESCRIPTION, UPLOADER)
    assert told["premiered"] == "2026-01-31"
    assert told["thumb"] == offer.url("/poster.jpg")
    assert (ended.directory / "poster.jpg").read_bytes() == file_of_name(ended, "thumbnail.jpg")
    info = json.loads((ended.directory / "info.json").read_text())
    assert (info["title"], info["uploader"]) == (TITLE, UPLOADER)
    assert [chapter["title"] for chapter in info["chapters"]] == list(CHAPTERS)


def file_of_name(ended: Ended, name: str) -> bytes:
    return (ended.directory / name).read_bytes()


def test_the_info_holds_no_pass_and_no_path(fetch: Fetch, offer: Choices) -> None:
    page = offer.site.answer(Request(path="/stream", headers={})).body
    assert isinstance(page, str)
    offer.site.serve("/stream", Answer(body=page.replace("poster.jpg", "poster.jpg?sig=canary")))
    master = offer.site.answer(Request(path="/master.m3u8", headers={})).body
    assert isinstance(master, str)
    offer.file("/master.m3u8", master.replace("/360.m3u8", "/360.m3u8?pass=canary"))

    ended = fetch(offer.url("/stream"), extras=["nfo", "info"], subtitles=["en"])

    for name in ("movie.nfo", "info.json"):
        text = (ended.directory / name).read_text()
        assert "canary" not in text
        assert str(ended.directory) not in text
        assert "User-Agent" not in text


def test_a_title_with_anything_in_it_makes_a_valid_nfo(fetch: Fetch, offer: Choices) -> None:
    page = offer.site.answer(Request(path="/film", headers={})).body
    assert isinstance(page, str)
    hostile = "</title><script>\\u0000\\u0008]]>&amp;\\ud83c\\udfac"
    offer.site.serve("/film", Answer(body=page.replace(TITLE, hostile)))

    ended = fetch(offer.url("/film"), extras=["nfo"], thumbnail=False)

    nfo = ElementTree.parse(ended.directory / "movie.nfo").getroot()
    assert (nfo.findtext("title") or "").startswith("</title><script>")


# With the ffmpeg of imageio-ffmpeg, which has no ffprobe beside it


@pytest.fixture(scope="session")
def fork_server_of_wheels() -> Iterator[ForkServer]:
    """A fork server on a system without ffmpeg."""
    process = ForkServer()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", "/nonexistent")
        process.start()
    yield process
    process.close()


@pytest.fixture
def fetch_with_wheels(fork_server_of_wheels: ForkServer, directory: Path) -> Fetch:
    def fetch(url: str, **values: object) -> Ended:
        allowed = (url.split("/")[2],)
        job = job_for(url, directory, allow_private_hosts=allowed, **values)
        return attempt(fork_server_of_wheels, job)

    return fetch


@pytest.mark.parametrize(
    ("path", "chosen", "role", "expected"),
    [
        ("/stream", {"container": "mkv"}, "video", ("h264", "aac", "matroska,webm")),
        ("/page", {"container": "mkv"}, "video", ("vp8", "opus", "matroska,webm")),
        ("/stream", {"clip": "2-4"}, "video", ("h264", "aac", MP4)),
        ("/film", {"audio": "best"}, "audio", ("", "aac", MP4)),
        ("/sound", {"audio": "m4a"}, "audio", ("", "aac", MP4)),
        ("/film", {"audio": "mp3"}, "audio", ("", "mp3", "mp3")),
        ("/film", {"audio": "opus"}, "audio", ("", "opus", "ogg")),
        ("/film", {"audio": "flac"}, "audio", ("", "flac", "flac")),
    ],
)
def test_the_ffmpeg_of_the_wheel_makes_the_same(
    fetch_with_wheels: Fetch,
    offer: Choices,
    path: str,
    chosen: dict[str, Any],
    role: str,
    expected: tuple[str, str, str],
) -> None:
    ended = fetch_with_wheels(offer.url(path), thumbnail=False, **chosen)

    found = probe(file_of(ended, role))
    assert (found.video, found.audio, found.kind) == expected


@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_the_ffmpeg_of_the_wheel_puts_the_same_inside(
    fetch_with_wheels: Fetch, offer: Choices, container: str
) -> None:
    url = offer.url("/stream")

    ended = fetch_with_wheels(url, subtitles=["en"], embed=ALL_INSIDE, container=container)

    found = probe(file_of(ended, "video"))
    assert found.has_picture
    assert [language for _, language in found.subtitles] == ["eng"]
    assert found.chapters == CHAPTERS
    require_metadata(found)


def test_the_ffmpeg_of_the_wheel_converts_subtitles_and_pictures(
    fetch_with_wheels: Fetch, offer: Choices
) -> None:
    ended = fetch_with_wheels(offer.url("/page"), subtitles=["de"])

    assert LINES["de"] in file_of(ended, "subtitles", "de").read_text()
    assert probe(file_of(ended, "thumbnail")).video == "mjpeg"


@pytest.mark.parametrize(("path", "container"), [("/page", "mp4"), ("/film", "webm")])
def test_the_ffmpeg_of_the_wheel_says_what_does_not_fit(
    fetch_with_wheels: Fetch, offer: Choices, path: str, container: str
) -> None:
    ended = fetch_with_wheels(offer.url(path), container=container)

    assert ended.error_class is ErrorClass.FORMAT_UNAVAILABLE
