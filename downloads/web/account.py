"""The account page: preferences, password and API tokens of who is signed in. Wiring only."""

from copy import copy
from http import HTTPStatus
from typing import Any

from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.decorators import login_required
from django.forms import BaseForm
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST, require_safe

from downloads.accounts import tokens
from downloads.accounts.preferences import keep_in_cookies, preferences_of
from downloads.models import ApiToken, Density, Preferences, Scope, Theme
from downloads.web.account_forms import PasswordForm, PreferencesForm, TokenForm
from downloads.web.account_view import token_view
from downloads.web.requests import SignedInRequest, next_path


@require_safe
@never_cache
@login_required
def account(request: SignedInRequest) -> HttpResponse:
    return _page(request)


@require_POST
@login_required
def save_preferences(request: SignedInRequest) -> HttpResponse:
    # A copy: what is refused stays in the instance, and the page is drawn with that of the user.
    form = PreferencesForm(request.POST, instance=copy(preferences_of(request.user)))
    if not form.is_valid():
        return _page(request, preferences_form=form)
    preferences = form.save()
    messages.success(request, _("Your preferences are saved."))
    response = redirect("account")
    keep_in_cookies(response, preferences)
    return response


@require_POST
@login_required
def choose_theme(request: SignedInRequest) -> HttpResponse:
    """Save the theme alone, for the menu of every page."""
    theme = request.POST.get("theme", "")
    if theme not in list(Theme):
        raise Http404
    preferences, _made = Preferences.objects.update_or_create(
        user=request.user, defaults={"theme": theme}
    )
    response: HttpResponse = redirect(next_path(request, default=reverse("dashboard")))
    if "HX-Request" in request.headers:
        response = render(request, "downloads/partials/themes.html")
    keep_in_cookies(response, preferences)
    return response


@require_POST
@login_required
def choose_density(request: SignedInRequest) -> HttpResponse:
    """Save the density alone, for the switch above the list."""
    density = request.POST.get("density", "")
    if density not in list(Density):
        raise Http404
    Preferences.objects.update_or_create(user=request.user, defaults={"density": density})
    return redirect(next_path(request, default=reverse("dashboard")))


@require_POST
@sensitive_post_parameters()
@login_required
def change_password(request: SignedInRequest) -> HttpResponse:
    """Change the password. Other sessions of the user end, this one goes on."""
    form = PasswordForm(request.user, request.POST, request=request)
    if not form.is_valid():
        return _page(request, password_form=form)
    update_session_auth_hash(request, form.save())
    messages.success(request, _("Your password is changed. You are signed out everywhere else."))
    return redirect("account")


@require_POST
@never_cache
@login_required
def make_token(request: SignedInRequest) -> HttpResponse:
    """Make a token and show its text, which is stored nowhere: hence no redirect."""
    form = TokenForm(request.POST)
    if not form.is_valid():
        return _page(request, token_form=form)
    text = tokens.issue(
        request.user,
        name=form.cleaned_data["name"],
        scope=Scope(form.cleaned_data["scope"]),
        expires_at=form.expires_at,
    )
    return _page(request, new_token=text)


@require_POST
@login_required
def revoke_token(request: SignedInRequest, pk: int) -> HttpResponse:
    token = get_object_or_404(ApiToken, pk=pk, user=request.user)
    token.delete()
    messages.success(request, _("The token “%(name)s” is revoked.") % {"name": token.name})
    return redirect(f"{reverse('account')}#tokens")


def _page(request: SignedInRequest, **parts: Any) -> HttpResponse:
    """Draw the page; `parts` are a form that was refused, or the text of a new token."""
    context = {
        "preferences_form": PreferencesForm(instance=preferences_of(request.user)),
        "password_form": PasswordForm(request.user, request=request),
        "token_form": TokenForm(),
        "here": request.build_absolute_uri(reverse("add_page")),
        "tokens": [token_view(token) for token in tokens.made_by(request.user)],
        **parts,
    }
    is_refused = any(isinstance(part, BaseForm) for part in parts.values())
    status = HTTPStatus.UNPROCESSABLE_ENTITY if is_refused else HTTPStatus.OK
    return render(request, "downloads/account.html", context, status=status)
