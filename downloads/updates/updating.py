"""Looks for a newer set, fetches it, tries it, and has new attempts use it; or goes one step back.

Each step either has not happened or is complete, whoever is killed: a set is made in a folder of
its own, tried there, and appears by one rename; what is used is another.
"""

import errno
import importlib.metadata
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryFile

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from downloads.fetch.trial import try_out
from downloads.sandbox.programs import find_deno
from downloads.updates.index import Index, Wheel
from downloads.updates.refusal import OF_THE_SET, Refused
from downloads.updates.state import (
    INSTALLED,
    STAGED,
    TRIAL,
    Home,
    State,
    installed_version,
    version_of,
)
from downloads.updates.unpacking import requirements, unpack

# What a wheel of a set takes, unpacked and compiled, in sizes of the wheel.
UNPACKED_FACTOR = 10
COMPILE_TIMEOUT_SECONDS = 300
YT_DLP, SCRIPTS, RUNTIME = "yt-dlp", "yt-dlp-ejs", "deno"
EXTRAS = ("default", RUNTIME)


@dataclass(frozen=True, kw_only=True)
class Updater:
    """One update of the set in a data directory. Each method raises Refused, and Interrupted."""

    home: Home
    index_url: str
    channel: str  # "stable" or "nightly"
    min_free_bytes: int  # what is left free on the disk
    plugins: tuple[str, ...] = ()  # extractor plugins, which the set has to load
    should_stop: Callable[[], bool] = lambda: False

    def look(self) -> State:
        """Find out what the newest version is."""
        with self._reporting():
            self._newest()
        return self.home.read()

    def update(self, *, is_asked: bool) -> State:
        """Have new attempts use the newest set, if it is another one and passes the trial.

        `is_asked`: by a person; then a set that failed before is tried again, and the stable
        channel leads back from a nightly one.
        """
        with self._reporting():
            newest = self._newest()
            if self._is_wanted(newest, is_asked=is_asked):
                name = name_of(newest)
                if is_asked or name not in self.home.read().refused:
                    self._bring(newest, name)
            else:
                self.home.write(self.home.read().without_failure())
        return self.home.read()

    def rollback(self) -> State:
        """Have new attempts use the set before. It is one step: there is none before that."""
        with self._reporting():
            state = self.home.read()
            if state.previous is None:
                raise Refused("nothing_before")
            if state.previous != INSTALLED and not self.home.path_of(state.previous).is_dir():
                raise Refused("nothing_before")
            left, back = state.current, replace(state, current=state.previous, previous=None)
            self.home.write(back.without_failure().refusing(left))
        return self.home.read()

    def _newest(self) -> Wheel:
        """Ask the index, and write down what it answered."""
        self.home.write(replace(self.home.read(), tried_at=time.time()))
        newest = self._index().newest(YT_DLP, SpecifierSet(), prereleases=self.channel == "nightly")
        state = self.home.read()
        is_of_a_set = state.failure.get("code") in OF_THE_SET
        known = replace(
            state if is_of_a_set else state.without_failure(),
            channel=self.channel,
            newest=str(newest.version),
            looked_at=time.time(),
        )
        self.home.write(known)
        return newest

    def _is_wanted(self, newest: Wheel, *, is_asked: bool) -> bool:
        """Say whether it is newer, or asked for as the stable one where a nightly is used."""
        used = Version(version_of(self.home.candidates()[0]))
        leaves_nightly = is_asked and self.channel == "stable" and used.is_prerelease
        return newest.version > used or (leaves_nightly and newest.version != used)

    def _bring(self, newest: Wheel, name: str) -> None:
        if newest.version <= Version(installed_version()):
            self.home.use(INSTALLED)
            return
        with self._blaming(newest):
            if self.home.path_of(name).is_dir():  # it was used before
                self._try(self.home.path_of(name))
            else:
                with self.home.temporary(STAGED) as staged:
                    self._make(staged, newest, name)
                    self._try(staged)
                    self.home.adopt(staged, name)
            self.home.use(name)

    def _make(self, folder: Path, newest: Wheel, name: str) -> None:
        self._fetch(newest, folder, packages=frozenset({"yt_dlp"}))
        needed = _needed(requirements(newest, folder))
        scripts = needed.pop(SCRIPTS, SpecifierSet())
        index = self._index()
        self._fetch(index.newest(SCRIPTS, scripts), folder, packages=frozenset({"yt_dlp_ejs"}))
        runtime = needed.pop(RUNTIME, SpecifierSet())
        if not _has_runtime(runtime):
            self._fetch(index.oldest(RUNTIME, runtime), folder, packages=frozenset())
        for package, versions in needed.items():
            present = _present(package)
            if present and not versions.contains(present, prereleases=True):
                raise Refused("needs", needs=f"{package}{versions}", present=present)
        compile_all(folder, lies_in=self.home.path_of(name))

    def _fetch(self, wheel: Wheel, folder: Path, *, packages: frozenset[str]) -> None:
        size = wheel.size_bytes * UNPACKED_FACTOR
        if shutil.disk_usage(folder).free < size + self.min_free_bytes:
            raise OSError(errno.ENOSPC, f"{size} bytes are needed", str(self.home.path))
        with TemporaryFile(dir=folder) as archive:
            self._index().fetch(wheel, archive)
            archive.seek(0)
            unpack(wheel, archive, folder, packages=packages)

    def _try(self, folder: Path) -> None:
        with self.home.temporary(TRIAL) as scratch:
            try_out(folder, scratch=scratch, plugins=self.plugins, should_stop=self.should_stop)

    def _index(self) -> Index:
        return Index(self.index_url, should_stop=self.should_stop)

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        """Keep others out, and remove what they left; write down why it was refused, and raise
        that."""
        with _storage_in_words(self.home.path), self.home.locked():
            try:
                with _storage_in_words(self.home.path):
                    self.home.clean()
                    yield
            except Refused as refusal:
                if refusal.code != "nothing_before":
                    with suppress(OSError):  # whoever asked is told all the same
                        self.home.write(replace(self.home.read(), failure=refusal.failure))
                raise

    @contextmanager
    def _blaming(self, newest: Wheel) -> Iterator[None]:
        """Add the version to what is said, and remember a set that is at fault itself."""
        try:
            yield
        except Refused as refusal:
            if refusal.code in OF_THE_SET:
                self.home.write(self.home.read().refusing(name_of(newest)))
            data = {**refusal.data, "version": str(newest.version)}
            raise Refused(refusal.code, **data) from refusal


