"""The form that makes downloads of the entries of a listing: which of them, and how."""

import re
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from django import forms
from django.db.models import Q
from django.utils.translation import gettext, gettext_lazy

from downloads.models import Download
from downloads.models.listings import EntryQuerySet
from downloads.rules.options import OPTIONS, DownloadOptions, InvalidOption
from downloads.rules.presets import OfferedPreset, without_link
from downloads.rules.words import say
from downloads.web.choice_form import ChoiceForm, drawn_with
from downloads.web.listing import MAX_TEXT_LENGTH

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.http import QueryDict

MAX_POSITION = 2**31 - 1  # what the database takes
MAX_SPANS = 100
HOW_MANY = gettext_lazy("Say how many of the first ones, as a whole number.")
# `playlist` says what becomes of a list, and this is what becomes of one.
OF_ENTRIES = tuple(name for name in OPTIONS if name != "playlist")
SPAN = re.compile(r"(\d{1,9})(?:\s*[-–]\s*(\d{1,9})?)?")  # noqa: RUF001 — people write both


class Which(StrEnum):
    """Which entries are added. All but the first two are of those that the search shows."""

    TICKED = "ticked"
    SOME = "some"  # by their positions
    FIRST = "first"
    ALL = "all"
    NEW = "new"


class TickedPositions(forms.Field):
    """The positions of the ticked boxes, and those of other pages in one text with commas.

    What is not a position is left out.
    """

    widget = forms.MultipleHiddenInput

    def to_python(self, value: Any) -> frozenset[int]:
        is_position = re.compile(r"\d{1,9}").fullmatch
        texts = [text for each in value or () for text in each.split(",")]
        return frozenset(int(text) for text in texts if is_position(text))


class EntriesForm(ChoiceForm):
    """Some entries of a listing, and the choice for their downloads."""

    which = forms.TypedChoiceField(
        choices=[(each, each) for each in Which],
        coerce=Which,
        initial=Which.TICKED,
        error_messages=dict.fromkeys(
            ("required", "invalid_choice"), gettext_lazy("Say which are to be added.")
        ),
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

    def __init__(self, data: "QueryDict | None" = None, **kwargs: Any) -> None:
        super().__init__(data, without_preset=gettext("As the list was asked for"), **kwargs)

    def _offered(self) -> Iterable[str]:
        return OF_ENTRIES

    @classmethod
    def to_begin(cls, download: Download, *, among: Sequence[OfferedPreset]) -> Self:
        """Make the form that shows how the list was asked for, but for what is of one link."""
        try:
            own = without_link(DownloadOptions.from_mapping(download.options))
        except InvalidOption:  # of a newer version
            own = DownloadOptions()
        return cls(among=among, initial=drawn_with("", own))

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

    def clean(self) -> None:
        cleaned: dict[str, Any] = self.cleaned_data
        which = cleaned.get("which")
        if which == Which.TICKED and not cleaned.get("position"):
            self.add_error(None, gettext("Tick the videos that you want, or choose another way."))
        if which == Which.FIRST and not cleaned.get("first") and "first" not in self.errors:
            self.add_error("first", HOW_MANY)
        if which == Which.SOME and "some" in cleaned:
            self._clean_some(cleaned)
        super().clean()
        self.options = self.options.with_overrides(playlist=DownloadOptions().playlist)

    def _clean_some(self, cleaned: dict[str, Any]) -> None:
        try:
            cleaned["some"] = condition_of(cleaned["some"])
        except ValueError as error:
            self.add_error("some", str(error))

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
        raise ValueError(say("Say which positions, as 1-20 or 3, 7-12, 40-."))
    if len(spans) > MAX_SPANS:
        raise ValueError(say("At most {most} ranges at once.", most=MAX_SPANS))
    condition = Q()
    for span in spans:
        match = SPAN.fullmatch(span)
        if match is None:
            raise ValueError(
                say("“{text}” is not a position or a range like 7-12.", text=span[:40])
            )
        start, stop = int(match[1]), match[2]
        if stop is not None and int(stop) < start:
            raise ValueError(say("“{text}” ends before it begins.", text=span))
        has_end = stop is not None or span.isdigit()
        end = {"position__lte": int(stop or start)} if has_end else {}
        condition |= Q(position__gte=start, **end)
    return condition
