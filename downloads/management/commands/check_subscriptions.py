"""`manage.py check_subscriptions`: end the checks that are over, and begin those that are due."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from downloads.management.foreseen import errors_in_one_line
from downloads.models import database_now
from downloads.subscriptions import checks
from downloads.subscriptions.models import Subscription


class Command(BaseCommand):
    help = (
        "Begin the checks of subscriptions that are due, and make downloads of what those found "
        "that have ended. Running workers do this by themselves, and carry the checks out. "
        "Safe beside them."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--now",
            action="store_true",
            help="all that are not paused, due or not",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with errors_in_one_line("Nothing could be checked"):
            ended = checks.end_those_over()
            if options["now"]:
                Subscription.objects.exclude(next_check_at=None).update(
                    next_check_at=database_now()
                )
            begun = checks.begin_due()
            under_way = Subscription.objects.filter(is_checking=True).count()
            due = Subscription.objects.due(database_now()).count()
        self.stdout.write(f"{ended} ended, {begun} begun; {under_way} under way, {due} due.")
