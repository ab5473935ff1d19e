"""Pictures and sound that come apart, and the periods of DASH: each arrives whole."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from downloads.rules.errors import ErrorClass
from tests.helpers.attempts import Ended
from tests.helpers.scripted_site import Answer
from tests.helpers.streams import (
    SECONDS,
    SILENT,
    SOUND,
    Fragments,
    Site,
    at_the_beginning,
    decoding_errors,
    packets,
    seconds,
    stream_of,
)

Fetch = Callable[..., Ended]


BOTH, SOUND_URI = 'CODECS="avc1.42c00b,mp4a.40.2"', 'URI="/sound-index.m3u8"'


def master(site: Site, *, variant: str, rendition: str) -> str:
    """Serve a master of one variant and one rendition of sound; returns its URL."""
    lines = ["#EXTM3U", f'#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="a",NAME="main",{rendition}']
    lines += [f"#EXT-X-STREAM-INF:{variant}", "/picture-index.m3u8"]
    media_type = "application/vnd.apple.mpegurl"
    return site.site.serve(
        "/master.m3u8", Answer(body="\n".join([*lines, ""]), media_type=media_type)
    )


def serve_apart(site: Site, packed: Callable[..., Fragments], kind: str = "fmp4") -> None:
    """Serve pictures and sound as two streams, the sound's fragments each from zero."""
    picture, sound = packed(kind, *SILENT), packed(kind, *SOUND)
    stream_of(site, picture.segments, init=picture.init, name="picture-")
    bodies = at_the_beginning(sound) if kind == "fmp4" else sound.segments
    stream_of(site, bodies, init=sound.init, name="sound-")


@pytest.mark.parametrize(
    "variant",
    [
        f"BANDWIDTH=1,{BOTH}",  # the variant does not name the group
        'BANDWIDTH=1,AUDIO="a"',  # nor what is in it
        "BANDWIDTH=1",
        f'BANDWIDTH=1,AUDIO="a",{BOTH}',
    ],
)
@pytest.mark.parametrize("kind", ["fmp4", "mpegts"])
def test_pictures_and_sound_each_arrive_whole(
    fetch: Fetch, site: Site, packed: Callable[..., Fragments], variant: str, kind: str
) -> None:
    serve_apart(site, packed, kind)

    ended = fetch(master(site, variant=variant, rendition=f"DEFAULT=YES,{SOUND_URI}"))

    assert seconds(ended.file, "v") == pytest.approx(3 * SECONDS, abs=0.1)
    assert seconds(ended.file, "a") == pytest.approx(3 * SECONDS, abs=0.1)


def test_yt_dlp_alone_leaves_the_sound_away(
    fetch_with_yt_dlp: Callable[[str], bytes],
    site: Site,
    packed: Callable[..., Fragments],
    directory: Path,
) -> None:
    serve_apart(site, packed)

    fetch_with_yt_dlp(master(site, variant=f"BANDWIDTH=1,{BOTH}", rendition=SOUND_URI))

    assert packets(directory / "plain.mp4", "v")
    with pytest.raises(subprocess.CalledProcessError):
        packets(directory / "plain.mp4", "a")


@pytest.mark.parametrize(
    ("variant", "rendition"),
    [
        (f'BANDWIDTH=1,AUDIO="a",{BOTH}', "DEFAULT=YES"),  # it is in the variant itself
        (f"BANDWIDTH=1,{BOTH}", f"AUTOSELECT=NO,{SOUND_URI}"),  # a commentary
    ],
)
def test_sound_that_comes_with_the_pictures_is_kept(
    fetch: Fetch,
    site: Site,
    packed: Callable[..., Fragments],
    variant: str,
    rendition: str,
) -> None:
    stream_of(site, packed("mpegts").segments, name="picture-")
    stream_of(site, packed("mpegts", *SOUND).segments, name="sound-")

    ended = fetch(master(site, variant=variant, rendition=rendition))

    assert seconds(ended.file, "a") == pytest.approx(3 * SECONDS, abs=0.1)
    assert not site.site.requests_of("/sound-0")


@pytest.mark.parametrize("kind", ["fmp4", "mpegts"])
@pytest.mark.parametrize("arguments", [SILENT, SOUND, ()])
def test_pictures_without_sound_are_said_to_be_that(
    fetch: Fetch,
    site: Site,
    packed: Callable[..., Fragments],
    kind: str,
    arguments: tuple[str, ...],
) -> None:
    film = packed(kind, *arguments)
    variants = ["#EXTM3U", f"#EXT-X-STREAM-INF:BANDWIDTH=1,{BOTH}", "/index.m3u8"]
    stream_of(site, film.segments, init=film.init)
    body, media_type = "\n".join([*variants, ""]), "application/vnd.apple.mpegurl"

    ended = fetch(site.site.serve("/master.m3u8", Answer(body=body, media_type=media_type)))

    assert ended.fetched.data == ({"code": "without_sound"} if arguments == SILENT else {})


