"""`manage.py create_token`: make an API token and print it, once."""

from argparse import ArgumentTypeError
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django.core.management import BaseCommand
from django.core.management.base import CommandParser
from django.utils import timezone

from downloads.accounts import tokens
from downloads.management.arguments import duration, user_named
from downloads.management.foreseen import errors_in_one_line
from downloads.models import Scope

NAME_LENGTH = 100  # of the column


class Command(BaseCommand):
    help = (
        "Print a new API token of USER. It is shown this once: only its hash is stored. "
        "Send it as `Authorization: Bearer TOKEN`; its user revokes it on the account page."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", metavar="USER", help="name of the user whose rights it gives")
        parser.add_argument(
            "--name", type=token_name, default="token", help="what it is for (default: token)"
        )
        parser.add_argument(
            "--read-only", action="store_true", help="make one that cannot change anything"
        )
        parser.add_argument(
            "--expires",
            type=expiry,
            metavar="WHEN",
            help="after a duration (30m, 12h, 90d, 4w), or at the end of a date (2030-12-31, UTC); "
            "default: never",
        )

    def handle(self, **options: Any) -> None:
        with errors_in_one_line("No token was made"):
            text = tokens.issue(
                user_named(options["user"]),
                name=options["name"],
                scope=Scope.READ if options["read_only"] else Scope.WRITE,
                expires_at=options["expires"],
            )
        # Alone on standard output, so that a script can catch it.
        self.stdout.write(text)


def token_name(text: str) -> str:
    if not text.strip() or len(text) > NAME_LENGTH:
        raise ArgumentTypeError(f"a name has 1 to {NAME_LENGTH} characters")
    return text.strip()


def expiry(text: str) -> datetime:
    """Parse a duration from now, or a date, at whose end the token expires."""
    try:
        expires_at = _end_of_day(text) or timezone.now() + duration(text)
    except (ArgumentTypeError, OverflowError):
        raise ArgumentTypeError(
            f"{text!r} is not a duration like 30m, 12h, 90d, 4w or a date like 2030-12-31"
        ) from None
    if expires_at <= timezone.now():
        raise ArgumentTypeError(f"{text} is in the past")
    return expires_at


def _end_of_day(text: str) -> datetime | None:
    """None: it is not a date."""
    try:
        day = datetime.strptime(text, "%Y-%m-%d")
    except ValueError:
        return None
    return datetime.combine(day, time.min, tzinfo=UTC) + timedelta(days=1)
