"""The forms of the account page: preferences, a new password, a new API token."""

from datetime import datetime, timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth import authenticate
from django.contrib.auth.forms import PasswordChangeForm
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from downloads.accounts.preferences import THEMES
from downloads.models import Announcements, ApiToken, Density, Motion, Preferences, Scope
from downloads.rules.site_limits import LEAST_RATE, MOST_RATE
from downloads.web.forms import languages

MIB = 2**20
DENSITIES = [(Density.COMPACT, _("Compact")), (Density.COMFORTABLE, _("Comfortable"))]
ANNOUNCEMENTS = [
    (Announcements.ALL, _("What was added, completed and failed")),
    (Announcements.FAILURES, _("Failures alone")),
    (Announcements.NONE, _("Nothing")),
]
MOTIONS = [
    (Motion.SYSTEM, _("As the system")),
    (Motion.FULL, _("Yes")),
    (Motion.REDUCED, _("No")),
]
FREQUENCIES = [
    (0, _("As it comes")),
    (1, _("Every second")),
    (2, _("Every 2 seconds")),
    (5, _("Every 5 seconds")),
]
LIFETIMES = [
    ("30", _("For 30 days")),
    ("90", _("For 90 days")),
    ("365", _("For a year")),
    ("", _("Until it is revoked")),
]
SCOPES = [(Scope.WRITE, _("Read and write")), (Scope.READ, _("Read only"))]


class PreferencesForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for mypy alone
    """What a user wants of the pages. The language is asked only when there are several."""

    language = forms.ChoiceField(label=_("Language"), choices=languages, required=False)
    theme = forms.ChoiceField(label=_("Theme"), choices=THEMES)
    density = forms.ChoiceField(label=_("Rows of the list"), choices=DENSITIES)
    shows_pictures = forms.BooleanField(label=_("Pictures in rows of the list"), required=False)
    shows_facts = forms.BooleanField(
        label=_("Site, length and options in rows of the list"), required=False
    )
    shows_ages = forms.BooleanField(label=_("Ages in rows of the list"), required=False)
    announcements = forms.ChoiceField(
        label=_("Announcements to screen readers"), choices=ANNOUNCEMENTS
    )
    motion = forms.ChoiceField(label=_("Moving parts"), choices=MOTIONS)
    update_seconds = forms.TypedChoiceField(
        label=_("Progress is drawn"), choices=FREQUENCIES, coerce=int
    )
    starts_paused = forms.BooleanField(
        label=_("Live updates paused at first"),
        required=False,
        help_text=_("Nothing on a page changes by itself until you resume it there."),
    )
    has_notifications = forms.BooleanField(
        label=_("Notifications of the browser"),
        required=False,
        help_text=_("When a download completed or failed while no page of vnsite is in view."),
        widget=forms.CheckboxInput(attrs={"data-notifications": ""}),
    )
    has_keys = forms.BooleanField(
        label=_("Shortcuts of one letter"), required=False, help_text=_("“?” lists them.")
    )
    rate_limit = forms.FloatField(
        label=_("Speed limit in MiB/s"),
        required=False,
        min_value=LEAST_RATE / MIB,
        max_value=MOST_RATE / MIB,
        help_text=_("Of all your running downloads together. Empty: none."),
        error_messages={
            "invalid": _("Enter a number, such as 2.5."),
            "min_value": _("Enter at least 0.001, or nothing for no limit."),
            "max_value": _("Enter at most %(limit_value)d."),
        },
        widget=forms.NumberInput(attrs={"step": "any", "inputmode": "decimal"}),
    )

    class Meta:
        model = Preferences
        fields = (
            *("language", "theme", "density", "shows_pictures", "shows_facts", "shows_ages"),
            *("motion", "update_seconds", "starts_paused", "announcements"),
            *("has_notifications", "has_keys", "rate_limit"),
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.rate_limit:
            self.initial["rate_limit"] = round(self.instance.rate_limit / MIB, 3)
        if len(settings.LANGUAGES) == 1:
            del self.fields["language"]

    def clean_rate_limit(self) -> int | None:
        rate = self.cleaned_data["rate_limit"]
        return None if rate is None else round(rate * MIB)


class PasswordForm(PasswordChangeForm):
    """Django's form. A wrong old password counts like one at the sign-in.

    Otherwise a session left open would let anybody try as many passwords as they like.
    """

    def __init__(self, user: User, *args: Any, request: HttpRequest, **kwargs: Any) -> None:
        super().__init__(user, *args, **kwargs)
        self._request = request
        del self.fields["old_password"].widget.attrs["autofocus"]  # it is one form of three

    def clean_old_password(self) -> str:
        password = str(self.cleaned_data["old_password"])
        name = self.user.get_username()
        if authenticate(self._request, username=name, password=password) is None:
            raise forms.ValidationError(_("This is not your password of now."))
        return password


class TokenForm(forms.Form):
    name = forms.CharField(
        label=_("What it is for"),
        max_length=ApiToken._meta.get_field("name").max_length,
        error_messages={"required": _("Enter a name, so that you can tell it from others.")},
        widget=forms.TextInput(attrs={"autocomplete": "off", "placeholder": _("My script")}),
    )
    scope = forms.ChoiceField(label=_("Rights"), choices=SCOPES)
    days = forms.ChoiceField(label=_("Valid"), choices=LIFETIMES, required=False)

    @property
    def expires_at(self) -> datetime | None:
        """The end of a valid form's token; None: never."""
        days = self.cleaned_data["days"]
        return timezone.now() + timedelta(days=int(days)) if days else None
