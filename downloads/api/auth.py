"""Authentication of the API: a token, or the session of a page."""

from typing import TYPE_CHECKING, Any

from django.http import HttpRequest
from ninja.errors import AuthenticationError, HttpError
from ninja.security import HttpBearer, SessionAuth

from downloads.accounts import tokens
from downloads.models import Scope

if TYPE_CHECKING:
    from django.contrib.auth.models import User

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class TokenAuth(HttpBearer):
    """The token of the request. A wrong one is refused even with a valid session beside it."""

    def authenticate(self, request: HttpRequest, token: str) -> "User":
        found = tokens.find(token.strip())
        if found is None:
            raise AuthenticationError(message="The token is not known, or has expired.")
        if found.scope == Scope.READ and request.method not in SAFE_METHODS:
            raise HttpError(403, "This token may only read.")
        return found.user


class PageAuth(SessionAuth):
    """The session of a signed-in browser, with CSRF protection."""

    def __call__(self, request: HttpRequest) -> Any:
        # Before the check for CSRF, so that a stranger is told to sign in and not about a token.
        return super().__call__(request) if request.user.is_authenticated else None


def user_of(request: HttpRequest) -> "User":
    """Return the user of the token or session. `request.user` does not know the token's."""
    user: User = request.auth  # type: ignore[attr-defined]
    return user