def name_of(newest: Wheel) -> str:
    """Return the name of the set around this yt-dlp: the rest of it follows from that."""
    return f"{newest.version}-{newest.sha256[:8]}"


def _needed(listed: list[Requirement]) -> dict[str, SpecifierSet]:
    """Return what yt-dlp needs on this machine of the parts that vnsite uses, by package."""
    return {
        each.name.lower(): each.specifier
        for each in listed
        if each.marker is None or any(each.marker.evaluate({"extra": key}) for key in EXTRAS)
    }


def _has_runtime(versions: SpecifierSet) -> bool:
    """Say whether the installed runtime will do. One of the system's own is its owner's choice."""
    if present := _present(RUNTIME):
        return versions.contains(present)
    return find_deno() is not None


def _present(package: str) -> str:
    """Return the version that is installed with vnsite, or ""."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def compile_all(folder: Path, *, lies_in: Path) -> None:
    """Compile every module: children write nothing, and each would compile what it imports.

    `lies_in` is where the set will be. Raises Refused for a module that is not Python, and OSError
    on a full disk.
    """
    command = [sys.executable, "-P", "-s", "-m", "compileall", "-q", "-s", str(folder)]
    done = subprocess.run(  # noqa: S603 — Python itself
        [*command, "-p", str(lies_in), "--invalidation-mode", "unchecked-hash", str(folder)],
        env={"LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=COMPILE_TIMEOUT_SECONDS,
    )
    if done.returncode:
        said = (done.stdout + done.stderr).strip().splitlines() or [f"exit {done.returncode}"]
        if os.strerror(errno.ENOSPC) in said[-1]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))
        raise Refused("not_compiled", message=said[-1])


@contextmanager
def _storage_in_words(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = error.strerror or str(error)
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Refused("no_room", message=message) from error
        raise Refused("storage", path=str(error.filename or folder), message=message) from error
