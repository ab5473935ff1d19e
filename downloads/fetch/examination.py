"""Examines the yt-dlp of this process: whether it has what vnsite relies on, and works.

Runs in the fork server and in children of it, with a set of extractors that nobody has used yet.
"""

import pkgutil
import subprocess

import yt_dlp
import yt_dlp_ejs.yt.solver

from downloads.fetch.downloader import Downloader
from downloads.fetch.protocol import Broke, Fetched
from downloads.updates.parts import PARTS

# Links with the key of the extractor that must be found for them.
KNOWN_LINKS = {
    "https://www.youtube.com/watch?v=BaW_jenozKc": "Youtube",
    "https://youtu.be/BaW_jenozKc": "Youtube",
    "https://www.youtube.com/playlist?list=PL4lCao7KL_QFVb7Iudeipvc2BCavECqzc": "YoutubeTab",
    "https://vimeo.com/56015672": "Vimeo",
    "https://media.example.org/film.mp4": "Generic",
}
RUNTIME_OPTIONS = ("run", "--ext=js", "--no-prompt", "--no-remote", "--no-npm", "--no-config", "-")
WORKS = "works"
# What only a YoutubeDL that was made has.
ON_INSTANCES = {
    f"yt_dlp.YoutubeDL.YoutubeDL.{name}" for name in ("_ies", "_pps", "_progress_hooks")
}


class PartMissing(Exception):
    """yt-dlp does not have this part any more. The message is its name."""


def require_parts() -> None:
    """Raise PartMissing for the first part that vnsite relies on and that is not there."""
    for part in (each for each in PARTS if each not in ON_INSTANCES):
        try:
            pkgutil.resolve_name(part)
        except (AttributeError, ImportError) as error:
            raise PartMissing(part) from error


def require_parts_of(downloader: Downloader) -> None:
    """Raise PartMissing for what a YoutubeDL that was made lacks."""
    for part in (each for each in PARTS if each in ON_INSTANCES):
        if not hasattr(downloader, part.rpartition(".")[2]):
            raise PartMissing(part)


def part_in(error: Exception) -> str:
    """Return the part whose absence an error tells of, or ""."""
    if isinstance(error, PartMissing):
        return str(error)
    name = error.name if isinstance(error, AttributeError) else None
    return next((part for part in PARTS if part.rpartition(".")[2] == name), "")


def run(downloader: Downloader) -> Fetched | Broke:
    """Match known links, and have the runtime read the scripts, inside the fence of a download."""
    for url, key in KNOWN_LINKS.items():
        if downloader.matcher.find(url) != key:
            return Broke(kinds=["NotMatched"], message=url)
    runtime = downloader.params["js_runtimes"]["deno"].get("path")
    if runtime and (reason := why_no_script(runtime)):
        return Broke(kinds=["NoRuntime"], message=reason)
    return Fetched(title="")


def why_no_script(runtime: str) -> str:
    """Return why the scripts for YouTube's challenges do not load in the runtime, or ""."""
    scripts = f"{yt_dlp_ejs.yt.solver.lib()}\nObject.assign(globalThis, lib);\n"
    program = f"{scripts}{yt_dlp_ejs.yt.solver.core()}\nconsole.log('{WORKS}');"
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with yt_dlp.utils.Popen([runtime, *RUNTIME_OPTIONS], text=True, **pipes) as process:
        said, errors = process.communicate(program)
    return "" if said.strip() == WORKS else (errors.strip().splitlines() or ["it says nothing"])[0]
