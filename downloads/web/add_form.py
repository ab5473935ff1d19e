"""The form that adds links. It tells those of a text and of files that can be added from others."""

from collections.abc import Iterable, Sequence
from typing import Any, Self

from django import forms
from django.contrib.auth.models import User
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from downloads.models import presets
from downloads.rules.link_files import MAX_FILE_BYTES, NotAText, text_of
from downloads.rules.links import MAX_LINKS, InvalidLink
from downloads.rules.links_in_text import Findings, find_links
from downloads.rules.options import OPTIONS, DownloadOptions
from downloads.rules.presets import OfferedPreset
from downloads.rules.words import grouped
from downloads.submission import WrongLink, check_links, links_in
from downloads.web.choice_form import ChoiceForm, Shown, drawn_with
from downloads.web.format import language

MAX_SHOWN_LINK = 80  # characters of a wrong link that an error repeats


class SeveralFiles(forms.FileInput):
    """Any number of files that a browser takes for texts."""

    allow_multiple_selected = True

    def __init__(self) -> None:
        super().__init__({"accept": ".txt,.csv,.url,.webloc,.html,.htm,text/*"})


class LinkFiles(forms.FileField):
    """Any number of files with links. Its value are their `Findings`."""

    def clean(self, data: Any, initial: Any = None) -> list[Findings]:
        return [_links_of(file) for file in data or ()]


class AddForm(ChoiceForm):
    """One or many links in any text, in files or both, and the choice for all of them.

    It is valid when one link can be added. The others are `wrong`. While it `is_folded` it has no
    field for an option: each stays as it is in `shown`, or as another preset has it.
    """

    urls = forms.CharField(
        label=_("Links to videos"),
        strip=False,
        required=False,
        widget=forms.Textarea(
            attrs={
                "rows": 1,
                "placeholder": _("Links, or a text with links"),
                "spellcheck": "false",
            }
            | {"autocapitalize": "none", "autocomplete": "off"}
        ),
    )
    file = LinkFiles(
        label=_("From file…"), required=False, allow_empty_file=True, widget=SeveralFiles
    )
    preset_name = forms.CharField(
        label=_("Name of a new preset"),
        required=False,
        widget=forms.TextInput(attrs={"placeholder": _("Name"), "autocomplete": "off"}),
    )

    def __init__(self, data: Any = None, files: Any = None, **kwargs: Any) -> None:
        super().__init__(data, files, **kwargs)
        self.links: tuple[str, ...] = ()  # their normal form, of a valid form
        self.wrong: tuple[WrongLink, ...] = ()
        self.left_over: tuple[str, ...] = ()  # of the texts that held the links
        self.text = ""  # what was typed into a sent form, and below it the links of its files

    @classmethod
    def to_begin(cls, user: User, *, urls: str = "") -> Self:
        """Make the form with the user's default preset, or with their last choice."""
        among = presets.offered(user)
        preset, options = presets.beginning(user, among)
        return cls.to_go_on(preset.key, options, among=among, urls=urls)

    @classmethod
    def to_go_on(
        cls,
        preset_key: str,
        options: DownloadOptions,
        *,
        among: Sequence[OfferedPreset],
        urls: str = "",
        is_folded: bool = True,
    ) -> Self:
        """Make the form with a choice."""
        initial = drawn_with(preset_key, options, is_folded=is_folded)
        return cls(among=among, initial=initial | {"urls": urls})

    @property
    def looks_like(self) -> str:
        """The same text for two forms that look the same, of those that nobody has sent."""
        return repr((language(), self.among, self.initial))

    def _offered(self) -> Iterable[str]:
        return () if self.is_folded else OPTIONS

    @property
    def is_folded(self) -> bool:
        shown = Shown.parse(self["shown"].value() or "")
        return shown is not None and shown.is_folded

    def clean(self) -> None:
        super().clean()
        files: list[Findings] = self.cleaned_data.get("file") or []
        typed = self.cleaned_data.get("urls", "").rstrip()
        self.text = "\n".join(
            filter(None, [typed, *(link.url for found in files for link in found.links)])
        )
        if not {"urls", "file"} & self.errors.keys():
            self._check_links([words for found in files for words in found.left_over])

    def set_on_links(self, **attributes: object) -> None:
        """Set attributes of the box for the links."""
        self.fields["urls"].widget.attrs.update(attributes)

    def drop_links(self) -> None:
        """Judge the options alone: what is wrong with the links does not matter."""
        self.errors.pop("urls", None)
        self.errors.pop("file", None)

    def _check_links(self, left_over_of_files: Sequence[str]) -> None:
        try:
            found = links_in(self.text)
        except InvalidLink as error:
            return self.add_error("urls", str(error))
        self.left_over = (*found.left_over, *left_over_of_files)
        if len(found.links) > MAX_LINKS:
            sentence = _("These are %(count)s links. At most %(most)s can be added at once.")
            counts = {"count": grouped(len(found.links)), "most": grouped(MAX_LINKS)}
            return self.add_error("urls", sentence % counts)
        checked = check_links(found)
        self.links, self.wrong = checked.urls, checked.wrong
        if not self.links:
            self.add_error("urls", forms.ValidationError(self._sentences()))
        return None

    def _sentences(self) -> list[str]:
        if len(self.wrong) == 1 and not self.left_over:
            return [str(self.wrong[0].fault)]
        return [sentence_about(each) for each in self.wrong]


def _links_of(file: "UploadedFile[bytes]") -> Findings:
    """Return the links of a file. Raises ValidationError with the sentence for what is not one."""
    name = {"name": file.name}
    if (file.size or 0) > MAX_FILE_BYTES:
        raise forms.ValidationError(_("“%(name)s” has more than 1 MiB.") % name)
    try:
        found = find_links(text_of(file.read()))
    except NotAText:
        raise forms.ValidationError(_("“%(name)s” is not a text.") % name) from None
    if not found.links:
        raise forms.ValidationError(_("There is no link in “%(name)s”.") % name)
    return found


def sentence_about(wrong: WrongLink, *, line: int | None = None) -> str:
    """Say what is wrong with a link; `line` None: on the line where it was found."""
    values = {
        "line": line or wrong.found.line,
        "link": shorten(wrong.found.typed),
        "fault": wrong.fault,
    }
    return gettext("Line %(line)s, “%(link)s”: %(fault)s") % values


def shorten(link: str) -> str:
    return link if len(link) <= MAX_SHOWN_LINK else f"{link[:MAX_SHOWN_LINK]}…"
