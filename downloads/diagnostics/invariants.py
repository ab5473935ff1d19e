"""Checks what must be true of rows, library, temp root and processes.

Changes nothing, and may run beside living workers. The invariants are named I1 to I19; those that
only a whole run can show are not here: no byte in a foreign file (but see `hashes`), no late write,
the stream in order for each listener, nothing changed outside, a second recovery changes nothing.
"""

import hashlib
import re
import socket
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path, PurePath

from django.conf import settings
from django.db.models import Count, F, Max

from downloads.diagnostics import secrecy
from downloads.disk import isolation, library
from downloads.fetch.processes import attempts_of_processes
from downloads.models import (
    Deletion,
    Download,
    Entry,
    LibraryEntry,
    Listing,
    PublishedFile,
    StreamPosition,
    Transition,
    database_now,
)
from downloads.models.counts import NOBODY, wrong_counts
from downloads.models.listings import IN_VAIN
from downloads.rules.states import RUNNING, Outcome, Result, State, can_move
from downloads.subscriptions import faults as subscribed
from downloads.worker import leftovers, recovery
from downloads.worker.leftovers import Leftover

ENTRY_NAME = re.compile(r".* \[([A-Za-z0-9-]{1,64})\](?: \(\d+\))?")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A breach of an invariant, or a note: something that is allowed, but may be a fault."""

    invariant: str  # "I1" to "I19"
    correlation_id: str  # "-": it is of no download
    sentence: str
    is_breach: bool = True


def check(*, host: str | None = None, hashes: bool = False) -> list[Finding]:
    """Return all breaches and notes; with `hashes` every file of the library is read.

    `host` is this machine's name for its workers (None: the system's). A living site changes while
    it is read: only what is found twice in a row counts.
    """
    host = host or socket.gethostname()
    first = list(_Look(host=host, hashes=hashes).findings())
    if not first:
        return []
    again = set(_Look(host=host, hashes=hashes).findings())
    return [finding for finding in first if finding in again]


class _Look:
    """One reading of the rows, compared with the disk and the processes."""

    def __init__(self, *, host: str, hashes: bool) -> None:
        self._host = host
        self._hashes = hashes
        self._downloads = list(Download.objects.select_related("worker").order_by("id"))
        self._by_id = {download.correlation_id: download for download in self._downloads}
        self._by_directory = {item.directory: item for item in self._downloads if item.directory}
        self._files: dict[str, list[PublishedFile]] = defaultdict(list)  # by correlation id
        for file in PublishedFile.objects.select_related("entry"):
            self._files[file.entry.correlation_id].append(file)
        # Their downloads were deleted without the files.
        self._outliving = list(LibraryEntry.objects.filter(download=None))

    def findings(self) -> Iterator[Finding]:
        yield from self._running()
        yield from self._histories()
        yield from self._published()
        yield from self._results()
        yield from self._listed()
        yield from self._entries()
        yield from self._directories()
        yield from self._processes()
        yield from _count_faults()
        for breach in subscribed.faults():
            yield Finding(invariant="I17", **breach._asdict())
        for fault in secrecy.faults(self._downloads):
            yield Finding(invariant="I18", **fault._asdict())

    def _running(self) -> Iterator[Finding]:
        """I1: each running attempt has a worker that lives, or that recovery takes for dead."""
        now = database_now()
        for download in self._downloads:
            if not download.is_running:
                continue
            is_dead = recovery.is_dead(download.worker, now, host=self._host)
            is_in_use = recovery.is_in_use(download, host=self._host)
            if is_dead and is_in_use:
                yield _breach("I1", download, "Its worker is gone, but its directory is in use.")
            elif is_dead:
                yield _note("I1", download, "Its worker is gone; it waits for recovery.")
            elif not is_in_use and self._must_be_in_use(download):
                yield _breach("I1", download, "Its worker lives, but no longer works on it.")

    def _must_be_in_use(self, download: Download) -> bool:
        """An attempt holds its lock from READY on, until it removes its directory after all else.

        Locks of other machines do not show.
        """
        worker = download.worker
        if download.state == State.INITIALIZING or not worker or worker.host != self._host:
            return False
        is_published = bool(download.library_path)
        return not is_published or (settings.VNSITE.temp_root / download.directory).exists()

    def _histories(self) -> Iterator[Finding]:
        """I2, I11: each history is a chain of legal moves to its row's state, without a gap."""
        position = StreamPosition.current()  # first: moves that come meanwhile do not count
        pruned = StreamPosition.newest_pruned()  # what is missing up to here may be pruned
        entries = Transition.objects.order_by("download_id", "seq").iterator()
        by_key = {download.pk: download for download in self._downloads}
        count = 0
        for key, history in groupby(entries, key=lambda entry: entry.download_id):
            owner = by_key.get(key)
            last: Transition | None = None
            for entry in history:
                is_cut = last is None and owner is not None and owner.history_days is not None
                yield from _link_faults(last, entry, name=str(owner or "-"), is_cut=is_cut)
                last, count = entry, count + (pruned < entry.seq <= position)
            if last and (download := by_key.pop(key, None)):
                yield from _ending_faults(last, download)
        for download in by_key.values():
            yield _breach("I2", download, "It has no history.")
        count += Deletion.objects.filter(seq__gt=pruned, seq__lte=position).count()
        yield from _numbering_faults(missing=position - pruned - count)

    def _published(self) -> Iterator[Finding]:
        """I3: the files of completed downloads are in the library as their rows say."""
        for download in self._downloads:
            if download.outcome != Outcome.COMPLETED:
                if self._files[download.correlation_id]:
                    yield _breach("I3", download, "It has published files, but did not complete.")
            elif download.result != Result.FILES:
                continue
            elif not download.library_path:
                yield _breach("I3", download, "It completed without a name in the library.")
            elif files := self._files[download.correlation_id]:
                for sentence in self._file_faults(download.library_path, files):
                    yield _breach("I3", download, sentence)
            elif not (settings.VNSITE.media_root / download.library_path).exists():
                yield _note("I3", download, "Its published files were deleted with their rows.")
        for entry in self._outliving:
            for sentence in self._file_faults(entry.path, self._files[entry.correlation_id]):
                yield _breach("I3", entry, sentence)

    def _results(self) -> Iterator[Finding]:
        """I15: a completed download has files, a whole listing, or neither when its owner had the
        video or only checked it."""
        listings = Listing.objects.annotate(Count("entries"))
        rows = listings.values_list("pk", "count", "entries__count")
        counts = {pk: (announced, there) for pk, announced, there in rows}
        for download in self._downloads:
            has = [Result.FILES] if download.result and download.library_path else []
            has += [Result.LISTING] if download.pk in counts else []
            wanted = [download.result] if download.result in (Result.FILES, Result.LISTING) else []
            announced, there = counts.get(download.pk, (0, 0))
            if has != wanted:
                sentence = f"Its result is {download.result}, and it has {' and '.join(has)}."
                yield _breach("I15", download, sentence if has else "It has no result.")
            elif announced != there:
                yield _breach("I15", download, f"Its listing has {there} of {announced} entries.")

    def _listed(self) -> Iterator[Finding]:
        """I16: an entry has at most one download that did not come to nothing, and of its link."""
        made: dict[tuple[int, str], Download] = {}
        for download in self._downloads:
            came_to_nothing = download.outcome in IN_VAIN or download.result == Result.CHECKED
            if download.listed_in_id is None or came_to_nothing:
                continue
            first = made.setdefault((download.listed_in_id, download.url), download)
            if first is not download:
                yield _breach("I16", download, f"Its entry became {first} as well.")
        others = Entry.objects.exclude(download=None).exclude(download__url=F("url"))
        for entry in others.select_related("download", "listing__download"):
            sentence = f"Entry {entry.position} names {entry.download}, which is of another link."
            yield _breach("I16", entry.listing.download, sentence)

    def _file_faults(self, entry: str, files: list[PublishedFile]) -> Iterator[str]:
        for file in files:
            try:
                path = settings.VNSITE.media_root / entry / file.name
                with library.open_finished(path) as content:
                    size = content.seek(0, 2)
                    if size != file.size:
                        yield f"{entry}/{file.name} has {size} bytes, not {file.size}."
                    elif self._hashes and file.sha256:
                        content.seek(0)
                        if hashlib.file_digest(content, "sha256").hexdigest() != file.sha256:
                            yield f"{entry}/{file.name} is not the file that was published."
            except (OSError, library.RefusedFile) as error:
                yield f"{entry}/{file.name} cannot be read: {error}."

    def _entries(self) -> Iterator[Finding]:
        """I4: each directory in the library belongs to one download, present or deleted."""
        owners: dict[str, list[Download | LibraryEntry]] = defaultdict(list)
        for entry in self._outliving:
            owners[entry.path].append(entry)
        for download in self._downloads:
            if download.library_path:
                owners[download.library_path].append(download)
        root = settings.VNSITE.media_root
        for path in _entries_in(root, known=owners.keys() - {""}):
            match owners.get(str(path.relative_to(root)), []):
                case []:
                    yield self._foreign_entry(path)
                case [owner]:
                    yield from self._entry_faults(owner, path)
                case [owner, *_]:
                    yield _breach("I4", owner, f"{path.name} belongs to another download as well.")

    def _foreign_entry(self, path: Path) -> Finding:
        match = ENTRY_NAME.fullmatch(path.name)
        if match and (download := self._by_id.get(match[1])):
            return _breach("I4", download, f"{path.name} is in the library, but not by its row.")
        name = match[1] if match else "-"
        return _note("I4", name, f"{path.name} is in the library, and no row knows it.")

    def _entry_faults(self, owner: Download | LibraryEntry, path: Path) -> Iterator[Finding]:
        if isinstance(owner, Download) and owner.state in RUNNING:  # it is being published
            return
        known = {file.name for file in self._files[owner.correlation_id]}
        for name in sorted({item.name for item in path.iterdir()} - known):
            yield _breach("I4", owner, f"{path.name}/{name} is of no published file.")

    def _directories(self) -> Iterator[Finding]:
        """I6, I8: an attempt needs each isolated directory and each staged file."""
        for leftover in leftovers.find():
            download = leftover.download
            is_clean = download is not None and download.state == State.CLEANED
            find = _breach if leftover.is_fault else _note
            yield find("I8" if is_clean else "I6", leftover.correlation_id, _sentence_of(leftover))

    def _processes(self) -> Iterator[Finding]:
        """I8: no process outlives its attempt."""
        for process, name in attempts_of_processes().items():
            owner = self._by_directory.get(isolation.final_name(name))
            download = self._by_id.get(isolation.parse_directory_name(name) or "")
            if download and not (owner and owner.is_running):
                sentence = f"Process {process.pid} is left of an attempt that is over."
                yield _breach("I8", download, sentence)


