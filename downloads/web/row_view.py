"""One download in words: what its row shows, and its page as well."""

from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Self
from urllib.parse import urlsplit

from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from downloads.models import Download, Listing, Progress
from downloads.models.listings import Became
from downloads.rules.errors import Advice, ErrorClass
from downloads.rules.options import DownloadOptions, InvalidOption
from downloads.rules.states import ListKind, Outcome, Phase, Result, State
from downloads.waiting import Obstacles, Waiting, Why
from downloads.web.actors import actor_in_words
from downloads.web.format import counted, duration, instant, size
from downloads.web.thumbnails import address_of

FRESH = timedelta(seconds=10)  # an older speed and remaining time say nothing about now

PHASES: dict[str, str] = {
    Phase.EXTRACTING: "Reading the page",
    Phase.LISTING: "Reading the list",
    Phase.FETCHING: "Fetching",
    Phase.RECORDING: "Recording",
    Phase.POST_PROCESSING: "Processing",
    Phase.VERIFYING: "Checking",
    Phase.PUBLISHING: "Publishing",
}
START_A_WORKER = SafeString(
    "Start <code>bin/serve</code>, or <code>manage.py run_downloads</code> beside the web server."
)
REFUSALS: dict[ErrorClass | None, str] = {
    ErrorClass.NETWORK: "not reached",
    ErrorClass.RATE_LIMITED: "rate limited",
    ErrorClass.FORBIDDEN: "refused (403)",
}


@dataclass(frozen=True, kw_only=True)
class ProgressView:
    """How far a running download is. "" is not known, or does not apply."""

    words: str  # what it does
    stops: str  # what it was asked to do instead
    phase: str = ""  # the code of that
    resumed: str = ""
    value: str = ""  # of the bar, 0 to 100
    percent: str = ""
    received: str = ""
    speed: str = ""
    left: str = ""

    @classmethod
    def of(cls, download: Download) -> Self:
        progress: Progress | None = getattr(download, "progress", None)
        stops = _stops(download)
        if progress is None:
            return cls(words=f"On {download.worker.name}" if download.worker else "", stops=stops)
        percent, resumed = progress.percent, progress.resumed_percent
        speed, left = progress.speed, progress.eta_seconds
        is_fresh = timezone.now() - progress.updated_at < FRESH
        return cls(
            words=PHASES.get(progress.phase, progress.phase),
            stops=stops,
            phase=progress.phase,
            # Rounded down: what is not finished never says 100 %.
            resumed="" if resumed is None else f", resumed at {int(resumed)} %",
            value="" if percent is None else f"{percent:.1f}",
            percent="" if percent is None else f"{int(percent)} %",
            received=_received(progress),
            speed="" if speed is None or not is_fresh else f"{size(speed)}/s",
            left="" if left is None or not is_fresh else f"{duration(left)} left",
        )


def _received(progress: Progress) -> str:
    """Return how much has come, in bytes or entries; "" while nothing has."""
    if progress.entries:
        return f"{progress.entries:,} so far"
    if not progress.received_bytes:
        return ""
    received, total = size(progress.received_bytes), progress.total_bytes
    return f"{received} of {size(total)}" if total else received


