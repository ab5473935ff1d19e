"""One download in words: what its row shows, and its page as well."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Self
from urllib.parse import urlsplit

from django.contrib.auth.models import User
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, gettext_noop

from downloads.models import Download, Listing, Progress, PublishedFile
from downloads.models.listings import Became
from downloads.rules.errors import Advice, ErrorClass
from downloads.rules.options import DownloadOptions, InvalidOption
from downloads.rules.states import ListKind, Outcome, Phase, Result, Role, State
from downloads.rules.words import say, say_number
from downloads.waiting import Obstacles, Waiting, Why
from downloads.web.actors import actor_in_words
from downloads.web.format import duration, instant, length, ordinal, size
from downloads.web.found_view import checked_in_words
from downloads.web.order import Sort, key_of
from downloads.web.stopping import stop_in_words
from downloads.web.thumbnails import address_of

FILMS = (Role.VIDEO, Role.AUDIO)
SLOW = timedelta(seconds=30)  # a site that says nothing for longer is slow
FRESH = timedelta(seconds=10)  # an older speed and remaining time say nothing about now

PHASES: dict[str, str] = {
    Phase.EXTRACTING: gettext_noop("Looking up the video"),
    Phase.LISTING: gettext_noop("Reading the list"),
    Phase.FETCHING: gettext_noop("Downloading"),
    Phase.RECORDING: gettext_noop("Recording"),
    Phase.POST_PROCESSING: gettext_noop("Joining video and audio"),
    Phase.VERIFYING: gettext_noop("Checking"),
    Phase.PUBLISHING: gettext_noop("Moving to the library"),
}
SLOW_SITE = gettext_noop("The site is slow to answer")
REFUSALS: dict[ErrorClass | None, str] = {
    ErrorClass.NETWORK: gettext_noop("not reached"),
    ErrorClass.RATE_LIMITED: gettext_noop("rate limited"),
    ErrorClass.FORBIDDEN: gettext_noop("403"),
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
    fragments: str = ""
    speed: str = ""
    left: str = ""
    slow_at: datetime | None = None  # when it says that the site is slow to answer

    @classmethod
    def of(cls, download: Download) -> Self:
        progress: Progress | None = getattr(download, "progress", None)
        stops = stop_in_words(download)
        if progress is None:
            return cls(words=_on_a_worker(download), stops=stops)
        percent, resumed = progress.percent, progress.resumed_percent
        speed, left = progress.speed, progress.eta_seconds
        age = timezone.now() - progress.updated_at
        is_fresh = age < FRESH
        is_silent = not is_fresh and progress.phase == Phase.FETCHING
        is_read = progress.phase == Phase.EXTRACTING
        is_slow = is_read and age >= SLOW
        words = SLOW_SITE if is_slow else PHASES.get(progress.phase, progress.phase)
        return cls(
            words=say(words),
            slow_at=progress.updated_at + SLOW if is_read and not is_slow else None,
            stops=stops,
            phase=progress.phase,
            # Rounded down: what is not finished never says 100 %.
            resumed=""
            if resumed is None
            else say(", resumed at {percent} %", percent=int(resumed)),
            value="" if percent is None else f"{percent:.1f}",
            percent="" if percent is None else f"{int(percent)} %",
            received=_received(progress),
            fragments=say(
                "(fragment {number} of {all})", number=progress.fragment, all=progress.fragments
            )
            if progress.fragments
            else "",
            speed="" if speed is None or not is_fresh else f"{size(speed)}/s",
            left=_left(left if is_fresh else None, silent=age if is_silent else None),
        )


def _on_a_worker(download: Download) -> str:
    return say("On {worker}", worker=download.worker.name) if download.worker else ""


def _left(seconds: float | None, *, silent: timedelta | None) -> str:
    """Say how long it will take, or for how long nothing has come; None: unknown, and it comes."""
    if silent is not None:
        return say("No bytes for {time}", time=duration(silent.total_seconds()))
    return "" if seconds is None else say("{time} left", time=duration(seconds))


def _received(progress: Progress) -> str:
    """Return how much has come, in bytes or entries; "" while nothing has."""
    if progress.entries:
        return say("{number:,} so far", number=progress.entries)
    if not progress.received_bytes:
        return ""
    received, total = size(progress.received_bytes), progress.total_bytes
    return say("{received} of {total}", received=received, total=size(total)) if total else received


@dataclass(frozen=True, kw_only=True)
class DownloadView:
    """What the row of a download shows, and its page as well."""

    download: Download
    obstacles: Obstacles
    viewer: User
    became: Became | None = None  # of the entries of its listing; None: it has none
    matches: bool = True  # whether the filter and the search of the page let it through
    sort: Sort = Sort.NOW  # of the page
    place: int | None = None  # in the queue; None: it waits for something else, or far behind

    @property
    def id(self) -> str:
        return self.download.correlation_id

    @cached_property
    def address(self) -> str:
        """Its page; what is done with it is behind that: `cancel`, `delete`."""
        return reverse("download", args=[self.id])

    @cached_property
    def name(self) -> str:
        return self.download.title or self.download.url

    @property
    def thumbnail(self) -> str | None:
        """The address of its small picture; None: it has none."""
        return address_of(self.download)

    @property
    def host(self) -> str:
        """The host of its link, or that there is none: nobody knows where it was fetched."""
        return host_of(self.download.url) if self.download.url else gettext("unknown site")

    @property
    def key(self) -> str:
        """Its place in the order of the page, for rows.js."""
        return key_of(self.download, self.sort)

    @property
    def about(self) -> list[str]:
        """What is known of the video: whose it is, how long, how large its picture."""
        media = self.download.media
        seconds, height = media.get("duration"), media.get("height")
        return [
            str(media.get("channel") or media.get("uploader") or ""),
            length(seconds) if seconds else "",
            f"{height}p" if height else "",
        ]

    @cached_property
    def film(self) -> PublishedFile | None:
        """The file that it was about; None: it left none."""
        if not hasattr(self.download, "entry"):
            return None
        return next((file for file in self.download.files_at_hand if file.role in FILMS), None)

    @property
    def since(self) -> datetime:
        """The instant that its row tells the age of: its end, or when it was added."""
        return self.download.finished_at or self.download.created_at

    @cached_property
    def save_address(self) -> str:
        """Where that file can be had; "" when there is none."""
        film = self.film
        return reverse("media", args=[self.download.correlation_id, film.name]) if film else ""

    @property
    def is_checked(self) -> bool:
        """Whether it was only looked up, so that it can be downloaded now."""
        return self.download.result == Result.CHECKED

    @property
    def attempt(self) -> str:
        """Empty for the first attempt."""
        tries = self.download.tries
        if tries < 2:
            return ""
        return say("attempt {number} of {most}", number=tries, most=self.download.max_attempts)

    @property
    def facts(self) -> list[str]:
        """What its row says beside the site."""
        try:
            chosen = DownloadOptions.from_mapping(self.download.options).label
        except InvalidOption:  # of a newer version: the row says so, and the page goes on
            chosen = gettext("unknown options")
        facts = (*self.about, chosen, self.attempt, self._kept())
        return [fact for fact in facts if fact]

    def _kept(self) -> str:
        """Say that its directory is still there, which it is for a moment after each end."""
        download = self.download
        ended = download.finished_at if download.is_cleanable else None
        is_kept = ended is not None and timezone.now() - ended > FRESH
        return gettext("temp files kept") if is_kept else ""

    @cached_property
    def progress(self) -> ProgressView | None:
        return ProgressView.of(self.download) if self.download.is_running else None

    @property
    def advice(self) -> Advice | None:
        return self.download.advice

    @property
    def failure(self) -> str:
        failed = self.download.outcome == Outcome.FAILED
        return say(self.advice.sentence) if self.advice and failed else ""

    @property
    def note(self) -> str:
        """How it is or how it ended, where that is neither progress nor a failure."""
        download = self.download
        if download.state == State.CREATED:
            error = f"{say(self.advice.sentence)} " if self.advice else ""
            return format_html("{}{}", error, self.why_it_waits)
        if download.outcome == Outcome.FAILED:
            return say(self.advice.next_step) if self.advice else ""
        if download.outcome == Outcome.COMPLETED:
            return self._result_in_words()
        if download.outcome == Outcome.CANCELLED and download.finished_at:
            who = actor_in_words(download.cancel_requested_by)
            when = instant(download.finished_at, relative=True)
            if not who:
                return when
            if not (download.started_at and download.cancel_requested_at):
                return format_html(gettext("By {name}, {when}"), name=who, when=when)
            took = (download.finished_at - download.cancel_requested_at).total_seconds()
            words = gettext("By {name}, {when}, stopped in {time}")
            return format_html(words, name=who, when=when, time=duration(took))
        return ""

    def _result_in_words(self) -> str:
        match self.download.result:
            case Result.LISTING:
                return self._listing_in_words()
            case Result.HAVE_IT:
                return self._other_in_words()
            case Result.CHECKED:
                return checked_in_words(self.download)
        return self._files_in_words()

    def _listing_in_words(self) -> str:
        listing: Listing | None = getattr(self.download, "listing", None)
        if listing is None or self.became is None:
            return ""
        if self.became.added:
            return became_in_words(self.became, listing.count)
        # A channel may hold lists.
        held = (
            say_number("{number:,} entry", "{number:,} entries", number=listing.count)
            if listing.kind == ListKind.CHANNEL
            else say_number("{number:,} video", "{number:,} videos", number=listing.count)
        )
        return format_html(
            '{}: <a href="{}">{}<span class="hidden"> {}</span></a>',
            held,
            self.address,
            gettext("choose"),
            self.name,
        )

    def _other_in_words(self) -> str:
        other = self.download.have
        if other is None:
            return gettext("You had it already")
        address = reverse("download", args=[other.correlation_id])
        link = format_html('<a href="{}">{}</a>', address, other.title or other.url)
        return format_html(gettext("You have it already: {title}"), title=link)

    def _files_in_words(self) -> str:
        download, files = self.download, list(self.download.files_at_hand)
        if not files:
            return gettext("Files deleted")
        count = sum(file.size for file in files)
        if download.attempt != 1 or not download.started_at or not download.finished_at:
            return size(count)
        took = (download.finished_at - download.started_at).total_seconds()
        words = {"size": size(count), "time": duration(took), "speed": size(count / (took or 1))}
        if len(files) == 1:
            return say("{size} in {time}, {speed}/s", **words)
        return say_number(
            "{number} file, {size} in {time}, {speed}/s",
            "{number} files, {size} in {time}, {speed}/s",
            number=len(files),
            **words,
        )

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
            return self._place_in_words()
        if waiting.why == Why.PAUSED:
            return gettext("Paused")
        if waiting.why == Why.QUEUE_PAUSED:
            return gettext("The queue is paused")
        if waiting.why == Why.QUOTA:
            words = gettext("The quota is used up: {used} of {limit} in the library")
            words = words.format(used=size(waiting.used or 0), limit=size(waiting.limit or 0))
            return format_html('<a href="{}">{}</a>', reverse("library_storage"), words)
        if waiting.why == Why.NO_WORKER:
            words = gettext("No worker is running")
            return format_html('<a href="{}">{}</a>', reverse("workers"), words)
        if waiting.why == Why.SITE:
            return site_waits(waiting)
        if waiting.until:
            when = instant(waiting.until, relative=True, due=True)
            if waiting.why == Why.SITE_PAUSE:
                words = gettext("Pause between downloads of {site}: next {when}")
                return format_html(words, site=waiting.site, when=when)
            if waiting.why == Why.PREMIERE or not self.download.attempt:
                return format_html(gettext("Starts {when}"), when=when)
            return format_html(
                gettext("Next try {when}, attempt {number} of {most}"),
                when=when,
                number=self.download.tries + 1,
                most=self.download.max_attempts,
            )
        if waiting.why == Why.SITE_LIMIT:
            return say_number(
                "{site} has {number} running, its limit is {limit}. It starts when one ends",
                "{site} has {number} running, its limit is {limit}. It starts when one ends",
                number=waiting.running or 0,
                site=waiting.site,
                limit=waiting.limit,
            )
        return self._owner_is_full(waiting)

    def _owner_is_full(self, waiting: Waiting) -> str:
        number, limit, owner = waiting.running or 0, waiting.limit, self.download.owner
        if owner == self.viewer:
            return say_number(
                "You have {number} running, the limit for you is {limit}. It starts when one ends",
                "You have {number} running, the limit for you is {limit}. It starts when one ends",
                number=number,
                limit=limit,
            )
        return say_number(
            "{name} has {number} running, the limit is {limit}. It starts when one ends",
            "{name} has {number} running, the limit is {limit}. It starts when one ends",
            number=number,
            limit=limit,
            name=owner.get_username() if owner else gettext("the command line"),
        )

    def _place_in_words(self) -> str:
        if self.place is None:
            return gettext("In the queue")
        if self.place == 1:
            return gettext("Next in the queue")
        return say("{place} in the queue", place=ordinal(self.place))


def start_a_worker() -> SafeString:
    """Say how a worker is started."""
    words = gettext(
        "Start <code>bin/serve</code>, or <code>manage.py run_downloads</code> beside the web"
        " server."
    )
    return SafeString(words)  # our own words


def became_in_words(became: Became, count: int) -> str:
    """Say how many of `count` entries were added, and what is still to be seen of them."""
    words = [say("{added:,} of {count:,} added", added=became.added, count=count)]
    if waiting := became.waiting:
        words.append(say_number("{number:,} waiting", "{number:,} waiting", number=waiting))
    if running := became.running:
        words.append(say_number("{number:,} running", "{number:,} running", number=running))
    if failed := became.failed:
        words.append(say_number("{number:,} failed", "{number:,} failed", number=failed))
    return " · ".join(words)


def site_waits(waiting: Waiting) -> SafeString:
    """Say until when and why a site is left alone, without a full stop."""
    assert waiting.until  # noqa: S101 — such a site has an end of its wait
    assert waiting.failures  # noqa: S101 — and a beginning
    words = say_number(
        "{site} refused {number} time ({reason}). Next try at {when}",
        "{site} refused {number} times ({reason}). Next try at {when}",
        number=waiting.failures,
        site="{site}",
        reason="{reason}",
        when="{when}",
    )
    return format_html(
        words,
        site=waiting.site,
        reason=gettext(REFUSALS[waiting.error_class]),
        when=instant(waiting.until, clock=True, due=True),
    )


def host_of(url: str) -> str:
    """Return the site of a URL, without the port and `www.`."""
    return (urlsplit(url).hostname or url).removeprefix("www.")
