"""Packs what came into the file that is published, by one run of ffmpeg.

yt-dlp's post-processors read and write the whole file once each: to merge, to mend, to remux, to
take the sound out, for subtitles, picture and metadata. Here all of that is one command.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from yt_dlp.postprocessor import FFmpegMetadataPP, FFmpegPostProcessor
from yt_dlp.postprocessor.ffmpeg import (
    FFmpegFixupDuplicateMoovPP,
    FFmpegFixupM3u8PP,
    FFmpegFixupM4aPP,
    FFmpegMergerPP,
)
from yt_dlp.utils import MEDIA_EXTENSIONS, PostProcessingError, prepend_extension

from downloads.disk.containers import MATROSKA, MP4, WEBM, container_of
from downloads.disk.library import open_finished
from downloads.fetch.plan import SUBTITLES_IN, Command, Plan, notes_of
from downloads.fetch.recipe import Clip, Pack
from downloads.fetch.sidecars import Sidecars
from downloads.fetch.sponsors import Cut
from downloads.fetch.verify import playable_seconds, streams_in
from downloads.sandbox.programs import DoesNotFit

# What yt-dlp would copy the streams for; the one run does it as well.
COPYING = (FFmpegMergerPP, FFmpegFixupM3u8PP, FFmpegFixupM4aPP, FFmpegFixupDuplicateMoovPP)
CONTAINERS = {"mp4": MP4, "mkv": MATROSKA, "webm": WEBM}
# By suffix: what ffmpeg can put into such a file.
PICTURE_IN = frozenset({"mp4", "mov", "m4a", "mp3", "flac", "mkv", "mka"})
CHAPTERS_IN = frozenset({"mp4", "mov", "m4a", "mkv", "mka", "webm", "mp3", "opus", "ogg"})
# By the codec of a sound: the suffix of a file that holds it as it is.
KEPT_AS = {
    "aac": "m4a",
    "alac": "m4a",
    "mp3": "mp3",
    "opus": "opus",
    "vorbis": "ogg",
    "flac": "flac",
}
HOLDS_ANY_SOUND = "mka"
ENCODERS = {
    "m4a": ("-c:a", "aac", "-b:a", "192k"),
    "mp3": ("-c:a", "libmp3lame", "-q:a", "2"),
    "opus": ("-c:a", "libopus", "-b:a", "128k"),
    "flac": ("-c:a", "flac"),
}
NOTES = "notes.txt"
MAX_VALUE_LENGTH = 10_000


class NothingInside(Exception):
    """The clip begins where the video has ended."""


Warn = Callable[..., None]
Info = dict[str, Any]


class Packing(FFmpegPostProcessor):  # type: ignore[misc]
    """The last post-processor of one download."""

    def __init__(self, downloader: Any, pack: Pack, sidecars: Sidecars, *, warn: Warn) -> None:
        super().__init__(downloader)
        self._pack = pack
        self._sidecars = sidecars
        self._warn = warn
        self._has_taken_over = False

    def take_over(self, info: Info) -> None:
        """Leave out what yt-dlp would do to the file before, if it is packed anyway."""
        others = self._downloader._pps["post_process"]
        is_cut = any(isinstance(pp, Cut) and pp.removes for pp in others)
        if not is_cut and self.is_needed(info):
            before = info.get("__postprocessors") or []
            info["__postprocessors"] = [pp for pp in before if not isinstance(pp, COPYING)]
            self._has_taken_over = len(info["__postprocessors"]) < len(before)

    def is_needed(self, info: Info) -> bool:
        """Whether what came is not what is to be published."""
        plan = _bare(info, self._target(info))
        return self._is_changed(info) or bool(self._with_inside(plan, info).inside)

    def _is_changed(self, info: Info) -> bool:
        """Whether more is done than to put something into the file."""
        if self._has_taken_over or self._pack.audio or self._clip(info):
            return True
        return self._pack.container != "auto" and not _is_in(self._target(info), info)

    def run(self, info: Info) -> tuple[list[str], Info]:
        """Pack the file. What cannot be put into it costs a warning, not the file.

        Raises PostProcessingError, NothingInside for a clip after the end, and DoesNotFit when the
        streams do not fit into the container.
        """
        self.check_version()
        bare = self._sound(info) if self._pack.audio else _bare(info, self._target(info))
        plan = self._with_inside(bare, info)
        self._warn_of_the_impossible(plan.target, info)
        if self._pack.audio and self._is_already(plan, info):
            return [], info
        final = Path(info["filepath"]).with_suffix(f".{plan.target}")
        packed = prepend_extension(str(final), "packed")
        try:
            self._write(plan, packed, self._clip(info))
        except (PostProcessingError, DoesNotFit, OSError):
            if not plan.inside:
                raise
            for what in plan.inside:
                self._warn("not_embedded", what=what)
            if not self._is_changed(info):
                return [], info
            self._write(plan.without_inside(), packed, self._clip(info))
        if self._clip(info) and not playable_seconds(Path(packed)):
            raise NothingInside("The video has ended before")
        Path(packed).replace(final)
        info["filepath"], info["ext"] = str(final), plan.target
        return [each for each in plan.sources if each != str(final)], info

    def _clip(self, info: Info) -> Clip | None:
        """Return the part that is wished for; of what was recorded of a live stream it is all."""
        return None if info.get("is_live") else self._pack.clip

    def _target(self, info: Info) -> str:
        """Return the suffix of what is published; a file of sound alone keeps its own."""
        own: str = info["ext"].lower()
        is_chosen = self._pack.container != "auto" and own not in MEDIA_EXTENSIONS.audio
        return self._pack.container if is_chosen else own

    def _sound(self, info: Info) -> Plan:
        """Plan to take the sound out, encoded again only where the wish is another codec."""
        path = Path(info["filepath"])
        streams = streams_in(path)
        codec = streams.audio_codec if streams else self.get_audio_codec(str(path))
        if not codec:
            raise PostProcessingError("unable to obtain file audio codec")
        own, wanted = info["ext"].lower(), self._pack.audio or ""
        is_sound = own in MEDIA_EXTENSIONS.audio and not (streams and streams.video_codec)
        if wanted == "best":
            wanted = own if is_sound else KEPT_AS.get(codec, HOLDS_ANY_SOUND)
            encoder: tuple[str, ...] = ()
        else:
            encoder = () if KEPT_AS.get(codec) == wanted else ENCODERS[wanted]
        return Plan(
            sources=[str(path)],
            maps=["-map", "0:a:0"],
            target=wanted,
            encoder=encoder,
            has_film=False,
        )

    def _is_already(self, plan: Plan, info: Info) -> bool:
        """Whether a file of sound is what was wished for, as it came."""
        is_changed = plan.encoder or plan.inside or self._clip(info) or self._has_taken_over
        return not is_changed and plan.target == info["ext"].lower()

    def _with_inside(self, plan: Plan, info: Info) -> Plan:
        """Add to a plan what is wished to be inside and can be."""
        embed, target = self._pack.embed, plan.target
        subtitles = self._sidecars.subtitles if "subtitles" in embed else []
        picture = self._sidecars.picture if "thumbnail" in embed else None
        chapters = self._chapters(info) if "chapters" in embed and target in CHAPTERS_IN else []
        values = self._values(info) if "metadata" in embed else {}
        return replace(
            plan,
            subtitles=subtitles if target in SUBTITLES_IN else [],
            picture=picture if target in PICTURE_IN else None,
            notes=notes_of(values, chapters),
            note_options=[
                *(["-map_metadata"] if values else []),
                *(["-map_chapters"] if chapters else []),
            ],
        )

    def _warn_of_the_impossible(self, target: str, info: Info) -> None:
        embed = self._pack.embed
        impossible = {
            "subtitles": self._sidecars.subtitles and target not in SUBTITLES_IN,
            "thumbnail": self._sidecars.picture and target not in PICTURE_IN,
            "chapters": info.get("chapters") and target not in CHAPTERS_IN,
        }
        for what, is_so in impossible.items():
            if what in embed and is_so:
                self._warn("not_embedded", what=what, container=target)

    def _chapters(self, info: Info) -> list[Info]:
        """Return the chapters, as they are in the clip."""
        start, end = self._clip(info) or (0, None)
        found = []
        for chapter in info.get("chapters") or []:
            last = chapter.get("end_time") or chapter["start_time"]
            begins, ends = max(chapter["start_time"] - start, 0), min(last, end or last) - start
            if ends > begins:
                found.append({**chapter, "start_time": begins, "end_time": ends})
        return found

    def _values(self, info: Info) -> dict[str, str]:
        """Return what yt-dlp writes into a file of this video, by ffmpeg's names."""
        options = FFmpegMetadataPP(self._downloader)._get_metadata_opts(info)
        pairs = [option[1].partition("=") for option in options if option[0] == "-metadata"]
        return {name: value[:MAX_VALUE_LENGTH] for name, _, value in pairs}

    def _write(self, plan: Plan, path: str, clip: Clip | None) -> None:
        command = Command(plan, clip, notes=Path(path).with_name(NOTES))
        self.real_run_ffmpeg(command.inputs, [(path, command.options)])


