"""What is made of the words of a program that failed."""

import subprocess
from pathlib import Path

import pytest

from downloads.sandbox.programs import DoesNotFit, watched
from tests.helpers.media_server import MediaServer

MISFITS = {  # of the muxers of mp4, matroska and webm, since ffmpeg 4
    "mp4": (
        "[mp4 @ 0x55] Could not find tag for codec vp8 in stream #0, codec not currently supported"
        " in container"
    ),
    "mp4, old": "[mp4 @ 0x55] flac in MP4 support is experimental, add '-strict -2' if you want it",
    "mkv": "[matroska @ 0x55] Subtitle codec 94213 is not supported.",
    "webm": (
        "[webm @ 0x55] Only VP8 or VP9 or AV1 video and Vorbis or Opus audio and WebVTT subtitles"
        " are supported for WebM."
    ),
}


def said(text: str, *, code: int = 1, is_text: bool = True) -> object:
    """What the wrapped `communicate` answers for a program with these last words."""
    command = ["/bin/sh", "-c", 'printf "%s\\nConversion failed!\\n" "$1" >&2; exit $2', "sh"]
    process = subprocess.Popen(
        [*command, text, str(code)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=is_text,
    )
    with process:
        return watched(subprocess.Popen.communicate, stall_seconds=30)(process)


@pytest.mark.parametrize("is_text", [True, False])
@pytest.mark.parametrize("words", MISFITS.values(), ids=MISFITS)
def test_a_stream_that_a_container_cannot_hold_is_named(words: str, is_text: bool) -> None:
    with pytest.raises(DoesNotFit) as refusal:
        said(f"before\n{words}\nafter", is_text=is_text)

    assert str(refusal.value) == words.partition("] ")[2]


def test_the_words_of_a_program_that_succeeded_are_not_judged() -> None:
    assert said(MISFITS["mp4"], code=0) == ("", f"{MISFITS['mp4']}\nConversion failed!\n")


def test_another_error_is_left_to_yt_dlp() -> None:
    text = "Could not write header for output file #0: No space left on device"

    assert said(text) == ("", f"{text}\nConversion failed!\n")


def test_ffmpeg_still_says_it_in_these_words(media_server: MediaServer, tmp_path: Path) -> None:
    webm, mp4 = tmp_path / "vp8.webm", tmp_path / "vp8.mp4"
    make = ["ffmpeg", "-v", "error", "-i", media_server.file("video.mp4"), "-an", "-c:v", "libvpx"]
    subprocess.run([*make, webm], check=True)
    process = subprocess.Popen(
        ["ffmpeg", "-nostdin", "-i", webm, "-c", "copy", mp4], stderr=subprocess.PIPE
    )

    with process, pytest.raises(DoesNotFit, match="codec vp8 in stream #0"):
        watched(subprocess.Popen.communicate, stall_seconds=30)(process)
