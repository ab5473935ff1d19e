"""One run of ffmpeg: what goes into a file, and the command that puts it there."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from yt_dlp.utils import ISO639Utils

from downloads.fetch.recipe import Clip
from downloads.fetch.sidecars import Subtitles

# By suffix of the file: the form that subtitles have in it.
SUBTITLES_IN = {"mp4": "mov_text", "mov": "mov_text", "mkv": "srt", "webm": "webvtt"}
MATROSKAS = frozenset({"mkv", "mka"})
SPECIAL = re.compile(r"([\\=;#\n])")  # in ffmpeg's metadata files


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One run of ffmpeg."""

    sources: list[str]
    maps: list[str]  # which streams of the sources
    target: str  # the suffix
    encoder: tuple[str, ...] = ()  # of the sound; () to copy it
    has_film: bool  # moving pictures
    copies_all: bool = False  # of one source, to which `maps` add nothing
    is_moved: bool = False  # into another container
    subtitles: list[Subtitles] = field(default_factory=list)
    picture: Path | None = None
    notes: str = ""  # metadata and chapters, in ffmpeg's own form
    note_options: list[str] = field(default_factory=list)

    @property
    def inside(self) -> list[str]:
        """The names of what goes into the file beside its streams."""
        named = {
            "subtitles": self.subtitles,
            "thumbnail": self.picture,
            "metadata": self.notes,
        }
        return [name for name, value in named.items() if value]

    def without_inside(self) -> "Plan":
        return replace(self, subtitles=[], picture=None, notes="", note_options=[])


class Command:
    """The inputs and the options of a run, as yt-dlp's post-processors pass them to ffmpeg."""

    def __init__(self, plan: Plan, clip: Clip | None, *, notes: Path) -> None:
        """`notes` is written when the plan has some."""
        start, end = clip or (0, None)
        cut = [*(["-ss", str(start)] if start else []), *(["-to", str(end)] if end else [])]
        self.inputs: list[tuple[str, list[str]]] = [(source, cut) for source in plan.sources]
        self.options = [*plan.maps, *_maps_of_all(plan), "-c", "copy", *plan.encoder]
        self._add_subtitles(plan)
        self._add_picture(plan)
        if plan.notes:
            notes.write_text(plan.notes, encoding="utf-8", errors="replace")
            for option in plan.note_options:
                self.options += [option, str(len(self.inputs))]
            self.inputs.append((str(notes), ["-f", "ffmetadata"]))
        if plan.target == "mp3":
            self.options += ["-write_id3v1", "1", "-id3v2_version", "3"]

    def _add_subtitles(self, plan: Plan) -> None:
        for number, each in enumerate(plan.subtitles):
            self.options += ["-map", f"{len(self.inputs)}:0"]
            language = ISO639Utils.short2long(each.language.partition("-")[0]) or each.language
            self.options += [f"-metadata:s:s:{number}", f"language={language}"]
            self.inputs.append((str(each.path), []))
        if plan.target in SUBTITLES_IN and (plan.subtitles or plan.is_moved):
            self.options += ["-c:s", SUBTITLES_IN[plan.target]]

    def _add_picture(self, plan: Plan) -> None:
        if plan.picture and plan.target in MATROSKAS:
            self.options += ["-attach", f"file:{plan.picture}"]
            for value in ("mimetype=image/jpeg", "filename=cover.jpg"):
                self.options += ["-metadata:s:t:0", value]
        elif plan.picture:
            self.options += ["-map", f"{len(self.inputs)}:v:0"]
            self.options += [f"-disposition:v:{int(plan.has_film)}", "attached_pic"]
            self.inputs.append((str(plan.picture), []))


def _maps_of_all(plan: Plan) -> Iterator[str]:
    """Yield the streams of one source, but for those that others take the place of."""
    if plan.copies_all:
        yield from ("-map", "0:V?" if plan.picture else "0:v?", "-map", "0:a?")
        if not plan.subtitles:
            yield from ("-map", "0:s?")
        if plan.target in MATROSKAS and not plan.picture:
            yield from ("-map", "0:t?")


def notes_of(values: dict[str, str], chapters: list[dict[str, Any]]) -> str:
    """Write metadata and chapters as ffmpeg reads them; "" for none."""
    lines = [f"{name}={_escaped(value)}" for name, value in values.items()]
    for chapter in chapters:
        start, end = (round(chapter[name] * 1000) for name in ("start_time", "end_time"))
        lines += ["[CHAPTER]", "TIMEBASE=1/1000", f"START={start}", f"END={end}"]
        lines.append(f"title={_escaped(str(chapter.get('title') or ''))}")
    return "\n".join([";FFMETADATA1", *lines, ""]) if lines else ""


def _escaped(text: str) -> str:
    return SPECIAL.sub(r"\\\1", text.replace("\0", ""))
