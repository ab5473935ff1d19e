"""The options of a download: one table, from which every entrance and the child derive theirs.

A closed set, so that no option reaches yt-dlp unseen. The form, the API's schema, the flags of
`add_download`, the labels on pages, the row and the child's job are made of `OPTIONS`; only
`fetch.recipe` knows what an option means to yt-dlp. Imports nothing of Django.
"""

import reprlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import cache
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
from downloads.rules.words import marked, say

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
            label=marked("Quality"),
            description=marked(
                "The best picture up to this height; a site that has less gives its best."
            ),
            group=Group.FILE,
            stands_alone=True,
            labels={
                "best": marked("Best quality"),
                "2160p": marked("Up to 2160p"),
                "1440p": marked("Up to 1440p"),
                "1080p": marked("Up to 1080p"),
                "720p": marked("Up to 720p"),
                "480p": marked("Up to 480p"),
                "360p": marked("Up to 360p"),
            },
        )
    )
    audio: str | None = _of(
        Choice(
            label=marked("Sound"),
            description=marked(
                "The sound alone, instead of a video with its sound: as the site has it, "
                "or in this format."
            ),
            group=Group.FILE,
            stands_alone=True,
            labels={
                None: marked("Video and sound"),
                "best": marked("Audio only, as it is"),
                "m4a": marked("Audio only, m4a"),
                "mp3": marked("Audio only, mp3"),
                "opus": marked("Audio only, opus"),
                "flac": marked("Audio only, flac"),
            },
            in_rows={"best": marked("audio as it is")},
        )
    )
    container: str = _of(
        Choice(
            label=marked("Container"),
            description=marked(
                "The kind of file for a video: repacked, never encoded again. One that "
                "does not fit fails and says so. Sound alone stays as it is."
            ),
            group=Group.FILE,
            stands_alone=True,
            labels={
                "auto": marked("Container of the site"),
                "mp4": marked("As mp4"),
                "mkv": marked("As mkv"),
                "webm": marked("As webm"),
            },
        )
    )
    compatible: bool = _of(
        Flag(
            label=marked("Plays everywhere"),
            description=marked(
                "H.264 and AAC where the site has them, so that old televisions and phones "
                "play it too."
            ),
            group=Group.FILE,
            words=marked("H.264 and AAC first"),
        )
    )
    subtitles: tuple[str, ...] = _of(
        Languages(
            label=marked("Subtitles"),
            description=marked(
                "Languages of the subtitles that are kept beside the video: en, es-419, or all."
            ),
            group=Group.BESIDE,
            most=20,
        )
    )
    automatic_captions: bool = _of(
        Flag(
            label=marked("Automatic captions"),
            description=marked(
                "Captions that a machine made, in languages that have no subtitles."
            ),
            group=Group.BESIDE,
            words=marked("Automatic captions too"),
        )
    )
    thumbnail: bool = _of(
        Flag(
            label=marked("Thumbnail"),
            description=marked("The picture that stands for the video, kept beside it as JPEG."),
            group=Group.BESIDE,
            is_on=True,
            words=marked("No thumbnail"),
        )
    )
    embed: tuple[str, ...] = _of(
        Subset(
            label=marked("Embedded"),
            description=marked("Put into the file as well, where its container can hold it."),
            group=Group.INSIDE,
            labels={
                "subtitles": marked("Subtitles"),
                "thumbnail": marked("Thumbnail"),
                "chapters": marked("Chapters"),
                "metadata": marked("Title and author"),
            },
        )
    )
    sponsorblock: str = _of(
        Choice(
            label=marked("SponsorBlock"),
            description=marked(
                "Asks sponsor.ajay.app where a YouTube video has advertising, and makes "
                "chapters of that or cuts it out."
            ),
            group=Group.INSIDE,
            labels={
                "off": marked("Off"),
                "mark": marked("Mark as chapters"),
                "remove": marked("Cut out"),
            },
        )
    )
    clip: str | None = _of(
        Span(
            label=marked("Only this part"),
            description=marked(
                "From START to END, in seconds or as [H:]MM:SS: 90-240, 1:30-4:00; "
                "90- is from there to the end."
            ),
            group=Group.WHICH,
            of_one_link=True,
        )
    )
    live: str = _of(
        Choice(
            label=marked("Live streams"),
            description=marked(
                "A premiere is waited for, and a running stream is recorded from now on; "
                "or only what runs now; or neither."
            ),
            group=Group.WHICH,
            labels={
                "wait": marked("Wait for premieres"),
                "now": marked("Only what runs now"),
                "refuse": marked("Refuse"),
            },
        )
    )
    playlist: str = _of(
        CountedChoice(
            label=marked("Playlists"),
            description=marked(
                "What becomes of the videos of a playlist, channel or page: you are asked, "
                "all are added, the first N, or those that you never had; or only the video that "
                "the link names."
            ),
            group=Group.WHICH,
            labels={
                "ask": marked("Ask which videos"),
                "all": marked("Add all videos"),
                "new": marked("Add what I never had"),
                "no": marked("Only the video named"),
            },
            most=MAX_FIRST_ENTRIES,
            counted_label=marked("Add the first {number} videos"),
        )
    )
    rate_limit: int | None = _of(
        Rate(
            label=marked("Speed limit"),
            description=marked("At most so many bytes a second: 500K, 2M."),
            group=Group.WHICH,
            least=1024,
            most=1024**4,
        )
    )
    check: bool = _of(
        Flag(
            label=marked("Check only"),
            description=marked(
                "Look the video up, and download nothing: how long it is, and what the site has."
            ),
            group=Group.WHICH,
            of_one_link=True,
            words=marked("Check only"),
        )
    )
    start_at: str | None = _of(
        Instant(
            label=marked("Not before"),
            description=marked(
                "When the download may start; an instant that is over means at once."
            ),
            group=Group.WHICH,
            of_one_link=True,
        )
    )
    extras: tuple[str, ...] = _of(
        Subset(
            label=marked("Extras"),
            description=marked("Files for media servers such as Jellyfin and Kodi."),
            group=Group.BESIDE,
            labels={
                "nfo": marked("NFO (title, plot, date)"),
                "poster": marked("Poster"),
                "info": marked("Info JSON (all that the site said)"),
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
    @cache
    def usual(cls) -> Self:
        """Return the options of who chooses none: checked once, and not for each row of a list."""
        return cls()

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, object]) -> Self:
        """Make options of JSON, of a row, or of texts as forms and flags have them.

        A missing key has its default. Raises InvalidOption for an unknown key or value, and for
        values that contradict each other.
        """
        return cls.usual().with_overrides(**mapping)

    def with_overrides(self, /, **changes: object) -> Self:
        """Make new options with `changes`; these stay as they are.

        Raises InvalidOption as `from_mapping` does.
        """
        for key, value in changes.items():
            if key not in OPTIONS:
                was, allowed = reprlib.repr(value), ", ".join(OPTIONS)
                sentence = say(
                    "unknown option (was {was}); allowed: {allowed}.", was=was, allowed=allowed
                )
                raise InvalidOption(key[:40], sentence)
        return type(self)(**{**self._values(), **changes})

    def as_dict(self) -> dict[str, Any]:
        """Return every option as JSON has it, in a fixed order: equal options give equal JSON."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in self._values().items()
        }

    def chosen(self) -> dict[str, Any]:
        """Return what differs from the defaults, so that a new option changes no older wish."""
        values, defaults = self.as_dict(), self.usual().as_dict()
        return {name: value for name, value in values.items() if value != defaults[name]}

    @property
    def label(self) -> str:
        """The values that differ from their default, for a row: "720p, mp3"; "" for none."""
        said = [OPTIONS[name].in_short(getattr(self, name)) for name in self.chosen()]
        more = len(said) - MAX_IN_ROW
        return ", ".join(
            said if more <= 0 else [*said[:MAX_IN_ROW], say("{number} more", number=more)]
        )

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
        yield "compatible", say("H.264 and AAC do not go into webm: choose another container.")
    if is_webm and "thumbnail" in options.embed:
        yield "embed", say("A thumbnail cannot be put into webm: choose another container.")
    if "subtitles" in options.embed and not options.subtitles:
        yield "embed", say("Choose the languages of the subtitles that are to be embedded.")
    if "subtitles" in options.embed and options.audio in NO_TEXT_INSIDE:
        yield "embed", say("Subtitles cannot be put into {format}.", format=options.audio)
    if options.automatic_captions and not options.subtitles:
        yield "automatic_captions", say("Choose the languages of the captions under subtitles.")
    if options.sponsorblock != "off" and options.clip:
        yield "sponsorblock", say("SponsorBlock knows the times of the whole video, not of a part.")
