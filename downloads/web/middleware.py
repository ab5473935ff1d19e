"""What pages and API answer while the database is away: 503, and when to ask again.

A middleware. The stream of events, /healthz and /readyz have answers of their own.
"""

import logging

from django.db import Error
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils.deprecation import MiddlewareMixin

from downloads.models.outage import in_words, is_damaged, is_outage

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 10
SENTENCE = "The database does not answer at the moment. Nothing is lost; try again in a moment."
DAMAGED_SENTENCE = "The database is damaged. Who runs this site has to restore it from a backup."


class DatabaseUnavailable(MiddlewareMixin):
    """Turns an outage of the database into a plain answer, which itself needs no database."""

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, Error) or not is_outage(exception):
            return None
        logger.error("No answer for %s: %s", request.path, in_words(exception))
        if hasattr(request, "session"):
            request.session.modified = False  # to save it would fail as well
        sentence = DAMAGED_SENTENCE if is_damaged(exception) else SENTENCE
        return unavailable(sentence, is_api=request.path.startswith("/api/"))


def unavailable(sentence: str, *, is_api: bool) -> HttpResponse:
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS), "Cache-Control": "no-store"}
    if is_api:
        return JsonResponse({"detail": sentence}, status=503, headers=headers)
    # Without the request: who is signed in is known only to the database.
    page = render_to_string("503.html", {"sentence": sentence})
    return HttpResponse(page, status=503, headers=headers)
