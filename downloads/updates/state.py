"""The folder of the sets: which one is used, which one was before, and what was found out.

All of that is one small file, `state.json`, replaced by one rename. A set appears by one rename as
well, whole and durable: whoever is killed leaves the old state or the new one.
"""

import ctypes
import fcntl
import functools
import importlib.metadata
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import date
from pathlib import Path
from typing import Any, Self

from packaging.version import Version

from downloads.disk.shares import sync_directory
from downloads.updates.refusal import Refused

STATE, LOCK = "state.json", ".lock"
# What an update that was killed leaves.
STAGED, REMOVED, TRIAL = ".new-", ".removing-", ".trial-"
NAME = re.compile(r"([0-9][0-9a-z.]{0,40})-[0-9a-f]{8}")
MAX_REFUSED = 20
INSTALLED = ""  # the name of the set that was installed with vnsite

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, kw_only=True)
class State:
    """What is used, and what is known. Instants are seconds since 1970; 0: never."""

    current: str = INSTALLED
    previous: str | None = None  # where one step back leads; None: nowhere
    refused: tuple[str, ...] = ()  # sets that failed or were left, which nobody takes by itself
    channel: str = ""  # of `newest`
    newest: str = ""  # a version; "": nobody has looked
    looked_at: float = 0.0  # when `newest` was found
    tried_at: float = 0.0  # when somebody looked last, with or without success
    failure: dict[str, Any] = field(default_factory=dict)  # the last one: code, at, data

    @classmethod
    def from_dict(cls, values: Any) -> Self:
        """Return the state that was stored, perhaps by another version; defaults for the rest."""
        values = values if isinstance(values, dict) else {}
        defaults = {each.name: getattr(cls(), each.name) for each in fields(cls)}
        known = {key: values[key] for key in defaults.keys() & values.keys()}
        right = {
            key: value
            for key, value in known.items()
            if isinstance(value, type(defaults[key])) or (key == "previous" and _is_name(value))
        }
        refused = known.get("refused")
        if isinstance(refused, list):
            right["refused"] = tuple(filter(_is_name, refused))
        return cls(**right)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {**asdict(self), "refused": list(self.refused)}

    def without_failure(self) -> Self:
        return replace(self, failure={})

    def refusing(self, name: str) -> Self:
        others = [each for each in self.refused if each != name]
        return replace(self, refused=(*others, name)[-MAX_REFUSED:])


class Home:
    """The folder. Only whoever has entered `locked` changes anything in it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> State:
        """Return the state; a file that is missing or damaged means that nothing is known."""
        try:
            return State.from_dict(json.loads((self.path / STATE).read_bytes()))
        except (OSError, ValueError):
            return State()

    def write(self, state: State) -> None:
        """Replace the state, durably. May raise OSError."""
        draft = self.path / f"{STAGED}{secrets.token_hex(4)}"
        try:
            with draft.open("x") as file:
                json.dump(state.as_dict(), file)
                file.flush()
                os.fsync(file.fileno())
            draft.rename(self.path / STATE)
        finally:
            draft.unlink(missing_ok=True)
        sync_directory(self.path)

    def path_of(self, name: str) -> Path:
        """Return the folder of a set that is not the installed one."""
        if not _is_name(name) or name == INSTALLED:
            raise ValueError(f"{name!r} is not the name of a set")
        return self.path / name

    def candidates(self) -> list[str]:
        """Return the sets to start with, the wanted one first; the installed one is the last.

        A set that is not newer than what was installed since is none of them.
        """
        state, installed = self.read(), Version(installed_version())
        if state.current == INSTALLED:
            return [INSTALLED]
        names = [state.current, *([state.previous] if state.previous else [])]
        there = [name for name in names if _is_name(name) and self.path_of(name).is_dir()]
        return [*(name for name in there if Version(version_of(name)) > installed), INSTALLED]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep others from changing the folder, which is made. Raises Refused, and OSError."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.path / LOCK).open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Refused("busy") from None
            yield

    @contextmanager
    def temporary(self, prefix: str) -> Iterator[Path]:
        """Make a folder that is removed at the end if it still has its name."""
        folder = self.path / f"{prefix}{secrets.token_hex(4)}"
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def adopt(self, staged: Path, name: str) -> None:
        """Make a finished set durable, then have it appear. May raise OSError."""
        _sync_file_system(staged)
        staged.rename(self.path_of(name))
        sync_directory(self.path)

    def use(self, name: str) -> None:
        """Have new attempts use a set; the one that they used is one step back."""
        state = self.read().without_failure()
        refused = tuple(each for each in state.refused if each != name)
        before = self.candidates()[0]
        previous = state.previous if before == name else before
        self.write(replace(state, current=name, previous=previous, refused=refused))

    def give_up(self, name: str, *, instead: str, at: float, message: str) -> None:
        """Have new attempts use another set because this one does not start. May raise OSError."""
        failure = {
            "code": "given_up",
            "at": at,
            "version": version_of(name),
            "message": message,
            "instead": version_of(instead),
        }
        state = replace(self.read(), current=instead, previous=None, failure=failure)
        self.write(state.refusing(name))

    def clean(self) -> None:
        """Remove what killed updates left, and old sets that no fork server holds."""
        state = self.read()
        kept = {state.current, state.previous}
        for path in self.path.iterdir():
            if path.name.startswith((STAGED, REMOVED, TRIAL)):
                _remove(path)
            elif _is_name(path.name) and path.name not in kept and not is_held(path):
                removed = path.rename(path.with_name(f"{REMOVED}{secrets.token_hex(4)}"))
                _remove(removed)


def hold(folder: Path) -> int:
    """Keep a set from being removed while this process or one that it forks is there.

    Returns a file descriptor to be left open. Raises OSError when the set is gone.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    with suppress(OSError):  # a share that knows no locks; there nothing is removed
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    return descriptor


def is_held(folder: Path) -> bool:
    """Say whether a process holds a set, or nobody can tell."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


@functools.cache
def installed_version() -> str:
    """Return the version of the yt-dlp that was installed with vnsite.

    Read once: its metadata is a long file, and workers look every second.
    """
    return importlib.metadata.version("yt-dlp")


def version_of(name: str) -> str:
    """Return the version of yt-dlp in a set."""
    match = NAME.fullmatch(name)
    return match[1] if match else installed_version()


def channel_of(version: str) -> str:
    """Return where a version came from: "stable" or "nightly"."""
    return "nightly" if Version(version).is_prerelease else "stable"


def age_days(version: str, *, today: date) -> int:
    """Return how old a yt-dlp is: its version begins with the day of its release."""
    return max((today - date(*map(int, version.split(".")[:3]))).days, 0)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and (value == INSTALLED or bool(NAME.fullmatch(value)))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def _sync_file_system(folder: Path) -> None:
    """Make all that was written below a folder durable: thousands of files, in one call.

    Only its own file system: another one may be a share that hangs.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if _libc.syncfs(descriptor):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(descriptor)
