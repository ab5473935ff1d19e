"""Presets: options under a name. Here those that come with vnsite, and what a name may be. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from downloads.rules import names
from downloads.rules.names import MAX_NAME_LENGTH, InvalidName, key_of
from downloads.rules.options import OPTIONS, DownloadOptions, InvalidOption
from downloads.rules.words import marked, say, translated


class InvalidPreset(ValueError):
    """A preset that cannot be made as it is wished. The message is a sentence for a person.

    `field` is what was refused: `name`, `shared`, or `options.NAME`.
    """

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field


class UnknownPreset(LookupError):
    """Nobody has a preset of that name for this user. The message is a sentence for a person."""

    def __init__(self, name: str) -> None:
        super().__init__(say("There is no preset named “{name}”.", name=name[:MAX_NAME_LENGTH]))


class UnusablePreset(ValueError):
    """The stored options are not those of this version. The message is a sentence for a person."""

    def __init__(self, name: str, fault: InvalidOption) -> None:
        super().__init__(
            say(
                "The preset “{name}” cannot be used: another version of vnsite wrote its"
                " “{option}”.",
                name=name,
                option=fault.option,
            )
        )


class Origin(StrEnum):
    """Who made a preset, as its user sees it."""

    OWN = "own"
    SHARED = "shared"  # by one of the staff, with everybody
    SHIPPED = "shipped"


@dataclass(frozen=True, kw_only=True)
class OfferedPreset:
    """A preset that a user may choose."""

    key: str  # names it in forms, API and commands; compared without regard to case
    name: str
    origin: Origin
    stored: Mapping[str, Any]  # as in the row: perhaps of another version
    is_shared: bool = False
    owner: str = ""  # their name; "" for what is shipped

    @property
    def label(self) -> str:
        """Its name for a reader: what is shipped is called as it is in their language."""
        return translated(self.name) if self.origin is Origin.SHIPPED else self.name

    @property
    def options(self) -> DownloadOptions:
        """The options. Raises UnusablePreset."""
        try:
            return DownloadOptions.from_mapping(self.stored)
        except InvalidOption as fault:
            raise UnusablePreset(self.name, fault) from None

    @property
    def fault(self) -> str:
        """Why it cannot be used; "" when it can."""
        try:
            DownloadOptions.from_mapping(self.stored)
        except InvalidOption as fault:
            return str(UnusablePreset(self.name, fault))
        return ""


def _shipped(key: str, name: str, **options: Any) -> OfferedPreset:
    stored = DownloadOptions.from_mapping(options).chosen()
    return OfferedPreset(key=key, name=name, origin=Origin.SHIPPED, stored=stored)


EVERYTHING = ("thumbnail", "chapters", "metadata")
# The keys do not change: scripts, defaults and last choices name them.
SHIPPED = (
    _shipped("best", marked("Best")),
    _shipped(
        "devices",
        marked("1080p for every device"),
        quality="1080p",
        compatible=True,
        container="mp4",
    ),
    _shipped("m4a", marked("Audio as m4a"), audio="m4a"),
    _shipped("podcast", marked("Podcast"), audio="mp3", embed=EVERYTHING),
    _shipped(
        "archive",
        marked("Archive"),
        container="mkv",
        subtitles="all",
        embed=("subtitles", *EVERYTHING),
    ),
)
BEST = SHIPPED[0]


def preset_named(name: str, among: Iterable[OfferedPreset]) -> OfferedPreset:
    """Return the first preset of that name or key. Raises UnknownPreset."""
    wanted = key_of(name)
    for each in among:
        if wanted in (each.key, key_of(each.name)):
            return each
    raise UnknownPreset(name)


def clean_name(text: str) -> str:
    """Return a name without superfluous space. Raises InvalidPreset for what is not a name."""
    try:
        name = names.clean_name(text)
    except InvalidName as refusal:
        raise InvalidPreset("name", str(refusal)) from None
    if any(key_of(name) in (key_of(each.key), key_of(each.name)) for each in SHIPPED):
        raise InvalidPreset(
            "name", say("“{name}” comes with vnsite. Choose another name.", name=name)
        )
    return name


def without_link(options: DownloadOptions) -> DownloadOptions:
    """Return the options without what belongs to one link."""
    defaults = DownloadOptions().as_dict()
    of_link = {name: defaults[name] for name, each in OPTIONS.items() if each.of_one_link}
    return options.with_overrides(**of_link)


def clean_options(options: DownloadOptions) -> dict[str, Any]:
    """Return what a preset stores. Raises InvalidPreset for what belongs to one link."""
    chosen = options.chosen()
    for name in chosen:
        if OPTIONS[name].of_one_link:
            raise InvalidPreset(
                f"options.{name}", say("This belongs to one link, not to a preset.")
            )
    return chosen
