"""Arguments that several commands have. A wrong value ends the command with 2."""

import re
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from datetime import timedelta

from django.contrib.auth.models import User
from django.core.management import CommandError

WRONG_ARGUMENTS = 2
DURATION = re.compile("([0-9]{1,5})([smhdw])")  # more digits would leave the calendar
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def whole_number(*, least: int, most: int) -> Callable[[str], int]:
    """Return a parser of whole numbers in this range, for `type` of an argument."""

    def parse(text: str) -> int:
        if not re.fullmatch("[0-9]{1,9}", text) or not least <= int(text) <= most:
            raise ArgumentTypeError(f"must be a whole number from {least} to {most}")
        return int(text)

    return parse


def duration(text: str) -> timedelta:
    """Parse 90s, 15m, 2h, 7d or 4w."""
    match = DURATION.fullmatch(text)
    if match is None:
        raise ArgumentTypeError(f"{text!r} is not a duration like 90s, 15m, 2h, 7d or 4w")
    return timedelta(**{UNITS[match[2]]: int(match[1])})


def user_named(name: str) -> User:
    user = User.objects.filter(username=name).first()
    if user is None:
        raise CommandError(f"There is no user named {name!r}.", returncode=WRONG_ARGUMENTS)
    return user


def add_concurrency(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--concurrency",
        type=whole_number(least=1, most=64),
        metavar="N",
        help="downloads at once (VNSITE_CONCURRENCY)",
    )