def _bare(info: Info, target: str) -> Plan:
    """Plan to copy all streams that came."""
    sources = _sources_of(info)
    if _is_merge(info):
        formats = info["requested_formats"]
        has_film = any(each.get("vcodec") != "none" for each in formats)
        return Plan(sources=sources, maps=list(_maps_of(formats)), target=target, has_film=has_film)
    streams = streams_in(Path(sources[0]))
    return Plan(
        sources=sources,
        maps=["-ignore_unknown"],
        target=target,
        has_film=bool(streams.video_codec) if streams else info.get("vcodec") != "none",
        copies_all=True,
        is_moved=not _is_in(target, info),
    )


def _maps_of(formats: list[Info]) -> Iterator[str]:
    """Yield yt-dlp's choice of streams when it merges formats."""
    for number, each in enumerate(formats):
        if each.get("acodec") != "none":
            yield from ("-map", f"{number}:a:0")
        if each.get("vcodec") != "none":
            yield from ("-map", f"{number}:v:0")


def _sources_of(info: Info) -> list[str]:
    return list(info["__files_to_merge"]) if _is_merge(info) else [info["filepath"]]


def _is_merge(info: Info) -> bool:
    """Whether the formats still lie in files of their own."""
    files = info.get("__files_to_merge") or []
    return bool(files) and all(Path(file).exists() for file in files)


def _is_in(target: str, info: Info) -> bool:
    """Whether the file is in the container, or will be once yt-dlp has merged it."""
    if target != info["ext"].lower():
        return False
    if _is_merge(info) or target not in CONTAINERS:
        return True
    with open_finished(Path(info["filepath"])) as file:
        return container_of(file) is CONTAINERS[target]
