"""The form of a subscription: its link, what of it is fetched, how often, and how."""

from collections.abc import Iterable, Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext, gettext_lazy

from downloads.rules.filters import MAX_TEXT_LENGTH
from downloads.rules.links import InvalidLink
from downloads.rules.options import OPTIONS, DownloadOptions, InvalidOption
from downloads.rules.presets import OfferedPreset
from downloads.rules.schedule import MAX_NEWEST, MOST_KEPT, USUAL_INTERVAL_SECONDS, newest_of
from downloads.submission import check_text
from downloads.subscriptions.models import (
    MAX_NAME_LENGTH,
    NOT_OF_A_SUBSCRIPTION,
    InvalidSubscription,
    Subscription,
)
from downloads.subscriptions.view import interval_in_words
from downloads.web.choice_form import ChoiceForm, drawn_with

HOUR, DAY = 3600, 24 * 3600
INTERVALS = (900, 1800, HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 3 * DAY, 7 * DAY, 30 * DAY)
NEWEST = "newest"  # with the number in a field of its own
FIRST = [
    ("all", gettext_lazy("All videos")),
    (NEWEST, gettext_lazy("The newest ones")),
    ("new", gettext_lazy("Only what is new from now on")),
]
OWN_FIELDS = (
    *("url", "name", "interval_seconds", "first", "newest", "include", "exclude"),
    *("min_minutes", "max_minutes", "since", "takes_shorts", "takes_live"),
    *("keep_last", "keep_days"),
)
# Columns that have a field of another name or measure. An option is named `live` as well.
FIELD_OF = {
    "min_seconds": "min_minutes",
    "max_seconds": "max_minutes",
    "shorts": "takes_shorts",
    "live": "takes_live",
}
PLAIN_TEXT = {"autocomplete": "off", "autocapitalize": "none", "spellcheck": "false"}


