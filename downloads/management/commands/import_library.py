"""`manage.py import_library`: adopt the films that another tool left in the library."""

import json
import re
import sys
from argparse import ArgumentParser, ArgumentTypeError
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import BaseCommand, CommandError

from downloads.disk.adoption import Fault
from downloads.library.importing import Import, Imported
from downloads.management.arguments import WRONG_ARGUMENTS, user_named
from downloads.management.foreseen import errors_in_one_line
from downloads.management.progress_bars import pulse
from downloads.rules.media_id import OF_ANY_SITE
from downloads.rules.redaction import escape

ACTOR = "command:import_library"
# How a sentence about one of them, or several, goes on.
FAULTS: dict[Fault, tuple[str, str]] = {
    Fault.SHARED: (
        "video shares a folder with other things: --own-folders gives it one of its own",
        "videos share a folder with other things: --own-folders gives each one of its own",
    ),
    Fault.SAME_NAME: (
        "video has the name of another but for its suffix: rename one",
        "videos have the name of another but for the suffix: rename one of each two",
    ),
    Fault.TAKEN: (
        "video cannot have a folder of its own: something else has its name",
        "videos cannot have a folder of their own: something else has its name",
    ),
    Fault.UNFINISHED: (
        "video is a part of a download that was not finished",
        "videos are parts of downloads that were not finished",
    ),
    Fault.INCOMPLETE: (
        "video ends before its container says",
        "videos end before their containers say",
    ),
    Fault.NOT_MEDIA: (
        "file is neither a film nor sound, by its content",
        "files are neither a film nor sound, by their content",
    ),
    Fault.LINKED: (
        "video is a link or has several names, or a file beside it",
        "videos are links or have several names, or files beside them",
    ),
    Fault.UNREADABLE: (
        "video cannot be read, or a file beside it",
        "videos cannot be read, or files beside them",
    ),
    Fault.NAME: (
        "video has a control character in its name, or is not UTF-8",
        "videos have control characters in their names, or are not UTF-8",
    ),
    Fault.LONG: (
        "video has a path of more than 255 characters",
        "videos have paths of more than 255 characters",
    ),
    Fault.NOT_MOVED: (
        "video could not be moved into a folder of its own",
        "videos could not be moved into folders of their own",
    ),
    Fault.NAMED: (
        "video has the name of an entry that was removed, or is being published",
        "videos have the names of entries that were removed, or are being published",
    ),
}


def extractor_key(text: str) -> str:
    key = text.lower()
    if not re.fullmatch(r"[a-z0-9_:+.-]{1,100}", key) or key in OF_ANY_SITE:
        raise ArgumentTypeError(f"{text!r} is not yt-dlp's name of a site, such as youtube")
    return key


class Command(BaseCommand):
    help = (
        "Make entries of the library of the films in a folder that another tool filled. DIR is in "
        "the library, and the files stay where they are. What is known of each comes from the "
        ".info.json beside it, else from its name. What is there already is left out: importing "
        "twice is importing once. Safe beside running workers."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("dir", metavar="DIR", type=Path, help="the library, or a folder in it")
        parser.add_argument(
            "--owner", metavar="NAME", help="whose entries; needed when there are several users"
        )
        parser.add_argument(
            "--extractor",
            type=extractor_key,
            metavar="SITE",
            help="whose ids are in names like `Title [id]`, as yt-dlp calls the site (youtube)",
        )
        parser.add_argument(
            "--own-folders",
            action="store_true",
            help="move each video that shares a folder into one of its own, beside it",
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="print what would be done, change nothing"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, **options: Any) -> None:
        top = folder_of(options["dir"])
        bar = pulse(sys.stderr, "Videos") if sys.stderr.isatty() else nullcontext()
        with errors_in_one_line("Not all was imported", OSError), bar as shown:
            work = Import(
                owner=owner_named(options["owner"]),
                actor=ACTOR,
                extractor=options["extractor"] or "",
                own_folders=options["own_folders"],
                dry_run=options["dry_run"],
                on_found=shown.count if shown else None,
            )
            done = work.run(top)
        if options["json"]:
            self.stdout.write(json.dumps(_as_dict(done, dry_run=options["dry_run"]), indent=2))
            return
        for line in _lines(done, names=options["verbosity"] > 1, dry_run=options["dry_run"]):
            self.stdout.write(line)


def folder_of(given: Path) -> Path:
    """Return the folder without links. Raises CommandError when it is not in the library."""
    root, top = settings.VNSITE.media_root.resolve(), given.resolve()
    if not top.is_dir():
        sentence = f"{escape(str(given))} is not a folder."
        raise CommandError(sentence, returncode=WRONG_ARGUMENTS)
    if not top.is_relative_to(root):
        sentence = (
            f"{escape(str(given))} is not in the library, {escape(str(root))}: move it there, or "
            "let VNSITE_MEDIA_DIR name a folder that holds it."
        )
        raise CommandError(sentence, returncode=WRONG_ARGUMENTS)
    if any(part.startswith(".") for part in top.relative_to(root).parts):
        sentence = f"{escape(str(given))} is hidden: nothing is imported from such folders."
        raise CommandError(sentence, returncode=WRONG_ARGUMENTS)
    return top


def owner_named(name: str | None) -> User | None:
    """Return the user of this name; without a name the only one, or None when there is none."""
    if name is not None:
        return user_named(name)
    users = list(User.objects.order_by("pk")[:2])
    if len(users) > 1:
        sentence = "There are several users: say whose these are with --owner NAME."
        raise CommandError(sentence, returncode=WRONG_ARGUMENTS)
    return users[0] if users else None


def _lines(done: Imported, *, names: bool, dry_run: bool) -> list[str]:
    note = " (dry run: nothing was changed)" if dry_run else ""
    were = "was" if done.known == 1 else "were"
    lines = [f"{len(done.entries):,} imported, {done.known:,} {were} known{note}."]
    lines += _named(done.entries, names=names)
    if done.moved:
        lines.append(f"{len(done.moved):,} of them got a folder of their own.")
    if done.unread:
        tells = "tells" if len(done.unread) == 1 else "tell"
        sentence = f"{len(done.unread):,} .info.json {tells} nothing: too large, or not yt-dlp's."
        lines += [sentence, *_named(done.unread, names=names)]
    if done.left_out:
        lines.append("Left out:")
    for fault in sorted(done.left_out, key=list(Fault).index):
        paths = done.left_out[fault]
        one, many = FAULTS[fault]
        lines.append(f"{len(paths):>7,} {one if len(paths) == 1 else many}")
        lines += _named(paths, names=names)
    return lines


def _named(paths: list[str], *, names: bool) -> list[str]:
    return [f"          {escape(path)}" for path in paths] if names else []


def _as_dict(done: Imported, *, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "imported": done.entries,
        "moved": done.moved,
        "known": done.known,
        "unread": done.unread,
        "left_out": {str(fault): paths for fault, paths in done.left_out.items()},
    }
