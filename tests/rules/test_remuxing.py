"""Into which container the streams of a film can be copied for browsers."""

import pytest

from downloads.rules.remuxing import container_for


@pytest.mark.parametrize(
    ("container", "video_codec", "audio_codec", "target"),
    [
        ("mkv", "h264", "aac", "mp4"),
        ("mov", "hevc", "alac", "mp4"),
        ("ts", "h264", "", "mp4"),
        ("mkv", "vp9", "opus", "mp4"),
        ("mkv", "vp9", "vorbis", "webm"),
        ("mkv", "vp8", "opus", "webm"),
        ("mkv", "vp8", "aac", ""),  # neither holds both
        ("avi", "mpeg4", "mp3", ""),  # browsers do not play that picture
        ("mkv", "h264", "dts", ""),
        ("mp4", "h264", "ac3", ""),  # another container does not help
        ("webm", "vp8", "vorbis", ""),
        ("mka", "", "opus", ""),  # sound alone
        ("", "h264", "aac", "mp4"),
        ("mkv", "", "", ""),
    ],
)
def test_the_first_container_that_holds_both_streams(
    container: str, video_codec: str, audio_codec: str, target: str
) -> None:
    found = container_for(container, video_codec=video_codec, audio_codec=audio_codec)

    assert found == target
