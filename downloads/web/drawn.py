"""Draws the rows of lists, and keeps those of downloads that wait or have ended as they were drawn.

Most rows of a list look as they did a moment ago, and to draw one takes longer than to read it. A
row is known again by all that was read for it: whoever changes a column does not have to think of
this.
"""

from collections.abc import Iterator
from hashlib import blake2b

from django.core.cache import caches
from django.db.models import Model
from django.template.loader import get_template
from django.utils import timezone
from django.utils.safestring import SafeString

from downloads.models import Download
from downloads.rules.states import State
from downloads.web.format import language, since
from downloads.web.row_view import DownloadView

STILL = frozenset({State.CREATED, State.CLEANED})
TEMPLATE = "downloads/partials/row.html"
KEPT_SECONDS = 3600


def draw(view: DownloadView) -> SafeString:
    """Draw the row of a download in the language of the request."""
    if view.download.state not in STILL:
        return _draw(view)
    rows, key = caches["rows"], _key_of(view)
    kept: SafeString | None = rows.get(key)
    drawn = kept or _draw(view)
    if not kept:
        rows.set(key, drawn, KEPT_SECONDS)
    return drawn


def _draw(view: DownloadView) -> SafeString:
    return SafeString(get_template(TEMPLATE).render({"view": view}))


def _key_of(view: DownloadView) -> str:
    """Return the same text for rows that look the same.

    What they say of time, of the queue and of what became of a list is not in what was read of the
    download; the place in the queue is one of the words of the note.
    """
    age = since((timezone.now() - view.since).total_seconds())
    around = (language(), view.sort, view.matches, age, view.note, view.waiting_data)
    values = [value for row in _rows_of(view.download) for value in _values_of(row)]
    return blake2b(repr((around, values)).encode(), digest_size=16).hexdigest()


def _rows_of(download: Download) -> Iterator[Model | None]:
    """Yield what stands in the row of a download, always in the same order."""
    for each in (download, download.have):
        yield each
        yield getattr(each, "thumbnail", None)
    yield download.listed_in
    if hasattr(download, "entry"):
        yield from download.files


def _values_of(row: Model | None) -> Iterator[object]:
    if row is None:
        yield None
    else:
        yield from ((name, value) for name, value in vars(row).items() if name[0] != "_")
