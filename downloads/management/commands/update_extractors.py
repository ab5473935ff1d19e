"""`manage.py update_extractors`: bring the newest yt-dlp, or go one step back."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils import timezone

from downloads.rules.redaction import escape
from downloads.updates.refusal import Refused
from downloads.updates.state import Home, State, age_days, channel_of, version_of
from downloads.updates.updating import Updater


class Command(BaseCommand):
    help = (
        "Bring the newest yt-dlp, with its scripts and its JavaScript runtime, from the package "
        "index into the data directory, and use it for new attempts if it passes a trial. Running "
        "downloads are not disturbed. Ends with 0 when it is done or there is nothing to do, with "
        "1 and the reason when it is refused: then nothing has changed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        what = parser.add_mutually_exclusive_group()
        what.add_argument(
            "--check", action="store_true", help="only say what the newest version is"
        )
        what.add_argument(
            "--rollback", action="store_true", help="go back to what was used before, once"
        )
        parser.add_argument(
            "--channel",
            choices=("stable", "nightly"),
            default=settings.VNSITE.extractors_channel,
            help="releases only, or what is built every night as well (VNSITE_EXTRACTORS_CHANNEL)",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        home = Home(settings.VNSITE.extractors_root)
        before = home.candidates()[0]
        updater = Updater(
            home=home,
            index_url=settings.VNSITE.extractors_index,
            channel=options["channel"],
            min_free_bytes=settings.VNSITE.min_free_bytes,
            plugins=settings.VNSITE.extractor_plugins,
        )
        refused = ""
        try:
            _carry_out(updater, check=options["check"], rollback=options["rollback"])
        except Refused as refusal:
            refused = str(refusal)
        state, used = home.read(), home.candidates()[0]
        if options["json"]:
            self.stdout.write(json.dumps(_as_dict(state, used, before=before, refused=refused)))
        else:
            self.stdout.write(_line(state, used, before=before))
            if refused:
                self.stderr.write(escape(refused))
        if refused:
            sys.exit(1)


def _carry_out(updater: Updater, *, check: bool, rollback: bool) -> None:
    if rollback:
        updater.rollback()
    elif settings.VNSITE.extractors_update == "off":
        raise Refused("off")
    elif check:
        updater.look()
    else:
        updater.update(is_asked=True)


def _line(state: State, used: str, *, before: str) -> str:
    version = version_of(used)
    age = age_days(version, today=timezone.now().date())
    was = "" if used == before else f", in the place of {version_of(before)}"
    newest = f" The newest {state.channel} one is {state.newest}." if state.newest else ""
    return (
        f"New attempts use yt-dlp {version} ({channel_of(version)}, {age} days old){was}.{newest}"
    )


def _as_dict(state: State, used: str, *, before: str, refused: str) -> dict[str, Any]:
    version = version_of(used)
    return {
        "yt_dlp": version,
        "channel": channel_of(version),
        "age_days": age_days(version, today=timezone.now().date()),
        "changed": used != before,
        "newest": state.newest or None,
        "newest_channel": state.channel or None,
        "previous": None if state.previous is None else version_of(state.previous),
        "refused": refused or None,
    }
