"""The options of a download: one table, from which every entrance and the child derive theirs.

A closed set, so that no option reaches yt-dlp unseen. The form, the API's schema, the flags of
`add_download`, the labels on pages, the row and the child's job are made of `OPTIONS`; only
`fetch.recipe` knows what an option means to yt-dlp. Imports nothing of Django.
"""

import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Self

from downloads.rules.option_kinds import (
    Choice,
    CountedChoice,
    Flag,
    Group,
    Languages,
    Option,
    Subset,
    counted,
)
from downloads.rules.option_measures import Instant, Rate, Span, span_seconds

MAX_FIRST_ENTRIES = 10_000
MAX_IN_ROW = 3  # options that a row names; its page names all
NO_TEXT_INSIDE = frozenset({"mp3", "opus", "flac"})  # sound that takes no subtitles


class InvalidOption(ValueError):
    """An option that does not exist or cannot have that value; the message says what is allowed.

    `option` is the key that was refused, `reason` the sentence without it.
    """

    def __init__(self, option: str, reason: str) -> None:
        super().__init__(f"{option}: {reason}")
        self.option = option
        self.reason = reason


def _of(option: Option) -> Any:
    """Make a field of `DownloadOptions` that carries its option."""
    return field(default=option.default, metadata={"option": option})


