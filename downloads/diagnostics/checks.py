"""Everything that can be wrong around vnsite: for `doctor`, pages and the start.

Reads rows, folders and versions; changes nothing. A check that cannot be made says so.
"""

import re
import stat
import tempfile
from datetime import date, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings
from django.core.cache import cache
from django.core.checks import CheckMessage, Error
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.functional import lazy

from downloads.diagnostics import stats
from downloads.diagnostics.database import check_database
from downloads.diagnostics.verdict import (
    Check,
    Level,
    Words,
    failure,
    listed,
    note,
    ok,
    phrase,
    warning,
)
from downloads.disk import shares
from downloads.disk.names import entry_name
from downloads.fetch.client import fault_of_plugins
from downloads.rules.words import marked, say
from downloads.sandbox import landlock, seccomp
from downloads.sandbox.programs import find_deno, find_ffmpeg, media_tools
from downloads.sandbox.trial import tried
from downloads.updates.refusal import sentence_of
from downloads.updates.state import Home, State, age_days, channel_of, version_of

PROBLEMS_CACHED_SECONDS = 5
EXAMINED_SECONDS = 300
EXAMINATION = "downloads.examination"
OLDEST_DENO = (2, 3)  # that yt-dlp takes
DENO_VERSION = re.compile(r"deno (\d+)\.(\d+)")
YT_DLP_WARNING_DAYS = 60
YT_DLP_FAILURE_DAYS = 90
CONFLICT_FIX = phrase("Set VNSITE_MEDIA_DIR and VNSITE_TEMP_DIR to two folders side by side.")


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
        check_impersonation(is_installed=find_spec("curl_cffi") is not None),
        *check_programs(),
        *check_plugins(),
        check_fence(landlock.version(), refuses_network=seccomp.is_available()),
        check_secret_key(),
    ]


class Examination(NamedTuple):
    """All checks at one moment."""

    made_at: datetime
    checks: list[Check]


def recent(*, again: bool = False) -> Examination:
    """Return the newest examination; a new one when it is `EXAMINED_SECONDS` old, or `again`.

    It takes seconds: programs are tried as a download runs them.
    """
    found: Examination | None = None if again else cache.get(EXAMINATION)
    if found is None:
        found = Examination(made_at=timezone.now(), checks=run())
        cache.set(EXAMINATION, found, EXAMINED_SECONDS)
    return found


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


CONFIGURED = "configured"  # tag of checks of what the owner of a site configures


def refuse_folder_conflict(**kwargs: Any) -> list[CheckMessage]:
    """Django's system check: no command starts while the two folders are in each other's way."""
    conflict = folder_conflict(settings.VNSITE.media_root, settings.VNSITE.temp_root)
    return [Error(str(conflict), hint=str(CONFLICT_FIX), id="vnsite.E001")] if conflict else []


def check_folders() -> list[Check]:
    media, temp = settings.VNSITE.media_root, settings.VNSITE.temp_root
    conflict = folder_conflict(media, temp)
    return [
        check_folder("VNSITE_DATA_DIR", settings.VNSITE.data_dir),
        check_folder("VNSITE_MEDIA_DIR", media),
        check_folder("VNSITE_TEMP_DIR", temp),
        *([failure(marked("folders"), conflict, CONFLICT_FIX)] if conflict else []),
    ]


def check_folder(setting: str, folder: Path) -> Check:
    """Check that files can be made in a folder or, if it is missing, the folder itself."""
    try:
        # Without a name where the system can do that: nobody sees it, nothing is left behind.
        tempfile.TemporaryFile(dir=stats.nearest_existing(folder)).close()
    except OSError as error:
        sentence = phrase(
            "{folder} cannot be written ({reason}).", folder=folder, reason=error.strerror
        )
        fix = phrase("Give vnsite's user the right to write there, or set {name}.", name=setting)
        return failure(setting, sentence, fix)
    return ok(setting, phrase("{folder} can be written.", folder=folder))


WEAKNESSES = {
    "modes": phrase("it decides by itself who may read a file"),
    "replace": phrase(
        "what another program puts there at the same moment under an entry's name may be replaced"
    ),
    "whole": phrase("an entry appears file by file"),
    "durable": phrase("the latest names may be lost in a power cut"),
}


