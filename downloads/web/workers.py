"""The page of the workers: who works, what waits, what is wrong around them. Wiring only."""

from collections.abc import Callable
from typing import Any, NamedTuple

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from downloads.diagnostics import checks, stats
from downloads.diagnostics.depth import depth_for
from downloads.diagnostics.serving import check_https, check_stream
from downloads.diagnostics.verdict import Level
from downloads.models import Worker
from downloads.stream.connection_limit import LIMIT
from downloads.web.depth_view import DepthView
from downloads.web.requests import SignedInRequest, visible
from downloads.web.workers_view import CheckView, FailureView, WorkerView, report_of

Context = dict[str, Any]


@require_safe
@never_cache
@login_required
def workers(request: SignedInRequest) -> HttpResponse:
    """Show staff everything; others the workers, and what is theirs in the queue.

    With `part` one part of the page alone, as the page asks for it again and again.
    """
    if part := PARTS.get(request.GET.get("part", "")):
        return render(request, part.template, part.context(request))
    context = _now(request) | _queue(request)
    if request.user.is_staff:
        context |= _checks(request)
        context["origin"] = f"{request.scheme}://{request.get_host()}"
        context["report"] = report_of(
            stats.workers(), context["queue"], context["orphans"], context["checks"]
        )
    return render(request, "downloads/workers.html", context)


@require_POST
@login_required
def drain(request: SignedInRequest, name: str, *, may_claim: bool) -> HttpResponse:
    """Have a worker claim nothing more, or have it claim again."""
    if not request.user.is_staff:
        raise PermissionDenied
    ask = Worker.objects.let_claim if may_claim else Worker.objects.let_drain
    if not ask(name):
        raise Http404
    return redirect("workers")


def _now(request: SignedInRequest) -> Context:
    running = visible(request).running().select_related("worker").order_by("started_at", "pk")
    return {"workers": WorkerView.all_of(stats.workers(), running=running)}


def _queue(request: SignedInRequest) -> Context:
    queue = stats.queue_of(visible(request))
    return {
        "queue": queue,
        "day": DepthView(depth_for(request.user, waiting=queue.waiting)),
        "failures": [FailureView(each, number) for each, number in queue.failures],
        "orphans": stats.orphans(),
        "streams": LIMIT.total,
    }


def _checks(request: SignedInRequest) -> Context:
    if not request.user.is_staff:
        raise PermissionDenied
    examination = checks.recent(again="again" in request.GET)
    made = [*examination.checks, check_stream(), check_https(request)]
    worst_first = sorted(made, key=lambda check: -list(Level).index(check.level))
    return {"checks": [CheckView(each) for each in worst_first], "checked_at": examination.made_at}


class Part(NamedTuple):
    """What the page asks for alone."""

    template: str
    context: Callable[[SignedInRequest], Context]


PARTS = {
    "now": Part("downloads/partials/workers_now.html", _now),
    "queue": Part("downloads/partials/workers_queue.html", _queue),
    "checks": Part("downloads/partials/workers_checks.html", _checks),
}
