"""The download that an address of the API names."""

from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404

from downloads.api.auth import user_of
from downloads.api.schemas import with_neighbours
from downloads.models import Download


class NoSuchEntry(Http404):
    """The library has no entry of this number that the user may see."""


def find(request: HttpRequest, correlation_id: str) -> Download:
    """Return the download, or raise Http404 for an unknown, a malformed and a foreign id alike."""
    if "\0" in correlation_id:  # PostgreSQL refuses to look for it
        raise Http404
    downloads = with_neighbours(Download.objects.visible_to(user_of(request)))
    return get_object_or_404(downloads.select_related("entry"), correlation_id=correlation_id)
