"""Signing in, and the page that makes the first administrator."""

import math
from datetime import datetime
from http import HTTPStatus
from typing import Any

from axes.helpers import get_client_ip_address
from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.db.models import Max
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from downloads.accounts import first_admin
from downloads.accounts.preferences import keep_in_cookies, preferences_of
from downloads.models import Preferences
from downloads.web.first_steps import folder_step
from downloads.web.forms import FirstAdminForm
from downloads.web.requests import next_path


class Login(LoginView):
    """Django's login; while there is no user, it says what to do."""

    redirect_authenticated_user = True

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(first_admin_wanted=first_admin.is_wanted(), **kwargs)

    def form_valid(self, form: AuthenticationForm) -> HttpResponse:
        """Sign in. The next sign-in in this browser looks as this user likes it."""
        response = super().form_valid(form)
        keep_in_cookies(response, preferences_of(form.get_user()))
        return response


def locked_out(
    request: HttpRequest, original_response: HttpResponse | None, credentials: dict[str, Any] | None
) -> HttpResponse:
    """Refuse further tries after AXES_FAILURE_LIMIT wrong passwords. django-axes calls it."""
    until = _end_of_lock(request, (credentials or {}).get("username"))
    seconds = max(1, math.ceil((until - timezone.now()).total_seconds()))
    context = {
        "until": until,
        "minutes": math.ceil(seconds / 60),
        "next": next_path(request, default=""),
    }
    response = render(request, "429.html", context, status=HTTPStatus.TOO_MANY_REQUESTS)
    response["Retry-After"] = str(seconds)
    return response


def _end_of_lock(request: HttpRequest, username: str | None) -> datetime:
    """Return when the name may be tried again from here. Tries while it is locked do not count."""
    attempts = AccessAttempt.objects.filter(
        username=username, ip_address=get_client_ip_address(request)
    )
    last = attempts.aggregate(last=Max("attempt_time"))["last"]
    return (last or timezone.now()) + settings.AXES_COOLOFF_TIME


@require_http_methods(["GET", "POST"])
@never_cache
def setup(request: HttpRequest) -> HttpResponse:
    """Make the first administrator. Needs the token of the link that `serve` prints."""
    if not first_admin.is_wanted():
        return redirect("login")
    if not first_admin.token_is_valid(request.GET.get("token", "")):
        return render(request, "downloads/setup_expired.html", status=HTTPStatus.FORBIDDEN)
    form = FirstAdminForm(request.POST or None)
    if not form.is_valid():
        status = HTTPStatus.UNPROCESSABLE_ENTITY if form.is_bound else HTTPStatus.OK
        context = {"form": form, "folder": folder_step()}
        return render(request, "downloads/setup.html", context, status=status)
    try:
        user = first_admin.create(
            username=form.cleaned_data["username"], password=form.cleaned_data["password1"]
        )
    except first_admin.UserExists:
        return redirect("login")
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    response = redirect("dashboard")
    preferences = Preferences.objects.create(user=user, language=form.cleaned_data["language"])
    keep_in_cookies(response, preferences)
    return response