def adaptation(kind: str, codecs: str, *, bandwidth: int) -> str:
    template = f'initialization="{kind}-init.mp4" media="{kind}-$Number$.m4s" startNumber="0"'
    return (
        f'<AdaptationSet mimeType="{kind}/mp4"><Representation id="{kind}" codecs="{codecs}" '
        f'bandwidth="{bandwidth}"><SegmentTemplate timescale="1" duration="{SECONDS}" {template}/>'
        "</Representation></AdaptationSet>"
    )


def period(site: Site, name: str, films: dict[str, Fragments], *, attributes: str = "") -> str:
    """Serve the fragments of a period of pictures and sound; returns its part of the manifest."""
    sets = []
    for kind, film in films.items():
        site.body(f"/{name}/{kind}-init.mp4", film.init)
        for number, segment in enumerate(film.segments):
            site.body(f"/{name}/{kind}-{number}.m4s", segment)
        codecs = "avc1.42c00b" if kind == "video" else "mp4a.40.2"
        sets.append(adaptation(kind, codecs, bandwidth=len(film.whole)))
    return f"<Period {attributes}><BaseURL>/{name}/</BaseURL>{''.join(sets)}</Period>"


def manifest(site: Site, *periods: str) -> str:
    total = f'mediaPresentationDuration="PT{3 * SECONDS * len(periods)}S"'
    body = f'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" {total}>'
    answer = Answer(body=f"{body}{''.join(periods)}</MPD>", media_type="application/dash+xml")
    return site.site.serve("/index.mpd", answer)


@pytest.mark.parametrize(("second", "says"), [("the same", "duration"), ("negate", "start")])
def test_all_periods_follow_one_another(
    fetch: Fetch,
    site: Site,
    films: Callable[..., dict[str, Fragments]],
    second: str,
    says: str,
) -> None:
    lasts = 3 * SECONDS
    one = films()
    two = one if second == "the same" else films("-vf", second, "-b:a", "96k")
    attributes = [
        f'{says}="PT{number * lasts if says == "start" else lasts}S"' for number in (0, 1)
    ]

    ended = fetch(
        manifest(
            site,
            period(site, "one", one, attributes=attributes[0]),
            period(site, "two", two, attributes=attributes[1]),
        )
    )

    assert seconds(ended.file, "v") == pytest.approx(2 * lasts, abs=0.2)
    assert seconds(ended.file, "a") == pytest.approx(2 * lasts, abs=0.2)
    assert len(packets(ended.file, "v")) == 2 * lasts * 25


def test_a_period_of_another_size_in_the_middle_is_joined(
    fetch: Fetch, site: Site, films: Callable[..., dict[str, Fragments]]
) -> None:
    """Program, advertisement, program."""
    lasts = f'duration="PT{3 * SECONDS}S"'
    program, advertisement = films(), films("-s", "320x180")
    parts = {"one": program, "two": advertisement, "three": program}

    ended = fetch(
        manifest(site, *(period(site, *part, attributes=lasts) for part in parts.items()))
    )

    assert seconds(ended.file, "v") == pytest.approx(9 * SECONDS, abs=0.3)
    assert seconds(ended.file, "a") == pytest.approx(9 * SECONDS, abs=0.3)
    assert decoding_errors(ended.file) == ""


def test_a_period_without_sound_among_others_is_incomplete(
    fetch: Fetch, site: Site, films: Callable[..., dict[str, Fragments]]
) -> None:
    silent = {"video": films()["video"]}
    lasts = f'duration="PT{3 * SECONDS}S"'

    ended = fetch(
        manifest(
            site,
            period(site, "one", films(), attributes=lasts),
            period(site, "two", silent, attributes=lasts),
        )
    )

    assert ended.error_class is ErrorClass.INCOMPLETE


def test_yt_dlp_alone_has_periods_play_at_once(
    fetch_with_yt_dlp: Callable[[str], bytes],
    site: Site,
    films: Callable[..., dict[str, Fragments]],
    directory: Path,
) -> None:
    lasts = f'duration="PT{3 * SECONDS}S"'
    parts = [period(site, name, films(), attributes=lasts) for name in ("one", "two")]

    fetch_with_yt_dlp(manifest(site, *parts))

    assert seconds(directory / "plain.mp4") < 4 * SECONDS
