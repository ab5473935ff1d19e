"""HLS media playlists, as sites write them."""

import pytest

from downloads.rules import playlist
from downloads.rules.playlist import BadPlaylist, Key, ProtectedByDRM, Resource

URL = "https://site.example/live/list.m3u8"
SLIDING = """#EXTM3U
#EXT-X-VERSION:6
#EXT-X-TARGETDURATION:4
#EXT-X-MEDIA-SEQUENCE:17
#EXT-X-DISCONTINUITY-SEQUENCE:2
#EXTINF:4.0,a title, with a comma
seg17.ts
#EXT-X-DISCONTINUITY
#EXTINF:3.5,
/other/seg18.ts?token=1
"""


def test_segments_of_a_sliding_playlist_have_their_numbers_and_addresses() -> None:
    read = playlist.read(SLIDING, URL)

    assert [(each.sequence, each.discontinuity, each.seconds) for each in read.segments] == [
        (17, 2, 4.0),
        (18, 3, 3.5),
    ]
    assert [each.media.url for each in read.segments] == [
        "https://site.example/live/seg17.ts",
        "https://site.example/other/seg18.ts?token=1",
    ]
    assert (read.target_seconds, read.is_ended) == (4.0, False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (SLIDING, True),
        ("\ufeff" + SLIDING, True),
        (SLIDING + "#EXT-X-ENDLIST\n", False),
        ("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlow.m3u8\n", False),
        ("<html>#EXTM3U #EXT-X-TARGETDURATION", False),
    ],
    ids=["sliding", "with a byte order mark", "ended", "of qualities", "a page"],
)
def test_only_a_media_playlist_without_an_end_is_unfinished(text: str, expected: bool) -> None:
    assert playlist.is_unfinished(text) is expected


def test_an_end_is_recognised() -> None:
    assert playlist.read(SLIDING + "#EXT-X-ENDLIST\n", URL).is_ended


def test_byte_ranges_follow_one_another_unless_they_say_where_they_start() -> None:
    text = "#EXTM3U\n#EXT-X-BYTERANGE:10@5\na\n#EXT-X-BYTERANGE:7\na\nb\n"

    pieces = [(each.media.start, each.media.length) for each in playlist.read(text, URL).segments]

    assert pieces == [(5, 10), (15, 7), (0, None)]


def test_a_map_belongs_to_the_segments_after_it() -> None:
    text = '#EXTM3U\na\n#EXT-X-MAP:URI="init.mp4",BYTERANGE="100@20"\nb\nc\n'

    maps = [each.initialization for each in playlist.read(text, URL).segments]

    url = "https://site.example/live/init.mp4"
    assert maps == [None, *2 * [Resource(url=url, start=20, length=100)]]


def test_a_key_belongs_to_the_segments_up_to_the_next_one() -> None:
    text = (
        '#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="k",IV=0x1F\na\n'
        '#EXT-X-KEY:METHOD=AES-128,URI="l"\nb\n#EXT-X-KEY:METHOD=NONE\nc\n'
    )

    keys = [each.media.key for each in playlist.read(text, URL).segments]

    assert keys == [
        Key(url="https://site.example/live/k", iv=(0x1F).to_bytes(16)),
        Key(url="https://site.example/live/l", iv=None),
        None,
    ]


@pytest.mark.parametrize(("iv", "is_encrypted"), [(",IV=0x01", True), ("", False)])
def test_a_map_is_encrypted_only_with_an_iv_of_its_own(iv: str, is_encrypted: bool) -> None:
    text = f'#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="k"{iv}\n#EXT-X-MAP:URI="i"\na\n'

    [segment] = playlist.read(text, URL).segments

    assert segment.initialization is not None
    assert (segment.initialization.key is not None) is is_encrypted
    assert segment.media.key is not None


def test_a_segment_that_the_site_lacks_is_marked() -> None:
    read = playlist.read("#EXTM3U\n#EXT-X-GAP\na\nb\n", URL)

    assert [each.is_missing for each in read.segments] == [True, False]


@pytest.mark.parametrize(
    "key",
    [
        'METHOD=SAMPLE-AES,URI="skd://1"',
        'METHOD=AES-128,URI="k",KEYFORMAT="com.microsoft.playready"',
    ],
)
def test_drm_is_told_apart(key: str) -> None:
    with pytest.raises(ProtectedByDRM, match="DRM"):
        playlist.read(f"#EXTM3U\n#EXT-X-KEY:{key}\na\n", URL)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html></html>",
        "#EXTM3U\n#EXTINF:one,\na\n",
        "#EXTM3U\n#EXTINF:nan,\na\n",
        "#EXTM3U\n#EXTINF:-1,\na\n",
        "#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:first\na\n",
        "#EXTM3U\n#EXT-X-BYTERANGE:-1@5\na\n",
        "#EXTM3U\n#EXT-X-MAP:BYTERANGE=5\na\n",
        '#EXTM3U\n#EXT-X-KEY:URI="k"\na\n',
        '#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="k",IV=0x' + 40 * "F" + "\na\n",
    ],
)
def test_what_is_not_a_media_playlist_is_refused(text: str) -> None:
    with pytest.raises(BadPlaylist):
        playlist.read(text, URL)
