"""The first administrator: from the settings, or by a one-time link that `serve` prints.

Everything here is about the time when no user exists; afterwards it does nothing.
"""

from django.conf import settings
from django.contrib.auth.models import User
from django.core import signing
from django.db import transaction
from django.urls import reverse

TOKEN_SALT = "downloads.accounts.first_admin"  # noqa: S105 — separates our signatures, is no secret
TOKEN_MAX_AGE_SECONDS = 24 * 60 * 60


class UserExists(Exception):
    """There is a user already, so that nobody becomes the first administrator any more."""


def is_wanted() -> bool:
    """Whether there is no user at all."""
    return not User.objects.exists()


def ensure_from_settings() -> bool:
    """Make the superuser of VNSITE_ADMIN_USER and its password when no user exists.

    True when it was made now; False when there is a user, or the settings name none. Raises
    ConfigError when the file of the password cannot be read.
    """
    name = settings.VNSITE.admin_user
    password = settings.VNSITE.read_admin_password()
    if not (name and password):
        return False
    try:
        create(username=name, password=password)
    except UserExists:
        return False
    return True


def create(*, username: str, password: str) -> User:
    """Make the superuser. Raises UserExists when somebody was first."""
    with transaction.atomic():
        if not is_wanted():
            raise UserExists
        return User.objects.create_superuser(username, password=password)


def setup_path() -> str | None:
    """The path with a fresh token at which the first administrator is made; None with a user.

    Every call makes a token of its own. All of them die when a user exists, at the latest after
    24 hours.
    """
    if not is_wanted():
        return None
    return f"{reverse('setup')}?token={signing.dumps('setup', salt=TOKEN_SALT)}"


def token_is_valid(token: str) -> bool:
    """Whether a token of `setup_path` still opens the set-up page."""
    try:
        signing.loads(token, salt=TOKEN_SALT, max_age=TOKEN_MAX_AGE_SECONDS)
    except signing.BadSignature:
        return False
    return is_wanted()
