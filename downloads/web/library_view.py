"""The library in words: what a card says, and what stands around the cards."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext, gettext_noop

from downloads.disk import library
from downloads.library import search
from downloads.library.models import Card, Kind, Removal, Step, Watched
from downloads.models import Download, PublishedFile
from downloads.rules.states import Role
from downloads.rules.words import say_number
from downloads.web.actors import actor_in_words
from downloads.web.format import length, size
from downloads.web.library_list import LibraryPage, LibraryQuery, Look, Sort
from downloads.web.thumbnails import address_of

FILMS = (Role.VIDEO, Role.AUDIO)
SORTS = {
    Sort.ADDED: gettext_noop("Added last"),
    Sort.OLDEST: gettext_noop("Added first"),
    Sort.DATE: gettext_noop("Newest video"),
    Sort.TITLE: gettext_noop("Title"),
    Sort.LENGTH: gettext_noop("Longest"),
    Sort.SIZE: gettext_noop("Largest"),
}
KINDS = {Kind.VIDEO: gettext_noop("Video"), Kind.SOUND: gettext_noop("Sound")}
WATCHED = {
    Watched.UNWATCHED: gettext_noop("Not watched"),
    Watched.BEGUN: gettext_noop("Begun"),
    Watched.WATCHED: gettext_noop("Watched"),
}
LOOKS = {Look.GRID: gettext_noop("Grid"), Look.LIST: gettext_noop("List")}


@dataclass(frozen=True)
class CardView:
    """One entry of the library, as the page shows it."""

    card: Card
    query: LibraryQuery
    quote: str = ""  # what its subtitles say around a word that only they have

    @property
    def download(self) -> Download | None:
        return self.card.entry.download

    @cached_property
    def film(self) -> PublishedFile | None:
        """The file that the entry is about; None: it has none."""
        files = self.card.entry.files.all()
        return next((file for file in files if file.role in FILMS), None)

    @property
    def address(self) -> str:
        """Where it can be watched: its download's page, or else the file; "": nowhere."""
        if self.download is not None:
            return reverse("download", args=[self.download.correlation_id])
        return self._media(self.film) if self.film else ""

    @property
    def poster(self) -> str | None:
        """The address of a picture of this site; None: there is none."""
        if self.download is not None and (address := address_of(self.download)):
            return address
        files = self.card.entry.files.all()
        picture = next((file for file in files if file.role == Role.THUMBNAIL), None)
        return self._media(picture) if picture else None

    def _media(self, file: PublishedFile) -> str:
        return reverse("media", args=[self.card.entry.correlation_id, file.name])

    @property
    def length(self) -> str:
        return length(self.card.duration_seconds) if self.card.duration_seconds else ""

    @property
    def uploader_address(self) -> str:
        """The address of the page with all of this uploader."""
        return replace(self.query.first_page, uploader=self.card.uploader).address

    @property
    def site_address(self) -> str:
        return replace(self.query.first_page, site=self.card.site).address

    @property
    def facts(self) -> list[str]:
        is_sound, height = self.card.kind == Kind.SOUND, self.card.height
        picture = gettext(KINDS[Kind.SOUND]) if is_sound else f"{height}p" if height else ""
        return [fact for fact in (size(self.card.size_bytes), picture) if fact]

    @property
    def is_watched(self) -> bool:
        return self.card.position is not None and self.card.position.is_watched

    @property
    def is_begun(self) -> bool:
        position = self.card.position
        return position is not None and position.seconds > 0 and not position.is_watched

    @property
    def percent(self) -> int:
        """How much of what was begun is watched, 1 to 100; 0: nobody knows how long it is."""
        position = self.card.position
        if position is None or not position.duration_seconds:
            return 0
        return max(1, position.percent)

    @property
    def date(self) -> datetime:
        """The instant that it is dated with: when it was uploaded, or else added."""
        return self.card.dated_at

    @cached_property
    def is_missing(self) -> bool:
        """Whether its file was removed outside vnsite. Looks at the disk."""
        if self.film is None:
            return False
        path = settings.VNSITE.media_root / self.card.entry.path / self.film.name
        return library.fault_of(path, size=self.film.size) == "missing"


class Chip(NamedTuple):
    """A part of the search or a filter."""

    text: str
    fault: str  # why it counts for nothing; "" when it does not
    address: str  # of the page without it


def chips(query: LibraryQuery, *, titles: Mapping[str, str]) -> list[Chip]:
    """Return what narrows the page. `titles`: of filters that stand for something with a title."""
    first = query.first_page
    parts = search.read(query.text)
    found = [
        Chip(part.text, part.fault, replace(first, text=parts.without(index)).address)
        for index, part in enumerate(parts.parts)
    ]
    words = {name: titles.get(name) or value for name, value in query.filters.items()}
    for name in ("kind", "watched"):  # have controls of their own
        words.pop(name, None)
    if query.missing:
        words["missing"] = gettext("Removed outside vnsite")
    if query.pinned:
        words["pinned"] = gettext("Pinned")
    return found + [Chip(word, "", query.without(name).address) for name, word in words.items()]


