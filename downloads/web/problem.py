"""The error of a download in words, and what somebody can do about it: buttons, links, commands."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _

from downloads.models import Download
from downloads.rules.errors import ErrorClass
from downloads.rules.found import QUALITIES
from downloads.rules.options import OPTIONS
from downloads.rules.states import Outcome
from downloads.rules.words import say
from downloads.web.cookies_view import cookies_hint
from downloads.web.details import detail_of
from downloads.web.format import size
from downloads.web.found_view import choices_of, field_of
from downloads.web.report import report_of, yt_dlp_in_words
from downloads.web.retry_form import options_of
from downloads.web.row_view import DownloadView

MAX_LOWER = 2  # of the qualities below the one that was asked for
# Options that can be what a video cannot be had with, where the code of an error names no other.
NARROWING = ("container", "audio", "compatible", "quality")
NARROWING_OF = {
    "empty_clip": ("clip",),
    "live_refused": ("live",),
    "is_list": ("playlist",),
    "no_sound": ("audio",),
}
WITH_FORMATS = (None, "no_sound")  # codes of errors that another format helps against


class NextStep(NamedTuple):
    """One thing to do: a POST to `address`, a form with `fields`, a link to it, a text to copy."""

    label: str
    icon: str
    address: str = ""
    is_post: bool = False
    fields: Mapping[str, str] = {}  # of a form of its own
    copy: str = ""

    @property
    def act(self) -> str:
        """The name of the action that a POST does."""
        return self.address.rpartition("/")[2]

    @property
    def is_outside(self) -> bool:
        return self.address.startswith("http")


class LastError(NamedTuple):
    """The error of the newest attempt."""

    sentence: str
    next_step: str
    known: str  # of the cookies that the viewer gave; "" when they do not matter
    steps: list[NextStep]
    detail: str
    yt_dlp: str  # its version and age; "" when that is not known
    report: str  # for whoever mends vnsite; "" while it is tried again
    is_final: bool  # no other attempt follows by itself


def problem_of(view: DownloadView) -> LastError | None:
    """Say what is wrong with a download; None when nothing is, or when that does not matter."""
    advice, download = view.advice, view.download
    matters = download.outcome in (None, Outcome.FAILED)
    if advice is None or not download.error_class or not matters:
        return None
    is_final = download.outcome == Outcome.FAILED
    again = _("That ended the attempt before; it is tried again by itself.")
    detail = detail_of(download.error_data, write_bytes=size)
    hint = cookies_hint(download, viewer=view.viewer)
    return LastError(
        sentence=say(advice.sentence),
        next_step=say(advice.next_step) if is_final else again,
        known=hint.sentence if hint else "",
        steps=next_steps(view, ErrorClass(download.error_class)) if is_final else [],
        detail=f"{download.error_class}: {detail}" if download.error_data else "",
        yt_dlp=yt_dlp_in_words(download),
        report=report_of(download) if is_final else "",
        is_final=is_final,
    )


def next_steps(view: DownloadView, error_class: ErrorClass) -> list[NextStep]:
    """Return what helps against the error of a failed download, the likeliest first."""
    return [one for step in STEPS[error_class] for one in step(view)]


Steps = Iterator[NextStep]


def _retry(view: DownloadView) -> Steps:
    if view.download.is_retryable:
        yield NextStep(_("Retry"), "rotate-ccw", _address("retry", view.download), is_post=True)


def _cookies(view: DownloadView) -> Steps:
    if hint := cookies_hint(view.download, viewer=view.viewer):
        yield NextStep(hint.label, "plus", hint.address)


def _source(view: DownloadView) -> Steps:
    yield NextStep(_("Open the source page"), "external-link", view.download.url)


def _clean_up(view: DownloadView) -> Steps:
    if view.download.is_cleanable:
        address = _address("cleanup", view.download)
        yield NextStep(_("Clean up"), "brush-cleaning", address, is_post=True)


def _smaller(view: DownloadView) -> Steps:
    """Retry with what the site has within the limit; else with a lower quality."""
    formats = view.download.error_data.get("formats", [])
    most = settings.VNSITE.max_bytes
    small = [each for each in formats if 0 < each.get("bytes", 0) <= most]
    steps = list(_with_choices(view.download, small))
    yield from steps or _lower_quality(view)


def _lower_quality(view: DownloadView) -> Steps:
    options = options_of(view.download)
    if options.audio:
        return
    lower = QUALITIES[QUALITIES.index(options.quality) + 1 :]
    if options.quality == "best":
        lower = ("1080p", "480p")
    for quality in lower[:MAX_LOWER]:
        yield _retry_with(view.download, "quality", quality)


def _less_narrow(view: DownloadView) -> Steps:
    options = options_of(view.download)
    names = NARROWING_OF.get(view.download.error_data.get("code", ""), NARROWING)
    for name in names:
        default = OPTIONS[name].default
        if getattr(options, name) != default:
            yield _retry_with(view.download, name, default)


def _retry_with(download: Download, name: str, value: object) -> NextStep:
    """Make a retry with one option changed, the others as they were."""
    option = OPTIONS[name]
    words = option.in_words(value) or _("%(option)s: off") % {"option": option.label}
    return NextStep(
        _("Retry: %(choice)s") % {"choice": words},
        "rotate-ccw",
        _address("retry_changed", download),
        fields={name: field_of(name, value)},
    )


def _found(view: DownloadView) -> Steps:
    """Retry with what the site has; else without what may have been too narrow."""
    data = view.download.error_data
    formats = data.get("formats", []) if data.get("code") in WITH_FORMATS else []
    if data.get("code") == "no_sound":
        formats = [each for each in formats if each.get("kind") != "audio"]
    steps = list(_with_choices(view.download, formats))
    yield from steps or _less_narrow(view)


def _with_choices(download: Download, formats: Sequence[Mapping[str, Any]]) -> Steps:
    """Retry with each of these that is not what was asked for."""
    options, address = options_of(download), _address("retry_changed", download)
    for choice in choices_of(formats):
        asked = {name: field_of(name, getattr(options, name)) for name in choice.fields}
        if asked != choice.fields:
            label = _("Retry: %(choice)s") % {"choice": choice.label}
            yield NextStep(label, "rotate-ccw", address, fields=choice.fields)


def _limits_of_site(view: DownloadView) -> Steps:
    if view.viewer.is_staff:
        address = reverse("site", args=[view.download.site])
        yield NextStep(_("Limits and proxy of %(site)s") % {"site": view.host}, "gauge", address)


def _not_cleaned(view: DownloadView) -> Steps:
    address = f"{reverse('dashboard')}?state=not_cleaned"
    yield NextStep(_("Show what keeps temp files"), "hard-drive", address)


def _system(view: DownloadView) -> Steps:
    if view.viewer.is_staff:
        yield NextStep(_("Look at workers and checks"), "gauge", reverse("system"))


def _allow_host(view: DownloadView) -> Steps:
    if view.viewer.is_staff:
        yield _command(f"VNSITE_ALLOW_PRIVATE_HOSTS={view.download.site}")


def _command(text: str) -> NextStep:
    return NextStep(_("Copy"), "copy", copy=text)


def _commands(*texts: str) -> Callable[[DownloadView], Steps]:
    return lambda _view: (_command(text) for text in texts)


def _address(name: str, download: Download) -> str:
    return reverse(name, args=[download.correlation_id])


UPDATE = "manage.py update_extractors"
DOCTOR = "manage.py doctor"
STEPS: Mapping[ErrorClass, tuple[Callable[[DownloadView], Steps], ...]] = {
    ErrorClass.NETWORK: (_retry, _source, _limits_of_site),
    ErrorClass.RATE_LIMITED: (_retry, _limits_of_site),
    ErrorClass.FORBIDDEN: (_retry, _cookies, _limits_of_site),
    ErrorClass.UNAVAILABLE: (_source, _retry, _clean_up),
    ErrorClass.LOGIN_REQUIRED: (_cookies, _retry),
    ErrorClass.GEO_BLOCKED: (_limits_of_site, _source, _retry),
    ErrorClass.DRM: (_source,),
    ErrorClass.UNSUPPORTED: (_source, _retry),
    ErrorClass.EXTRACTOR_BROKEN: (_retry, _system, _commands(UPDATE)),
    ErrorClass.JS_RUNTIME_MISSING: (_retry, _commands("bin/setup")),
    ErrorClass.FFMPEG_MISSING: (_retry, _commands("apt-get install ffmpeg")),
    ErrorClass.FORMAT_UNAVAILABLE: (_found, _source),
    ErrorClass.LIVE_NOT_STARTED: (_retry, _source),
    ErrorClass.STALLED: (_retry, _limits_of_site),
    ErrorClass.TIMED_OUT: (_retry, _lower_quality),
    ErrorClass.TOO_LARGE: (_smaller, _retry),
    ErrorClass.DISK_FULL: (_not_cleaned, _retry),
    ErrorClass.INCOMPLETE: (_retry,),
    ErrorClass.POLICY_BLOCKED: (_allow_host, _retry),
    ErrorClass.TLS: (_source, _retry),
    ErrorClass.STORAGE: (_system, _retry, _commands(DOCTOR)),
    ErrorClass.WORKER_LOST: (_retry,),
    ErrorClass.INTERNAL: (_retry, _system),
}
