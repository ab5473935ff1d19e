"""What a site has of a video, in words, with the options that ask for it."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from downloads.models import Download
from downloads.rules.found import Found, found_among
from downloads.rules.options import OPTIONS
from downloads.rules.words import say
from downloads.web.format import duration, size


class ChoiceView(NamedTuple):
    """One choice, for a button."""

    label: str
    fields: dict[str, str]  # of a form: the options that ask for it


def choices_of(stored: Iterable[Mapping[str, Any]]) -> list[ChoiceView]:
    """Return the choices that an error or a check has stored, the best first."""
    return [_choice(found) for found in found_among(stored)]


def checked_in_words(download: Download) -> str:
    """Say what a check found out: "Checked: 12 min 03 s, 1080p, about 281 MiB"."""
    media = download.media
    seconds, height = media.get("duration"), media.get("height")
    facts = [
        duration(seconds) if seconds else "",
        f"{height}p" if height else "",
        about(media.get("bytes", 0)),
    ]
    if known := ", ".join(filter(None, facts)):
        return say("Checked: {facts}", facts=known)
    return say("Checked: the site has it")


def about(size_bytes: int) -> str:
    """Say a size that is not certain; "" when it is not known."""
    return say("about {size}", size=size(size_bytes)) if size_bytes else ""


def _choice(found: Found) -> ChoiceView:
    words = (found.name, found.container, about(found.size_bytes))
    return ChoiceView(
        label=" · ".join(filter(None, words)),
        fields={name: field_of(name, value) for name, value in found.changes.items()},
    )


def field_of(name: str, value: object) -> str:
    """Return the value of an option as a form sends it; "" is the default."""
    return "" if value in (None, False) else OPTIONS[name].as_text(value)
