"""The site's own middleware: the reader's language, the log's field for a download, who a proxy
signs in, the answer during an outage."""

import logging
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth import login, logout
from django.db import Error
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.middleware.locale import LocaleMiddleware
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.deprecation import MiddlewareMixin

from downloads import logs
from downloads.accounts import by_proxy
from downloads.models.outage import in_words, is_damaged, is_outage
from downloads.rules.words import marked, translated

logger = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 10
SENTENCE = marked(
    "The database does not answer at the moment. Nothing is lost; try again in a moment."
)
DAMAGED_SENTENCE = marked(
    "The database is damaged. The administrator has to restore it from a backup."
)


class SaysOnceForHowLong(MiddlewareMixin):
    """Leaves out what `never_cache` says beside `no-store` of how long an answer is kept."""

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        if "no-store" in response.headers.get("Cache-Control", ""):
            response.headers["Cache-Control"] = "no-store"
            del response.headers["Expires"]
        return response


class SpeaksTheReadersLanguage(LocaleMiddleware):
    """Django's, for all but the API, whose sentences are English: programs look for them.

    The language is that of the cookie that the account page and the sign-in keep, or the browser's.
    """

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        if is_of_api(request):
            translation.activate(settings.LANGUAGE_CODE)


class NamesTheDownload(MiddlewareMixin):
    """Adds the correlation id in a request's path to every log line of that request."""

    def process_view(
        self,
        request: HttpRequest,
        view: Callable[..., HttpResponse],
        arguments: tuple[Any, ...],
        named: dict[str, Any],
    ) -> None:
        if "correlation_id" in named:
            logs.be_about(correlation_id=named["correlation_id"])

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        if not response.streaming:  # the blocks of a file are read after this
            logs.be_about()
        return response


class DatabaseUnavailable(MiddlewareMixin):
    """Answers 503 during an outage of the database, without a query.

    The stream of events, /healthz and /readyz have answers of their own.
    """

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, Error) or not is_outage(exception):
            return None
        return _during_an_outage(request, exception)


class SignsInByProxy(MiddlewareMixin):
    """Signs in whom a trusted proxy names, and out when it names somebody else or nobody.

    A session that a password began goes on where the proxy says nothing.
    """

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        try:
            return self._follow(request, name=by_proxy.name_in(getattr(request, "scope", {})))
        except Error as error:  # Django asks `process_exception` only after a view
            if not is_outage(error):
                raise
            return _during_an_outage(request, error)

    def _follow(self, request: HttpRequest, *, name: str | None) -> HttpResponse | None:
        if name is None:
            if by_proxy.SESSION_KEY in request.session:
                logout(request)
            return None
        if request.user.is_authenticated and request.user.get_username() == name:
            return None
        try:
            user = by_proxy.find(name)
        except by_proxy.NotAUser:
            return _refused(request, name)
        if user is not None:
            login(request, user, backend="django.contrib.auth.backends.ModelBackend")
            request.session[by_proxy.SESSION_KEY] = True
        return None


def is_of_api(request: HttpRequest) -> bool:
    return request.path_info.startswith("/api/")


def _refused(request: HttpRequest, name: str) -> HttpResponse:
    logger.warning("The proxy named %s, who may not use this site", name)
    if request.user.is_authenticated:
        logout(request)
    if is_of_api(request):
        return JsonResponse({"detail": f"There is no user {name} here."}, status=403)
    return render(request, "downloads/not_a_user.html", {"name": name}, status=403)


def _during_an_outage(request: HttpRequest, exception: Error) -> HttpResponse:
    logger.error("No answer for %s: %s", request.path, in_words(exception))
    if hasattr(request, "session"):
        request.session.modified = False  # saving it would fail as well
    sentence = DAMAGED_SENTENCE if is_damaged(exception) else SENTENCE
    return unavailable(translated(sentence), is_api=is_of_api(request))


def unavailable(sentence: str, *, is_api: bool) -> HttpResponse:
    """Make a 503 with `Retry-After`, as a page or as the API's JSON."""
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS), "Cache-Control": "no-store"}
    if is_api:
        return JsonResponse({"detail": sentence}, status=503, headers=headers)
    # Without the request: only the database knows who is signed in.
    page = render_to_string("503.html", {"sentence": sentence})
    return HttpResponse(page, status=503, headers=headers)
