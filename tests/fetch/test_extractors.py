"""The extractor of a URL is the one that yt-dlp itself would take."""

import re
from pathlib import Path
from re import _parser

import pytest
import yt_dlp
import yt_dlp.extractor.common
from hypothesis import given, settings
from hypothesis import strategies as st
from yt_dlp.extractor.lazy_extractors import LazyLoadExtractor
from yt_dlp.utils import variadic

from downloads.fetch.extractors import (
    ANYTHING,
    Matcher,
    keep_needs,
    known_needs,
    needles_of,
    needs_of,
)

URLS = [
    "https://www.youtube.com/watch?v=BaW_jenozKc",
    "https://youtu.be/BaW_jenozKc?t=1",
    "https://www.youtube.com/playlist?list=PLwiyx1dc3P2JR9N8gQaQN_BCvlSlap7re",
    "https://WWW.YOUTUBE.COM/watch?v=BaW_jenozKc",
    "https://vimeo.com/56015672#at=0",
    "https://www.dailymotion.com/video/x5kesuj",
    "https://www.twitch.tv/videos/6528877",
    "https://clips.twitch.tv/FaintLightGullWholeWheat",
    "https://x.com/jack/status/20",
    "https://www.tiktok.com/@a/video/6748451240264420610",
    "https://soundcloud.com/ethmusik/lostin-powers",
    "https://www.bbc.co.uk/iplayer/episode/b039g8p7/x",
    "https://www.arte.tv/en/videos/088501-000-A/x/",
    "https://peertube.cpy.re/videos/watch/9c9de5e8-0a1e-484a-b099-e80766180a6d",
    # Two extractors match these; the `suitable` of one of them leaves the link to the other.
    "https://www.youtube.com/watch?v=BaW_jenozKc&list=PLwiyx1dc3P2JR9N8gQaQN_BCvlSlap7re",
    "https://play.acast.com/s/shutupandplay/episode-1",
    "https://benprunty.bandcamp.com/track/lanius-battle",
    "https://benprunty.bandcamp.com/album/c-mix",
    "https://tv.nrk.no/serie/20-spoersmaal-tv/MUHH48000314/23-05-2014",
    "https://www.twitch.tv/spamfish/videos?filter=collections",
    "https://wykop.pl/link/6912923/najbardziej/komentarz/113895601",
    "https://example.org/video.mp4",
    "http://127.0.0.1:8000/page.html",
    "https://xn--bcher-kva.example/stra\u00dfe/\u017f",
]


@pytest.fixture(scope="module")
def downloader() -> yt_dlp.YoutubeDL:
    return yt_dlp.YoutubeDL({"quiet": True, "no_warnings": True, "cachedir": False})


@pytest.fixture(scope="module")
def matcher(downloader: yt_dlp.YoutubeDL) -> Matcher:
    return Matcher(downloader._ies, needs={})


@pytest.mark.parametrize("url", URLS)
def test_it_finds_the_extractor_that_yt_dlp_finds(
    downloader: yt_dlp.YoutubeDL, matcher: Matcher, url: str
) -> None:
    first = next(key for key, each in downloader._ies.items() if each.suitable(url))

    assert matcher.find(url) == first


@pytest.mark.parametrize("url", URLS)
def test_what_is_prepared_is_what_yt_dlp_would_compile(matcher: Matcher, url: str) -> None:
    matcher.prepare(url)

    key = matcher.find(url)

    extractor = matcher._extractors[key]
    meant = [re.compile(pattern) for pattern in variadic(extractor._VALID_URL or ())]
    assert list(vars(extractor).get("_VALID_URL_RE", meant)) == meant


def test_what_is_needed_is_kept_for_the_next_start(
    downloader: yt_dlp.YoutubeDL, matcher: Matcher, tmp_path: Path
) -> None:
    file = tmp_path / "of the sets" / "needs.json"

    keep_needs(file, matcher.needs)

    known = known_needs(file)
    assert known == matcher.needs
    again = Matcher(downloader._ies, needs=known)
    assert [again.find(url) for url in URLS] == [matcher.find(url) for url in URLS]


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"of": "another", "needs": {"Youtube": ["x"]}}']
)
def test_what_another_yt_dlp_needs_or_a_torn_file_is_not_believed(
    tmp_path: Path, content: str
) -> None:
    file = tmp_path / "needs.json"
    file.write_text(content)

    assert known_needs(file) == {}


