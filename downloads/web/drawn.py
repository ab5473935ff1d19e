"""Draws the rows of lists, and keeps those of downloads that wait or have ended as they were drawn.

Most rows of a list look as they did a moment ago, and to draw one takes longer than to read it. A
row is known again by all that was read for it: whoever changes a column does not have to think of
this. The note and the place of one that waits, which change whenever another download starts, are
not kept: they come into the row each time.
"""

import secrets
from collections.abc import Iterator
from hashlib import blake2b

from django.core.cache import caches
from django.db.models import Model
from django.template.loader import get_template
from django.utils import timezone
from django.utils.html import conditional_escape, format_html
from django.utils.safestring import SafeString

from downloads.models import Download
from downloads.rules.states import State
from downloads.web.format import language, since
from downloads.web.row_view import DownloadView

STILL = frozenset({State.CREATED, State.CLEANED})
TEMPLATE = "downloads/partials/row.html"
KEPT_SECONDS = 3600
# Stand for what comes into a row. Nobody knows them who could write them into a title.
NOTE, PLACE = secrets.token_hex(), secrets.token_hex()


def draw(view: DownloadView) -> SafeString:
    """Draw the row of a download in the language of the request."""
    row = _kept(view) if view.download.state in STILL else _draw(view)
    if view.download.state == State.CREATED:
        place = format_html('data-place="{}"', view.place) if view.place else ""
        row = row.replace(NOTE, conditional_escape(view.note)).replace(PLACE, place)
    return SafeString(row)


def _kept(view: DownloadView) -> str:
    """Return the row with NOTE and PLACE in it, as it was drawn when it looked the same."""
    rows, key = caches["rows"], _key_of(view)
    kept: str | None = rows.get(key)
    drawn = kept or _draw(view)
    if not kept:
        rows.set(key, drawn, KEPT_SECONDS)
    return drawn


def _draw(view: DownloadView) -> str:
    waits = view.download.state == State.CREATED
    around = {"note": NOTE, "place": PLACE} if waits else {"note": view.note}
    return get_template(TEMPLATE).render({"view": view, **around})


def _key_of(view: DownloadView) -> str:
    """Return the same text for rows that look the same but for NOTE and PLACE.

    What they say of time, of the queue and of what became of a list is not in what was read of the
    download.
    """
    age = since((timezone.now() - view.since).total_seconds())
    around = (language(), view.sort, view.matches, age, view.waiting_data, view.became)
    values = [_values_of(row) for row in _rows_of(view.download)]
    return blake2b(repr((around, values)).encode(), digest_size=16).hexdigest()


def _rows_of(download: Download) -> Iterator[Model | None]:
    """Yield what stands in the row of a download, always in the same order."""
    for each in (download, download.have):
        yield each
        yield getattr(each, "thumbnail", None)
    yield download.listed_in
    if hasattr(download, "entry"):
        yield from download.files_at_hand


def _values_of(row: Model | None) -> dict[str, object] | None:
    """Return what was read of a row, by column, without what Django notes of it."""
    if row is None:
        return None
    values = vars(row).copy()
    del values["_state"]
    values.pop("_prefetched_objects_cache", None)
    return values
