"""The forms of the pages. Every fault has a sentence at its field."""

from django import forms
from django.conf import settings
from django.contrib.auth.forms import UserCreationForm
from django.contrib.auth.models import User
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from downloads.rules.cookie_texts import MAX_TEXT_BYTES


def languages() -> list[tuple[str, str | Promise]]:
    """The choices of a language; "" is the browser's."""
    return [("", _("As the browser")), *settings.LANGUAGES]


class CookiesForm(forms.Form):
    """Cookies of one site, as a text or a file. `cookie_texts` reads them."""

    cookies = forms.CharField(
        label=_("cookies.txt or JSON"),
        strip=False,
        required=False,
        widget=forms.Textarea(
            attrs={"rows": 8, "spellcheck": "false", "autocapitalize": "none"}
            | {"autocomplete": "off", "wrap": "off"}
        ),
    )
    file = forms.FileField(label=_("Or a file"), required=False, allow_empty_file=True)

    def clean_file(self) -> str | None:
        """Return the text of the file; None when none was chosen."""
        file = self.cleaned_data["file"]
        if file is None:
            return None
        if file.size > MAX_TEXT_BYTES:
            raise forms.ValidationError(
                _("The file has more than %(kib)s KiB."), params={"kib": MAX_TEXT_BYTES // 1024}
            )
        try:
            return str(file.read().decode())
        except UnicodeDecodeError:
            raise forms.ValidationError(_("The file is not a text in UTF-8.")) from None

    @property
    def source(self) -> str:
        """The field that a valid form takes the cookies from."""
        return "cookies" if self.cleaned_data["file"] is None else "file"

    @property
    def text(self) -> str:
        return str(self.cleaned_data[self.source])


class FirstAdminForm(UserCreationForm):  # type: ignore[type-arg]  # generic for mypy alone
    """Name, password and language of the first administrator. `accounts.first_admin` makes the
    user."""

    language = forms.ChoiceField(label=_("Language"), choices=languages, required=False)

    class Meta(UserCreationForm.Meta):
        model = User
        fields = ("username",)
