"""Encrypted segments: every byte as it was before, or the stream is not complete."""

from collections.abc import Callable

import pytest
from Cryptodome.Cipher import AES
from Cryptodome.Util.Padding import pad
from yt_dlp.aes import unpad_pkcs7

from downloads.rules.errors import ErrorClass
from tests.helpers.attempts import Ended
from tests.helpers.streams import (
    ENCRYPTED,
    INIT,
    Fragments,
    Site,
)

Fetch = Callable[..., Ended]


KEY = bytes(range(16))


def encrypted(content: bytes, *, number: int, key: bytes = KEY) -> bytes:
    """As RFC 8216, 5.2 has it without a vector: it is the number of the segment."""
    return AES.new(key, AES.MODE_CBC, iv=number.to_bytes(16)).encrypt(pad(content, 16))


def encrypted_stream(site: Site, film: Fragments, *head: str, first: int = 0) -> str:
    """Serve a film in encrypted segments whose beginning is clear; returns its playlist's URL."""
    site.body("/key", KEY)
    site.body("/init.mp4", film.init)
    lines = [f"#EXT-X-MEDIA-SEQUENCE:{first}", *head]
    for number, segment in enumerate(film.segments, start=first):
        lines += ["#EXTINF:2,", site.body(f"/{number}.m4s", encrypted(segment, number=number))]
    return site.playlist(*lines)


@pytest.mark.parametrize("first", [0, 7])
@pytest.mark.parametrize("head", [(INIT, ENCRYPTED), (ENCRYPTED, INIT)])
def test_an_encrypted_stream_with_a_clear_beginning_arrives_byte_for_byte(
    fetch: Fetch,
    site: Site,
    packed: Callable[..., Fragments],
    first: int,
    head: tuple[str, str],
) -> None:
    film = packed("fmp4")

    ended = fetch(encrypted_stream(site, film, *head, first=first))

    assert ended.file.read_bytes() == film.whole


def test_yt_dlp_alone_counts_the_beginning_as_a_segment(
    fetch_with_yt_dlp: Callable[[str], bytes], site: Site, packed: Callable[..., Fragments]
) -> None:
    film = packed("fmp4")

    plain = fetch_with_yt_dlp(encrypted_stream(site, film, INIT, ENCRYPTED))

    assert len(plain) == len(film.whole)
    assert plain != film.whole


def test_an_advertisement_that_is_left_out_does_not_shift_the_vectors(
    fetch: Fetch, site: Site, packed: Callable[..., Fragments]
) -> None:
    film = packed("fmp4")
    site.body("/key", KEY)
    site.body("/init.mp4", film.init)
    lines = [INIT, ENCRYPTED]
    for number, segment in enumerate(film.segments):
        kind = "ad" if number == 1 else "master"
        lines += [f"#ANVATO-SEGMENT-INFO:type={kind}", "#EXTINF:2,"]
        lines.append(site.body(f"/{number}.m4s", encrypted(segment, number=number)))

    ended = fetch(site.playlist(*lines))

    assert ended.file.read_bytes() == film.init + film.segments[0] + film.segments[2]


def test_keys_that_change_and_end_are_followed(
    fetch: Fetch, site: Site, packed: Callable[..., Fragments]
) -> None:
    film = packed("fmp4")
    other_key = KEY[::-1]
    site.body("/init.mp4", film.init)
    site.body("/key", KEY)
    site.body("/other", other_key)
    first, second, third = film.segments
    bodies = [encrypted(first, number=5), encrypted(second, number=6, key=other_key), third]
    keys = [ENCRYPTED, ENCRYPTED.replace("/key", "/other"), "#EXT-X-KEY:METHOD=NONE"]
    lines = ["#EXT-X-MEDIA-SEQUENCE:5", INIT]
    for number, (key, body) in enumerate(zip(keys, bodies, strict=True)):
        lines += [key, "#EXTINF:2,", site.body(f"/{number}", body)]

    assert fetch(site.playlist(*lines)).file.read_bytes() == film.whole


def with_broken_padding(content: bytes) -> bytes:
    return AES.new(KEY, AES.MODE_CBC, iv=bytes(16)).encrypt(content[: len(content) // 16 * 16])


@pytest.mark.parametrize("kind", ["fmp4", "mpegts"])
@pytest.mark.parametrize("fault", ["padding", "length", "key", "length of the key"])
def test_a_segment_that_cannot_be_decrypted_whole_is_incomplete(
    fetch: Fetch, site: Site, packed: Callable[..., Fragments], kind: str, fault: str
) -> None:
    film = packed(kind)
    site.body("/key", {"key": KEY[::-1], "length of the key": KEY[:15]}.get(fault, KEY))
    site.body("/init.mp4", film.init)
    lines = [INIT] if film.init else []
    lines.append(f"{ENCRYPTED},IV=0x{0:032x}")
    for number, segment in enumerate(film.segments):
        body = encrypted(segment, number=0)
        if number == 1 and fault == "padding":
            body = with_broken_padding(segment[: len(segment) // 2])
        if number == 1 and fault == "length":
            body = body[: len(body) // 32 * 16 + 8]
        lines += ["#EXTINF:2,", site.body(f"/{number}", body)]

    assert fetch(site.playlist(*lines)).error_class is ErrorClass.INCOMPLETE


def test_yt_dlp_alone_takes_any_padding() -> None:
    assert unpad_pkcs7(b"a segment that was cut\x05") == b"a segment that was"
