"""The sentences of yt-dlp by which errors are told apart: a release that rewords one is noticed."""

from pathlib import Path

import pytest
import yt_dlp

from downloads.rules.classify import ErrorFacts, classify

SOURCES = Path(yt_dlp.__file__).parent

# A part of a sentence as it stands in the source of the installed release, and its class.
WORDS = [
    ("YoutubeDL.py", "This video is DRM protected", "drm"),
    ("YoutubeDL.py", "Requested format is not available", "format_unavailable"),
    ("YoutubeDL.py", "No video formats found", "format_unavailable"),
    ("YoutubeDL.py", "but ffmpeg is not installed", "ffmpeg_missing"),
    ("downloader/external.py", "ffmpeg could not be found", "ffmpeg_missing"),
    ("downloader/fragment.py", "The downloaded file is empty", "incomplete"),
    ("downloader/fragment.py", "fragment not found", "incomplete"),
    ("downloader/http.py", "Did not get any data blocks", "incomplete"),
    ("downloader/http.py", "larger than max-filesize", "too_large"),
    (
        "extractor/common.py",
        "This video is not available from your location due to geo restriction",
        "geo_blocked",
    ),
    (
        "extractor/common.py",
        "This video is only available for registered users",
        "login_required",
    ),
    ("extractor/common.py", "The extractor is attempting impersonation", "forbidden"),
    ("extractor/generic.py", "caused by Cloudflare anti-bot challenge", "forbidden"),
    ("extractor/generic.py", "is not a valid URL", "unsupported"),
    ("extractor/youtube/_video.py", "No supported JavaScript runtime", "js_runtime_missing"),
    (
        "extractor/youtube/_video.py",
        "has been rate-limited by YouTube",
        "rate_limited",
    ),
    ("networking/exceptions.py", " (redirect loop detected)", "network"),
    ("postprocessor/ffmpeg.py", "unable to obtain file audio codec", "format_unavailable"),
    ("postprocessor/ffmpeg.py", "ffprobe and ffmpeg not found", "ffmpeg_missing"),
    ("utils/_utils.py", "Unsupported URL: ", "unsupported"),
    ("utils/_utils.py", " is not currently live", "live_not_started"),
    ("utils/_utils.py", "Giving up after ", None),
    ("networking/exceptions.py", " bytes read", None),
]


@pytest.mark.parametrize(("source", "words", "error_class"), WORDS)
def test_a_sentence_is_still_said_and_understood(
    source: str, words: str, error_class: str | None
) -> None:
    """Words without a class are those that patterns need beside others."""
    assert words in (SOURCES / source).read_text()

    if error_class is not None:
        assert classify(ErrorFacts(kinds=("DownloadError",), message=words)) == error_class
