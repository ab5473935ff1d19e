"""The pages on which users give, see and delete their cookies of sites. Wiring only.

No page shows a value, but for a text that was refused: that goes back to whoever typed it.
"""

from http import HTTPStatus
from time import time

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from downloads.models import SiteCookies
from downloads.rules.cookie_texts import InvalidCookies, read_cookies
from downloads.rules.cookies import host_of
from downloads.rules.links import InvalidLink
from downloads.rules.words import say, say_number
from downloads.web.cookies_view import shown_cookies, shown_sites
from downloads.web.forms import CookiesForm
from downloads.web.requests import SignedInRequest, next_path


@require_safe
@never_cache
@login_required
def sites(request: SignedInRequest) -> HttpResponse:
    """List the sites; with `site`, go to the page of that one."""
    typed, fault, status = request.GET.get("site", ""), "", HTTPStatus.OK
    if "site" in request.GET:
        try:
            return redirect("site_cookies", host_of(typed))
        except InvalidLink as refusal:
            fault, status = str(refusal), HTTPStatus.UNPROCESSABLE_ENTITY
    rows = shown_sites(request.user.site_cookies.all())
    context = {"sites": rows, "typed": typed, "fault": fault}
    return render(request, "downloads/cookies.html", context, status=status)


@sensitive_post_parameters("cookies")
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@login_required
def site(request: SignedInRequest, host: str) -> HttpResponse:
    """Show what is stored of one site, and take others instead."""
    if (name := _named(host)) != host:
        return redirect("site_cookies", name)
    form = CookiesForm(request.POST, request.FILES) if request.method == "POST" else CookiesForm()
    if form.is_valid():
        try:
            pasted = read_cookies(form.text, host=host, now=time())
        except InvalidCookies as refusal:
            form.add_error(form.source, str(refusal))
        else:
            SiteCookies.objects.paste(request.user, host, pasted.cookies)
            kept = say_number(
                "{number} cookie of {host} saved.",
                "{number} cookies of {host} saved.",
                number=len(pasted.cookies),
                host=host,
            )
            messages.success(request, f"{kept} {pasted.left_out}".strip())
            return redirect(next_path(request, default=reverse("site_cookies", args=[host])))
    context = {
        "host": host,
        "form": form,
        "stored": shown_cookies(request.user.site_cookies.filter(host=host).first()),
        "next": request.POST.get("next", request.GET.get("next", "")),
    }
    status = HTTPStatus.UNPROCESSABLE_ENTITY if form.errors else HTTPStatus.OK
    return render(request, "downloads/site_cookies.html", context, status=status)


@require_POST
@login_required
def delete(request: SignedInRequest, host: str) -> HttpResponse:
    deleted, _ = request.user.site_cookies.filter(host=_named(host)).delete()
    if deleted:
        messages.success(request, say("Your cookies of {host} are deleted.", host=host))
    return redirect("cookies")


def _named(host: str) -> str:
    """Return the host under which cookies are kept; Http404 when it can be none."""
    try:
        return host_of(host)
    except InvalidLink:
        raise Http404 from None
