"""The forms of the pages: what was typed, checked, with a sentence at the field for every fault."""

from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.models import User

from downloads.rules.links import MAX_LINKS, InvalidLink, split_links
from downloads.rules.options import OPTIONS, Choice, DownloadOptions
from downloads.submission import check_link

MAX_SHOWN_LINK = 80  # characters of a wrong link that an error repeats


def option_field(option: Choice) -> forms.TypedChoiceField:
    """Make the field of an option; one that is left out or empty has the default."""
    return forms.TypedChoiceField(
        label=option.label,
        help_text=option.description,
        choices=[(value or "", words) for value, words in option.labels.items()],
        initial=option.default or "",
        required=False,
        empty_value=option.default,
    )


class AddForm(forms.Form):
    """One or many links, and the options for all of them. One wrong link refuses them all."""

    urls = forms.CharField(
        label="Links to videos",
        strip=False,
        error_messages={"required": "Enter a link."},
        widget=forms.Textarea(
            attrs={
                "rows": 1,
                "placeholder": "https://…",
                "autocapitalize": "none",
                "autocomplete": "off",
                "spellcheck": "false",
            }
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields.update({name: option_field(option) for name, option in OPTIONS.items()})

    @property
    def option_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in OPTIONS]

    def clean_urls(self) -> list[str]:
        """The normal form of every link, in order; else one error for each wrong one."""
        typed = split_links(self.cleaned_data["urls"])
        if not typed:
            raise forms.ValidationError("Enter a link.")
        if len(typed) > MAX_LINKS:
            raise forms.ValidationError(
                f"These are {len(typed):,} links. At most {MAX_LINKS:,} can be added at once."
            )
        clean, sentences = [], []
        for line, link in zip(_lines_of(typed, self.cleaned_data["urls"]), typed, strict=True):
            try:
                clean.append(check_link(link))
            except InvalidLink as error:
                sentences.append(_sentence(line, link, error, is_alone=len(typed) == 1))
        if sentences:
            raise forms.ValidationError(sentences)
        return clean

    @property
    def options(self) -> DownloadOptions:
        """What was chosen. Only for a valid form."""
        return DownloadOptions(**{name: self.cleaned_data[name] for name in OPTIONS})


class FirstAdminForm(UserCreationForm):  # type: ignore[type-arg]  # generic for mypy alone
    """Name and password of the first administrator. `accounts.first_admin` makes the user."""

    class Meta(UserCreationForm.Meta):
        model = User
        fields = ("username",)


def _sentence(line: int, link: str, error: InvalidLink, *, is_alone: bool) -> str:
    return str(error) if is_alone else f"Line {line}, “{_shorten(link)}”: {error}"


def _lines_of(typed: list[str], text: str) -> Iterator[int]:
    """The number of the line on which each link stands, from 1; one walk over the text."""
    line, position = 1, 0
    for link in typed:
        start = text.index(link, position)
        line += text.count("\n", position, start)
        position = start + len(link)
        yield line


def _shorten(link: str) -> str:
    return link if len(link) <= MAX_SHOWN_LINK else f"{link[:MAX_SHOWN_LINK]}…"