class Choice(NamedTuple):
    """One value of a control."""

    value: str
    label: str
    address: str
    is_chosen: bool


class Empty(NamedTuple):
    """What stands in the place of cards."""

    icon: str
    sentence: str
    address: str = ""  # of the way out; "": there is none
    way_out: str = ""


def empty_page(query: LibraryQuery) -> Empty:
    if query.is_narrowed:
        way_out = gettext("Clear filters")
        sentence = gettext("Nothing in the library matches.")
        return Empty(icon="search", sentence=sentence, address=_everything(), way_out=way_out)
    if query.is_first_page:
        sentence = gettext("The library is empty. What completes with files is shown here.")
        way_out = gettext("Add links")
        return Empty(icon="inbox", sentence=sentence, address=reverse("dashboard"), way_out=way_out)
    sentence = gettext("There is nothing on this page any more.")
    way_out = gettext("To the first page")
    return Empty(icon="inbox", sentence=sentence, address=_everything(), way_out=way_out)


def _everything() -> str:
    return reverse("library")


def pinned_in_words(count: int, *, is_pinned: bool) -> str:
    """Say how many entries were pinned, or are not any more."""
    if is_pinned:
        return say_number(
            "{number:,} entry is pinned: no rule takes it.",
            "{number:,} entries are pinned: no rule takes them.",
            number=count,
        )
    return say_number(
        "{number:,} entry is not pinned any more.",
        "{number:,} entries are not pinned any more.",
        number=count,
    )


def marked_in_words(count: int, *, is_watched: bool) -> str:
    """Say how many entries were marked as watched, or as not watched."""
    if is_watched:
        return say_number(
            "{number:,} entry is marked as watched.",
            "{number:,} entries are marked as watched.",
            number=count,
        )
    return say_number(
        "{number:,} entry is marked as not watched.",
        "{number:,} entries are marked as not watched.",
        number=count,
    )


def missing_in_words(count: int) -> str:
    """Say how many entries lack files; "" when none does."""
    if not count:
        return ""
    return say_number(
        "Files of {number:,} entry were removed outside vnsite.",
        "Files of {number:,} entries were removed outside vnsite.",
        number=count,
    )


FATES = {
    Step.REMOVING: gettext_noop("Kept for a day"),
    Step.REMOVED: gettext_noop("Kept for a day"),
    Step.EMPTYING: gettext_noop("Its files are gone"),
    Step.GONE: gettext_noop("Its files are gone"),
    Step.RESTORED: gettext_noop("It is in the library again"),
}


@dataclass(frozen=True)
class RemovalView:
    """An entry that left the library, as the record shows it."""

    removal: Removal

    @property
    def size(self) -> str:
        return size(self.removal.size_bytes)

    @property
    def who(self) -> str:
        return actor_in_words(self.removal.actor)

    @property
    def fate(self) -> str:
        return gettext(FATES[Step(self.removal.step)])


def library_view(
    query: LibraryQuery,
    page: LibraryPage,
    *,
    quotes: Mapping[int, str],
    titles: Mapping[str, str],
    missing: int = 0,
) -> dict[str, object]:
    """Say what the page shows: the cards, the controls, and the pages beside this one.

    `quotes`: of subtitles, by the keys of cards. `titles`: see `chips`. `missing`: how many entries
    of the reader lack files.
    """
    first = query.first_page
    kinds: Iterable[tuple[str, str]] = [("", gettext("Everything"))]
    kinds = [*kinds, *((kind, gettext(KINDS[kind])) for kind in Kind)]
    watched = [
        ("", gettext("Watched or not")),
        *((each, gettext(WATCHED[each])) for each in Watched),
    ]
    return {
        "query": query,
        "cards": [CardView(card, query, quotes.get(card.pk, "")) for card in page.cards],
        "page": page,
        "chips": chips(query, titles=titles),
        "sorts": [Choice(each, gettext(SORTS[each]), "", each is query.sort) for each in Sort],
        "kinds": [Choice(kind, label, "", kind == query.kind) for kind, label in kinds],
        "watched": [Choice(each, label, "", each == query.watched) for each, label in watched],
        "looks": [
            Choice(
                each, gettext(LOOKS[each]), replace(query, look=each).address, each is query.look
            )
            for each in Look
        ],
        "without_search": replace(first, text="").address,
        "empty": empty_page(query),
        # A feed has no such filter: it would have more than is shown.
        "has_feed": not (query.watched or query.missing or query.pinned),
        "missing": missing_in_words(missing) if not query.missing else "",
    }
