"""Everything that can be wrong around vnsite: for `doctor`, pages and the start.

Reads rows, folders and versions; changes nothing. A check that cannot be made says so.
"""

import stat
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.core.checks import CheckMessage, Error
from django.utils import timezone

from downloads.diagnostics import stats
from downloads.diagnostics.database import check_database
from downloads.diagnostics.verdict import Check, Level, failure, ok, warning
from downloads.disk import shares
from downloads.disk.names import entry_name
from downloads.fetch.client import fault_of_plugins
from downloads.sandbox import landlock, seccomp
from downloads.sandbox.programs import find_deno, find_ffmpeg, media_tools
from downloads.sandbox.trial import why_not
from downloads.updates.refusal import sentence_of
from downloads.updates.state import Home, State, age_days, channel_of, version_of

PROBLEMS_CACHED_SECONDS = 5
YT_DLP_WARNING_DAYS = 60
YT_DLP_FAILURE_DAYS = 90
CONFLICT_FIX = "Set VNSITE_MEDIA_DIR and VNSITE_TEMP_DIR to two folders side by side."


def run(*, whole: bool = False) -> list[Check]:
    """Make all checks of `doctor`, in its order. `whole`: see `check_database`."""
    return [
        *check_database(whole=whole),
        *check_folders(),
        *check_free_space(),
        check_library(settings.VNSITE.media_root),
        check_names(settings.VNSITE.library_names),
        check_extractors(),
        check_ffmpeg(),
        check_deno(),
        *check_programs(),
        *check_plugins(),
        check_fence(landlock.version(), refuses_network=seccomp.is_available()),
        check_secret_key(),
    ]


def problems() -> list[Check]:
    """Return what a page warns of: folders, free space and ffmpeg that are not fine.

    The answer is cached for some seconds. A missing worker is not in it: pages know that.
    """
    found: list[Check] | None = cache.get("downloads.problems")
    if found is None:
        made = [*check_folders(), *check_free_space(), check_ffmpeg()]
        found = [check for check in made if check.level is not Level.OK]
        cache.set("downloads.problems", found, PROBLEMS_CACHED_SECONDS)
    return found


def refuse_folder_conflict(**kwargs: Any) -> list[CheckMessage]:
    """Django's system check: no command starts while the two folders are in each other's way."""
    conflict = folder_conflict(settings.VNSITE.media_root, settings.VNSITE.temp_root)
    return [Error(conflict, hint=CONFLICT_FIX, id="vnsite.E001")] if conflict else []


def check_folders() -> list[Check]:
    media, temp = settings.VNSITE.media_root, settings.VNSITE.temp_root
    conflict = folder_conflict(media, temp)
    return [
        check_folder("VNSITE_DATA_DIR", settings.VNSITE.data_dir),
        check_folder("VNSITE_MEDIA_DIR", media),
        check_folder("VNSITE_TEMP_DIR", temp),
        *([failure("folders", conflict, CONFLICT_FIX)] if conflict else []),
    ]


def check_folder(setting: str, folder: Path) -> Check:
    """Check that files can be made in a folder or, if it is missing, the folder itself."""
    try:
        # Without a name where the system can do that: nobody sees it, nothing is left behind.
        tempfile.TemporaryFile(dir=stats.nearest_existing(folder)).close()
    except OSError as error:
        sentence = f"{folder} cannot be written ({error.strerror})."
        fix = f"Give vnsite's user the right to write there, or set {setting}."
        return failure(setting, sentence, fix)
    return ok(setting, f"{folder} can be written.")


WEAKNESSES = {
    "modes": "it decides by itself who may read a file",
    "replace": "what another program puts there at the same moment under an entry's name may be"
    " replaced",
    "whole": "an entry appears file by file",
    "durable": "the latest names may be lost in a power cut",
}


def check_library(folder: Path) -> Check:
    """Try what publishing relies on, in a folder of its own that is removed again."""
    try:
        found = shares.weaknesses(folder) if folder.is_dir() else []
    except OSError as error:
        sentence = f"What {folder} can promise cannot be tried ({error.strerror})."
        return warning("library", sentence, "Give vnsite's user the right to make folders there.")
    if not found:
        return ok("library", f"{folder} keeps every promise.")
    weak = ", and ".join(WEAKNESSES[code] for code in found)
    fix = "Nothing needs to be done: files are complete all the same. A local disk does it all."
    return warning("library", f"On the file system of {folder} {weak}.", fix)


def check_names(template: str) -> Check:
    """Show what the template of names makes of an example."""
    example = entry_name(
        "The title of a video",
        "0123456789ab",
        site="video.example.org",
        date=f"{timezone.now():%Y-%m-%d}",
        template=template,
    )
    return ok("names", f"An entry of the library: {example}")


def folder_conflict(media: Path, temp: Path) -> str:
    """Return why these two cannot be used together, or "". Symbolic links are followed.

    If one were inside the other, a cleanup of the temp root could reach published files.
    """
    media, temp = media.resolve(), temp.resolve()
    if media == temp:
        return f"VNSITE_MEDIA_DIR and VNSITE_TEMP_DIR are the same folder: {media}."
    if media.is_relative_to(temp):
        return f"VNSITE_MEDIA_DIR ({media}) is inside of VNSITE_TEMP_DIR ({temp})."
    if temp.is_relative_to(media):
        return f"VNSITE_TEMP_DIR ({temp}) is inside of VNSITE_MEDIA_DIR ({media})."
    return ""


