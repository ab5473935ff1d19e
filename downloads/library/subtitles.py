"""Reads what is said in the subtitles of entries, for the search.

Apart from the reaction that makes the cards, and outside of a transaction: the library may be on a
share that takes its time.
"""

import logging

from django.conf import settings
from django.db.models import Prefetch

from downloads.disk import library
from downloads.library.models import Card
from downloads.models import PublishedFile
from downloads.models.transactions import storable
from downloads.rules.states import Role
from downloads.rules.subtitles import words_of

logger = logging.getLogger(__name__)

AT_ONCE = 10  # cards of one step
MAX_BYTES = 8 * 2**20  # that are read of a file; captions with a time for each word are long
MAX_LENGTH = 200_000  # characters that are kept of one entry: four hours of speech


def read_some() -> bool:
    """Read the subtitles of some cards that want it; return whether there may be more.

    May be done again, and by several at a time.
    """
    files = PublishedFile.objects.filter(role=Role.SUBTITLES)
    unread = Card.objects.filter(has_unread_subtitles=True).select_related("entry")
    shown = unread.only("language", "entry__path").prefetch_related(
        Prefetch("entry__files", queryset=files)
    )
    cards = list(shown.order_by("pk")[:AT_ONCE])
    for card in cards:
        said = _said_in(card)
        Card.objects.filter(pk=card.pk).update(subtitles=said, has_unread_subtitles=False)
    return len(cards) == AT_ONCE


def _said_in(card: Card) -> str:
    """Return the words of one language; "" when its file is gone, or is none."""
    file = _chosen(card)
    if file is None:
        return ""
    try:
        folder = library.entry_path(settings.VNSITE.media_root, card.entry.path)
        with library.open_finished(folder / file.name) as opened:
            webvtt = opened.read(MAX_BYTES).decode(errors="replace")
    except (OSError, ValueError, library.RefusedFile) as error:
        logger.warning("the subtitles of %s cannot be read: %s", card.entry.path, error)
        return ""
    said = words_of(storable(webvtt), most=MAX_LENGTH)
    if not said:
        logger.warning("there are no subtitles in %s of %s", file.name, card.entry.path)
    return said


def _chosen(card: Card) -> PublishedFile | None:
    """Return the file in the language of the video, or else of one of its regions, or any."""
    spoken = card.language.lower()
    base = spoken.partition("-")[0]

    def strangeness(file: PublishedFile) -> tuple[bool, bool, bool, str]:
        written = file.language.lower()
        is_other = written.partition("-")[0] != base
        return is_other, written != spoken, written != base, file.name

    return min(card.entry.files.all(), key=strangeness, default=None)