@dataclass(frozen=True, kw_only=True)
class DownloadOptions:
    """The options of one download. InvalidOption for a value that is not in the table.

    Never mutated: `with_overrides` makes new ones, so that a default may be shared. One more option
    is one more field here and a line in `fetch.recipe`.
    """

    quality: str = _of(
        Choice(
            label="Quality",
            description="The best picture up to this height; a site that has less gives its best.",
            group=Group.FILE,
            stands_alone=True,
            labels={
                "best": "Best quality",
                "2160p": "Up to 2160p",
                "1440p": "Up to 1440p",
                "1080p": "Up to 1080p",
                "720p": "Up to 720p",
                "480p": "Up to 480p",
                "360p": "Up to 360p",
            },
        )
    )
    audio: str | None = _of(
        Choice(
            label="Sound",
            description="The sound alone, instead of a video with its sound: as the site has it, "
            "or in this format.",
            group=Group.FILE,
            stands_alone=True,
            labels={
                None: "Video and sound",
                "best": "Only sound, as it is",
                "m4a": "Only sound, m4a",
                "mp3": "Only sound, mp3",
                "opus": "Only sound, opus",
                "flac": "Only sound, flac",
            },
            in_rows={"best": "sound as it is"},
        )
    )
    container: str = _of(
        Choice(
            label="Container",
            description="The kind of file for a video: repacked, never encoded again. One that "
            "does not fit fails and says so. Sound alone stays as it is.",
            group=Group.FILE,
            stands_alone=True,
            labels={
                "auto": "Container of the site",
                "mp4": "As mp4",
                "mkv": "As mkv",
                "webm": "As webm",
            },
        )
    )
    compatible: bool = _of(
        Flag(
            label="Plays everywhere",
            description="H.264 and AAC where the site has them, so that old televisions and phones "
            "play it too.",
            group=Group.FILE,
            words="H.264 and AAC first",
        )
    )
    subtitles: tuple[str, ...] = _of(
        Languages(
            label="Subtitles",
            description="Languages of the subtitles that are kept beside the video: en, es-419, or "
            "all.",
            group=Group.BESIDE,
            most=20,
        )
    )
    automatic_captions: bool = _of(
        Flag(
            label="Automatic captions",
            description="Captions that a machine made, in languages that have no subtitles.",
            group=Group.BESIDE,
            words="Automatic captions too",
        )
    )
    thumbnail: bool = _of(
        Flag(
            label="Thumbnail",
            description="The picture that stands for the video, kept beside it as JPEG.",
            group=Group.BESIDE,
            is_on=True,
            words="No thumbnail",
        )
    )
    embed: tuple[str, ...] = _of(
        Subset(
            label="Embedded",
            description="Put into the file as well, where its container can hold it.",
            group=Group.INSIDE,
            labels={
                "subtitles": "Subtitles",
                "thumbnail": "Thumbnail",
                "chapters": "Chapters",
                "metadata": "Title and author",
            },
        )
    )
    sponsorblock: str = _of(
        Choice(
            label="SponsorBlock",
            description="Asks sponsor.ajay.app where a YouTube video has advertising, and makes "
            "chapters of that or cuts it out.",
            group=Group.INSIDE,
            labels={"off": "Off", "mark": "Mark as chapters", "remove": "Cut out"},
        )
    )
    clip: str | None = _of(
        Span(
            label="Only this part",
            description="From START to END, in seconds or as [H:]MM:SS: 90-240, 1:30-4:00; "
            "90- is from there to the end.",
            group=Group.WHICH,
            of_one_link=True,
        )
    )
    live: str = _of(
        Choice(
            label="Live streams",
            description="A premiere is waited for, and a running stream is recorded from now on; "
            "or only what runs now; or neither.",
            group=Group.WHICH,
            labels={
                "wait": "Wait for premieres",
                "now": "Only what runs now",
                "refuse": "Refuse",
            },
        )
    )
    playlist: str = _of(
        CountedChoice(
            label="Playlists",
            description="What becomes of the videos of a playlist, channel or page: you are asked, "
            "all are added, the first N, or those that you never had; or only the video that the "
            "link names.",
            group=Group.WHICH,
            labels={
                "ask": "Ask which videos",
                "all": "Add all videos",
                "new": "Add what I never had",
                "no": "Only the video named",
            },
            most=MAX_FIRST_ENTRIES,
            counted_label="Add the first {} videos",
        )
    )
    rate_limit: int | None = _of(
        Rate(
            label="Speed limit",
            description="At most so many bytes a second: 500K, 2M.",
            group=Group.WHICH,
            least=1024,
            most=1024**4,
        )
    )
    start_at: str | None = _of(
        Instant(
            label="Not before",
            description="When the download may start; an instant that is over means at once.",
            group=Group.WHICH,
            of_one_link=True,
        )
    )
    extras: tuple[str, ...] = _of(
        Subset(
            label="Extras",
            description="Files for media servers such as Jellyfin and Kodi.",
            group=Group.BESIDE,
            labels={
                "nfo": "NFO (title, plot, date)",
                "poster": "Poster",
                "info": "Info JSON (all that the site said)",
            },
        )
    )

    def __post_init__(self) -> None:
        for name, option in OPTIONS.items():
            try:
                object.__setattr__(self, name, option.checked(getattr(self, name)))
            except ValueError as fault:
                raise InvalidOption(name, str(fault)) from None
        for name, sentence in _contradictions(self):
            raise InvalidOption(name, sentence)

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, object]) -> Self:
        """Make options of JSON, of a row, or of texts as forms and flags have them.

        A missing key has its default. Raises InvalidOption for an unknown key or value, and for
        values that contradict each other.
        """
        return cls().with_overrides(**mapping)

    def with_overrides(self, /, **changes: object) -> Self:
        """Make new options with `changes`; these stay as they are.

        Raises InvalidOption as `from_mapping` does.
        """
        for key, value in changes.items():
            if key not in OPTIONS:
                was, allowed = reprlib.repr(value), ", ".join(OPTIONS)
                raise InvalidOption(key[:40], f"unknown option (was {was}); allowed: {allowed}.")
        return type(self)(**{**self._values(), **changes})

    def as_dict(self) -> dict[str, Any]:
        """Return every option as JSON has it, in a fixed order: equal options give equal JSON."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in self._values().items()
        }

    def chosen(self) -> dict[str, Any]:
        """Return what differs from the defaults, so that a new option changes no older wish."""
        values, defaults = self.as_dict(), type(self)().as_dict()
        return {name: value for name, value in values.items() if value != defaults[name]}

    @property
    def label(self) -> str:
        """The values that differ from their default, for a row: "720p, mp3"; "" for none."""
        said = [OPTIONS[name].in_short(getattr(self, name)) for name in self.chosen()]
        more = len(said) - MAX_IN_ROW
        return ", ".join(said if more <= 0 else [*said[:MAX_IN_ROW], f"{more} more"])

    @property
    def summary(self) -> str:
        """The options in words: "Up to 720p · Video and sound"."""
        said = (OPTIONS[name].in_words(value) for name, value in self._values().items())
        return " · ".join(filter(None, said))

    @property
    def clip_seconds(self) -> tuple[float, float | None] | None:
        """Start and end of the clip; the end None: to the end of the video. None: all of it."""
        return None if self.clip is None else span_seconds(self.clip)

    @property
    def first_entries(self) -> int | None:
        """The N of `first:N`, None for another choice of `playlist`."""
        return counted(self.playlist)

    @property
    def starts_at(self) -> datetime | None:
        """`start_at` as an instant with its zone; None: at once."""
        return None if self.start_at is None else datetime.fromisoformat(self.start_at)

    def _values(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in OPTIONS}


OPTIONS: Mapping[str, Option] = {
    each.name: each.metadata["option"] for each in fields(DownloadOptions)
}


def _contradictions(options: DownloadOptions) -> Iterator[tuple[str, str]]:
    """Say which options cannot be had together: the one that is refused, and a sentence."""
    is_webm = options.container == "webm" and options.audio is None
    if is_webm and options.compatible:
        yield "compatible", "H.264 and AAC do not go into webm: choose another container."
    if is_webm and "thumbnail" in options.embed:
        yield "embed", "A thumbnail cannot be put into webm: choose another container."
    if "subtitles" in options.embed and not options.subtitles:
        yield "embed", "Choose the languages of the subtitles that are to be embedded."
    if "subtitles" in options.embed and options.audio in NO_TEXT_INSIDE:
        yield "embed", f"Subtitles cannot be put into {options.audio}."
    if options.automatic_captions and not options.subtitles:
        yield "automatic_captions", "Choose the languages of the captions under subtitles."
    if options.sponsorblock != "off" and options.clip:
        yield "sponsorblock", "SponsorBlock knows the times of the whole video, not of a part."
