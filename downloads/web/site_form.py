"""The form of a site's limits, of the page and of the admin. An empty field means the settings."""

from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from downloads.models import Site
from downloads.models.sites import LIMITS
from downloads.rules.manners import MAX_PAUSE_SECONDS
from downloads.rules.proxies import InvalidProxy
from downloads.rules.site_limits import (
    LEAST_RATE,
    MAX_PROXY_LENGTH,
    MOST_RATE,
    MOST_RUNNING,
    meant_proxy,
    shown_proxy,
)
from downloads.rules.words import say

KIB = 1024


class SiteForm(forms.ModelForm):  # type: ignore[type-arg]  # generic for mypy alone
    """`limits` of a valid form are written by `Site.objects.set_limits`, not by `save`."""

    running_limit = forms.IntegerField(
        label=_("Downloads at once"),
        required=False,
        min_value=0,
        max_value=MOST_RUNNING,
    )
    pause_seconds = forms.FloatField(
        label=_("Pause, in seconds"),
        required=False,
        min_value=0,
        max_value=MAX_PAUSE_SECONDS,
    )
    rate_limit = forms.FloatField(
        label=_("Speed of one download, in KiB/s"),
        required=False,
        min_value=LEAST_RATE / KIB,
        max_value=MOST_RATE / KIB,
        help_text=_(
            "Empty: as fast as it comes, as always for live streams. A lower limit of the download"
            " itself counts."
        ),
    )
    proxy = forms.CharField(
        label=_("Proxy"),
        required=False,
        max_length=MAX_PROXY_LENGTH,
        help_text=_(
            "http://, https://, socks5:// or socks5h://, with user:password@ if it wants that;"
            " these are never shown again. Empty: none."
        ),
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}
        ),
    )

    class Meta:
        model = Site
        fields = ("running_limit", "pause_seconds", "rate_limit", "proxy")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._stored_proxy = self.instance.proxy
        self.initial["proxy"] = shown_proxy(self._stored_proxy)
        if self.instance.rate_limit:
            self.initial["rate_limit"] = self.instance.rate_limit / KIB
        usual = settings.VNSITE
        self.fields["running_limit"].help_text = say(
            "Empty: {usual}, as VNSITE_SITE_RUNNING says. 0: any number.", usual=usual.site_running
        )
        self.fields["pause_seconds"].help_text = say(
            "From the beginning of one download to that of the next. Empty: {usual:g}, as"
            " VNSITE_SITE_PAUSE_SECONDS says.",
            usual=usual.site_pause_seconds,
        )

    def clean_rate_limit(self) -> int | None:
        rate = self.cleaned_data["rate_limit"]
        return None if rate is None else round(rate * KIB)

    def clean_proxy(self) -> str:
        try:
            return meant_proxy(self.cleaned_data["proxy"], stored=self._stored_proxy)
        except InvalidProxy as error:
            raise forms.ValidationError(str(error)) from None

    @property
    def limits(self) -> dict[str, Any]:
        """The limits of a valid form, as columns."""
        return {name: self.cleaned_data[name] for name in LIMITS}
