"""Reads a list: its entries become messages, one batch after the other, and none is fetched.

yt-dlp would hold all entries and look at each of them. Here what an extractor yields is looked at
once and let go, so that a limit or the worker ends the reading at any entry.
"""

import functools
import math
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from itertools import chain, islice
from typing import Any
from urllib.parse import urlsplit

from yt_dlp import YoutubeDL
from yt_dlp.utils import PagedList, float_or_none, unsmuggle_url

from downloads.disk.names import readable
from downloads.fetch.protocol import (
    Job,
    Listed,
    ListedEntry,
    ListingEnded,
    Metadata,
    PhaseBegan,
    Send,
    Wishes,
)
from downloads.fetch.read_limits import MAX_TEXT_LENGTH, NotOneVideo
from downloads.rules.links import InvalidLink, clean_url
from downloads.rules.media_id import media_id_of
from downloads.rules.options import DownloadOptions
from downloads.rules.states import ListEnd, ListKind, Phase

LISTS = ("playlist", "multi_video")  # yt-dlp's types of a list
LINKS = ("url", "url_transparent")  # and of an entry that is no more than a link
BATCH_ENTRIES = 100
BATCH_CHARACTERS = 2**16  # of links and titles: as JSON each may be twelve bytes
BATCH_SECONDS = 0.5  # then a batch that is not full is sent, to show how far it is
MAX_IN_VAIN = 100  # entries in a row that bring nothing new: a page's worth
MAX_UNKNOWN = 20  # links of a host that no extractor knows: then it is believed of all
GENERIC_KEY = "Generic"
MAX_DEPTH = 3  # of lists that an extractor returns within a list
MAX_TITLE_LENGTH = 500
END_OF_TIME = 253_402_300_800  # the year 10000
YOUTUBE_ID = re.compile(r"[\w-]{11}")
# RFC 822, section 5, with the year of RFC 1123.
DATE_OF_FEEDS = re.compile(
    r"[A-Z][a-z]{2}, \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d (?:GMT|[+-]\d{4})"
)
# Of extractors that yt-dlp does not say it of.
NAMES_OF_LISTS = re.compile(
    r"(?:Playlist|Tab|Channel|User|Album|Series|Season|Show|Folder|Collection|Category|Feed)s?$"
)


class IsList(Exception):
    """The link stands for a list, and only a video is wanted."""


class TooDeep(Exception):
    """The list is within as many lists as there may be."""


