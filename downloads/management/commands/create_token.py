"""`manage.py create_token`: make an API token and print it, once."""

import re
from argparse import ArgumentTypeError
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.core.management import BaseCommand, CommandError
from django.core.management.base import CommandParser
from django.utils import timezone

from downloads.accounts import tokens
from downloads.management.foreseen import database_errors_as_one_line
from downloads.models import Scope

UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
NAME_LENGTH = 100  # of the column


class Command(BaseCommand):
    help = (
        "Print a new API token of USER. It is shown this once: only its hash is stored. "
        "Send it as `Authorization: Bearer TOKEN`; revoke it in the admin."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", metavar="USER", help="name of the user whose rights it gives")
        parser.add_argument(
            "--name", type=token_name, default="token", help="what it is for (default: token)"
        )
        parser.add_argument(
            "--read-only", action="store_true", help="one that changes nothing, for a dashboard"
        )
        parser.add_argument(
            "--expires",
            type=expiry,
            metavar="WHEN",
            help="30m, 12h, 90d or 4w from now, or a date such as 2030-12-31, which it still "
            "works on (UTC); default: never",
        )

    def handle(self, **options: Any) -> None:
        with database_errors_as_one_line():
            user = User.objects.filter(username=options["user"]).first()
            if user is None:
                raise CommandError(f"There is no user named {options['user']!r}.")
            text = tokens.issue(
                user,
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
    """The instant of a duration from now, or the end of a day, in the future."""
    try:
        expires_at = _after(text) or _end_of_day(text)
    except (ValueError, OverflowError):
        raise ArgumentTypeError(
            f"{text!r} is no duration such as 30m, 12h, 90d, 4w and no date such as 2030-12-31"
        ) from None
    if expires_at <= timezone.now():
        raise ArgumentTypeError(f"{text} is in the past")
    return expires_at


def _after(text: str) -> datetime | None:
    duration = re.fullmatch(r"([1-9][0-9]{0,5})([mhdw])", text)
    if duration is None:
        return None
    count, unit = duration.groups()
    return timezone.now() + timedelta(**{UNITS[unit]: int(count)})


def _end_of_day(text: str) -> datetime:
    day = date.fromisoformat(text)
    return datetime.combine(day, time.min, tzinfo=UTC) + timedelta(days=1)
