"""What a person may choose for a download: a closed set, so that no option reaches yt-dlp unseen.

Pure: imports nothing of Django or of this project.
"""

import reprlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Self, TypeVar

Word = TypeVar("Word", bound=StrEnum)


class Quality(StrEnum):
    """The best picture to take; a site that has only less gives what it has."""

    BEST = "best"
    P2160 = "2160p"
    P1440 = "1440p"
    P1080 = "1080p"
    P720 = "720p"
    P480 = "480p"
    P360 = "360p"


class Audio(StrEnum):
    """The format of a download of sound only."""

    M4A = "m4a"
    MP3 = "mp3"
    OPUS = "opus"


class InvalidOption(ValueError):
    """An option that does not exist or cannot have that value; the message says what is allowed.

    `option` is the key that was refused.
    """

    def __init__(self, option: str, message: str) -> None:
        super().__init__(f"{option}: {message}")
        self.option = option


@dataclass(frozen=True, kw_only=True)
class DownloadOptions:
    """The options of one download. Plain strings are accepted; InvalidOption for any other value.

    Never mutated: `with_overrides` makes new ones, so that a default may be shared.
    """

    quality: Quality = Quality.BEST
    audio: Audio | None = None  # None: picture and sound

    def __post_init__(self) -> None:
        object.__setattr__(self, "quality", _member("quality", self.quality, of=Quality))
        if self.audio is not None:
            object.__setattr__(self, "audio", _member("audio", self.audio, of=Audio))

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, object]) -> Self:
        """Options from JSON or from a row; a missing key has its default.

        Raises InvalidOption for an unknown key or value.
        """
        return cls().with_overrides(**mapping)

    def with_overrides(self, /, **changes: object) -> Self:
        """New options with `changes`; these stay as they are.

        Raises InvalidOption for an unknown key or value.
        """
        known = [field.name for field in fields(self)]
        for key, value in changes.items():
            if key not in known:
                was, allowed = reprlib.repr(value), ", ".join(known)
                raise InvalidOption(key[:40], f"unknown option (was {was}); allowed: {allowed}")
        return type(self)(**{**asdict(self), **changes})

    def as_dict(self) -> dict[str, str | None]:
        """Every option, in a fixed order and as plain strings: equal options give equal JSON."""
        return {"quality": self.quality.value, "audio": self.audio and self.audio.value}


def _member(key: str, value: object, *, of: type[Word]) -> Word:
    if isinstance(value, str) and value in set(of):
        return of(value)
    raise InvalidOption(key, f"{reprlib.repr(value)} is not one of {', '.join(of)}")
