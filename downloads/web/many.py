"""One action on the selected downloads, or on all that match; and the queue. Wiring only.

A deletion and a clean-up ask first: a page, or for a script the fragment of a dialog. A script gets
the sentence about what was done as text.
"""

from collections.abc import Callable
from http import HTTPStatus

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from downloads.many import MAX_AT_ONCE, Action, Done, Refusal, act, applicable
from downloads.models import Download, DownloadQuerySet, Queue, user_actor
from downloads.rules.words import grouped
from downloads.web.listing import Filter, ListQuery
from downloads.web.many_view import Question, links_of, sentence_about
from downloads.web.requests import SignedInRequest, is_of_script, next_path, visible

ASKS = (Action.DELETE, Action.CLEANUP)
LINKS = "links"  # not an action: the addresses of the selected
ENDED = "ended"  # not a filter of the list: all that have ended


class Unclear(Exception):
    """The form names no action, or no downloads. The message is for a person."""


@require_http_methods(["GET", "POST"])
@never_cache
@login_required
def many(request: SignedInRequest) -> HttpResponse:
    """Act on many; by GET answer how many match the query, as text."""
    word = request.POST.get("action", "")
    try:
        if request.method == "GET":
            count = _matching(request, request.GET).count()
            return HttpResponse(grouped(count), content_type="text/plain")
        downloads, gone = _selected(request)
        if word == LINKS:
            return _show_links(request, downloads)
        action = _action_of(word)
    except Unclear as fault:
        return _answer(
            request, str(fault), messages.WARNING, status=HTTPStatus.UNPROCESSABLE_ENTITY
        )
    if "all" in request.POST:
        downloads = applicable(downloads, action)
    if action in ASKS and "confirm" not in request.POST:
        return ask(request, downloads, action)
    with_files = "with_files" in request.POST
    done = act(downloads, action, actor=user_actor(request.user), with_files=with_files)
    if gone:
        done.refused[Refusal.GONE] += gone
    return _answer(request, sentence_about(action, done), _level_of(done))


def ask(
    request: SignedInRequest, downloads: DownloadQuerySet, action: Action, *, way_back: str = ""
) -> HttpResponse:
    """Say what would be removed, and let the person confirm it. `way_back`: "" as the form says."""
    way_back = way_back or _way_back(request)
    keys = list(downloads.order_by("pk").values_list("pk", flat=True)[:MAX_AT_ONCE])
    question = Question.about(Download.objects.filter(pk__in=keys), action)
    if not question.count:
        sentence = question.refused or gettext("There is nothing to do for this.")
        status = HTTPStatus.CONFLICT
        return _answer(request, sentence, messages.WARNING, status=status, way_back=way_back)
    context = {"question": question, "next": way_back}
    return _render(request, "question", context)


def _show_links(request: SignedInRequest, downloads: DownloadQuerySet) -> HttpResponse:
    rows = downloads.order_by("pk").values_list("url", flat=True)[:MAX_AT_ONCE]
    return _render(request, "links", {"links": links_of(rows), "next": _way_back(request)})


@require_POST
@login_required
def queue(request: SignedInRequest, *, change: Callable[..., Queue]) -> HttpResponse:
    """Pause or resume the queue of all. For staff, because it concerns everybody's downloads."""
    if not request.user.is_staff:
        raise PermissionDenied
    is_paused = change(actor=user_actor(request.user)).paused_at
    sentence = gettext("Nothing new starts.") if is_paused else gettext("Downloads start again.")
    return _answer(request, sentence, messages.SUCCESS)


def _action_of(word: str) -> Action:
    try:
        return Action(word)
    except ValueError:
        raise Unclear(gettext("Choose what to do with the selected downloads.")) from None


def _selected(request: SignedInRequest) -> tuple[DownloadQuerySet, int]:
    """Return the downloads that are meant, and how many of the named ones are not there."""
    if "all" in request.POST:
        return _matching(request, request.POST), 0
    named = ",".join(request.POST.getlist("ids")).replace("\0", "").split(",")
    ids = list(dict.fromkeys(filter(None, map(str.strip, named))))[:MAX_AT_ONCE]
    if not ids:
        raise Unclear(gettext("No download is selected."))
    found = visible(request).filter(correlation_id__in=ids)
    return found, len(ids) - found.count()


def _matching(request: SignedInRequest, query: QueryDict) -> DownloadQuerySet:
    """Return all that a page's filter and search let through, of all pages.

    Raises Unclear for a filter that nobody knows, and for a part of the search that makes no
    sense: neither must count as "all".
    """
    state = query.get("state") or Filter.ALL.value
    downloads = visible(request)
    if state == ENDED:
        return downloads.exclude(outcome=None)
    if state not in list(Filter):
        raise Unclear(gettext("There is no such filter."))
    wanted = ListQuery.parse({name: str(query[name]) for name in query})
    for fault in wanted.search.faults:
        raise Unclear(fault)
    return wanted.select(downloads)


def _level_of(done: Done) -> int:
    return messages.WARNING if done.refused or done.left else messages.SUCCESS


def _way_back(request: SignedInRequest) -> str:
    return next_path(request, default=reverse("dashboard"))


def _answer(
    request: SignedInRequest,
    sentence: str,
    level: int,
    *,
    status: int = HTTPStatus.OK,
    way_back: str = "",
) -> HttpResponse:
    if is_of_script(request):
        return HttpResponse(sentence, status=status, content_type="text/plain; charset=utf-8")
    messages.add_message(request, level, sentence)
    return redirect(way_back or _way_back(request))


def _render(request: SignedInRequest, name: str, context: dict[str, object]) -> HttpResponse:
    partial = f"downloads/partials/{name}.html"
    if is_of_script(request):
        return render(request, partial, context)
    return render(request, "downloads/asks.html", {**context, "partial": partial})