def test_a_folder_that_cannot_be_written_costs_only_time(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    keep_needs(tmp_path / "file" / "needs.json", {})

    assert known_needs(tmp_path / "file" / "needs.json") == {}


def test_an_extractor_of_a_plugin_is_not_taken_for_its_namesake() -> None:
    class VimeoIE(yt_dlp.extractor.common.InfoExtractor):
        _VALID_URL = r"https?://plugin\.example/\d+"

    matcher = Matcher({"Vimeo": VimeoIE}, needs={"Vimeo": [["vime", "vimeo.com/"]]})

    assert matcher.find("https://plugin.example/1") == "Vimeo"
    assert matcher.needs == {}


@pytest.mark.parametrize(
    ("pattern", "needles"),
    [
        (r"https?://(?:www\.)?example\.org/v/(?P<id>\d+)", {"example.org/v/"}),
        (r"(?i)https?://Example\.ORG/", {"://example.org/"}),
        (r"https?://(?:abcde\.tv|fghij\.tv)/\d", {"abcde.tv", "fghij.tv"}),
        (r"(?:abcdef)?\d", {""}),
        (r"(?:abcdef)+\d", {"abcdef"}),
        (r"(?:abcdef|\d)", {""}),
        (r"ab(?=cd)ef", {"abef"}),
        (r"https?://\w+\.(?:one|two)\.tv/", {".tv/"}),
        (r"https?://\w+(?:one|two)\d", {"one", "two"}),
        (r".*", {""}),
    ],
)
def test_what_a_pattern_needs(pattern: str, needles: set[str]) -> None:
    assert needles_of(_parser.parse(pattern)) == needles


class ByItsPattern(LazyLoadExtractor):
    _VALID_URL = r"https?://example\.org/v/\d+"


class LeavingSome(ByItsPattern):
    @classmethod
    def suitable(cls, url: str) -> bool:
        if url.endswith("0"):
            return False
        return False if url.endswith("1") else super().suitable(url)


class LeavingSomeElse(ByItsPattern):
    @classmethod
    def suitable(cls, url: str) -> bool:
        return not url.endswith("0") and cls._match_valid_url(url) is not None


class TakingMore(ByItsPattern):
    @classmethod
    def suitable(cls, url: str) -> bool:
        return url.endswith("0") or super().suitable(url)


class OfOneThatTakesMore(TakingMore):
    @classmethod
    def suitable(cls, url: str) -> bool:
        return super().suitable(url)


@pytest.mark.parametrize(
    ("extractor", "needles"),
    [
        (ByItsPattern, {"://example.org/v/"}),
        (LeavingSome, {"://example.org/v/"}),
        (LeavingSomeElse, ANYTHING),  # its source is not understood
        (TakingMore, ANYTHING),
        (OfOneThatTakesMore, ANYTHING),
    ],
)
def test_what_an_extractor_needs(extractor: type, needles: set[str]) -> None:
    assert needs_of(extractor) == needles


def test_hardly_an_extractor_is_asked_for_every_link(downloader: yt_dlp.YoutubeDL) -> None:
    asked = [key for key, each in downloader._ies.items() if needs_of(each) == ANYTHING]

    assert "Generic" in asked
    assert len(asked) < 10


PATTERNS = [
    r"https?://(?:www\.|m\.)?(?:example\.(?:org|net)|other\.tv)/(?:v|w)/(?P<id>[\w-]{3,5})",
    r"(?:(?:https?:)?//)?play(?:er)?\.example/(?:x(?:y|z)+|q)\d",
    r"(?x)https://  # a comment\n (?:a|b)cd\.example/ (?!no)[a-z]+",
]


@pytest.mark.parametrize("pattern", PATTERNS)
@settings(deadline=None)
@given(data=st.data())
def test_every_match_has_a_needle(pattern: str, data: st.DataObject) -> None:
    match = data.draw(st.from_regex(re.compile(pattern), fullmatch=True))

    assert any(needle in match.casefold() for needle in needles_of(_parser.parse(pattern)))
