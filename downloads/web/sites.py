"""The pages of sites: the list, and the limits of one. For staff. Wiring only."""

from http import HTTPStatus

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from downloads.diagnostics.sites import site_status, sites_of
from downloads.models import Site
from downloads.rules.site_limits import MAX_HOST_LENGTH, is_site
from downloads.rules.words import say
from downloads.web.requests import SignedInRequest, next_path
from downloads.web.site_form import SiteForm
from downloads.web.sites_view import SiteView, list_view


@require_safe
@never_cache
@login_required
def sites(request: SignedInRequest) -> HttpResponse:
    _require_staff(request)
    text = request.GET.get("q", "").strip().lower()[:MAX_HOST_LENGTH]
    found = sites_of(request.user, text=text)
    return render(request, "downloads/sites.html", list_view(found, text=text))


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def site(request: SignedInRequest, host: str) -> HttpResponse:
    """Show the limits of a site, and write them."""
    _require_staff(request)
    status = site_status(request.user, host) if is_site(host) else None
    if status is None:
        raise Http404
    form = SiteForm(request.POST if request.method == "POST" else None, instance=status.site)
    if request.method == "POST" and form.is_valid():
        Site.objects.set_limits(host, **form.limits)
        messages.success(request, say("The limits of {host} are saved.", host=host))
        return redirect("sites")
    code = HTTPStatus.UNPROCESSABLE_ENTITY if form.is_bound else HTTPStatus.OK
    context = {"form": form, "view": SiteView(status=status)}
    return render(request, "downloads/site.html", context, status=code)


@require_POST
@login_required
def try_site(request: SignedInRequest) -> HttpResponse:
    """End the wait of a site. For staff, because it concerns everybody's downloads."""
    _require_staff(request)
    host = request.POST.get("host", "").replace("\0", "")  # PostgreSQL refuses to look for it
    if Site.objects.try_now(host):
        messages.success(request, say("{host} is tried now.", host=host))
    else:
        messages.info(request, say("{host} does not wait any more.", host=host))
    return redirect(next_path(request, default=reverse("dashboard")))


def _require_staff(request: SignedInRequest) -> None:
    if not request.user.is_staff:
        raise PermissionDenied