class ListReader:
    """Reads the list that the child's link stands for, if it does."""

    def __init__(self, downloader: YoutubeDL, job: Job, *, send: Send, wishes: Wishes) -> None:
        self.ended: ListingEnded | None = None  # once a list was read
        self.on_list: Callable[[dict[str, Any]], None] | None = None  # told of it before
        self._downloader = downloader
        self._options = DownloadOptions.from_mapping(job.options)
        self._may_list = job.may_list
        self._lists_all = job.lists_all
        self._send = send
        self._wishes = wishes
        self._own_links: set[str | None] = {job.url}
        self._seen: set[int] = set()  # hashes of the entries' links
        self._unknown: Counter[str] = Counter()  # links in a row without an extractor, by host
        self._limit = min(job.max_entries, self._options.first_entries or job.max_entries)

    def reads(self, result: dict[str, Any]) -> bool:
        """Read what an extractor returned as a list; False when it has at most one video.

        A job that `lists_all` has such a list read as well. Raises IsList when no list is wanted,
        TooDeep, and what the extractor raises on its pages.
        """
        entries = flat(result.get("entries"))
        first = list(islice(entries, 2))
        if len(first) < 2 and not self._lists_all:
            result["entries"] = first
            return False
        if self._options.playlist == "no":
            raise IsList(f"{title_of(result) or 'This'} is a list of videos")
        if not self._may_list:
            raise TooDeep(f"{title_of(result) or 'This'} is a list within lists")
        self._downloader.pages.allow_a_list()
        self._own_links |= {
            clean_link(result.get(name)) for name in ("webpage_url", "original_url")
        }
        title = title_of(result)
        self._send(Metadata(title=title))
        if self.on_list is not None:
            self.on_list(result)
        self._send(PhaseBegan(phase=Phase.LISTING))
        left_out, end = self._read(chain(first, entries))
        self.ended = ListingEnded(title=title, kind=kind_of(result), left_out=left_out, end=end)
        return True

    def _read(self, entries: Iterator[dict[str, Any]]) -> tuple[int, ListEnd]:
        """Send the entries in batches: (how many had no usable link, why the reading ended).

        Raises NotOneVideo when there is nothing to send, unless the job `lists_all`.
        """
        batch = Batch(self._send)
        left_out = in_vain = 0
        end = ListEnd.END
        for raw in entries:
            if len(self._seen) == self._limit:
                end = ListEnd.LIMIT
                break
            entry = self._entry_of(raw)
            if entry is None or not self._is_first(entry):
                left_out += entry is None
                in_vain += 1
                if in_vain == MAX_IN_VAIN:
                    end = ListEnd.REPEATS
                    break
                continue
            in_vain = 0
            if batch.add(entry) and self._wishes.is_keep_asked():
                end = ListEnd.KNOWN
                break
        batch.flush()
        if not self._seen and not self._lists_all:
            raise NotOneVideo("No video was found")
        return left_out, end

    def _is_first(self, entry: ListedEntry) -> bool:
        """Whether no entry before had this link."""
        before = len(self._seen)
        self._seen.add(hash(entry.url))
        return len(self._seen) > before

    def _entry_of(self, raw: dict[str, Any]) -> ListedEntry | None:
        """Describe an entry; None without a link that can be downloaded, and of the list itself."""
        links = (link for link in map(clean_link, links_of(raw)) if link not in self._own_links)
        link = next(filter(None, links), None)
        if link is None:
            return None
        is_link = raw.get("_type") in LINKS
        key = raw.get("ie_key" if is_link else "extractor_key") or self._find_extractor(link)
        extractor = self._downloader._ies.get(key)
        named = raw.get("id") if raw.get("_type") != "url_transparent" else None
        known = named or (extractor and extractor.get_temp_id(link)) or ""
        is_list = raw.get("_type") in LISTS or is_of_lists(extractor, str(key))
        name, media_id = media_id_of(str(key), str(known), link=link)
        return ListedEntry(
            url=link,
            title=title_of(raw),
            extractor=name,
            media_id="" if is_list else media_id,
            duration_seconds=number_in(raw.get("duration"), below=math.inf),
            uploaded_at=number_in(timestamp_of(raw), below=END_OF_TIME),
            is_live=bool(raw.get("is_live"))
            or raw.get("live_status") in ("is_live", "is_upcoming"),
            is_list=is_list,
        )

    def _find_extractor(self, link: str) -> str | None:
        """Find the key of a link's extractor, which takes a millisecond.

        A host of whose first links none has one is not asked for again: else a feed of 10,000 files
        took ten seconds.
        """
        host = urlsplit(link).netloc
        if self._unknown[host] == MAX_UNKNOWN:
            return GENERIC_KEY
        key: str | None = self._downloader.matcher.find(link)
        self._unknown[host] = self._unknown[host] + 1 if key == GENERIC_KEY else 0
        return key


