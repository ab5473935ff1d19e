"""Puts the streams of a film that is in the library into another container, as they are."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from yt_dlp.postprocessor import FFmpegPostProcessor

from downloads.disk.streams import streams_of
from downloads.fetch.media import came
from downloads.fetch.protocol import Fetched, Job, ManifestFile
from downloads.fetch.verify import (
    describe,
    manifest_of,
    playable_seconds,
    read_through,
    streams_in,
)
from downloads.rules.states import Phase, Role

USUAL = "mp4"  # when the options of a retry do not say which
STREAMS = ["-map", "0:V:0", "-map", "0:a?", "-c", "copy"]  # V: a picture that is no cover
# An MP4 of HEVC is not played by Apple's players under the other name that it may have.
NAMED = {"hevc": ["-tag:v", "hvc1"]}
IN_FRONT = ["-movflags", "+faststart"]  # the index: it plays before all of it has come


def remuxed(downloader: Any, job: Job, *, enter: Callable[[Phase], None]) -> Fetched:
    """Write the film of a job into its directory, in the container of its options; nothing is
    fetched, and no other option counts. What lies beside the film is copied.

    Raises DoesNotFit when the container does not hold the streams, PostProcessingError when ffmpeg
    fails or is missing, and Incomplete when what it made is shorter than the film.
    """
    enter(Phase.POST_PROCESSING)
    film, directory = Path(job.film), Path(job.directory)
    wished = job.options["container"]
    container = USUAL if wished == "auto" else wished
    target = directory / f"film.{container}"
    with film.open("rb") as file:  # others may have linked it
        streams = streams_of(file, size=film.stat().st_size)
    named = NAMED.get(streams.video_codec or "", []) if streams else []
    options = [*STREAMS, *named, *(IN_FRONT if container == "mp4" else [])]
    ffmpeg = FFmpegPostProcessor(downloader)
    ffmpeg.check_version()
    ffmpeg.real_run_ffmpeg([(str(film), [])], [(str(target), options)])
    enter(Phase.VERIFYING)
    made = describe(target)
    read_through(target, announced_seconds=playable_seconds(film))
    beside = [_copied(each, directory) for each in job.beside]
    return Fetched(
        title=job.title,
        files=[made, *beside],
        data={"code": "remuxed"},
        media=came(streams_in(target), {}, target),
    )


def _copied(said: dict[str, str], directory: Path) -> ManifestFile:
    """Copy a file that lies beside the film; what it is was judged when that was published."""
    copy = directory / said["name"]
    shutil.copyfile(said["path"], copy)
    role, language = Role(said["role"]), said["language"]
    return manifest_of(copy, media_type=said["media_type"], role=role, language=language)
