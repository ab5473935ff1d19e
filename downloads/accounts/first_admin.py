"""The first administrator: made from the settings, or by a one-time link that `serve` prints.

Nothing here makes one once a user exists.
"""

from django.conf import settings
from django.contrib.auth.models import User
from django.core import signing
from django.db import transaction
from django.urls import reverse

TOKEN_SALT = "downloads.accounts.first_admin"  # noqa: S105 — not a secret: it separates signatures
TOKEN_MAX_AGE_SECONDS = 24 * 60 * 60


class UserExists(Exception):
    """A user exists already, so that the first administrator cannot be made."""


def is_wanted() -> bool:
    return not User.objects.exists()


def ensure_from_settings() -> bool:
    """Make the superuser of VNSITE_ADMIN_USER with its password, unless a user exists.

    True when it was made; False when a user exists or the settings name none. Raises ConfigError
    when the password's file cannot be read.
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
    """Make the superuser. Raises UserExists when there is a user already."""
    with transaction.atomic():
        if not is_wanted():
            raise UserExists
        return User.objects.create_superuser(username, password=password)


def setup_path() -> str | None:
    """Return the path, with a new token, of the page that makes the first administrator.

    None when a user exists. A token is valid for 24 hours, and only until a user exists.
    """
    if not is_wanted():
        return None
    return f"{reverse('setup')}?token={signing.dumps('setup', salt=TOKEN_SALT)}"


def token_is_valid(token: str) -> bool:
    try:
        signing.loads(token, salt=TOKEN_SALT, max_age=TOKEN_MAX_AGE_SECONDS)
    except signing.BadSignature:
        return False
    return is_wanted()