class SubscriptionForm(ChoiceForm):
    """A new subscription, or one that is edited; what the first check takes is of a new one."""

    url = forms.CharField(
        label=gettext_lazy("Link of the channel, playlist or feed"),
        max_length=2048,
        error_messages={"required": gettext_lazy("Paste a link.")},
        widget=forms.TextInput(attrs={**PLAIN_TEXT, "inputmode": "url"}),
    )
    name = forms.CharField(
        label=gettext_lazy("Name"),
        help_text=gettext_lazy("Empty: the title of the list."),
        required=False,
        max_length=MAX_NAME_LENGTH,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    interval_seconds = forms.TypedChoiceField(
        label=gettext_lazy("Check it"), coerce=int, initial=USUAL_INTERVAL_SECONDS
    )
    first = forms.ChoiceField(
        label=gettext_lazy("The first check fetches"), choices=FIRST, initial="all"
    )
    newest = forms.IntegerField(
        label=gettext_lazy("How many of the newest"),
        required=False,
        min_value=1,
        max_value=MAX_NEWEST,
        initial=10,
    )
    include = forms.CharField(
        label=gettext_lazy("Only titles with"),
        help_text=gettext_lazy(
            "One of these words, with commas between them, or a /regular expression/."
        ),
        required=False,
        max_length=MAX_TEXT_LENGTH,
        widget=forms.TextInput(attrs=PLAIN_TEXT),
    )
    exclude = forms.CharField(
        label=gettext_lazy("No titles with"),
        required=False,
        max_length=MAX_TEXT_LENGTH,
        widget=forms.TextInput(attrs=PLAIN_TEXT),
    )
    min_minutes = forms.FloatField(
        label=gettext_lazy("At least so many minutes long"), required=False, min_value=0
    )
    max_minutes = forms.FloatField(
        label=gettext_lazy("At most so many minutes long"), required=False, min_value=0
    )
    since = forms.DateField(
        label=gettext_lazy("Not older than this day"),
        help_text=gettext_lazy("What the list does not say of a video is no reason to leave it."),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    takes_shorts = forms.BooleanField(
        label=gettext_lazy("Shorts too"), required=False, initial=True
    )
    takes_live = forms.BooleanField(
        label=gettext_lazy("Live streams and premieres too"),
        help_text=gettext_lazy("Otherwise they are fetched when they have become videos."),
        required=False,
    )

    keep_last = forms.IntegerField(
        label=gettext_lazy("Keep so many of the newest"),
        help_text=gettext_lazy(
            "What is older leaves the library. For a day it can be had back. Empty: all stay."
        ),
        required=False,
        min_value=1,
        max_value=MOST_KEPT,
    )
    keep_days = forms.IntegerField(
        label=gettext_lazy("Keep for so many days"),
        help_text=gettext_lazy("Counted from the download. Empty: for ever."),
        required=False,
        min_value=1,
        max_value=MOST_KEPT,
    )

    def __init__(
        self,
        data: Any = None,
        *,
        subscription: Subscription,
        among: Sequence[OfferedPreset],
        initial: Any,
    ) -> None:
        super().__init__(
            data, among=among, without_preset=gettext("Without a preset"), initial=initial
        )
        self.subscription = subscription
        if subscription.pk is not None:
            del self.fields["first"], self.fields["newest"]
        intervals = sorted({*INTERVALS, subscription.interval_seconds})
        field: Any = self.fields["interval_seconds"]
        field.choices = [(each, interval_in_words(each)) for each in intervals]

    def _offered(self) -> Iterable[str]:
        return [name for name in OPTIONS if name not in NOT_OF_A_SUBSCRIPTION]

    @property
    def own_fields(self) -> list[forms.BoundField]:
        """The fields that are not of a preset or of its options."""
        return [self[name] for name in OWN_FIELDS if name in self.fields]

    def clean_url(self) -> str:
        try:
            return check_text(self.cleaned_data["url"])
        except InvalidLink as fault:
            raise forms.ValidationError(str(fault)) from None

    def clean(self) -> None:
        if self.cleaned_data.get("first") == NEWEST and not self.cleaned_data.get("newest"):
            self.add_error("newest", gettext("Say how many."))
        super().clean()
        self.options = self.options.with_overrides(playlist=DownloadOptions().playlist)
        if not self.errors:
            self._fill()
            try:
                self.subscription.check_filters()
            except InvalidSubscription as refusal:
                self.add_error(self._field_of(refusal.field), str(refusal))

    def _fill(self) -> None:
        """Give the subscription what was chosen; nothing is stored."""
        cleaned, row = self.cleaned_data, self.subscription
        for name in ("url", "name", "interval_seconds", "include", "exclude"):
            setattr(row, name, cleaned[name])
        row.since = cleaned["since"]
        row.keep_last, row.keep_days = cleaned["keep_last"], cleaned["keep_days"]
        row.shorts, row.live = cleaned["takes_shorts"], cleaned["takes_live"]
        row.min_seconds = _seconds(cleaned["min_minutes"])
        row.max_seconds = _seconds(cleaned["max_minutes"])
        row.preset = cleaned["preset"].key if cleaned["preset"] else ""
        if row.pk is None:
            is_newest = cleaned["first"] == NEWEST
            row.first = f"{NEWEST}:{cleaned['newest']}" if is_newest else cleaned["first"]

    def save(self) -> bool:
        """Store the subscription. False: it was refused, and the errors say why."""
        if self.is_valid():
            try:
                self.subscription.store(options=self.options)
            except InvalidSubscription as refusal:
                self.add_error(self._field_of(refusal.field), str(refusal))
        return not self.errors

    def _field_of(self, column: str) -> str:
        name = FIELD_OF.get(column, column.removeprefix("options."))
        return name if name in self.fields else "url"


def shown(subscription: Subscription, among: Sequence[OfferedPreset]) -> dict[str, Any]:
    """Return the initial values of the form of a stored subscription."""
    names = (
        *("url", "name", "interval_seconds", "include", "exclude", "since"),
        *("keep_last", "keep_days"),
    )
    try:
        options = subscription.download_options()
    except InvalidOption:  # of another version
        options = DownloadOptions()
    is_offered = any(each.key == subscription.preset for each in among)
    return {
        **{name: getattr(subscription, name) for name in names},
        **drawn_with(subscription.preset if is_offered else "", options),
        "takes_shorts": subscription.shorts,
        "takes_live": subscription.live,
        "min_minutes": _minutes(subscription.min_seconds),
        "max_minutes": _minutes(subscription.max_seconds),
        "first": NEWEST if newest_of(subscription.first) else subscription.first,
        "newest": newest_of(subscription.first) or 10,
    }


def _seconds(minutes: float | None) -> int | None:
    return None if minutes is None else round(60 * minutes)


def _minutes(seconds: int | None) -> float | None:
    return None if seconds is None else round(seconds / 60, 2)