def _sentence_of(leftover: Leftover) -> str:
    if leftover.attempt:
        return f"{leftover.path} is left of an attempt that is over; it waits for recovery."
    if leftover.download:
        return f"{leftover.path} bears the name of an attempt that never was."
    return f"{leftover.path} is of no download: left as it is."


def _link_faults(
    before: Transition | None, entry: Transition, *, name: str, is_cut: bool
) -> Iterator[Finding]:
    """Compare one move of a history with the move before it; `is_cut`: that was pruned."""
    expected = before.to_state if before else entry.from_state if is_cut else None
    outcome = Outcome(before.outcome) if before and before.outcome else None
    begun = entry.to_state == State.INITIALIZING
    attempt = entry.attempt if is_cut else (before.attempt if before else 0) + begun
    if entry.from_state != expected:
        sentence = f"Move {entry.seq} begins at {entry.from_state}, not at {expected}."
    elif not can_move(
        State(entry.from_state) if entry.from_state else None,
        State(entry.to_state),
        outcome=outcome,
    ):
        sentence = f"Move {entry.seq} is not allowed: {entry.from_state} → {entry.to_state}."
    elif entry.attempt != attempt:
        sentence = f"Move {entry.seq} is of attempt {entry.attempt}, not {attempt}."
    else:
        return
    yield _breach("I2", name, sentence)


