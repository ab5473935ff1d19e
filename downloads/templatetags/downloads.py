"""How states, sizes, durations and instants are written on a page.

`size`, `duration` and `ago` have twins in static/downloads/format.js, which patches the same
places: tests/web/test_format.py keeps them equal.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from django import template
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from downloads.models import Download, Progress, PublishedFile, Transition
from downloads.rules.errors import ErrorClass
from downloads.rules.options import DownloadOptions, InvalidOption
from downloads.rules.states import Phase, Reason, State
from downloads.waiting import Obstacles, Waiting, Why
from downloads.web.details import detail_of

register = template.Library()

SPRITE = "downloads/vendor/lucide-static-1.62.0/icons.svg"
UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB")
UNKNOWN = "—"
# Older than this, speed and remaining time say nothing about now.
FRESH_SECONDS = 10
UNKNOWN_OPTIONS = "unknown options"
PLAYABLE = frozenset({"audio", "video"})


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a state looks like everywhere. Its colour is the class `state-<state>`."""

    label: str
    icon: str


LOOKS: dict[State, Look] = {
    State.CREATED: Look(label="Waiting", icon="circle-dashed"),
    State.INITIALIZING: Look(label="Preparing", icon="folder-plus"),
    State.READY: Look(label="Ready", icon="clock"),
    State.DOWNLOADING: Look(label="Downloading", icon="arrow-down-to-line"),
    State.COMPLETED: Look(label="Completed", icon="circle-check"),
    State.FAILED: Look(label="Failed", icon="circle-x"),
    State.CANCELLED: Look(label="Cancelled", icon="ban"),
    State.CLEANED: Look(label="Cleaned", icon="sparkles"),
}

PHASES: dict[Phase, str] = {
    Phase.EXTRACTING: "Reading the page",
    Phase.FETCHING: "Fetching",
    Phase.POST_PROCESSING: "Processing",
    Phase.VERIFYING: "Checking",
    Phase.PUBLISHING: "Publishing",
}

REFUSALS: dict[ErrorClass, str] = {
    ErrorClass.NETWORK: "not reached",
    ErrorClass.RATE_LIMITED: "rate limited",
    ErrorClass.FORBIDDEN: "refused (403)",
}

REASONS: dict[str, str] = {
    Reason.DIRECTORY_MADE: "isolated directory made",
    Reason.WILL_RETRY: "will be tried again",
    Reason.SHUTDOWN: "worker stopped",
}


@register.simple_tag
def icon(name: str) -> SafeString:
    """An icon of the sprite, for the eye only: the words are beside it."""
    return format_html(
        '<svg class="icon" aria-hidden="true" focusable="false"><use href="{}#{}"/></svg>',
        static(SPRITE),
        name,
    )


@register.inclusion_tag("downloads/partials/badge.html")
def badge(state: str, outcome: str | None = None) -> dict[str, Any]:
    """Colour, glyph and word of a state. CLEANED with an outcome shows that, and "cleaned"."""
    is_cleaned = state == State.CLEANED and outcome is not None
    shown = State(outcome) if is_cleaned and outcome else State(state)
    return {"state": shown, "look": LOOKS[shown], "is_cleaned": is_cleaned}


@register.filter
def label(state: str) -> str:
    return LOOKS[State(state)].label


@register.filter
def glyph(state: str) -> str:
    return LOOKS[State(state)].icon


@register.filter
def phase_label(phase: str) -> str:
    return PHASES.get(Phase(phase), phase)


@register.filter
def whole(number: float) -> int:
    """Rounded down: what is not finished never says 100 %."""
    return int(number)


@register.filter
def size(count: float | None) -> str:
    """Bytes with a binary prefix: three digits at most before the unit changes."""
    if count is None:
        return UNKNOWN
    if count < 1000:
        return f"{int(count)} B"
    value, units = count / 1024, iter(UNITS)
    unit = next(units)
    while value >= 999.5 and unit != UNITS[-1]:
        value, unit = value / 1024, next(units)
    return f"{value:.1f} {unit}" if value < 9.95 else f"{value:.0f} {unit}"


@register.filter
def duration(seconds: float | timedelta | None) -> str:
    """A length of time in its two biggest units; under a minute in seconds."""
    if seconds is None:
        return UNKNOWN
    total = seconds.total_seconds() if isinstance(seconds, timedelta) else seconds
    if total < 0.95:
        return f"{max(total, 0):.1f} s"
    whole = int(total + 0.5)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


@register.filter
def ago(instant: datetime | None) -> str:
    """How long ago an instant was, or how far off it is, in one unit."""
    if instant is None:
        return UNKNOWN
    return since((timezone.now() - instant).total_seconds())


def since(seconds: float) -> str:
    """The words for an age; negative for what is still to come."""
    if abs(seconds) < 5:
        return "now"
    written = _in_one_unit(abs(seconds))
    return f"{written} ago" if seconds > 0 else f"in {written}"


def _in_one_unit(seconds: float) -> str:
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return f"{int(seconds)} s"


