"""The choice of a preset and of options beside it, in one form.

Without JavaScript the options on a page do not follow another preset. So a form says what it was
drawn with, and what was changed on it goes before the preset.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from downloads.rules.options import OPTIONS, DownloadOptions, InvalidOption
from downloads.rules.presets import (
    BEST,
    OfferedPreset,
    Origin,
    UnknownPreset,
    UnusablePreset,
    preset_named,
)
from downloads.rules.words import marked, say
from downloads.web.option_fields import OptionsForm

PRESET_HEADINGS = {
    Origin.OWN: marked("Yours"),
    Origin.SHARED: marked("Shared with everybody"),
    Origin.SHIPPED: marked("From vnsite"),
}
Choices = list[tuple[str, str | list[tuple[str, str]]]]


@dataclass(frozen=True)
class Shown:
    """The choice that a form was drawn with, which it sends back: what differs was changed."""

    preset: str  # its key
    options: DownloadOptions
    is_folded: bool = False  # whether the options were not on the page

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return None when the form did not say, or says what this version does not know."""
        try:
            said = json.loads(text)
            options = DownloadOptions.from_mapping(said["options"])
            return cls(str(said["preset"]), options, is_folded="folded" in said)
        except (ValueError, TypeError, KeyError):
            return None

    def __str__(self) -> str:
        folded = {"folded": 1} if self.is_folded else {}
        return json.dumps({"preset": self.preset, "options": self.options.chosen(), **folded})


class ChoiceForm(OptionsForm):
    """A preset, and the options that go before it."""

    preset = forms.CharField(label=_("Preset"), required=False, widget=forms.Select)
    shown = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(
        self,
        data: Any = None,
        files: Any = None,
        *,
        among: Sequence[OfferedPreset],
        without_preset: str = "",
        initial: Any = None,
    ) -> None:
        """`among`: the presets that the user is offered. `without_preset`: the words for none."""
        super().__init__(data, files, initial=initial)
        self.among = among
        self.chosen_preset = BEST  # of a valid form; also when none was chosen
        self.options = DownloadOptions()  # the chosen ones of a valid form
        select: forms.Select = self.fields["preset"].widget
        select.choices = _choices(among, without_preset)

    @property
    def shown_choice(self) -> Shown | None:
        """What a sent form was drawn with; None when it does not say."""
        return Shown.parse(self.cleaned_data["shown"])

    @property
    def changed(self) -> list[str]:
        """The labels of the options of a sent form that are not as they were drawn."""
        shown = self.shown_choice
        return [
            str(field.label)
            for field in self.option_fields
            if shown and self.cleaned_data.get(field.name) != getattr(shown.options, field.name)
        ]

    @property
    def summary(self) -> str:
        """The options that the form was drawn with, in words; "" when it does not say."""
        shown = Shown.parse(self["shown"].value() or "")
        return shown.options.summary if shown else ""

    def clean_preset(self) -> OfferedPreset | None:
        """Return the preset; None when none is named."""
        name = self.cleaned_data["preset"]
        try:
            return preset_named(name, self.among) if name else None
        except UnknownPreset as unknown:
            raise forms.ValidationError(str(unknown)) from None

    def clean(self) -> None:
        """Put preset and options together. Refuse options that contradict each other."""
        if self.has_wrong_options or "preset" in self.errors:
            return
        preset = self.cleaned_data["preset"]
        self.chosen_preset = preset or BEST
        try:
            self.options = self._put_together(preset)
        except UnusablePreset as unusable:
            self.add_error("preset", str(unusable))
        except InvalidOption as refusal:
            self.add_error(refusal.option, refusal.reason)

    def _put_together(self, preset: OfferedPreset | None) -> DownloadOptions:
        base = preset.options if preset else DownloadOptions()
        values = {name: self.cleaned_data[name] for name in OPTIONS if name in self.fields}
        shown = self.shown_choice
        if shown is None:  # a script, or a page that was opened before an update
            sent = {name: value for name, value in values.items() if self.data.get(name)}
            return base.with_overrides(**sent)
        if shown.preset == (preset.key if preset else ""):
            return base.with_overrides(**{**shown.options.as_dict(), **values})
        changed = {
            name: value for name, value in values.items() if value != getattr(shown.options, name)
        }
        return base.with_overrides(**changed)


def drawn_with(
    preset_key: str, options: DownloadOptions, *, is_folded: bool = False
) -> dict[str, Any]:
    """Return the initial values of a form that shows this choice; the key "": no preset."""
    values = {name: getattr(options, name) for name in OPTIONS}
    return {**values, "preset": preset_key, "shown": str(Shown(preset_key, options, is_folded))}


def _choices(among: Sequence[OfferedPreset], without_preset: str) -> Choices:
    grouped: dict[str, list[tuple[str, str]]] = {}
    for each in among:
        unusable = gettext("%(name)s (of another version)") % {"name": each.label}
        label = unusable if each.fault else each.label
        grouped.setdefault(say(PRESET_HEADINGS[each.origin]), []).append((each.key, label))
    none: Choices = [("", without_preset)] if without_preset else []
    return [*none, *grouped.items()]