@dataclass(frozen=True, kw_only=True)
class DownloadView:
    """What the row of a download shows, and its page as well."""

    download: Download
    obstacles: Obstacles
    viewer: User
    became: Became | None = None  # of the entries of its listing; None: it has none
    matches: bool = True  # whether the filter and the search of the page let it through

    @property
    def name(self) -> str:
        return self.download.title or self.download.url

    @property
    def thumbnail(self) -> str | None:
        """The address of its small picture; None: it has none."""
        return address_of(self.download)

    @property
    def host(self) -> str:
        return host_of(self.download.url)

    @property
    def attempt(self) -> str:
        """Empty for the first attempt."""
        tries = self.download.tries
        return f"attempt {tries} of {self.download.max_attempts}" if tries > 1 else ""

    @property
    def facts(self) -> list[str]:
        """What its row says beside the site."""
        try:
            chosen = DownloadOptions.from_mapping(self.download.options).label
        except InvalidOption:  # of a newer version: the row says so, and the page goes on
            chosen = "unknown options"
        return [fact for fact in (chosen, self.attempt) if fact]

    @cached_property
    def progress(self) -> ProgressView | None:
        return ProgressView.of(self.download) if self.download.is_running else None

    @property
    def advice(self) -> Advice | None:
        return self.download.advice

    @property
    def failure(self) -> str:
        failed = self.download.outcome == Outcome.FAILED
        return self.advice.sentence if self.advice and failed else ""

    @property
    def note(self) -> str:
        """How it is or how it ended, where that is neither progress nor a failure."""
        download = self.download
        if download.state == State.CREATED:
            error = f"{self.advice.sentence} " if self.advice else ""
            return format_html("{}{}", error, self.why_it_waits)
        if download.outcome == Outcome.FAILED:
            return self.advice.next_step if self.advice else ""
        if download.outcome == Outcome.COMPLETED:
            return self._result_in_words()
        if download.outcome == Outcome.CANCELLED and download.finished_at:
            who = actor_in_words(download.cancel_requested_by)
            by = f"By {who}, " if who else ""
            return format_html("{}{}", by, instant(download.finished_at, relative=True))
        return ""

    def _result_in_words(self) -> str:
        match self.download.result:
            case Result.LISTING:
                return self._listing_in_words()
            case Result.HAVE_IT:
                return self._other_in_words()
        return self._files_in_words()

    def _listing_in_words(self) -> str:
        listing: Listing | None = getattr(self.download, "listing", None)
        if listing is None or self.became is None:
            return ""
        if self.became.added:
            return became_in_words(self.became, listing.count)
        # A channel may hold lists.
        noun = "entry" if listing.kind == ListKind.CHANNEL else "video"
        address = reverse("download", args=[self.download.correlation_id])
        choose = format_html(
            '<a href="{}">choose<span class="hidden"> from {}</span></a>', address, self.name
        )
        return format_html("{}: {}", counted(listing.count, noun), choose)

    def _other_in_words(self) -> str:
        other = self.download.have
        if other is None:
            return "You had it already"
        address = reverse("download", args=[other.correlation_id])
        return format_html(
            'You have it already: <a href="{}">{}</a>', address, other.title or other.url
        )

    def _files_in_words(self) -> str:
        download, files = self.download, list(self.download.files)
        result = size(sum(file.size for file in files)) if files else "Files deleted"
        if len(files) > 1:
            result += f" in {counted(len(files), 'file')}"
        if download.attempt == 1 and download.started_at and download.finished_at:
            took = duration((download.finished_at - download.started_at).total_seconds())
            result += f" · took {took}"
        return result

    @cached_property
    def waiting(self) -> Waiting | None:
        return self.obstacles.of(self.download)

    @property
    def waiting_data(self) -> dict[str, object]:
        """Attributes by which live.js sees that what is in the way of it has changed."""
        download = self.download
        if download.state != State.CREATED:
            return {}
        word = self.obstacles.word_of(download)
        return {"site": download.site, "owner": download.owner_id or "", "waiting": word}

    @property
    def why_it_waits(self) -> str:
        """Without a full stop."""
        waiting = self.waiting
        if waiting is None:
            return "In the queue"
        if waiting.why == Why.PAUSED:
            return gettext("Paused")
        if waiting.why == Why.QUEUE_PAUSED:
            return gettext("The queue is paused")
        if waiting.why == Why.NO_WORKER:
            return "No worker is running"
        if waiting.why == Why.SITE:
            return site_waits(waiting)
        if waiting.until:
            when = instant(waiting.until, relative=True, due=True)
            if waiting.why == Why.SITE_PAUSE:
                return format_html("Pause between downloads of {}: next {}", waiting.site, when)
            if waiting.why == Why.PREMIERE or not self.download.attempt:
                return format_html("Starts {}", when)
            attempt, most = self.download.tries + 1, self.download.max_attempts
            return format_html("Next try {}, attempt {} of {}", when, attempt, most)
        whose = waiting.site if waiting.why == Why.SITE_LIMIT else self._whose()
        verb = "is" if waiting.running == 1 else "are"
        running = f"{waiting.running} of {whose} {verb} running"
        return f"Waiting for its turn: {running}, and at most {waiting.limit} may"

    def _whose(self) -> str:
        owner = self.download.owner
        if owner == self.viewer:
            return "yours"
        return owner.get_username() if owner else "the command"


def became_in_words(became: Became, count: int) -> str:
    """Say how many of `count` entries were added, and what is still to be seen of them."""
    numbers = {"waiting": became.waiting, "running": became.running, "failed": became.failed}
    words = [f"{number:,} {word}" for word, number in numbers.items() if number]
    return " · ".join([f"{became.added:,} of {count:,} added", *words])


def _stops(download: Download) -> str:
    if download.cancel_requested_at:
        return "Cancelling…"
    return "Stopping…" if download.keep_requested_by and download.is_recording else ""


def site_waits(waiting: Waiting) -> SafeString:
    """Say until when and why a site is left alone, without a full stop."""
    assert waiting.until  # noqa: S101 — such a site has an end of its wait
    assert waiting.failures  # noqa: S101 — and a beginning
    return format_html(
        "Waiting for {} until {} ({} in a row, the last: {})",
        waiting.site,
        instant(waiting.until, clock=True, due=True),
        counted(waiting.failures, "failure"),
        REFUSALS[waiting.error_class],
    )


def host_of(url: str) -> str:
    """Return the site of a URL, without the port and `www.`."""
    return (urlsplit(url).hostname or url).removeprefix("www.")
