"""The forms of the pages. Every fault has a sentence at its field."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Self

from django import forms
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.models import User

from downloads.models import presets
from downloads.rules.cookie_texts import MAX_TEXT_BYTES
from downloads.rules.links import MAX_LINKS, InvalidLink
from downloads.rules.links_in_text import FoundLink
from downloads.rules.options import OPTIONS, DownloadOptions, InvalidOption
from downloads.rules.presets import (
    BEST,
    OfferedPreset,
    Origin,
    UnknownPreset,
    UnusablePreset,
    preset_named,
)
from downloads.submission import check_link, links_in
from downloads.web.option_fields import OptionsForm

PRESET_HEADINGS = {
    Origin.OWN: "Yours",
    Origin.SHARED: "Shared with everybody",
    Origin.SHIPPED: "From vnsite",
}
MAX_SHOWN_LINK = 80  # characters of a wrong link that an error repeats


@dataclass(frozen=True)
class Shown:
    """The choice that a form was drawn with, which it sends back: what differs was changed."""

    preset: str  # its key
    options: DownloadOptions

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return None when the form did not say, or says what this version does not know."""
        try:
            said = json.loads(text)
            return cls(str(said["preset"]), DownloadOptions.from_mapping(said["options"]))
        except (ValueError, TypeError, KeyError):
            return None

    def __str__(self) -> str:
        return json.dumps({"preset": self.preset, "options": self.options.chosen()})


class PresetForm(OptionsForm):
    """A preset, and options beside it. How both go together says the form that takes them."""

    preset = forms.CharField(label="Preset", required=False, widget=forms.Select)
    shown = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(
        self, data: Any = None, *, among: Sequence[OfferedPreset], initial: Any = None
    ) -> None:
        """`among`: the presets that the user is offered."""
        super().__init__(data, initial=initial)
        self.among = among
        self.options = DownloadOptions()  # the chosen ones of a valid form
        select: forms.Select = self.fields["preset"].widget
        select.choices = preset_choices(among)

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


class AddForm(PresetForm):
    """One or many links, a preset, and the options of all of them. One wrong link refuses the form.

    Without JavaScript the options do not follow another preset: then those that were changed go
    before it.
    """

    urls = forms.CharField(
        label="Links to videos",
        strip=False,
        error_messages={"required": "Enter a link."},
        widget=forms.Textarea(
            attrs={"rows": 1, "placeholder": "https://…", "spellcheck": "false"}
            | {"autocapitalize": "none", "autocomplete": "off"}
        ),
    )
    preset_name = forms.CharField(
        label="Name of a new preset",
        required=False,
        widget=forms.TextInput(attrs={"placeholder": "Name", "autocomplete": "off"}),
    )

    def __init__(
        self, data: Any = None, *, among: Sequence[OfferedPreset], initial: Any = None
    ) -> None:
        super().__init__(data, among=among, initial=initial)
        self.left_over: tuple[str, ...] = ()  # of the text that held the links
        self.chosen_preset = BEST  # of a valid form

    @classmethod
    def to_begin(cls, user: User) -> Self:
        """Make the form with the user's default preset, or with their last choice."""
        among = presets.offered(user)
        return cls.showing(*presets.beginning(user, among), among=among)

    @classmethod
    def showing(
        cls,
        preset: OfferedPreset,
        options: DownloadOptions,
        *,
        among: Sequence[OfferedPreset],
        urls: str = "",
    ) -> Self:
        """Make the form that shows this choice."""
        shown = Shown(preset.key, options)
        values = {name: getattr(options, name) for name in OPTIONS}
        initial = {**values, "preset": preset.key, "shown": str(shown), "urls": urls}
        return cls(among=among, initial=initial)

    def clean_urls(self) -> list[str]:
        """Return the normal form of every link, in order, or raise one error for each wrong one."""
        try:
            found = links_in(self.cleaned_data["urls"])
        except InvalidLink as error:
            raise forms.ValidationError(str(error)) from None
        self.left_over = found.left_over
        if len(found.links) > MAX_LINKS:
            raise forms.ValidationError(
                f"These are {len(found.links):,} links. At most {MAX_LINKS:,} can be added at once."
            )
        is_alone = len(found.links) == 1 and not found.left_over
        clean, sentences = [], []
        for link in found.links:
            try:
                clean.append(check_link(link.url))
            except InvalidLink as error:
                sentences.append(str(error) if is_alone else _sentence(link, error))
        if sentences:
            raise forms.ValidationError(sentences)
        return clean

    def clean(self) -> None:
        """Put preset and options together. Refuse options that contradict each other."""
        if self.has_wrong_options or "preset" in self.errors:
            return
        preset = self.cleaned_data["preset"]
        self.chosen_preset = preset or BEST
        try:
            self.options = self._chosen(preset.options if preset else DownloadOptions())
        except UnusablePreset as unusable:
            self.add_error("preset", str(unusable))
        except InvalidOption as refusal:
            self.add_error(refusal.option, refusal.reason)

    def _chosen(self, base: DownloadOptions) -> DownloadOptions:
        values = {name: self.cleaned_data[name] for name in OPTIONS}
        shown = Shown.parse(self.cleaned_data["shown"])
        if shown is None:  # a script, or a page that was opened before an update
            sent = {name: value for name, value in values.items() if self.data.get(name)}
            return base.with_overrides(**sent)
        if shown.preset == self.chosen_preset.key:
            return DownloadOptions(**values)
        changed = {
            name: value for name, value in values.items() if value != getattr(shown.options, name)
        }
        return base.with_overrides(**changed)

    def drop_links(self) -> None:
        """Judge the options alone: what is wrong with the links does not matter."""
        self.errors.pop("urls", None)