def check_library(folder: Path) -> Check:
    """Try what publishing relies on, in a folder of its own that is removed again."""
    try:
        found = shares.weaknesses(folder) if folder.is_dir() else []
    except OSError as error:
        sentence = phrase(
            "What {folder} can promise cannot be tried ({reason}).",
            folder=folder,
            reason=error.strerror,
        )
        fix = phrase("Give vnsite's user the right to make folders there.")
        return warning(marked("library"), sentence, fix)
    if not found:
        return ok(marked("library"), phrase("{folder} keeps every promise.", folder=folder))
    weak = listed([WEAKNESSES[code] for code in found])
    sentence = phrase("On the file system of {folder}: {weak}.", folder=folder, weak=weak)
    fix = phrase(
        "Nothing needs to be done: files are complete all the same. A local disk does it all."
    )
    return warning(marked("library"), sentence, fix)


def check_names(template: str) -> Check:
    """Show what the template of names makes of an example."""
    example = lazy(_example, str)(template)
    return ok(marked("names"), phrase("An entry of the library: {example}", example=example))


def _example(template: str) -> str:
    return entry_name(
        say("The title of a video"),
        "0123456789ab",
        site="video.example.org",
        uploader=say("The uploader"),
        date=f"{timezone.now():%Y-%m-%d}",
        year=f"{timezone.now():%Y}",
        template=template,
    )


def folder_conflict(media: Path, temp: Path) -> Words:
    """Return why these two cannot be used together, or "". Symbolic links are followed.

    If one were inside the other, a cleanup of the temp root could reach published files.
    """
    media, temp = media.resolve(), temp.resolve()
    if media == temp:
        sentence = marked("VNSITE_MEDIA_DIR and VNSITE_TEMP_DIR are the same folder: {folder}.")
        return phrase(sentence, folder=media)
    if media.is_relative_to(temp):
        sentence = marked("VNSITE_MEDIA_DIR ({media}) is inside of VNSITE_TEMP_DIR ({temp}).")
        return phrase(sentence, media=media, temp=temp)
    if temp.is_relative_to(media):
        sentence = marked("VNSITE_TEMP_DIR ({temp}) is inside of VNSITE_MEDIA_DIR ({media}).")
        return phrase(sentence, media=media, temp=temp)
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
        sentence = phrase(
            "The free space of {folder} cannot be read ({reason}).",
            folder=folder,
            reason=error.strerror,
        )
        fix = phrase("Look at the disk, or set {name} to another folder.", name=setting)
        return failure(marked("free space"), sentence, fix)
    values = {"free": gibibytes(free), "folder": folder, "least": gibibytes(least)}
    if free < least:
        sentence = phrase("{free} free in {folder}; {least} are needed.", **values)
        fix = phrase("Make room, or lower VNSITE_MIN_FREE_BYTES.")
        return failure(marked("free space"), sentence, fix)
    return ok(marked("free space"), phrase("{free} free in {folder}.", **values))


def _gibibytes(size_bytes: int) -> str:
    return f"{number_format(size_bytes / 2**30, 1)} GiB"


gibibytes = lazy(_gibibytes, str)


def check_extractors() -> Check:
    """Check the yt-dlp that a worker with this data directory uses."""
    home = Home(settings.VNSITE.extractors_root)
    version = version_of(home.candidates()[0])
    return check_yt_dlp(version, home.read(), today=timezone.now().date())


def check_yt_dlp(version: str, state: State, *, today: date) -> Check:
    """Check the age: sites change every week, and an old yt-dlp fails on more and more of them."""
    age = age_days(version, today=today)
    values = {"version": version, "channel": channel_of(version), "age": age}
    sentence = phrase("yt-dlp {version} ({channel}) is {age} days old.", **values)
    if state.failure:
        sentence = phrase(
            "yt-dlp {version} ({channel}) is {age} days old. The last update failed: {failure}",
            failure=lazy(sentence_of, str)(state.failure),
            **values,
        )
    fix = phrase("Run manage.py update_extractors.")
    if settings.VNSITE.extractors_update == "off":
        fix = phrase("Update vnsite, or let it update yt-dlp: VNSITE_EXTRACTORS_UPDATE=check.")
    if age > YT_DLP_FAILURE_DAYS:
        return failure("yt-dlp", sentence, fix)
    if state.failure or age > YT_DLP_WARNING_DAYS:
        return warning("yt-dlp", sentence, fix)
    return ok("yt-dlp", sentence)


def check_ffmpeg() -> Check:
    if path := find_ffmpeg():
        return ok("ffmpeg", phrase("ffmpeg is {path}.", path=path))
    sentence = phrase("ffmpeg is missing: video and sound that come separately cannot be joined.")
    fix = phrase("Install ffmpeg, or run bin/setup, which brings one along.")
    return failure("ffmpeg", sentence, fix)


