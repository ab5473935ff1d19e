"""The page of the system: which yt-dlp each host uses. For staff. Wiring only."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from downloads.diagnostics import stats
from downloads.models import Extractors, Wanted, user_actor
from downloads.rules.words import say
from downloads.web.requests import SignedInRequest
from downloads.web.system_view import HostView


@require_safe
@never_cache
@login_required
def system(request: SignedInRequest) -> HttpResponse:
    _require_staff(request)
    today = timezone.now().date()
    alive = {worker.host for worker in stats.workers() if worker.alive}
    context = {
        "hosts": [
            HostView(row=row, has_worker=row.host in alive, today=today)
            for row in Extractors.objects.order_by("host")
        ],
    }
    return render(request, "downloads/system.html", context)


@require_POST
@login_required
def ask(request: SignedInRequest, host: str) -> HttpResponse:
    """Ask the workers of a host to look for a newer set, to bring it, or to go back."""
    _require_staff(request)
    rows = Extractors.objects.filter(host=host)
    wanted = request.POST.get("wanted", "")
    if wanted not in list(Wanted) or not rows.ask(Wanted(wanted), actor=user_actor(request.user)):
        raise Http404
    messages.success(
        request, say("A worker of {host} is asked. Reload the page to see what it did.", host=host)
    )
    return redirect("system")


def _require_staff(request: SignedInRequest) -> None:
    if not request.user.is_staff:
        raise PermissionDenied