def _numbering_faults(*, missing: int) -> Iterator[Finding]:
    newest = Transition.objects.aggregate(newest=Max("seq"))["newest"]
    position = StreamPosition.current()
    if newest and newest > position:
        sentence = f"The newest number is {newest}, but only {position} were given out."
        yield _breach("I11", "-", sentence)
    elif missing:
        sentence = f"{missing} numbers of the history are missing; deleted downloads leave gaps."
        yield _note("I11", "-", sentence)


def _count_faults() -> Iterator[Finding]:
    """I12: the stored counts are those of the rows."""
    for (owner, state, outcome), (counted, true) in wrong_counts(Download.objects.all()).items():
        what = f"{state} ({outcome})" if outcome else state
        whose = f"user {owner}" if owner != NOBODY else "nobody"
        sentence = f"{counted} downloads of {whose} are counted as {what}; there are {true}."
        yield _breach("I12", "-", sentence)


def _ending_faults(last: Transition, download: Download) -> Iterator[Finding]:
    """Compare a row with the last move of its history."""
    recorded: Mapping[str, object] = {
        "state": last.to_state,
        "attempt": last.attempt,
        "outcome": last.outcome,
        "error_class": last.error_class,
    }
    for column, value in recorded.items():
        if (present := getattr(download, column)) != value:
            yield _breach("I2", download, f"Its {column} is {present}; its history says {value}.")


def _entries_in(root: Path, *, known: Collection[str]) -> Iterator[Path]:
    """Yield the entries of the library: directories, in those folders that hold known entries."""
    folders = {str(parent) for name in known for parent in PurePath(name).parents} - {"."}
    pending = _directories_in(root)
    for path in pending:
        if path in (root / library.STAGING, root / library.TRASH):
            continue
        if str(path.relative_to(root)) in folders:
            pending += _directories_in(path)
        else:
            yield path


def _directories_in(root: Path) -> list[Path]:
    try:
        return sorted(path for path in root.iterdir() if path.is_dir() and not path.is_symlink())
    except FileNotFoundError:
        return []


def _breach(invariant: str, about: Download | LibraryEntry | str, sentence: str) -> Finding:
    """`about`: a row, or a correlation id."""
    name = about if isinstance(about, str) else about.correlation_id
    return Finding(invariant=invariant, correlation_id=name, sentence=sentence)


def _note(invariant: str, about: Download | str, sentence: str) -> Finding:
    return replace(_breach(invariant, about, sentence), is_breach=False)