def check_deno() -> Check:
    if path := find_deno():
        return ok("deno", phrase("deno is {path}.", path=path))
    sentence = phrase("deno is missing: YouTube needs a JavaScript runtime.")
    fix = phrase("Run bin/setup, which brings it along, or install deno.")
    return warning("deno", sentence, fix)


def check_impersonation(*, is_installed: bool) -> Check:
    """Look for the client of yt-dlp that imitates browsers: it is C code, which no guard sees."""
    if is_installed:
        sentence = phrase("It is installed: its connections reach private addresses unseen.")
        fix = phrase("Remove this package from vnsite's .venv.")
        return warning("curl_cffi", sentence, fix)
    sentence = phrase(
        "It is left out, for nothing could keep its connections off private addresses. A site that"
        " insists on a browser's handshake refuses (forbidden)."
    )
    return note("curl_cffi", sentence)


def check_programs() -> list[Check]:
    """Try ffmpeg, ffprobe and deno as a download runs them, and name those that will not do."""
    ffmpeg, deno = find_ffmpeg(), find_deno()
    programs = [*(media_tools(ffmpeg) if ffmpeg else []), *([deno] if deno else [])]
    return [check for program in programs if (check := check_program(program))]


def check_program(program: Path) -> Check | None:
    fault, version = tried(program)
    if fault:
        return failure(
            program.name,
            phrase(
                "{program} does not run inside a download's fence: {reason}.",
                program=program,
                reason=fault,
            ),
            phrase("Install it, and what it needs, below /usr, /opt or /nix/store."),
        )
    found = DENO_VERSION.match(version)
    if found and (int(found[1]), int(found[2])) < OLDEST_DENO:
        sentence = phrase(
            "{program} is deno {version}, which is too old: YouTube needs {oldest} or newer.",
            program=program,
            version=".".join(found.groups()),
            oldest=".".join(map(str, OLDEST_DENO)),
        )
        return warning(program.name, sentence, phrase("Run bin/setup, or install a newer deno."))
    return None


def check_plugins() -> list[Check]:
    """Load the extractor plugins that are named, in a process of their own."""
    names = settings.VNSITE.extractor_plugins
    if not names:
        return []
    if fault := fault_of_plugins(names):
        return [
            failure(
                marked("plugins"),
                phrase("An extractor plugin cannot be loaded: {fault}.", fault=fault),
                phrase(
                    "Install it into vnsite's .venv, or take it out of VNSITE_EXTRACTOR_PLUGINS."
                ),
            )
        ]
    return [ok(marked("plugins"), phrase("Extractor plugins: {names}.", names=listed(names)))]


def check_fence(version: int, *, refuses_network: bool) -> Check:
    """`version` is that of the kernel's Landlock, 0 without it; the network is refused to the
    programs of a download."""
    if version == 0:
        return warning(
            marked("fence"),
            phrase("This kernel has no Landlock: a download can read files of this user."),
            phrase("Use Linux 5.13 or later; in a container, allow the system calls of Landlock."),
        )
    if not refuses_network:
        return warning(
            marked("fence"),
            phrase(
                "This system has no seccomp: only their own options keep ffmpeg and deno off the"
                " network, and programs that they start may go on when all of vnsite is killed."
            ),
            phrase("Use Linux on x86-64 or ARM64; in a container, allow the system call seccomp."),
        )
    return ok(
        marked("fence"),
        phrase(
            "Each download is fenced in its directory (Landlock {version}), and its programs"
            " have no network (seccomp).",
            version=version,
        ),
    )


def check_secret_key() -> Check:
    if settings.VNSITE.secret_key:
        return ok(marked("secret key"), phrase("It is in VNSITE_SECRET_KEY."))
    path = settings.VNSITE.secret_key_file or settings.VNSITE.data_dir / "secret_key"
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        sentence = phrase("{path} cannot be read ({reason}).", path=path, reason=error.strerror)
        fix = phrase("Restart vnsite, which makes a new one, or set VNSITE_SECRET_KEY_FILE.")
        return failure(marked("secret key"), sentence, fix)
    if mode & 0o077:
        sentence = phrase(
            "Other users of this machine can read {path} (mode {mode}).",
            path=path,
            mode=f"{mode:04o}",
        )
        return warning(marked("secret key"), sentence, f"chmod 600 {path}")
    return ok(marked("secret key"), phrase("{path} is private.", path=path))
