"""Pieces of one file that a playlist asks for by range."""

from collections.abc import Callable

import pytest

from downloads.rules.errors import ErrorClass
from tests.helpers.attempts import Ended
from tests.helpers.scripted_site import Answer, Request
from tests.helpers.streams import (
    INIT,
    SECONDS,
    Fragments,
    Site,
    seconds,
)

Fetch = Callable[..., Ended]


def stream_of_pieces(site: Site, film: Fragments, whole: Callable[[Request], Answer]) -> str:
    """Serve a playlist of ranges of one file, which `whole` answers; returns its URL."""
    site.site.serve("/whole", whole)
    lines, offset = [], len(film.init)
    if film.init:
        lines.append(f'#EXT-X-MAP:URI="/whole",BYTERANGE="{len(film.init)}@0"')
    for segment in film.segments:
        lines += ["#EXTINF:2,", f"#EXT-X-BYTERANGE:{len(segment)}@{offset}", "/whole"]
        offset += len(segment)
    return site.playlist(*lines)


def piece(request: Request, body: bytes, *, shift: int = 0, less: int = 0) -> Answer:
    first, last = map(int, request.headers["Range"].removeprefix("bytes=").split("-"))
    first, last = first + shift, last + shift - less
    headers = {"Content-Range": f"bytes {first}-{last}/{len(body)}"}
    return Answer(body=body[first : last + 1], status=206, media_type="video/mp2t", headers=headers)


@pytest.mark.parametrize("kind", ["fmp4", "mpegts"])
@pytest.mark.parametrize("is_chunked", [True, False])
def test_pieces_are_cut_out_of_the_whole_when_the_site_ignores_ranges(
    fetch: Fetch, site: Site, packed: Callable[..., Fragments], kind: str, is_chunked: bool
) -> None:
    film = packed(kind)
    answer = Answer(body=film.whole, media_type="video/mp2t", is_chunked=is_chunked)

    ended = fetch(stream_of_pieces(site, film, lambda _request: answer))

    assert seconds(ended.file) == pytest.approx(3 * SECONDS, abs=0.2)
    assert kind == "mpegts" or ended.file.read_bytes() == film.whole
    assert len(site.site.requests_of("/whole")) == 1


@pytest.mark.parametrize("knows_range", [True, False])
def test_pieces_that_follow_one_another_need_no_offset(
    fetch: Fetch, site: Site, packed: Callable[..., Fragments], knows_range: bool
) -> None:
    film = packed("fmp4")
    rest = b"".join(film.segments[:2])
    whole = Answer(body=rest, media_type="video/mp4")
    site.site.serve("/whole", (lambda request: piece(request, rest)) if knows_range else whole)
    sizes = [len(segment) for segment in film.segments]
    site.body("/init.mp4", film.init)
    lines = [INIT, "#EXTINF:2,", f"#EXT-X-BYTERANGE:{sizes[0]}@0", "/whole"]
    lines += ["#EXTINF:2,", f"#EXT-X-BYTERANGE:{sizes[1]}", "/whole"]
    lines += ["#EXTINF:2,", site.body("/last", film.segments[2])]

    assert fetch(site.playlist(*lines)).file.read_bytes() == film.whole


def test_yt_dlp_alone_takes_the_whole_for_every_piece(
    fetch_with_yt_dlp: Callable[[str], bytes], site: Site, packed: Callable[..., Fragments]
) -> None:
    film = packed("fmp4")
    answer = Answer(body=film.whole, media_type="video/mp4")

    plain = fetch_with_yt_dlp(stream_of_pieces(site, film, lambda _request: answer))

    assert len(plain) > 2 * len(film.whole)


@pytest.mark.parametrize("kind", ["fmp4", "mpegts"])
@pytest.mark.parametrize("fault", ["another range", "less", "a whole that is cut"])
def test_a_piece_that_is_not_the_one_that_was_asked_for_is_incomplete(
    fetch: Fetch, site: Site, packed: Callable[..., Fragments], kind: str, fault: str
) -> None:
    film = packed(kind)
    short = film.whole[: -len(film.segments[-1]) // 2]
    answers: dict[str, Callable[[Request], Answer]] = {
        "another range": lambda request: piece(request, film.whole, shift=188),
        "less": lambda request: piece(request, film.whole, less=188),
        "a whole that is cut": lambda _request: Answer(body=short, media_type="video/mp2t"),
    }

    ended = fetch(stream_of_pieces(site, film, answers[fault]))

    assert ended.error_class is ErrorClass.INCOMPLETE


@pytest.mark.parametrize("line", ["#EXT-X-MEDIA-SEQUENCE:many", "#EXT-X-BYTERANGE:all@0"])
def test_a_playlist_with_numbers_that_are_none_is_incomplete(
    fetch: Fetch, site: Site, packed: Callable[..., Fragments], line: str
) -> None:
    path = site.body("/0", packed("mpegts").segments[0])

    ended = fetch(site.playlist(line, "#EXTINF:2,", path))

    assert ended.error_class is ErrorClass.INCOMPLETE
    assert "The playlist cannot be read" in ended.broke.message
