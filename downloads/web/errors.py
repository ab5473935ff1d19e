"""The answers to requests that Django refuses before a view sees them."""

from http import HTTPStatus
from typing import Any

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache

from downloads.web import refused_host
from downloads.web.middleware import is_of_api
from downloads.web.requests import is_of_script

TOKEN = "csrfmiddlewaretoken"  # noqa: S105 — the name of a field


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400; name the host and the setting when the host was refused."""
    context: dict[str, Any] = {}
    template = "400.html"
    if isinstance(exception, DisallowedHost):
        host = refused_host.named_by(request)
        if is_of_api(request):
            return JsonResponse({"detail": refused_host.sentence(host)}, status=400)
        context = {"host": host, "setting": refused_host.SETTING}
        template = "400_host.html"
    # Without the request: a refused host is not allowed to know who is signed in.
    return HttpResponse(render_to_string(template, context), status=HTTPStatus.BAD_REQUEST)


@never_cache
def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer 403; offer to send again what one of our own pages sent with an old token.

    A sign-in in another tab makes the tokens of all open pages old. What another site sent is not
    offered: `Origin` tells, which no page can forge.
    """
    if is_of_script(request) or "HX-Request" in request.headers:
        told = _("You signed in again since this page was loaded. Load it again.")
        return render(request, "downloads/partials/refusal.html", {"sentence": told}, status=403)
    fields = [
        (name, value) for name, values in request.POST.lists() for value in values if name != TOKEN
    ]
    is_ours = request.headers.get("Origin") == f"{request.scheme}://{request.get_host()}"
    is_secret = any("password" in name for name, _value in fields)
    can_repeat = is_ours and request.user.is_authenticated and not (is_secret or request.FILES)
    context: dict[str, Any] = {"fields": fields if can_repeat else [], "can_repeat": can_repeat}
    return render(request, "403_csrf.html", context, status=HTTPStatus.FORBIDDEN)
