"""`GET /feeds/<token>.xml` and what it leads to: a podcast for whoever has its token.

Nobody signs in here: podcast apps keep no session. The token opens what the feed has, for reading.
"""

import hashlib
from collections.abc import Iterable

from django.conf import settings
from django.db.models import Prefetch
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.templatetags.static import static
from django.urls import reverse
from django.utils.cache import get_conditional_response
from django.utils.feedgenerator import Enclosure
from django.views.decorators.http import require_safe

from downloads.library.models import Card, Feed
from downloads.models import LibraryEntry, PublishedFile, Thumbnail
from downloads.rules.states import Role
from downloads.web import media, thumbnails
from downloads.web.feed_list import cards_of, has_entry, title_of
from downloads.web.library_view import FILMS
from downloads.web.podcast import CHAPTERS_TYPE, Episode, podcast

MAX_EPISODES = 500
FORMAT = 2  # to be counted up when the same rows make another document
SERVED = (*FILMS, Role.THUMBNAIL)
PICTURES = {"image/jpeg": "jpg", "image/png": "png", "image/webp": "webp"}
BY_APPLE = ("image/jpeg", "image/png")  # these before others
HEADERS = {
    "Cache-Control": "private, no-cache",  # it may have been revoked
    "X-Robots-Tag": "noindex, nofollow",
}
# What a document says of a card, as far as it can change.
SAID = (
    *("entry_id", "title", "uploader", "description", "duration_seconds", "size_bytes"),
    *("dated_at", "language", "entry__download_id"),
)


@require_safe
def feed(request: HttpRequest, token: str) -> HttpResponseBase:
    """Answer the feed; 304 when it would be what the client has."""
    found = _find(token)
    rows = list(cards_of(found, Card.objects.all()).values_list(*SAID)[:MAX_EPISODES])
    here = request.build_absolute_uri()
    etag = _etag(here, str(found), rows)
    response = get_conditional_response(request, etag)
    if response is None:
        content = _document(request, found, token, [row[0] for row in rows])
        response = HttpResponse(content, content_type="application/rss+xml; charset=utf-8")
    for header, value in {**HEADERS, "ETag": etag}.items():
        response.headers[header] = value
    return response


@require_safe
async def file(
    request: HttpRequest, token: str, correlation_id: str, name: str
) -> HttpResponseBase:
    """Serve an episode, or its picture, as `media` does."""

    def find() -> PublishedFile | None:
        if not has_entry(_find(token), correlation_id):
            return None
        row = media.file_of(LibraryEntry.objects.all(), correlation_id, name)
        return row if row is not None and row.role in SERVED else None

    try:
        return await media.serve(request, find)
    except media.IsGone as gone:
        return HttpResponse(f"{gone}.", status=404, content_type="text/plain; charset=utf-8")


@require_safe
def cover(request: HttpRequest, token: str, correlation_id: str, suffix: str) -> HttpResponseBase:
    """Serve the small picture of an episode. Its type is the picture's, whatever the suffix."""
    if not has_entry(_find(token), correlation_id):
        raise Http404("There is no such picture.")
    picture = Thumbnail.objects.filter(download__entry__correlation_id=correlation_id).first()
    return thumbnails.serve(request, picture)


@require_safe
def chapters(request: HttpRequest, token: str, correlation_id: str) -> HttpResponseBase:
    """Answer the chapters of an episode, in the podcast namespace's format (1.2.0)."""
    if not has_entry(_find(token), correlation_id):
        raise Http404("There is no such episode.")
    card = Card.objects.only("chapters").get(entry__correlation_id=correlation_id)
    told = [{"startTime": each["start_time"], "title": each["title"]} for each in card.chapters]
    document = {"version": "1.2.0", "chapters": told}
    return JsonResponse(document, content_type=CHAPTERS_TYPE, headers=HEADERS)


def _find(token: str) -> Feed:
    found = Feed.objects.of_token(token)
    if found is None:
        raise Http404("There is no such feed.")
    return found


def _etag(*parts: object) -> str:
    """Return a weak ETag: whoever compresses the document changes its bytes."""
    digest = hashlib.sha256(repr((FORMAT, *parts)).encode(errors="surrogatepass"))
    return f'W/"{digest.hexdigest()[:32]}"'


def _document(request: HttpRequest, found: Feed, token: str, keys: list[int]) -> bytes:
    files = PublishedFile.objects.filter(role__in=SERVED)
    cards = (
        Card.objects.filter(pk__in=keys)
        .select_related("entry__download__thumbnail")
        .defer("entry__download__thumbnail__content", "tags", "subtitles")
        .defer(*(f"entry__download__{name}" for name in ("manifest", "media", "options")))
        .prefetch_related(Prefetch("entry__files", queryset=files))
        .order_by("-dated_at", "-entry_id")
    )
    addresses = _Addresses(request, token=token)
    return podcast(
        title=title_of(found),
        link=request.build_absolute_uri(reverse("library")),
        address=request.build_absolute_uri(),
        image=request.build_absolute_uri(static("downloads/icon-512.png")),
        usual_language=settings.LANGUAGE_CODE,
        episodes=list(addresses.episodes(cards)),
    )


class _Addresses:
    """Absolute addresses that need nothing but the token."""

    def __init__(self, request: HttpRequest, *, token: str) -> None:
        self._request = request
        self._token = token

    def episodes(self, cards: Iterable[Card]) -> Iterable[Episode]:
        for card in cards:
            files = card.entry.files.all()
            film = next((each for each in files if each.role in FILMS), None)
            if film is not None:
                yield self._episode(card, film)

    def _episode(self, card: Card, film: PublishedFile) -> Episode:
        correlation_id = card.entry.correlation_id
        address = self._of("feed_file", correlation_id, film.name)
        return Episode(
            id=correlation_id,
            title=card.title,
            link=card.entry.url,
            description=card.description,
            author=card.uploader,
            dated_at=card.dated_at,
            seconds=card.duration_seconds,
            language=card.language,
            enclosure=Enclosure(address, str(film.size), film.media_type),
            image=self._image(card),
            chapters=self._of("feed_chapters", correlation_id) if card.chapters else "",
            marks=[(each["start_time"], each["title"]) for each in card.chapters],
        )

    def _image(self, card: Card) -> str:
        """Return the address of a picture, a JPEG or PNG if there is one; "": there is none."""
        correlation_id = card.entry.correlation_id
        files = [each for each in card.entry.files.all() if each.role == Role.THUMBNAIL]
        found = [
            (each.media_type, self._of("feed_file", correlation_id, each.name)) for each in files
        ]
        download = card.entry.download
        if download is not None and hasattr(download, "thumbnail"):
            kind = download.thumbnail.media_type
            address = self._of("feed_cover", correlation_id, PICTURES.get(kind, "jpg"))
            found.append((kind, address))
        found.sort(key=lambda each: each[0] not in BY_APPLE)
        return found[0][1] if found else ""

    def _of(self, name: str, *arguments: str) -> str:
        return self._request.build_absolute_uri(reverse(name, args=[self._token, *arguments]))
