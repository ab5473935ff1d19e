"""The isolated directory of one attempt: made, locked, measured and removed.

File system only: knows no rows, and imports nothing of Django.

Two renames make it safe to remove what a dead process left behind:

- A directory is made as `<name>.making` and gets its name when its `.owner` file is locked. So one
  that bears its name unlocked was kept, or its process is gone: the kernel frees the lock of a
  killed process, and holds that of a stopped one.
- It is set aside as `<name>.removing` before anything in it is touched. Of a maker and a remover,
  or a worker that wakes up late, one wins that rename; nobody works in what bears either suffix.
"""

import errno
import fcntl
import os
import re
import secrets
import stat
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from downloads.disk.removal import StrPath, remove_tree

PREFIX = "videonote_dl_"
OWNER = ".owner"
MAKING = ".making"
REMOVING = ".removing"

_CORRELATION_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_DIRECTORY_NAME = re.compile(
    rf"{PREFIX}({_CORRELATION_ID.pattern})_[A-Za-z0-9]{{1,64}}(?:\.making|\.removing)?"
)


def is_correlation_id(text: str) -> bool:
    """1 to 64 ASCII letters, digits and hyphens: no path, no glob, no underscore."""
    return _CORRELATION_ID.fullmatch(text) is not None


def require_correlation_id(text: str) -> None:
    """Raise ValueError for a text that is not a correlation id."""
    if not is_correlation_id(text):
        raise ValueError(
            f"not a correlation id: {text!r} (1 to 64 letters, digits and hyphens are allowed)"
        )


def new_correlation_id() -> str:
    """12 lower-case hex characters. Unique by the column, not by chance alone."""
    return secrets.token_hex(6)


def directory_name(correlation_id: str) -> str:
    """A new name for the directory of one attempt. ValueError for what is no correlation id."""
    require_correlation_id(correlation_id)
    return f"{PREFIX}{correlation_id}_{secrets.token_hex(8)}"


def parse_directory_name(name: str) -> str | None:
    """The correlation id in the name of an isolated directory, also of one half made or removed.

    None for any other name.
    """
    match = _DIRECTORY_NAME.fullmatch(name)
    return match[1] if match else None


def final_name(name: str) -> str:
    """The name by which a row knows the directory that now bears `name`."""
    return name.removesuffix(MAKING).removesuffix(REMOVING)


def path_in(directory: Path, filename: str) -> Path:
    """The path of `filename` in `directory`: only its base name counts, so it cannot lead out.

    ValueError when nothing is left of it, and for the name of the lock.
    """
    name = Path(filename).name
    if name in {"", ".", "..", OWNER} or "\0" in name:
        raise ValueError(f"not a file name: {filename!r}")
    return directory / name


def absolute_root(root: StrPath | None) -> Path:
    """Return `root` as an absolute path; None means the system's temporary directory."""
    return Path(tempfile.gettempdir() if root is None else root).absolute()


