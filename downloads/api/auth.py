"""Who may call the API: whoever sends a token, or is signed in on a page."""

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
    """A token that is wrong is refused, also when there is a session beside it."""

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
        # Before the check for CSRF: who is not signed in should hear that, and not of a token.
        return super().__call__(request) if request.user.is_authenticated else None


def user_of(request: HttpRequest) -> "User":
    """The user of the token or of the session. Not `request.user`: a token does not set that."""
    user: User = request.auth  # type: ignore[attr-defined]
    return user
