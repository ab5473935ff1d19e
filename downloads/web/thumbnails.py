"""`GET /downloads/<correlation id>/thumbnail`: the small picture of a download."""

from hashlib import sha256

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import reverse
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe

from downloads.accounts.tokens import user_of
from downloads.models import Download, Thumbnail

HEADERS = {
    # A picture never changes: see `ThumbnailManager.keep`.
    "Cache-Control": "private, max-age=31536000, immutable",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
}


@require_safe
def thumbnail(request: HttpRequest, correlation_id: str) -> HttpResponseBase:
    """Serve the picture of a download that the user may see; else 404, and 401 for nobody."""
    user = user_of(request)
    if user is None:
        return HttpResponse("Sign in first.", status=401, content_type="text/plain")
    mine = Download.objects.visible_to(user).filter(correlation_id=correlation_id)
    return serve(request, Thumbnail.objects.filter(download__in=mine).first())


def serve(request: HttpRequest, found: Thumbnail | None) -> HttpResponseBase:
    """Serve a picture. Raises Http404 for None."""
    if found is None:
        raise Http404("There is no such picture.")
    content = bytes(found.content)  # PostgreSQL gives a memoryview
    etag = f'"{sha256(content).hexdigest()[:32]}"'
    response = get_conditional_response(request, etag)
    if response is None:
        response = HttpResponse(content, content_type=found.media_type)
    for header, value in {**HEADERS, "ETag": etag}.items():
        response.headers[header] = value
    return response


def address_of(download: Download) -> str | None:
    """Return the address of a download's picture, or of the one that its owner had already.

    None when there is none. Costs queries unless the row is of `with_thumbnail`.
    """
    for each in (download, download.have):
        if each is not None and hasattr(each, "thumbnail"):
            return reverse("thumbnail", args=[each.correlation_id])
    return None
