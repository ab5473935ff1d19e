"""Stops the recording of live streams and keeps them, as a command: parse, call, print."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from downloads import actions
from downloads.models import Download

ACTOR = "command:stop_and_keep"


class Command(BaseCommand):
    help = "Stop recording a live stream; what is there is finished and published."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("correlation_id", nargs="+", metavar="ID")

    def handle(self, *, correlation_id: list[str], **_options: Any) -> None:
        for each in correlation_id:
            try:
                actions.stop_and_keep(Download.objects.get(correlation_id=each), actor=ACTOR)
            except Download.DoesNotExist:
                raise CommandError(f"{each}: there is no such download") from None
            except actions.NotAllowed as refusal:
                raise CommandError(f"{each}: {refusal}") from None
            self.stdout.write(f"{each} is asked to stop")
