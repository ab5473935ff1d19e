"""`manage.py add_download`: add links and, with --wait, watch the downloads end."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing, nullcontext
from typing import Any

from django.contrib.auth.models import User
from django.core.management import BaseCommand, CommandError
from django.core.management.base import CommandParser, OutputWrapper

from downloads.management.arguments import WRONG_ARGUMENTS, user_named
from downloads.management.foreseen import errors_in_one_line
from downloads.management.progress_bars import Bars
from downloads.models import Download, TooManyWaiting, Transition, submissions
from downloads.models.notifier import open_doorbell
from downloads.models.presets import chosen_options
from downloads.rules.links import MAX_LINKS, InvalidLink
from downloads.rules.option_kinds import Flag, Option
from downloads.rules.options import OPTIONS, DownloadOptions, InvalidOption
from downloads.rules.presets import SHIPPED, UnknownPreset, UnusablePreset
from downloads.rules.redaction import escape
from downloads.rules.states import Outcome, Result, State
from downloads.submission import check_link, links_in
from downloads.waiting import has_live_worker
from downloads.web.found_view import checked_in_words

ACTOR = "command"
SHIPPED_KEYS = ", ".join(each.key for each in SHIPPED)
INTERRUPTED = 130  # 128 and the number of SIGINT, as shells have it
LOOK_AGAIN_SECONDS = 1.0


class Command(BaseCommand):
    help = (
        "Add downloads and print the correlation id of each. All links are checked first: if one "
        "is wrong, none is added. --no-... or the value none takes back what a preset says. "
        "With --wait, ends with 1 when one of them did not complete."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "urls",
            nargs="+",
            metavar="URL",
            help="address of a video's page, or a text with such links",
        )
        parser.add_argument(
            "--preset",
            metavar="NAME",
            help=f"the user's own, a shared one, or one that comes with vnsite: {SHIPPED_KEYS}. "
            "Each option below goes before it",
        )
        for name, option in OPTIONS.items():
            add_flag(parser, name, option)
        parser.add_argument(
            "--user", metavar="NAME", help="owner of the downloads; default: nobody, staff see them"
        )
        parser.add_argument(
            "--again", action="store_true", help="fetch what the owner has with the same options"
        )
        parser.add_argument(
            "--wait", action="store_true", help="show the progress until all have ended"
        )

    def handle(self, **options: Any) -> None:
        links, left_over = checked(options["urls"])
        for words in left_over:
            self.stderr.write(f"Not a link: {escape(words)}")
        with errors_in_one_line("The database is not usable"):
            name = options["user"]
            owner = None if name is None else user_named(name)
            wished = options_of(options, owner)
            downloads = self._add(links, wished, owner, is_again=options["again"])
            if not options["wait"]:
                return
            if not has_live_worker():
                self.stderr.write("No worker is running: the downloads wait until one is.")
            try:
                if not Watch(self.stdout, downloads).until_ended():
                    sys.exit(1)
            except KeyboardInterrupt:
                self.stderr.write("Not watching any more; the downloads go on.")
                sys.exit(INTERRUPTED)

    def _add(
        self, links: Sequence[str], options: DownloadOptions, owner: User | None, *, is_again: bool
    ) -> list[Download]:
        wishes = [(link, options) for link in links]
        try:
            submitted = submissions.submit(wishes, owner=owner, actor=ACTOR, is_again=is_again)
        except TooManyWaiting as refusal:
            raise CommandError(str(refusal)) from None
        for one in submitted:
            word = "created" if one.created else "duplicate"
            self.stdout.write(f"{one.download.correlation_id} {word} {escape(one.download.url)}")
        return [one.download for one in submitted]


class Watch:
    """Shows what becomes of some downloads: bars on a terminal, else a line for each transition."""

    def __init__(self, out: OutputWrapper, downloads: Sequence[Download]) -> None:
        self.out = out
        self.bars = Bars(out) if out.isatty() else None
        self.names = {download.pk: download.correlation_id for download in downloads}
        self.seq = 0  # of the last transition that was shown

    def until_ended(self) -> bool:
        """Wait until all have ended or were deleted; return whether all of them completed."""
        with self.bars or nullcontext():
            rows = self._follow()
        return self._show_ends(rows)

    def _follow(self) -> list[Download]:
        with closing(open_doorbell()) as bell:
            while True:
                # First the rows: a download that ends meanwhile is shown in the next round.
                watched = Download.objects.filter(pk__in=self.names)
                rows = list(watched.select_related("progress", "listing", "have"))
                self._show_transitions()
                running = [row for row in rows if row.outcome is None]
                if not running:
                    return rows
                self._show_progress(running)
                bell.wait(LOOK_AGAIN_SECONDS)

    def _show_transitions(self) -> None:
        fresh = Transition.objects.filter(download__in=self.names, seq__gt=self.seq)
        for transition in fresh.order_by("seq"):
            self.seq = transition.seq
            if self.bars is None:
                name = self.names[transition.download_id]
                self.out.write(f"{name} {transition.to_state} ({transition.reason})")
                self.out.flush()

    def _show_progress(self, running: Sequence[Download]) -> None:
        if self.bars is None:
            return
        ended = len(self.names) - len(running)
        count = f"{ended} of {len(self.names)} ended" if len(self.names) > 1 else ""
        begun = [each for each in running if each.state != State.CREATED]
        self.bars.show(begun or running[:1], headline=count)

    def _show_ends(self, rows: Sequence[Download]) -> bool:
        ended = {row.pk: row for row in rows}
        for key, name in self.names.items():
            row = ended.get(key)
            self.out.write(f"{name} {escape(end_line(row)) if row else 'was deleted'}")
        return all(key in ended and ended[key].outcome == Outcome.COMPLETED for key in self.names)


def checked(texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the links in some texts in their normal form, and the words that are not links.

    Raises CommandError with a line for each link that is wrong, and each text without one.
    """
    links: list[str] = []
    left_over: list[str] = []
    faults = []
    for text in texts:
        try:
            found = links_in(text)
            left_over += found.left_over
            links += [check_link(link.url) for link in found.links]
        except InvalidLink as fault:
            faults.append(f"{text[:100]!r}: {fault}")
    if faults:
        raise CommandError("\n".join(faults), returncode=WRONG_ARGUMENTS)
    if len(links) > MAX_LINKS:
        raise CommandError(f"At most {MAX_LINKS} links at once.", returncode=WRONG_ARGUMENTS)
    return links, left_over


