"""What **Clean up by correlation id** would do, before it is done: a form and a plan."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from django import forms
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from downloads.actions import CleanupPreview, preview_cleanup
from downloads.disk.isolation import is_correlation_id
from downloads.models import Download
from downloads.rules.states import ACTIVE, State, word_of
from downloads.rules.words import grouped, say
from downloads.web.format import LOOKS

MAX_IDS = 10_000


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A download that can be cleaned up."""

    download: Download
    preview: CleanupPreview

    @property
    def state_label(self) -> str:
        return str(LOOKS[State(self.download.state)].label)


@dataclass(frozen=True)
class Skipped:
    """A correlation id that is left alone."""

    correlation_id: str
    why: str
    download: Download | None  # None: there is none of that id


@dataclass(frozen=True, kw_only=True)
class CleanupPlan:
    candidates: Sequence[Candidate]
    skipped: Sequence[Skipped]

    @classmethod
    def of(cls, correlation_ids: Sequence[str]) -> Self:
        """Sort correlation ids, each once, by whether they can be cleaned up. Reads only."""
        distinct = list(dict.fromkeys(correlation_ids))
        found = Download.objects.in_bulk(distinct, field_name="correlation_id")
        candidates, skipped = [], []
        for correlation_id in distinct:
            row = found.get(correlation_id)
            if row is not None and row.is_cleanable:
                candidates.append(Candidate(download=row, preview=preview_cleanup(row)))
            else:
                why = _why_skipped(row)
                skipped.append(Skipped(correlation_id, why, row))
        return cls(candidates=candidates, skipped=skipped)

    @property
    def file_count(self) -> int:
        return sum(candidate.preview.file_count for candidate in self.candidates)

    @property
    def size_bytes(self) -> int:
        return sum(candidate.preview.size_bytes for candidate in self.candidates)


def _why_skipped(download: Download | None) -> str:
    if download is None:
        return say("There is no such download.")
    if download.state in ACTIVE:
        return say("It is {state}: cancel it first.", state=word_of(download.state))
    return say("It is clean already.")


class CleanupForm(forms.Form):
    """The correlation ids of a selection, and those that are typed beside it."""

    selected = forms.CharField(required=False, widget=forms.HiddenInput)
    further = forms.CharField(
        required=False,
        label=_("Further correlation ids"),
        help_text=_("Separated by spaces, commas or lines."),
        widget=forms.Textarea(attrs={"rows": 3, "cols": 60, "spellcheck": "false"}),
    )

    count = forms.IntegerField(
        required=False,
        label=_("Number of downloads to clean up"),
        help_text=_("Type it to confirm."),
        widget=forms.TextInput(attrs={"inputmode": "numeric", "autocomplete": "off", "size": 6}),
    )

    def agrees_with(self, plan: CleanupPlan) -> bool:
        """Compare the number that was typed with that of the plan; note an error if it differs."""
        number = len(plan.candidates)
        if self.cleaned_data["count"] == number:
            return True
        told = ngettext(
            "Nothing was done. Type %(count)s: so many would be cleaned up.",
            "Nothing was done. Type %(count)s: so many would be cleaned up.",
            number,
        )
        self.add_error("count", told % {"count": number})
        return False

    @property
    def correlation_ids(self) -> list[str]:
        """All ids of a valid form."""
        return [*self.cleaned_data["selected"], *self.cleaned_data["further"]]

    @property
    def known_ids(self) -> list[str]:
        """The ids of the selection, also while something that was typed is wrong."""
        return split_ids(str(self["selected"].value() or ""))

    def clean_selected(self) -> list[str]:
        return _checked(self.cleaned_data["selected"])

    def clean_further(self) -> list[str]:
        return _checked(self.cleaned_data["further"])

    def clean(self) -> dict[str, Any]:
        if len(self.cleaned_data.get("selected", [])) > MAX_IDS:
            raise forms.ValidationError(
                _("At most %(most)s at once."), params={"most": grouped(MAX_IDS)}
            )
        return self.cleaned_data


def split_ids(text: str) -> list[str]:
    """Split a text at spaces, commas, semicolons and lines. Checks nothing."""
    return [part for part in re.split(r"[\s,;]+", text) if part]


def _checked(text: str) -> list[str]:
    """Return the correlation ids of a text. The ValidationError names the first wrong one."""
    parts = split_ids(text)
    for part in parts:
        if not is_correlation_id(part):
            raise forms.ValidationError(
                _(
                    "“%(text)s” is not a correlation id: those have 1 to 64 letters, digits and"
                    " hyphens. Nothing was done."
                ),
                params={"text": part[:80]},
            )
    return parts