@register.simple_tag
def instant(
    at: datetime, *, relative: bool = False, clock: bool = False, due: bool = False
) -> SafeString:
    """A <time>: relative to now, or the date and time in UTC until patch.js makes it local.

    `clock`: hours and minutes alone, of an instant near to now. `due`: when it comes, live.js asks
    for the part again that it stands in.
    """
    full = f"{at:%Y-%m-%d %H:%M:%S} UTC"
    kind, words = "local", full
    if relative:
        kind, words = "ago", ago(at)
    elif clock:  # rounded up: what is said to end then has ended
        kind, words = "clock", f"{at + timedelta(seconds=59):%H:%M} UTC"
    return format_html(
        '<time datetime="{}" title="{}" data-{}{}>{}</time>',
        at.isoformat(),
        full,
        kind,
        " data-due" if due else "",
        words,
    )


@register.filter
def host(url: str) -> str:
    """The site of a URL, without the port and `www.`."""
    return (urlsplit(url).hostname or url).removeprefix("www.")


@register.filter
def took(download: Download) -> float | None:
    """Seconds from the claim to the end; None when it was tried more than once, or not at all."""
    if download.attempt != 1 or download.started_at is None or download.finished_at is None:
        return None
    return (download.finished_at - download.started_at).total_seconds()


@register.filter
def total_size(files: Iterable[PublishedFile]) -> int:
    return sum(file.size for file in files)


@register.filter
def is_fresh(progress: Progress) -> bool:
    """Whether speed and remaining time are young enough to be shown."""
    return timezone.now() - progress.updated_at < timedelta(seconds=FRESH_SECONDS)


@register.filter
def options_label(options: dict[str, Any]) -> str:
    """What was chosen, in a word or two; "" for the default."""
    try:
        return DownloadOptions.from_mapping(options).label
    except InvalidOption:  # of a newer version: the row says so, and the page goes on
        return UNKNOWN_OPTIONS


@register.filter
def options_summary(options: dict[str, Any]) -> str:
    """All options in words, the defaults included."""
    try:
        return DownloadOptions.from_mapping(options).summary
    except InvalidOption as unknown:
        return str(unknown)


@register.filter
def waiting_in(download: Download, obstacles: Obstacles) -> Waiting | None:
    return obstacles.of(download)


@register.simple_tag
def waiting_data(download: Download, obstacles: Obstacles) -> SafeString:
    """Attributes by which live.js sees that what is in the way of a download has changed."""
    if download.state != State.CREATED:
        return mark_safe("")
    return format_html(
        ' data-site="{}" data-owner="{}" data-waiting="{}"',
        download.site,
        download.owner_id or "",
        obstacles.word_of(download),
    )


@register.simple_tag(takes_context=True)
def waiting_sentence(
    context: template.Context, waiting: Waiting | None, download: Download | None = None
) -> str:
    """Why a download waits, without a full stop. Only of a site it needs no download."""
    if waiting is None:
        return "In the queue"
    if waiting.why == Why.NO_WORKER:
        return "No worker is running"
    if waiting.why == Why.SITE:
        return _site_sentence(waiting)
    assert download is not None  # noqa: S101 — the rest is about one
    if waiting.until is not None:
        when = instant(waiting.until, relative=True, due=True)
        attempt, most = download.tries + 1, download.max_attempts
        return format_html("Next try {}, attempt {} of {}", when, attempt, most)
    return format_html(
        "Waiting for its turn: {} of {} {} running, and at most {} may",
        waiting.running,
        waiting.site if waiting.why == Why.SITE_LIMIT else _whose(download, context),
        "is" if waiting.running == 1 else "are",
        waiting.limit,
    )


def _site_sentence(waiting: Waiting) -> SafeString:
    assert waiting.until  # noqa: S101 — a site that is left alone has
    assert waiting.error_class  # noqa: S101 — both of them
    return format_html(
        "Waiting for {} until {} ({} failure{} in a row, the last: {})",
        waiting.site,
        instant(waiting.until, clock=True, due=True),
        waiting.failures,
        "" if waiting.failures == 1 else "s",
        REFUSALS[waiting.error_class],
    )


def _whose(download: Download, context: template.Context) -> str:
    if download.owner_id == context["request"].user.pk:
        return "yours"
    return download.owner.get_username() if download.owner else "the command"


@register.filter
def reason_label(entry: Transition) -> str:
    return REASONS.get(entry.reason, entry.reason.replace("_", " "))


@register.filter
def in_words(data: dict[str, Any]) -> str:
    """Say what a transition or an error stores, with sizes for people: "282 MiB freed"."""
    return detail_of(data, write_bytes=size)


@register.filter
def actor_label(actor: str) -> str:
    """`user:ann` is shown as "ann"; everybody else with what they are: "worker box-1"."""
    kind, _, name = actor.partition(":")
    return name if kind == "user" else f"{kind} {name}".strip()


@register.filter
def player(file: PublishedFile) -> str:
    """The element that plays a file, "video" or "audio"; "" when neither does."""
    kind = file.media_type.partition("/")[0]
    return kind if kind in PLAYABLE else ""
