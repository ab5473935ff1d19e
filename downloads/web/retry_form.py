"""The form that tries a download again with other options."""

from collections.abc import Mapping
from typing import Any, Self

from downloads.models import Download
from downloads.rules.options import DownloadOptions, InvalidOption
from downloads.web.option_fields import OptionsForm

FORM = "retry-form"  # the page's, outside of the parts that are drawn again


class RetryForm(OptionsForm):
    """The options of a download, to be tried again with. `options` are those of a valid form."""

    def __init__(self, found: Download, data: Mapping[str, Any] | None = None) -> None:
        self.was = options_of(found)
        super().__init__(data, initial=self.was.as_dict())
        for field in self.fields.values():
            field.widget.attrs["form"] = FORM
        self.options = self.was

    @classmethod
    def of_button(cls, found: Download, data: Mapping[str, Any]) -> Self:
        """Make the form of a button that sends one option; the others stay as they are."""
        form = cls(found, data)
        for name in [name for name in form.fields if name not in data]:
            del form.fields[name]
        return form

    def clean(self) -> None:
        """Put the options together. Refuse those that contradict each other."""
        if self.errors:
            return
        values = {name: self.cleaned_data[name] for name in self.fields}
        try:
            self.options = self.was.with_overrides(**values)
        except InvalidOption as refusal:
            self.add_error(
                refusal.option if refusal.option in self.fields else None, refusal.reason
            )


def options_of(found: Download) -> DownloadOptions:
    """Return how it was asked for; the defaults when that was with a newer version."""
    try:
        return DownloadOptions.from_mapping(found.options)
    except InvalidOption:
        return DownloadOptions()