def add_flag(parser: CommandParser, name: str, option: Option) -> None:
    flag, description = "--" + name.replace("_", "-"), option.description.replace("%", "%%")
    if isinstance(option, Flag):
        yes_or_no = argparse.BooleanOptionalAction
        parser.add_argument(flag, action=yes_or_no, default=argparse.SUPPRESS, help=description)
        return

    def read(text: str) -> Any:
        try:
            return option.checked(text)
        except ValueError as fault:
            raise argparse.ArgumentTypeError(str(fault)) from None

    parser.add_argument(
        flag, type=read, metavar=option.metavar, default=argparse.SUPPRESS, help=description
    )


def options_of(arguments: Mapping[str, Any], owner: User | None) -> DownloadOptions:
    """Return the options of the preset, overridden by each flag that was given."""
    given = {name: arguments[name] for name in OPTIONS if name in arguments}
    try:
        return chosen_options(arguments["preset"], given, user=owner)
    except (InvalidOption, UnknownPreset, UnusablePreset) as refusal:
        raise CommandError(str(refusal), returncode=WRONG_ARGUMENTS) from None


def end_line(download: Download) -> str:
    if download.outcome == Outcome.FAILED and download.advice:
        return f"failed: {download.advice.sentence} {download.advice.next_step}"
    if download.result == Result.LISTING:
        return f"completed: a list with {download.listing.count:,} entries"
    if download.result == Result.HAVE_IT:
        return f"completed: it is there already, of {download.have or 'a deleted download'}"
    if download.result == Result.CHECKED:
        return f"completed: {checked_in_words(download)}"
    if download.outcome == Outcome.COMPLETED:
        return f"completed: {download.library_path}"
    return str(download.outcome)