def check_free_space() -> list[Check]:
    return [
        _check_space("VNSITE_MEDIA_DIR", settings.VNSITE.media_root),
        _check_space("VNSITE_TEMP_DIR", settings.VNSITE.temp_root),
    ]


def _check_space(setting: str, folder: Path) -> Check:
    least = settings.VNSITE.min_free_bytes
    try:
        free = stats.free_bytes(folder)
    except OSError as error:
        sentence = f"The free space of {folder} cannot be read ({error.strerror})."
        fix = f"Look at the disk, or set {setting} to another folder."
        return failure("free space", sentence, fix)
    if free < least:
        sentence = f"{gibibytes(free)} free in {folder}; {gibibytes(least)} are needed."
        return failure("free space", sentence, "Make room, or lower VNSITE_MIN_FREE_BYTES.")
    return ok("free space", f"{gibibytes(free)} free in {folder}.")


def gibibytes(size_bytes: int) -> str:
    return f"{size_bytes / 2**30:.1f} GiB"


def check_extractors() -> Check:
    """Check the yt-dlp that a worker with this data directory uses."""
    home = Home(settings.VNSITE.extractors_root)
    version = version_of(home.candidates()[0])
    return check_yt_dlp(version, home.read(), today=timezone.now().date())


def check_yt_dlp(version: str, state: State, *, today: date) -> Check:
    """Check the age: sites change every week, and an old yt-dlp fails on more and more of them."""
    age = age_days(version, today=today)
    sentence = f"yt-dlp {version} ({channel_of(version)}) is {age} days old."
    if state.failure:
        sentence += f" The last update failed: {sentence_of(state.failure)}"
    fix = "Run manage.py update_extractors."
    if settings.VNSITE.extractors_update == "off":
        fix = "Update vnsite, or let it update yt-dlp: VNSITE_EXTRACTORS_UPDATE=check."
    if age > YT_DLP_FAILURE_DAYS:
        return failure("yt-dlp", sentence, fix)
    if state.failure or age > YT_DLP_WARNING_DAYS:
        return warning("yt-dlp", sentence, fix)
    return ok("yt-dlp", sentence)


def check_ffmpeg() -> Check:
    if path := find_ffmpeg():
        return ok("ffmpeg", f"ffmpeg is {path}.")
    sentence = "ffmpeg is missing: video and sound that come separately cannot be joined."
    return failure("ffmpeg", sentence, "Install ffmpeg, or run bin/setup, which brings one along.")


def check_deno() -> Check:
    if path := find_deno():
        return ok("deno", f"deno is {path}.")
    sentence = "deno is missing: YouTube needs a JavaScript runtime."
    return warning("deno", sentence, "Run bin/setup, which brings it along, or install deno.")


def check_programs() -> list[Check]:
    """Try ffmpeg, ffprobe and deno as a download runs them, and name those that do not work."""
    ffmpeg, deno = find_ffmpeg(), find_deno()
    programs = [*(media_tools(ffmpeg) if ffmpeg else []), *([deno] if deno else [])]
    return [
        failure(
            program.name,
            f"{program} does not run inside a download's fence: {reason}.",
            "Install it, and what it needs, below /usr, /opt or /nix/store.",
        )
        for program in programs
        if (reason := why_not(program))
    ]


def check_plugins() -> list[Check]:
    """Load the extractor plugins that are named, in a process of their own."""
    names = settings.VNSITE.extractor_plugins
    if not names:
        return []
    if fault := fault_of_plugins(names):
        return [
            failure(
                "plugins",
                f"An extractor plugin cannot be loaded: {fault}.",
                "Install it into vnsite's .venv, or take it out of VNSITE_EXTRACTOR_PLUGINS.",
            )
        ]
    return [ok("plugins", f"Extractor plugins: {', '.join(names)}.")]


def check_fence(version: int, *, refuses_network: bool) -> Check:
    """`version` is that of the kernel's Landlock, 0 without it; the network is refused to the
    programs of a download."""
    if version == 0:
        return warning(
            "fence",
            "This kernel has no Landlock: a download can read files of this user.",
            "Use Linux 5.13 or later; in a container, allow the system calls of Landlock.",
        )
    if not refuses_network:
        return warning(
            "fence",
            "This system has no seccomp: only their own options keep ffmpeg and deno off the"
            " network, and programs that they start may go on when all of vnsite is killed.",
            "Use Linux on x86-64 or ARM64; in a container, allow the system call seccomp.",
        )
    return ok(
        "fence",
        f"Each download is fenced in its directory (Landlock {version}), and its programs"
        " have no network (seccomp).",
    )


def check_secret_key() -> Check:
    if settings.VNSITE.secret_key:
        return ok("secret key", "It is in VNSITE_SECRET_KEY.")
    path = settings.VNSITE.secret_key_file or settings.VNSITE.data_dir / "secret_key"
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        fix = "Restart vnsite, which makes a new one, or set VNSITE_SECRET_KEY_FILE."
        return failure("secret key", f"{path} cannot be read ({error.strerror}).", fix)
    if mode & 0o077:
        sentence = f"Other users of this machine can read {path} (mode {mode:04o})."
        return warning("secret key", sentence, f"chmod 600 {path}")
    return ok("secret key", f"{path} is private.")