def preset_choices(
    among: Iterable[OfferedPreset],
) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return keys and names of presets, under headings."""
    grouped: dict[str, list[tuple[str, str]]] = {}
    for each in among:
        label = f"{each.name} (of another version)" if each.fault else each.name
        grouped.setdefault(PRESET_HEADINGS[each.origin], []).append((each.key, label))
    return list(grouped.items())


class CookiesForm(forms.Form):
    """Cookies of one site, as a text or a file. `cookie_texts` reads them."""

    cookies = forms.CharField(
        label="cookies.txt or JSON",
        strip=False,
        required=False,
        widget=forms.Textarea(
            attrs={"rows": 8, "spellcheck": "false", "autocapitalize": "none"}
            | {"autocomplete": "off", "wrap": "off"}
        ),
    )
    file = forms.FileField(label="Or a file", required=False, allow_empty_file=True)

    def clean_file(self) -> str | None:
        """Return the text of the file; None when none was chosen."""
        file = self.cleaned_data["file"]
        if file is None:
            return None
        if file.size > MAX_TEXT_BYTES:
            raise forms.ValidationError(f"The file has more than {MAX_TEXT_BYTES // 1024} KiB.")
        try:
            return str(file.read().decode())
        except UnicodeDecodeError:
            raise forms.ValidationError("The file is not a text in UTF-8.") from None

    @property
    def source(self) -> str:
        """The field that a valid form takes the cookies from."""
        return "cookies" if self.cleaned_data["file"] is None else "file"

    @property
    def text(self) -> str:
        return str(self.cleaned_data[self.source])


class FirstAdminForm(UserCreationForm):  # type: ignore[type-arg]  # generic for mypy alone
    """Name and password of the first administrator. `accounts.first_admin` makes the user."""

    class Meta(UserCreationForm.Meta):
        model = User
        fields = ("username",)


def _sentence(link: FoundLink, error: InvalidLink) -> str:
    return f"Line {link.line}, “{shorten(link.typed)}”: {error}"


def shorten(link: str) -> str:
    return link if len(link) <= MAX_SHOWN_LINK else f"{link[:MAX_SHOWN_LINK]}…"
