"""The form that makes downloads of the entries of a listing: which of them, and how."""

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from django import forms
from django.db.models import Q

from downloads.models import Listing
from downloads.models.listings import EntryQuerySet
from downloads.rules.options import OPTIONS, DownloadOptions, InvalidOption
from downloads.rules.presets import OfferedPreset, UnusablePreset
from downloads.web.forms import PresetForm, Shown, preset_choices
from downloads.web.listing import MAX_TEXT_LENGTH

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.http import QueryDict

MAX_POSITION = 2**31 - 1  # what the database takes
MAX_SPANS = 100
HOW_MANY = "Say how many of the first ones, as a whole number."
# `playlist` says what becomes of a list, and this is what becomes of one.
OF_A_LIST = {"playlist": OPTIONS["playlist"].default}
OF_ENTRIES = tuple(name for name in OPTIONS if name not in OF_A_LIST)
OF_ONE_LINK = {name: option.default for name, option in OPTIONS.items() if option.of_one_link}
SPAN = re.compile(r"(\d{1,9})(?:\s*[-–]\s*(\d{1,9})?)?")  # noqa: RUF001 — people write both


class Which(StrEnum):
    """Which entries are added. All but the first two are of those that the search shows."""

    TICKED = "ticked"
    SOME = "some"  # by their positions
    FIRST = "first"
    ALL = "all"
    NEW = "new"


class TickedPositions(forms.Field):
    """The positions of the ticked boxes; what is not a position is left out."""

    widget = forms.MultipleHiddenInput

    def to_python(self, value: Any) -> frozenset[int]:
        is_position = re.compile(r"\d{1,9}").fullmatch
        return frozenset(int(text) for text in value or () if is_position(text))


class EntriesForm(PresetForm):
    """Some entries of a listing, and the options of their downloads, or a preset below these."""

    which = forms.TypedChoiceField(
        choices=[(each, each) for each in Which],
        coerce=Which,
        initial=Which.TICKED,
        error_messages=dict.fromkeys(("required", "invalid_choice"), "Say which are to be added."),
    )
    position = TickedPositions(required=False)
    some = forms.CharField(required=False, max_length=1000)
    first = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=MAX_POSITION,
        error_messages=dict.fromkeys(("invalid", "min_value", "max_value"), HOW_MANY),
    )
    q = forms.CharField(required=False, max_length=MAX_TEXT_LENGTH)

    def __init__(
        self,
        data: "QueryDict | None" = None,
        *,
        among: Sequence[OfferedPreset],
        initial: Any = None,
    ) -> None:
        super().__init__(data, among=among, initial=initial)
        del self.fields["playlist"]
        select: forms.Select = self.fields["preset"].widget
        select.choices = [("", "None: as shown"), *preset_choices(among)]

    @classmethod
    def to_begin(cls, listing: Listing, *, among: Sequence[OfferedPreset]) -> Self:
        """Make the form with the options that the list was asked for with."""
        try:
            own = DownloadOptions.from_mapping(listing.download.options)
        except InvalidOption:  # of a newer version
            own = DownloadOptions()
        options = own.with_overrides(**OF_ONE_LINK)
        values = {name: getattr(options, name) for name in OF_ENTRIES}
        return cls(among=among, initial={**values, "shown": str(Shown("", options))})

    @property
    def chosen(self) -> Which:
        """Which of the ways is marked, also in a form that was refused."""
        value = self["which"].value()
        return Which(value) if value in set(Which) else Which.TICKED

    @property
    def ticked(self) -> frozenset[int]:
        """The positions that were ticked, also in a form that was refused."""
        return TickedPositions().to_python(self["position"].value())

    @property
    def sentences(self) -> list[str]:
        """What is wrong, those about an option with its name."""
        labels = {name: f"{self[name].label}: " for name in OF_ENTRIES}
        faults = [(name, fault) for name, found in self.errors.items() for fault in found]
        return [f"{labels.get(name, '')}{fault}" for name, fault in faults]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = self.cleaned_data
        which = cleaned.get("which")
        if which == Which.TICKED and not cleaned.get("position"):
            self.add_error(None, "Tick the videos that you want, or choose another way.")
        if which == Which.FIRST and not cleaned.get("first") and "first" not in self.errors:
            self.add_error("first", HOW_MANY)
        if which == Which.SOME and "some" in cleaned:
            self._clean_some(cleaned)
        self._clean_options()
        return cleaned

    def _clean_some(self, cleaned: dict[str, Any]) -> None:
        try:
            cleaned["some"] = condition_of(cleaned["some"])
        except ValueError as error:
            self.add_error("some", str(error))

    def _clean_options(self) -> None:
        """Put preset and options together. Refuse options that contradict each other."""
        if self.has_wrong_options or "preset" in self.errors:
            return
        preset = self.cleaned_data["preset"]
        try:
            options = self._before(preset.options) if preset else self._as_shown()
            self.options = options.with_overrides(**OF_A_LIST)
        except UnusablePreset as unusable:
            self.add_error("preset", str(unusable))
        except InvalidOption as refusal:
            self.add_error(refusal.option, refusal.reason)

    def _as_shown(self) -> DownloadOptions:
        return DownloadOptions(**{name: self.cleaned_data[name] for name in OF_ENTRIES})

    def _before(self, base: DownloadOptions) -> DownloadOptions:
        """Return the options of a preset, but for those that were changed in the form."""
        shown = Shown.parse(self.cleaned_data["shown"])
        known = shown.options if shown else DownloadOptions()
        values = {name: self.cleaned_data[name] for name in OF_ENTRIES}
        changed = {name: value for name, value in values.items() if value != getattr(known, name)}
        return base.with_overrides(**changed)

    def select(self, entries: EntryQuerySet, *, owner: "User | None") -> EntryQuerySet:
        """Return those of a listing's entries that a valid form asks for."""
        found = entries.search(self.cleaned_data["q"].replace("\0", ""))
        match self.cleaned_data["which"]:
            case Which.TICKED:
                return entries.filter(position__in=self.cleaned_data["position"])
            case Which.SOME:
                return entries.filter(self.cleaned_data["some"])
            case Which.FIRST:
                return first_of(found, self.cleaned_data["first"])
            case Which.NEW:
                return found.new_to(owner)
        return found


def first_of(entries: EntryQuerySet, number: int) -> EntryQuerySet:
    """Return the first entries; not a slice, so that it can be narrowed further."""
    last = entries.order_by("position").values_list("position", flat=True)[number - 1 : number]
    return entries.filter(position__lte=last[0]) if last else entries


def condition_of(text: str) -> Q:
    """Read positions as people write them: "3, 7-12, 40-". Raises ValueError with a sentence."""
    spans = [span.strip() for span in text.split(",") if span.strip()]
    if not spans:
        raise ValueError("Say which positions, as 1-20 or 3, 7-12, 40-.")
    if len(spans) > MAX_SPANS:
        raise ValueError(f"At most {MAX_SPANS} ranges at once.")
    condition = Q()
    for span in spans:
        match = SPAN.fullmatch(span)
        if match is None:
            raise ValueError(f"“{span[:40]}” is not a position or a range like 7-12.")
        start, stop = int(match[1]), match[2]
        if stop is not None and int(stop) < start:
            raise ValueError(f"“{span}” ends before it begins.")
        has_end = stop is not None or span.isdigit()
        end = {"position__lte": int(stop or start)} if has_end else {}
        condition |= Q(position__gte=start, **end)
    return condition
