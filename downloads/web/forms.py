"""The forms of the pages. Every fault has a sentence at its field."""

from typing import Any, Self

from django import forms
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.models import User

from downloads.models import presets
from downloads.rules.cookie_texts import MAX_TEXT_BYTES
from downloads.rules.links import MAX_LINKS, InvalidLink
from downloads.rules.links_in_text import FoundLink
from downloads.submission import check_link, links_in
from downloads.web.choice_form import ChoiceForm, drawn_with

MAX_SHOWN_LINK = 80  # characters of a wrong link that an error repeats


class AddForm(ChoiceForm):
    """One or many links, and the choice for all of them. One wrong link refuses the form."""

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

    def __init__(self, data: Any = None, **kwargs: Any) -> None:
        super().__init__(data, **kwargs)
        self.left_over: tuple[str, ...] = ()  # of the text that held the links

    @classmethod
    def to_begin(cls, user: User) -> Self:
        """Make the form with the user's default preset, or with their last choice."""
        among = presets.offered(user)
        preset, options = presets.beginning(user, among)
        return cls(among=among, initial=drawn_with(preset.key, options))

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

    def drop_links(self) -> None:
        """Judge the options alone: what is wrong with the links does not matter."""
        self.errors.pop("urls", None)


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
