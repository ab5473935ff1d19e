"""A user's preferences, for pages. Two of them are in cookies as well, for the sign-in page."""

from typing import Any

from django.conf import settings
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest, HttpResponseBase
from django.utils.functional import SimpleLazyObject
from django.utils.translation import gettext_lazy as _

from downloads.models import Preferences, Theme

THEME_COOKIE = "vnsite_theme"
COOKIE_SECONDS = 365 * 24 * 3600
THEMES = [
    (Theme.AUTO, _("As the system")),
    (Theme.LIGHT, _("Light")),
    (Theme.DARK, _("Dark")),
    (Theme.CONTRAST, _("High contrast")),
]


def preferences_of(user: User | AnonymousUser) -> Preferences:
    """Return the user's row, or the defaults, not saved. Costs one query for each `user` object."""
    if isinstance(user, AnonymousUser) or not user.is_authenticated:
        return Preferences()
    try:
        return user.preferences
    except Preferences.DoesNotExist:
        return Preferences(user=user)


def in_templates(request: HttpRequest) -> dict[str, Any]:
    """Give templates `preferences`, which cost nothing until a template asks for one."""
    return {"preferences": SimpleLazyObject(lambda: _of_request(request)), "themes": THEMES}


def _of_request(request: HttpRequest) -> Preferences:
    if request.user.is_authenticated:
        return preferences_of(request.user)
    theme = request.COOKIES.get(THEME_COOKIE)
    return Preferences(theme=theme if theme in list(Theme) else Theme.AUTO)


def keep_in_cookies(response: HttpResponseBase, preferences: Preferences) -> None:
    """Let the sign-in page look and speak as the pages behind it do."""
    kept = {THEME_COOKIE: preferences.theme, settings.LANGUAGE_COOKIE_NAME: preferences.language}
    for name, value in kept.items():
        if value:
            response.set_cookie(
                name,
                value,
                COOKIE_SECONDS,
                path=settings.SESSION_COOKIE_PATH,
                secure=settings.VNSITE.https,
                samesite="Lax",
            )
        else:
            response.delete_cookie(name, path=settings.SESSION_COOKIE_PATH, samesite="Lax")
