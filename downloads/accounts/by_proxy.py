"""Who is signed in, as a trusted proxy says (VNSITE_AUTH_HEADER).

`vnsite.proxies` puts the name into the ASGI scope under SCOPE_KEY, where no client can put one.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError

from downloads.accounts import first_admin

if TYPE_CHECKING:
    from django.contrib.sessions.backends.base import SessionBase

SCOPE_KEY = "proxy_user"
SESSION_KEY = "signed_in_by_proxy"


class NotAUser(Exception):
    """The proxy named somebody who may not use this site."""


def name_in(scope: Mapping[str, Any]) -> str | None:
    """Return the name that the proxy gave, in the form of user names; None if it gave none."""
    name: str = scope.get(SCOPE_KEY, "").strip()
    return User.normalize_username(name) if name else None


def agrees(session: "SessionBase", user: User, scope: Mapping[str, Any]) -> bool:
    """Compare a session's user with what the proxy says of this request.

    Without a name only a session that a password began is good.
    """
    name = name_in(scope)
    return SESSION_KEY not in session if name is None else user.get_username() == name


def find(name: str) -> User | None:
    """Return the user of this name; with `create`, make one without any rights.

    None while there is no user at all: the first one is the administrator, who comes by the set-up
    link. Raises NotAUser for a name that is none, is unknown or not active.
    """
    if "\0" in name:  # PostgreSQL refuses to look for it
        raise NotAUser
    user = User.objects.filter(username=name).first()
    if user is None:
        if first_admin.is_wanted():
            return None
        user = _make(name)
    if not user.is_active:
        raise NotAUser
    return user


def _make(name: str) -> User:
    if settings.VNSITE.auth_header_new_users != "create":
        raise NotAUser
    try:
        User(username=name, password=make_password(None)).full_clean(validate_unique=False)
    except ValidationError as error:
        raise NotAUser from error
    made, _ = User.objects.get_or_create(username=name, defaults={"password": make_password(None)})
    return made