class Batch:
    """The entries that were read and not sent yet."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._entries: list[ListedEntry] = []
        self._characters = 0
        self._sent_at = time.monotonic()

    def add(self, entry: ListedEntry) -> bool:
        """Take an entry, and send the batch when it is due; whether it was."""
        self._entries.append(entry)
        self._characters += len(entry.url) + len(entry.title) + len(entry.media_id)
        is_due = (
            len(self._entries) >= BATCH_ENTRIES
            or self._characters >= BATCH_CHARACTERS
            or time.monotonic() >= self._sent_at + BATCH_SECONDS
        )
        if is_due:
            self.flush()
        return is_due

    def flush(self) -> None:
        """Send what is there."""
        if self._entries:
            self._send(Listed(entries=self._entries))
        self._entries, self._characters, self._sent_at = [], 0, time.monotonic()


def noticing_lists(yes_playlist: Callable[..., bool]) -> Callable[..., bool]:
    """Wrap yt-dlp's choice between the video and the list that one link names.

    It tells the downloader of a list that was not chosen.
    """

    @functools.wraps(yes_playlist)
    def choose(
        extractor: Any, playlist_id: object, video_id: object, *args: Any, **kwargs: Any
    ) -> bool:
        is_list = yes_playlist(extractor, playlist_id, video_id, *args, **kwargs)
        if playlist_id and video_id and not is_list:
            extractor._downloader.is_in_a_list = True
        return is_list

    return choose


def dating_feeds(unified_timestamp: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap yt-dlp's reading of dates, which tries fifty formats before the one that feeds use.

    That took half of the time in which a feed is read.
    """

    @functools.wraps(unified_timestamp)
    def timestamp(text: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(text, str) and DATE_OF_FEEDS.fullmatch(text):
            with suppress(ValueError):
                return int(parsedate_to_datetime(text).timestamp())
        return unified_timestamp(text, *args, **kwargs)

    return timestamp


def flat(entries: Any, *, depth: int = 0) -> Iterator[dict[str, Any]]:
    """Yield the entries of a list one after the other, keeping none.

    A list within it that has no link of its own is replaced by its entries.
    """
    if isinstance(entries, PagedList):
        entries._use_cache = False
        entries = entries._getslice(0, None)
    for entry in () if entries is None else entries:  # a PagedList is true when its page was read
        if not isinstance(entry, dict):
            continue
        is_inner = entry.get("_type") in LISTS and not any(map(clean_link, links_of(entry)))
        if not is_inner:
            yield entry
        elif depth < MAX_DEPTH:
            yield from flat(entry.get("entries"), depth=depth + 1)


def links_of(raw: Mapping[str, Any]) -> Iterator[object]:
    """Yield what may be the link of an entry, the best first."""
    kind = raw.get("_type", "video")
    if kind in LINKS:
        yield raw.get("url")
        if raw.get("ie_key") == "Youtube" and YOUTUBE_ID.fullmatch(str(raw.get("url"))):
            yield f"https://www.youtube.com/watch?v={raw['url']}"
    yield raw.get("webpage_url")
    yield raw.get("original_url")
    if kind == "video":
        formats = raw.get("formats") or [raw]
        yield next((part["manifest_url"] for part in formats if part.get("manifest_url")), None)
        yield max(formats, key=quality_of).get("url")


def quality_of(part: Mapping[str, Any]) -> tuple[float, float]:
    """Return what makes one file of a video better than another, as far as it is known."""
    return float_or_none(part.get("height")) or 0, float_or_none(part.get("tbr")) or 0


def clean_link(link: object) -> str | None:
    """Return the link that a download may have; None for what is none."""
    try:
        return clean_url(unsmuggle_url(link)[0]) if isinstance(link, str) else None
    except (InvalidLink, ValueError):
        return None


def is_of_lists(extractor: Any, key: str) -> bool:
    """Whether what this extractor reads is a list. One that reads both says it by its name."""
    returns = getattr(extractor, "_RETURN_TYPE", None)
    return returns == "playlist" or (returns != "video" and bool(NAMES_OF_LISTS.search(key)))


def kind_of(result: Mapping[str, Any]) -> ListKind:
    key, name = str(result.get("extractor_key")), result.get("id")
    if key == GENERIC_KEY:
        # The only list that it names by its address is that of a feed.
        return ListKind.FEED if name == result.get("webpage_url") else ListKind.PAGE
    is_channel = name and name in (result.get("channel_id"), result.get("uploader_id"))
    is_channel = is_channel or re.search("Channel|User", key)
    return ListKind.CHANNEL if is_channel else ListKind.PLAYLIST


def title_of(raw: Mapping[str, Any]) -> str:
    return readable(str(raw.get("title") or "")[:MAX_TEXT_LENGTH])[:MAX_TITLE_LENGTH]


def timestamp_of(raw: Mapping[str, Any]) -> object:
    """Return the seconds since 1970 of what is known of the upload: an instant, or its day."""
    if at := raw.get("timestamp") or raw.get("release_timestamp"):
        return at
    try:
        return datetime.strptime(f"{raw.get('upload_date')}Z", "%Y%m%d%z").timestamp()
    except ValueError:
        return None


def number_in(value: object, *, below: float) -> float | None:
    """Return a number from 0 to below a limit; None for anything else."""
    is_number = isinstance(value, int | float) and 0 <= value < below
    return float(value) if is_number else None  # type: ignore[arg-type]
