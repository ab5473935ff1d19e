"""The options of a download: one table, from which every entrance and the child derive theirs.

A closed set, so that no option reaches yt-dlp unseen. The form, the API's schema, the flags of
`add_download`, the labels on pages, the row and the child's job are made of `OPTIONS`; only
`fetch.recipe` knows what an option means to yt-dlp. Imports nothing of Django or of this project.
"""

import reprlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Self


class InvalidOption(ValueError):
    """An option that does not exist or cannot have that value; the message says what is allowed.

    `option` is the key that was refused.
    """

    def __init__(self, option: str, message: str) -> None:
        super().__init__(f"{option}: {message}")
        self.option = option


@dataclass(frozen=True, kw_only=True)
class Choice:
    """An option with a closed set of values, of which the first is the default."""

    label: str
    description: str  # one or two sentences: in the form, in `--help` and in the API's schema
    labels: Mapping[str | None, str]  # value to its words; None is null in JSON, "" in a form

    @property
    def default(self) -> str | None:
        return next(iter(self.labels))

    @property
    def words(self) -> tuple[str, ...]:
        """The values that can be named: all but None."""
        return tuple(value for value in self.labels if value is not None)

    def checked(self, name: str, value: object) -> str | None:
        """Return the value as a plain string or None. Raises InvalidOption for any other."""
        for allowed in self.labels:
            if value == allowed:
                return allowed
        raise InvalidOption(name, f"{reprlib.repr(value)} is not one of {', '.join(self.words)}")


def _choice(*, label: str, description: str, labels: Mapping[str | None, str]) -> Any:
    """Make a field of `DownloadOptions` that carries its Choice."""
    choice = Choice(label=label, description=description, labels=labels)
    return field(default=choice.default, metadata={"option": choice})


@dataclass(frozen=True, kw_only=True)
class DownloadOptions:
    """The options of one download. InvalidOption for a value that is not in the table.

    Never mutated: `with_overrides` makes new ones, so that a default may be shared. One more option
    is one more field here and a line in `fetch.recipe`.
    """

    quality: str = _choice(
        label="Quality",
        description="The best picture up to this height; a site that has less gives its best.",
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
    audio: str | None = _choice(
        label="Sound",
        description="The sound alone, in this format, instead of a video with its sound.",
        labels={
            None: "Video and sound",
            "m4a": "Only sound, m4a",
            "mp3": "Only sound, mp3",
            "opus": "Only sound, opus",
        },
    )
    container: str = _choice(
        label="Container",
        description="The kind of file for a video: repacked, never encoded again. One that does "
        "not fit fails and says so. Sound alone stays as it is.",
        labels={"auto": "Container of the site", "mp4": "As mp4", "mkv": "As mkv"},
    )

    def __post_init__(self) -> None:
        for name, option in OPTIONS.items():
            object.__setattr__(self, name, option.checked(name, getattr(self, name)))

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, object]) -> Self:
        """Make options from JSON or from a row; a missing key has its default.

        Raises InvalidOption for an unknown key or value.
        """
        return cls().with_overrides(**mapping)

    def with_overrides(self, /, **changes: object) -> Self:
        """Make new options with `changes`; these stay as they are.

        Raises InvalidOption for an unknown key or value.
        """
        for key, value in changes.items():
            if key not in OPTIONS:
                was, allowed = reprlib.repr(value), ", ".join(OPTIONS)
                raise InvalidOption(key[:40], f"unknown option (was {was}); allowed: {allowed}")
        return type(self)(**{**asdict(self), **changes})

    def as_dict(self) -> dict[str, str | None]:
        """Return every option, in a fixed order: equal options give equal JSON."""
        return asdict(self)

    def chosen(self) -> dict[str, str | None]:
        """Return what differs from the defaults, so that a new option changes no older wish."""
        return {
            name: value for name, value in self.as_dict().items() if value != OPTIONS[name].default
        }

    @property
    def label(self) -> str:
        """The values that differ from their default, for a row: "720p", "mp3"; "" for none."""
        return ", ".join(filter(None, self.chosen().values()))

    @property
    def summary(self) -> str:
        """The words of every option: "Up to 720p · Video and sound"."""
        return " · ".join(OPTIONS[name].labels[value] for name, value in self.as_dict().items())


OPTIONS: Mapping[str, Choice] = {
    each.name: each.metadata["option"] for each in fields(DownloadOptions)
}
