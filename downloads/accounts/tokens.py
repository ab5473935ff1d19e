"""API tokens: made once, stored as a hash, checked on every request.

Knows rows and requests; what a token may do is what its user may do, or only the reading of it.
"""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone

from downloads.models import ApiToken, Scope

if TYPE_CHECKING:
    from django.contrib.auth.models import User

PREFIX = "vnsite_"  # lets a person, and a scanner for leaked secrets, see what it is
SCHEME = "Bearer"
USE_NOTED_EVERY = timedelta(minutes=1)


def issue(
    user: "User", *, name: str, scope: Scope = Scope.WRITE, expires_at: datetime | None = None
) -> str:
    """Make a token and return its text: the only time that anybody sees it."""
    text = PREFIX + secrets.token_urlsafe(32)
    ApiToken.objects.create(
        user=user, name=name, scope=scope, digest=digest(text), expires_at=expires_at
    )
    return text


def digest(text: str) -> str:
    """What is stored of a token. Unsalted: the token is random, so no table can hold it."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def find(text: str) -> ApiToken | None:
    """A token that is known and not expired, of an active user, or None. Notes the use.

    It is looked up by its hash: the time that takes may tell of hashes, but nobody can choose the
    hash of a guess, so it tells nothing of the token.
    """
    now = timezone.now()
    alive = Q(expires_at=None) | Q(expires_at__gt=now)
    token = (
        ApiToken.objects.select_related("user")
        .filter(alive, digest=digest(text), user__is_active=True)
        .first()
    )
    if token is not None:
        _note_use(token, now)
    return token


def user_of_token(text: str) -> "User | None":
    """Whom a token names, for what is only read; None as for `find`."""
    token = find(text)
    return token.user if token else None


def user_of(request: HttpRequest) -> "User | None":
    """Who asks: the user of the token when the request brings one, else of the session.

    A wrong token is nobody, also when there is a session: its sender meant to use the token.
    """
    text = token_in(request)
    if text is not None:
        return user_of_token(text)
    return request.user if request.user.is_authenticated else None


def token_in(request: HttpRequest) -> str | None:
    """The text after `Authorization: Bearer`, or None when there is no such header."""
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    return text.strip() if scheme.lower() == SCHEME.lower() else None


def _note_use(token: ApiToken, now: datetime) -> None:
    """At most one write a minute: a script that polls must not wait for the writers' lock."""
    if token.last_used_at is None or now - token.last_used_at >= USE_NOTED_EVERY:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
