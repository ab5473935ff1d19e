"""The page of the workers: who works, what waits, what is wrong around them. Wiring only."""

from django.contrib.auth.decorators import login_required
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from downloads.diagnostics import checks, stats
from downloads.diagnostics.verdict import Check
from downloads.models import Download, Worker
from downloads.stream.connection_limit import LIMIT
from downloads.web.requests import SignedInRequest, visible
from downloads.web.workers_view import CheckView, FailureView, WorkerView, report_of

CHECKS_CACHED_SECONDS = 60
CHECKS = "downloads.checks"


@require_safe
@never_cache
@login_required
def workers(request: SignedInRequest) -> HttpResponse:
    """Show staff everything; others the workers, and what is theirs in the queue."""
    statuses, is_staff = stats.workers(), request.user.is_staff
    made = _checks(again="again" in request.GET) if is_staff else []
    queue = stats.queue_of(visible(request))
    context = {
        "workers": WorkerView.all_of(statuses, running=_running(request)),
        "queue": queue,
        "failures": [FailureView(each, number) for each, number in queue.failures],
        "checks": [CheckView(each) for each in made],
        "streams": LIMIT.total if is_staff else None,
        "report": report_of(statuses, queue, made) if is_staff else "",
    }
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


def _checks(*, again: bool) -> list[Check]:
    made: list[Check] | None = None if again else cache.get(CHECKS)
    if made is None:
        made = checks.run()
        cache.set(CHECKS, made, CHECKS_CACHED_SECONDS)
    return made


def _running(request: SignedInRequest) -> list[Download]:
    return list(visible(request).running().select_related("worker").order_by("started_at", "pk"))
