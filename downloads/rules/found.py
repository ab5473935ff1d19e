"""What a site has of a video, as few choices: the best picture of each quality, and its sound.

Rows keep them as mappings. Each choice is one that a download of the video can be had with.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from downloads.rules.options import OPTIONS
from downloads.rules.words import say

QUALITIES: tuple[str, ...] = tuple(OPTIONS["quality"].labels)  # type: ignore[attr-defined]  # of a Choice
BEST, *LOWER = QUALITIES
HEIGHTS = {quality: int(quality.removesuffix("p")) for quality in LOWER}


@dataclass(frozen=True, kw_only=True)
class Found:
    """One choice."""

    is_audio: bool = False  # the sound alone
    height: int = 0  # of the picture's shorter side; 0: not known, or there is none
    container: str = ""  # "": not known
    size_bytes: int = 0  # about; 0: not known

    @classmethod
    def from_mapping(cls, stored: Mapping[str, Any]) -> Self:
        return cls(
            is_audio=stored.get("kind") == "audio",
            height=int(stored.get("height", 0)),
            container=str(stored.get("container", "")),
            size_bytes=int(stored.get("bytes", 0)),
        )

    def as_dict(self) -> dict[str, str | int]:
        """Return what a row keeps and the API tells; what is not known is left out."""
        told: dict[str, str | int] = {
            "kind": "audio" if self.is_audio else "video",
            "height": self.height,
            "container": self.container,
            "bytes": self.size_bytes,
        }
        return {name: value for name, value in told.items() if value}

    @property
    def quality(self) -> str:
        """The lowest value of the option `quality` that lets this picture through."""
        return quality_for(self.height)

    @property
    def changes(self) -> dict[str, Any]:
        """The options that ask for this choice, whatever they were before."""
        wanted = {"audio": BEST} if self.is_audio else {"audio": None, "quality": self.quality}
        return {**wanted, "container": OPTIONS["container"].default}

    @property
    def name(self) -> str:
        """It in words: "720p", "Audio only"."""
        if self.is_audio:
            return say("Audio only")
        return f"{self.height}p" if self.height else say("Video and sound")


def found_among(stored: Iterable[Mapping[str, Any]]) -> list[Found]:
    return [Found.from_mapping(each) for each in stored]


def quality_for(height: int) -> str:
    """Return the lowest quality that a picture of this height fits into; 0: not known."""
    fits = [quality for quality, limit in HEIGHTS.items() if 0 < height <= limit]
    return fits[-1] if fits else BEST