class IsolatedDownload:
    """A directory of its own for one attempt at one download, removed when the `with` is left.

    `with IsolatedDownload(correlation_id) as directory:` makes the directory (0700, never one that
    is there already) under `root`, by default the system's temporary directory, and holds its lock.
    Leaving removes it however it is left, unless `keep()` was called, and always frees the lock.
    One use only.

    `name` is for a caller that has to write the name down before the directory exists; it must be
    one that `directory_name` made for this correlation id. ValueError for a wrong id or name.
    """

    def __init__(
        self, correlation_id: str, root: StrPath | None = None, *, name: str | None = None
    ) -> None:
        self.name = directory_name(correlation_id) if name is None else name
        is_ours = parse_directory_name(self.name) == correlation_id
        if not is_ours or self.name != final_name(self.name):
            raise ValueError(f"not a directory name for {correlation_id!r}: {name!r}")
        self.correlation_id = correlation_id
        self.root = absolute_root(root)
        self.path = self.root / self.name
        self._owner: int | None = None  # the open `.owner` file, while it is locked
        self._is_used = False
        self._is_kept = False

    def __enter__(self) -> Path:
        """Make the directory and return its path. RuntimeError the second time.

        FileExistsError when something bears its name; OSError when it cannot be made.
        """
        if self._is_used:
            raise RuntimeError(f"{self.name} has been used already")
        self.root.mkdir(parents=True, exist_ok=True)
        self._make()
        self._is_used = True
        return self.path

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove the directory unless it is kept, then free the lock.

        An OSError of the removal is raised, but never in place of the exception that is leaving.
        """
        try:
            if not self._is_kept:
                remove_directory(self.root, self.name)
        except OSError as error:
            if exception is None:
                raise
            exception.add_note(f"{self.path} could not be removed: {error}")
        finally:
            self._unlock()

    def get_path(self, filename: str) -> Path:
        """The path of a file in the directory; see `path_in`. RuntimeError outside the `with`."""
        self._require_inside()
        return path_in(self.path, filename)

    def keep(self) -> None:
        """Leave the directory where it is when the `with` is left. RuntimeError outside of it."""
        self._require_inside()
        self._is_kept = True

    def _require_inside(self) -> None:
        if self._owner is None:
            raise RuntimeError(f"{self.name} exists only inside its `with` block")

    def _make(self) -> None:
        if os.path.lexists(self.path):  # rename() would replace an empty directory
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(self.path))
        making = self.path.with_name(self.name + MAKING)
        making.mkdir(mode=0o700)
        try:
            self._lock(making / OWNER)
            making.rename(self.path)
        except BaseException:
            try:
                # Not what bears the name: when that is why we failed, it is another's.
                remove_directory(self.root, making.name)
            finally:
                self._unlock()
            raise

    def _lock(self, path: Path) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        self._owner = os.open(path, flags, 0o600)
        # Closes the file, and so frees the lock, when this object is forgotten without being left.
        # Not at exit: there the kernel does it, after the last thread.
        self._close = weakref.finalize(self, os.close, self._owner)
        self._close.atexit = False
        fcntl.flock(self._owner, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _unlock(self) -> None:
        if self._owner is not None:
            # Closing is not enough: a process forked meanwhile has the file open too.
            fcntl.flock(self._owner, fcntl.LOCK_UN)
            self._close()
            self._owner = None


def is_owned(root: StrPath, name: str) -> bool:
    """Whether a living process holds the lock of this directory.

    False when there is no such directory, or none with a lock file. ValueError for a name that does
    not parse. Knows only the processes of this host.
    """
    path = str(_path_of(root, final_name(name)))
    return any(_is_owned(path + suffix) for suffix in ("", MAKING, REMOVING))


def is_there(root: StrPath, name: str) -> bool:
    """Whether there is a directory of this name, or one that is half made or half removed.

    ValueError for a name that does not parse.
    """
    path = _path_of(root, final_name(name))
    return any(
        os.path.lexists(path.with_name(path.name + suffix)) for suffix in ("", MAKING, REMOVING)
    )


def remove_directory(root: StrPath, name: str) -> int:
    """Remove an isolated directory, whoever holds its lock; return the bytes of its files.

    It is set aside first, and what an interrupted making or removal left is picked up; a `name`
    with a suffix means only that. Follows no symbolic link, needs no permission inside, and may run
    several times at once. 0 when there is nothing. ValueError for a name that does not parse,
    NotADirectoryError for a file or a link of that name, OSError when something cannot be removed.
    """
    path = _path_of(root, name)
    removing = path.with_name(final_name(name) + REMOVING)
    freed = remove_tree(removing)
    if path == removing:
        return freed
    for each in {path, path.with_name(name.removesuffix(MAKING) + MAKING)}:
        _set_aside(each, removing)
        # Also when somebody else set it aside: who returns says that nothing is left.
        freed += remove_tree(removing)
    return freed


def remove_unless_owned(path: Path) -> bool:
    """Remove an isolated directory, unless a living process holds its lock; return whether.

    The lock is held meanwhile: of two removals at once one removes and one returns False. Raises
    as `remove_directory` does.
    """
    with _lock_of(path, fcntl.LOCK_EX) as is_free:
        if is_free:
            remove_directory(path.parent, path.name)
        return is_free


def reduce_directory(root: StrPath, name: str, *, to: str) -> bool:
    """Replace an isolated directory by the directory `to` inside it; all else in it is removed.

    For one in which nobody works any more. It is set aside first, as for a removal, and what stays
    gets the name back by one rename: whoever removes the directory meanwhile, or after we were
    interrupted, removes all of it. False when somebody did. Raises as `remove_directory` does.
    """
    path = _path_of(root, name)
    removing = path.with_name(name + REMOVING)
    remove_tree(removing)
    _set_aside(path, removing)
    try:
        (removing / to).rename(path)
    except FileNotFoundError:
        return False
    remove_tree(removing)
    return True


def directory_size(path: StrPath) -> int:
    """The bytes of all regular files below `path`, links not followed.

    What cannot be read, or vanishes meanwhile, counts as nothing.
    """
    size = 0
    pending = [os.fspath(path)]
    while pending:
        with suppress(OSError), os.scandir(pending.pop()) as entries:
            for entry in entries:
                with suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(entry.path)
                    elif entry.is_file(follow_symlinks=False):
                        size += entry.stat(follow_symlinks=False).st_size
    return size


def _path_of(root: StrPath, name: str) -> Path:
    if parse_directory_name(name) is None:
        raise ValueError(f"not the name of an isolated directory: {name!r}")
    return Path(root) / name


def _is_owned(path: StrPath) -> bool:
    with _lock_of(path, fcntl.LOCK_SH) as is_free:
        return not is_free


@contextmanager
def _lock_of(path: StrPath, kind: int) -> Iterator[bool]:
    """Hold the lock of a directory meanwhile; False, without it, when somebody else has it."""
    owner = _open_owner(path)
    if owner is None:
        yield True
        return
    try:
        yield _try_lock(owner, kind)
    finally:
        os.close(owner)


def _open_owner(path: StrPath) -> int | None:
    """None when there is no lock file: then there is no owner, by the rule of this module."""
    try:
        directory = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        # O_NONBLOCK: a FIFO of that name must not stop us.
        return os.open(OWNER, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=directory)
    except OSError as error:
        # ELOOP, ENXIO: a link or a socket that something inside put in the place of the file.
        if error.errno in {errno.ENOENT, errno.ELOOP, errno.ENXIO}:
            return None
        raise
    finally:
        os.close(directory)


def _try_lock(owner: int, kind: int) -> bool:
    try:
        fcntl.flock(owner, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _set_aside(path: Path, removing: Path) -> None:
    """Rename the directory, if there is one."""
    with suppress(FileNotFoundError):
        if not stat.S_ISDIR(path.lstat().st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
        path.rename(removing)
