"""What the form for new links says: before it is sent, and when it was."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Self
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext

from downloads.models import Download, Submitted
from downloads.rules.words import grouped
from downloads.web.add_form import AddForm, sentence_about, shorten

MAX_LEFT_OVER = 3  # texts that are not links and are repeated
MAX_KNOWN = 50  # links that are listed


class KnownLink(NamedTuple):
    """A link that its user has already."""

    url: str
    shown: str
    download: Download  # which has files, or waits or runs

    @property
    def sentence(self) -> str:
        if not self.download.outcome:
            return gettext("is waiting or running already:")
        day = date_format(timezone.localtime(self.download.finished_at), "DATE_FORMAT")
        return gettext("downloaded on %(day)s:") % {"day": day}


@dataclass(frozen=True, kw_only=True)
class Told:
    """What stands below the form."""

    note: str = ""
    heading: str = ""
    problems: Sequence[str] = ()
    known: Mapping[str, Download] = field(default_factory=dict)  # by URL
    is_answer: bool = False  # to a form that was sent, not to one that is being filled in

    @property
    def known_links(self) -> list[KnownLink]:
        shown = list(self.known.items())[:MAX_KNOWN]
        return [KnownLink(url, shorten(url), download) for url, download in shown]

    @property
    def more_known(self) -> str:
        """How many more there are, in words; "" when all are listed."""
        more = len(self.known) - MAX_KNOWN
        if more <= 0:
            return ""
        return ngettext("and %(count)s more", "and %(count)s more", more) % {"count": grouped(more)}

    @classmethod
    def of_refused(cls, form: AddForm) -> Self:
        heading = ""
        if len(form.wrong) > 1 and not form.links:
            heading = ngettext(
                "Nothing was added. %(count)s of the links is wrong:",
                "Nothing was added. %(count)s of the links are wrong:",
                len(form.wrong),
            ) % {"count": grouped(len(form.wrong))}
        return cls(heading=heading, problems=list(_faults(form)), is_answer=True)

    @classmethod
    def of_preview(cls, form: AddForm, known: Mapping[str, Download]) -> Self:
        if not form.text.strip():
            return cls(problems=list(_faults(form, but="urls")))
        problems = [*map(sentence_about, form.wrong), *_faults(form, but="urls")]
        if not form.wrong and not form.links:
            problems += map(str, form.errors.get("urls", []))
        note = ", ".join(_counts(form, known))
        return cls(note=note, problems=problems, known=known)


def about_submitted(submitted: Iterable[Submitted], *, had: int, form: AddForm) -> SafeString:
    """Say what became of the links of a form; `had` of them its user has."""
    answers = list(submitted)
    fresh = [answer.download for answer in answers if answer.created]
    present = len(answers) - len(fresh)
    sentences: list[str] = []
    if fresh:
        sentences.append(_added(fresh))
    if present:
        sentence = ngettext(
            "%(count)s was waiting or running already.",
            "%(count)s were waiting or running already.",
            present,
        )
        sentences.append(sentence % {"count": grouped(present)})
    if had:
        sentence = ngettext("You have %(count)s already.", "You have %(count)s already.", had)
        sentences.append(sentence % {"count": grouped(had)})
    if form.left_over:
        sentences.append(gettext("Left out: %(words)s.") % {"words": _quoted(form.left_over)})
    return _joined(sentences)


def about_kept(count: int) -> str:
    """Say that links are still in the form."""
    sentence = ngettext(
        "%(count)s link stays in the box:", "%(count)s links stay in the box:", count
    )
    return sentence % {"count": grouped(count)}


def _joined(sentences: Iterable[str]) -> SafeString:
    joined = SafeString("")
    for sentence in sentences:
        joined = format_html("{} {}", joined, sentence) if joined else format_html("{}", sentence)
    return joined


def _added(fresh: Sequence[Download]) -> str:
    sentence = ngettext("%(count)s download added.", "%(count)s downloads added.", len(fresh))
    said = sentence % {"count": grouped(len(fresh))}
    if len(fresh) == 1:
        return said
    query = urlencode({"q": f"batch:{fresh[0].batch}"})
    address = f"{reverse('dashboard')}?{query}"
    return format_html('{} <a href="{}">{}</a>', said, address, gettext("Show them"))


def _counts(form: AddForm, known: Mapping[str, Download]) -> Iterable[str]:
    """Yield the parts of "5 links, 1 known, 1 wrong, 2 words left out: “and”, “that”"."""
    links, wrong = len(form.links), len(form.wrong)
    yield ngettext("%(count)s link", "%(count)s links", links) % {"count": grouped(links)}
    if known:
        yield gettext("%(count)s known") % {"count": grouped(len(known))}
    if wrong:
        yield gettext("%(count)s wrong") % {"count": grouped(wrong)}
    if form.left_over:
        words = sum(len(each.split()) for each in form.left_over)
        sentence = ngettext(
            "%(count)s word left out: %(words)s", "%(count)s words left out: %(words)s", words
        )
        yield sentence % {"count": grouped(words), "words": _quoted(form.left_over)}


def _quoted(left_over: Sequence[str]) -> str:
    shown = ", ".join(f"“{shorten(words)}”" for words in left_over[:MAX_LEFT_OVER])
    more = len(left_over) - MAX_LEFT_OVER
    if more <= 0:
        return shown
    sentence = ngettext("%(shown)s and %(count)s more", "%(shown)s and %(count)s more", more)
    return sentence % {"shown": shown, "count": grouped(more)}


def _faults(form: AddForm, *, but: str = "") -> Iterable[str]:
    """Yield the sentences about a form's fields, except one, with the labels of the options."""
    for name, errors in form.errors.items():
        options = {each.name: each.label for each in form.option_fields}
        for error in errors if name != but else ():
            yield f"{options[name]}: {error}" if name in options else str(error)
