"""API tokens: made once, stored as a hash, checked on every request.

A token may do what its user may do, or only read what its user may read.
"""

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone

from downloads.models import ApiToken, Scope

if TYPE_CHECKING:
    from django.contrib.auth.models import User

PREFIX = "vnsite_"  # so that people and scanners for leaked secrets recognise it
SCHEME = "Bearer"
USE_NOTED_EVERY = timedelta(minutes=1)


def issue(
    user: "User", *, name: str, scope: Scope = Scope.WRITE, expires_at: datetime | None = None
) -> str:
    """Make a token and return its text, which is not stored."""
    text = PREFIX + secrets.token_urlsafe(32)
    ApiToken.objects.create(
        user=user, name=name, scope=scope, digest=digest(text), expires_at=expires_at
    )
    return text


def made_by(user: "User") -> QuerySet[ApiToken]:
    """Return the user's tokens, the newest first, expired ones included."""
    return ApiToken.objects.filter(user=user).order_by("-created_at")


def digest(text: str) -> str:
    """Hash a token for storage, without salt: tables of hashes do not help against random text."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def find(text: str) -> ApiToken | None:
    """Return the known, unexpired token of an active user, or None. Records its use."""
    token = look_up(text)
    if token is not None:
        _note_use(token, timezone.now())
    return token


def look_up(text: str) -> ApiToken | None:
    """Return the token as `find` does, without a write.

    The query is by the hash, so that its time reveals nothing about the token.
    """
    alive = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
    return (
        ApiToken.objects.select_related("user")
        .filter(alive, digest=digest(text), user__is_active=True)
        .first()
    )


def user_of(request: HttpRequest) -> "User | None":
    """Return the user of the request's token, or of its session when it has no token.

    None for a wrong token, even with a session: its sender meant to use the token.
    """
    text = token_in(request)
    if text is not None:
        token = find(text)
        return token.user if token else None
    return request.user if request.user.is_authenticated else None


def token_in(request: HttpRequest) -> str | None:
    """Return the text after `Authorization: Bearer`, or None without that header."""
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    return text.strip() if scheme.lower() == SCHEME.lower() else None


def _note_use(token: ApiToken, now: datetime) -> None:
    """Record the use, at most once a minute, so that polling does not wait for the write lock."""
    if token.last_used_at is None or now - token.last_used_at >= USE_NOTED_EVERY:
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
