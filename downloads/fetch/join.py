"""Joins what was recorded of a live stream into one file, without encoding anything again."""

from collections.abc import Sequence
from pathlib import Path

from yt_dlp import YoutubeDL
from yt_dlp.postprocessor import FFmpegPostProcessor
from yt_dlp.postprocessor.ffmpeg import FFmpegPostProcessorError

from downloads.disk.recording import Recording
from downloads.sandbox.programs import DoesNotFit

# The second takes what the first cannot hold.
FORMATS = ("mp4", "matroska")


def join(downloader: YoutubeDL, recording: Recording, target: Path) -> None:
    """Write all of a recording into `target`; the recording stays as it is.

    Its timeline begins at 0. Runs follow one another without the gaps between them.
    """
    ffmpeg = FFmpegPostProcessor(downloader)
    ffmpeg.check_version()
    inputs = [
        _input_of(recording.files(number), target.with_name(f"{target.stem}-{number}.txt"))
        for number in sorted(recording.tracks)
    ]
    options = ["-c", "copy", "-avoid_negative_ts", "make_zero", "-max_muxing_queue_size", "9999"]
    for number in range(len(inputs)):
        options += ["-map", f"{number}:v?", "-map", f"{number}:a?"]
    if len(inputs) > 1:
        options += ["-copyts"]  # the clocks of picture and sound keep them together
    for format_name in FORMATS:
        try:
            ffmpeg.real_run_ffmpeg(inputs, [(str(target), [*options, "-f", format_name])])
        except (FFmpegPostProcessorError, DoesNotFit):
            if format_name == FORMATS[-1]:
                raise
        else:
            return


def _input_of(files: Sequence[Path], listed: Path) -> tuple[str, list[str]]:
    """An input of ffmpeg and its options: a file, or a list of several."""
    if len(files) == 1:
        return str(files[0]), []
    lines = ["ffconcat version 1.0", *(f"file '{path}'" for path in files)]
    listed.write_text("\n".join(lines))
    return str(listed), ["-f", "concat", "-safe", "0"]
