"""One download from CREATED to CLEANED in this process, without rows.

Pure but for the isolated directory: imports nothing of Django. The worker keeps the same states in
rows; this is the same life for a script, a test or another program.
"""

import errno
import logging
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any, Self

from downloads.disk.isolation import IsolatedDownload, path_in, remove_directory
from downloads.disk.removal import StrPath
from downloads.rules.options import DownloadOptions
from downloads.rules.states import ACTIVE, ENDED, RUNNING, Outcome, State, can_move

logger = logging.getLogger(__name__)

Download = Callable[[Path, DownloadOptions], Any]
Progress = Callable[[Any], object]
Deliver = Callable[[Path], StrPath]
_Move = tuple[State, State, str, datetime]  # from, to, detail, at
OnTransition = Callable[[State, State, str, datetime], object]


class DownloadCancelled(Exception):
    """The download was cancelled; its directory has been removed."""


@dataclass(frozen=True, kw_only=True)
class DownloadResult:
    """The result of a download. The only type of this name."""

    success: bool
    file_path: Path | None = None  # exists when success; None: the download gave no file
    metadata: Any = None  # what the download returned beside the file, as it returned it
    correlation_id: str = ""
    temp_dir: Path | None = None  # the isolated directory; None: it has been removed


class DownloadLifecycle:
    """The life of one download: a state machine around one isolated directory.

    The file is handed over before anything is removed. With `cleanup_on_success` the directory goes
    as soon as the result's file is no longer in it: at once when `execute` was given `deliver`,
    when `download` put the file elsewhere itself, or when there is no file. Otherwise the download
    stays COMPLETED, its directory locked, until the caller has taken the file and calls `cleanup()`
    or leaves the `with` block of the lifecycle:

        with DownloadLifecycle(correlation_id, DownloadOptions()) as lifecycle:
            result = lifecycle.execute(download)
            shutil.move(result.file_path, library)

    A flag that is False keeps the directory on that ending, also when the `with` block is left;
    only `cleanup()` removes it then. A cancelled download is always cleaned.

    `on_transition(from, to, detail, at)` is called after every move, in the thread that made it;
    what it raises is logged and changes nothing. `cancel` may be called from any thread.
    """

    def __init__(
        self,
        correlation_id: str,
        options: DownloadOptions,
        *,
        cleanup_on_success: bool = True,
        cleanup_on_failure: bool = True,
        root: StrPath | None = None,
        on_transition: OnTransition | None = None,
    ) -> None:
        self.correlation_id = correlation_id
        self.options = options
        self.cleanup_on_success = cleanup_on_success
        self.cleanup_on_failure = cleanup_on_failure
        self._isolated = IsolatedDownload(correlation_id, root)
        self._directory = ExitStack()
        self._has_directory = False
        self._on_transition = on_transition
        self._progress: Progress | None = None
        self._cleaning = Lock()  # one removal at a time
        self._lock = Lock()  # guards everything below; never held while foreign code runs
        self._is_executed = False
        self._cancel_requested = False
        self._is_decided = False  # how it ends; from then on a cancel is too late
        self._outcome: Outcome | None = None
        self._history = [(State.CREATED, "", datetime.now(UTC))]
        self._awaits_hand_over = False

    @property
    def state(self) -> State:
        return self._history[-1][0]

    @property
    def outcome(self) -> Outcome | None:
        """The way it ended, also after CLEANED; None before."""
        return self._outcome

    @property
    def is_active(self) -> bool:
        """True until it has ended; CREATED is active."""
        return self.state in ACTIVE

    @property
    def is_cancel_requested(self) -> bool:
        """True once a cancel was asked, for a `download` that looks between its steps."""
        return self._cancel_requested

    @property
    def state_history(self) -> list[tuple[State, str, datetime]]:
        """(state, detail, at), oldest first, CREATED included. `at` is in UTC."""
        return list(self._history)

    def execute(
        self,
        download: Download,
        progress: Progress | None = None,
        *,
        deliver: Deliver | None = None,
    ) -> DownloadResult:
        """Make the directory, call `download(directory, options)` in it, end, and clean.

        `download` returns a DownloadResult, a mapping with `file_path` (its other keys become the
        metadata), or anything else as metadata. A relative file path is one in the directory. It
        passes progress on, and learns of a cancel, by calling `report` of this object; its process
        or thread is never killed. A cancel that came before `download` returned wins over its
        result and its exception.

        `deliver(file_path)` takes the file out of the directory and returns its new path. It is
        called when a cancel can no longer win; what it raises makes the download FAILED.

        Raises what `download` or `deliver` raised, DownloadCancelled, FileNotFoundError for a
        result whose file does not exist, OSError when the directory cannot be made, and
        RuntimeError the second time. A result with `success` False is FAILED, and returned. A
        directory that cannot be removed at the end is logged and left to `cleanup()`.
        """
        self._start(progress)
        try:
            result = self._run(download, deliver)
        except BaseException as error:
            self._end_after(error)
            is_final = isinstance(error, DownloadCancelled) or not isinstance(error, Exception)
            if self._outcome is not Outcome.CANCELLED or is_final:  # a Ctrl-C stays what it is
                raise
            raise DownloadCancelled(self.correlation_id) from error
        self._end_with(result)
        return replace(result, temp_dir=self._isolated.path if self._has_directory else None)

    def report(self, progress: object) -> None:
        """Hand progress of any shape to the `progress` callback of `execute`.

        For `download` to call, often. Raises DownloadCancelled once a cancel was requested; what
        the callback raises is logged and changes nothing.
        """
        if self._progress is not None:
            _tell(self._progress, progress)
        self._raise_if_cancelled()

    def cancel(self) -> bool:
        """Ask for the end; return whether the download ends, or has ended, as cancelled.

        Before `execute` it is CANCELLED and CLEANED at once, and `execute` will raise. While
        `download` runs this only asks: see `execute`. False: too late, it ended or is ending
        otherwise.
        """
        with self._lock:
            if self._is_decided:
                return self._cancel_requested or self._outcome is Outcome.CANCELLED
            self._cancel_requested = True
            if self.state is not State.CREATED:
                return True
            self._is_decided = True
            moves = [self._record(State.CANCELLED), self._record(State.CLEANED)]
        for move in moves:
            self._announce(move)
        return True

    def cleanup(self) -> bool:
        """Remove the directory, whatever the flags say; → CLEANED.

        True when this call cleaned; False when nothing was made yet or it is CLEANED already.
        RuntimeError while it runs: cancel it first. OSError when something cannot be removed.
        """
        if self.state in RUNNING:
            raise RuntimeError(f"{self.correlation_id} is {self.state} and cannot be cleaned")
        if self.state is State.CREATED:
            return False
        with self._cleaning:
            if self.state is State.CLEANED:
                return False
            self._directory.close()
            if self._has_directory:  # still, when it was kept
                remove_directory(self._isolated.root, self._isolated.name)
            self._has_directory = False
            self._awaits_hand_over = False
            with self._lock:
                move = self._record(State.CLEANED)
        self._announce(move)
        return True

    def get_temp_path(self, filename: str) -> Path:
        """The path of a file in the directory, by its base name.

        RuntimeError when there is no directory: not yet, or no more.
        """
        if not self._has_directory:
            raise RuntimeError(f"{self.correlation_id} has no directory: it is {self.state}")
        return path_in(self._isolated.path, filename)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._awaits_hand_over:
            self.cleanup()

    def _start(self, progress: Progress | None) -> None:
        with self._lock:
            if self._is_executed:
                raise RuntimeError(f"{self.correlation_id} has been executed already")
            self._is_executed = True
            self._progress = progress
            if self._cancel_requested:
                raise DownloadCancelled(self.correlation_id)
            move = self._record(State.INITIALIZING)
        self._announce(move)

    def _run(self, download: Download, deliver: Deliver | None) -> DownloadResult:
        self._raise_if_cancelled()
        directory = self._directory.enter_context(self._isolated)
        self._has_directory = True
        self._move(State.READY, directory.name)
        self._raise_if_cancelled()
        self._move(State.DOWNLOADING)
        result = _as_result(download(directory, self.options), directory=directory)
        if self._decide():
            raise DownloadCancelled(self.correlation_id)
        result = replace(result, correlation_id=self.correlation_id)
        if not result.success or result.file_path is None:
            return result
        file_path = Path(deliver(result.file_path)) if deliver else result.file_path
        if not file_path.exists():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(file_path))
        return replace(result, file_path=file_path)

    def _decide(self) -> bool:
        """From now on cancel() is too late; return whether one came in time."""
        with self._lock:
            self._is_decided = True
            return self._cancel_requested

    def _end_with(self, result: DownloadResult) -> None:
        if not result.success:
            self._move(State.FAILED, "the download reported no success")
            self._clean_or_keep(is_kept=not self.cleanup_on_failure)
            return
        file_path = result.file_path
        self._awaits_hand_over = (
            self.cleanup_on_success
            and file_path is not None
            and _is_inside(file_path, self._isolated.path)
        )
        self._move(State.COMPLETED, file_path.name if file_path else "")
        if not self._awaits_hand_over:
            self._clean_or_keep(is_kept=not self.cleanup_on_success)

    def _end_after(self, error: BaseException) -> None:
        if self._decide() or isinstance(error, DownloadCancelled):
            self._move(State.CANCELLED)
            self._clean_or_keep(is_kept=False)
        else:
            self._move(State.FAILED, f"{type(error).__name__}: {error}")
            self._clean_or_keep(is_kept=not self.cleanup_on_failure)

    def _clean_or_keep(self, *, is_kept: bool) -> None:
        if is_kept:
            with self._cleaning:
                if self._has_directory:
                    self._isolated.keep()
                    self._directory.close()
            return
        try:
            self.cleanup()
        except OSError as error:
            # The outcome stands: a file that was delivered is not lost by what was left behind.
            logger.error("the directory of %s could not be removed: %s", self.correlation_id, error)

    def _raise_if_cancelled(self) -> None:
        if self._cancel_requested:
            raise DownloadCancelled(self.correlation_id)

    def _move(self, to: State, detail: str = "") -> None:
        with self._lock:
            move = self._record(to, detail)
        self._announce(move)

    def _record(self, to: State, detail: str = "") -> _Move:
        """Append to the history. The caller holds the lock, and announces after freeing it."""
        origin = self.state
        if not can_move(origin, to, outcome=self._outcome):
            raise RuntimeError(f"{self.correlation_id} cannot move from {origin} to {to}")
        self._history.append((to, detail, datetime.now(UTC)))
        if to in ENDED:
            self._outcome = Outcome(to)
        return (origin, *self._history[-1])

    def _announce(self, move: _Move) -> None:
        if self._on_transition is not None:
            _tell(self._on_transition, *move)


def _tell(listener: Callable[..., object], *news: object) -> None:
    try:
        listener(*news)
    except Exception:
        logger.exception("a listener of a download failed")


def _as_result(returned: Any, *, directory: Path) -> DownloadResult:
    if isinstance(returned, DownloadResult):
        result = returned
    elif isinstance(returned, Mapping) and "file_path" in returned:
        metadata = {key: value for key, value in returned.items() if key != "file_path"}
        result = DownloadResult(success=True, file_path=returned["file_path"], metadata=metadata)
    else:
        result = DownloadResult(success=True, metadata=returned)
    if result.file_path is None:
        return result
    return replace(result, file_path=directory / result.file_path)


def _is_inside(file_path: Path, directory: Path) -> bool:
    # The parent is resolved and not the file: a link in the directory goes with the directory.
    return (file_path.parent.resolve() / file_path.name).is_relative_to(directory.resolve())
