"""One attempt at one download: steps 3 to 10 of docs/lifecycle.md, in one thread of the worker.

The thread waits at the child's messages; a request to cancel or to stop wakes it through a pipe.
"""

import logging
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection

from downloads import actions, logs
from downloads.disk import library
from downloads.disk.isolation import IsolatedDownload
from downloads.disk.library import RefusedFile
from downloads.disk.names import NotMedia
from downloads.fetch.client import Child, ForkServer
from downloads.fetch.processes import ChildFailed, Process
from downloads.fetch.protocol import (
    Broke,
    Checked,
    Fetched,
    Job,
    LastMessage,
    ListingEnded,
    Succeeded,
)
from downloads.models import (
    Attempt,
    CancelWasAsked,
    Download,
    LostDownload,
    Site,
    Step,
    Thumbnail,
    database_now,
    short_transaction,
)
from downloads.models.listings import MAX_LIST_DEPTH
from downloads.models.outage import in_words, is_outage
from downloads.rules.breaker import Verdict
from downloads.rules.classify import ErrorFacts, classify, code_of
from downloads.rules.errors import ErrorClass
from downloads.rules.lease import Lease
from downloads.rules.links import InvalidLink, clean_url
from downloads.rules.media_id import GENERIC
from downloads.rules.options import DownloadOptions
from downloads.rules.proxies import InvalidProxy
from downloads.rules.states import ENDED, Outcome, Phase, Reason, State
from downloads.subscriptions.models import Check
from downloads.worker import endings, had, publication, resume
from downloads.worker.attempt_log import LogKeeper
from downloads.worker.endings import Ending, Facts, Failure, StopRequest
from downloads.worker.had import Had
from downloads.worker.learning import Learning
from downloads.worker.listening import ChildListener
from downloads.worker.listing import ListBeingRead
from downloads.worker.loan import Loan
from downloads.worker.owned import LeaseOver, OwnedRow
from downloads.worker.progress import ProgressReport
from downloads.worker.publication import NotPublished
from downloads.worker.remuxing import Source, SourceGone

logger = logging.getLogger(__name__)


LastWord = LastMessage | Had | StopRequest


def should_clean(outcome: Outcome) -> bool:
    """Return whether the settings want the directory removed after this outcome.

    A cancelled download is always cleaned.
    """
    wanted = {
        Outcome.COMPLETED: settings.VNSITE.cleanup_on_success,
        Outcome.FAILED: settings.VNSITE.cleanup_on_failure,
    }
    return wanted.get(outcome, True)


class AttemptRun:
    """Made when a download was claimed; `run` in a thread of its own, the rest from any thread."""

    def __init__(
        self,
        download: Download,
        *,
        fork_server: ForkServer,
        actor: str,
        lease: Lease,
        term: int,
        demo_link: str = "",
    ) -> None:
        """`term`: of the lease, when the download was claimed; `demo_link`: see the worker's."""
        self.download = download
        self.epoch = download.attempt
        self.row = OwnedRow(download, actor=actor, lease=lease, term=term)
        self._directory_name = download.directory
        self.fork_server = fork_server
        self._demo_link = demo_link
        self._request: StopRequest | None = None
        self._has_looked = False  # for the video among those that the owner has
        self._has_ended = False  # all its processes; its files are unchanged since
        self._child: Child | None = None
        self._rate_limit: int | None = None  # bytes per second; None: as fast as it comes
        self._wake, self._waker = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._closing = threading.Lock()
        self._progress = ProgressReport(download)
        self._list = ListBeingRead(download)
        self._log = LogKeeper(download)
        self._loan = Loan([], proxy="")
        self._source: Source | None = None  # None: it comes from its site
        self._learning = Learning()

    def ask(self, request: StopRequest) -> None:
        """Ask it to end. The first request counts, and LEAVE always; after the end nothing happens.

        A stop does not wait for a database that is away.
        """
        if request in (StopRequest.STOP, StopRequest.LEAVE):
            self.row.hurry()
        with self._closing:
            if (self._request is None or request is StopRequest.LEAVE) and self._waker >= 0:
                self._request = request
                os.write(self._waker, b"!")

    @property
    def is_recorded(self) -> bool:
        """Whether it is, or was, the recording of a live stream."""
        return self._progress.is_recorded

    def keep(self) -> None:
        """Have its child stop recording and finish what is there, if it records already."""
        if self._child is not None:
            self._child.keep()

    @property
    def is_asked(self) -> bool:
        """True once it was asked to end."""
        return self._request is not None

    def fence(self) -> None:
        """End its processes now: its lease is over. Its own thread may hang in the database."""
        self.ask(StopRequest.LEAVE)
        if self._child is not None:
            self._child.end_at_once()

    def run(self) -> None:
        """Carry the attempt to its end. Never raises: what nobody foresaw fails the download."""
        with logs.about(
            correlation_id=self.download.correlation_id,
            attempt=self.epoch,
            worker=self.row.actor.removeprefix("worker:"),
        ):
            try:
                self._run_or_leave()
            except Exception as error:
                if is_outage(error):
                    logger.warning("%s is left as it is: %s", self.download, in_words(error))
                else:
                    logs.failed(logger, f"{self.download}: the attempt broke", error)
            finally:
                with self._closing:
                    os.close(self._wake)
                    os.close(self._waker)
                    self._waker = -1
                connection.close_if_unusable_or_obsolete()

    def _run_or_leave(self) -> None:
        try:
            self._log.note(f"attempt {self.epoch}, {self.row.actor}")
            self._run()
            self._log.write()
        except LostDownload:
            logger.warning("%s is not ours any more: nothing was written", self.download)
            self._remove_what_no_row_names()
        except LeaseOver as error:
            logger.warning("%s is left as it is, nothing was written: %s", self.download, error)
            self._remove_what_no_row_names()

    def _remove_what_no_row_names(self) -> None:
        """Remove what is left when the row was deleted or names another directory by now."""
        row = Download.objects.filter(pk=self.download.pk).first()
        if row is None and self.download.library_path:
            publication.take_back(self.download)
        if resume.remove_unless_named(self.download, self._directory_name):
            library.discard(settings.VNSITE.media_root, self._directory_name)

    def _run(self) -> None:
        isolated = IsolatedDownload(
            self.download.correlation_id, settings.VNSITE.temp_root, name=self.download.directory
        )
        try:
            with isolated as directory:
                # Its removal is a step of its own, before the row says CLEANED.
                isolated.keep()
                self.row.require()
                resume.bring(self.download, directory)
                self._conclude(self._fetch(directory), directory)
        except (LostDownload, LeaseOver):
            raise
        except Exception as error:
            self.row.require()  # what broke may have been taken away by another worker
            if is_outage(error):
                raise  # nobody knows what the database has written
            logs.failed(logger, f"{self.download}: the attempt broke", error)
            self._fail(_broke(error))

    def _write_started(self, child: Process) -> None:
        """Move to READY and DOWNLOADING, and write which process the child is."""
        with short_transaction():
            steps = [
                Step(to=State.READY, reason=Reason.DIRECTORY_MADE),
                Step(to=State.DOWNLOADING, reason=Reason.CHILD_STARTED),
            ]
            self.download.move_on(steps, actor=self.row.actor, carried="")
            Attempt.objects.note_child(
                self.download.pk, self.epoch, pid=child.pid, started=child.started
            )

    def _fetch(self, directory: Path) -> LastWord:
        """Run the child to its end, however it ends; no process of it is left after this."""
        try:
            self._loan = self.row.ask(partial(Loan.of, self.download))
            if self.download.remux_of:
                self._source = self.row.ask(partial(Source.of, self.download))
        except (InvalidProxy, SourceGone) as error:
            return Broke(kinds=[type(error).__name__], message=str(error))
        for note in self._loan.notes:
            self._log.note(note)
        self._child = child = self.fork_server.fork(self._job(directory))
        last_word: LastWord | None = None
        try:
            started = partial(self._write_started, child.process)
            self.row.write(started, state=State.DOWNLOADING)
            logger.info("%s is %s (%s)", self.download, State.DOWNLOADING, Reason.CHILD_STARTED)
            child.go(self._loan.lent)
            if self.download.keep_requested_by:  # during an attempt that was interrupted
                child.keep()
            last_word = self._listen(child, directory)
        finally:
            is_left = self._request is StopRequest.LEAVE or not self.row.is_held
            grace = (
                0
                if is_left or isinstance(last_word, Succeeded | Had)
                else settings.VNSITE.cancel_grace_seconds
            )
            child.end(grace_seconds=grace)
            self._has_ended = True
        return last_word or Broke(kinds=["ChildDied"], data=child.ending_data)

    def _job(self, directory: Path) -> Job:
        options = DownloadOptions.from_mapping(self.download.options)
        rates = filter(None, (self._loan.rate_limit, options.rate_limit))
        self._rate_limit = min(rates, default=None)
        return Job(
            url=clean_url(self.download.url),  # as the child must get it, whatever the row says
            title=self.download.title if self.download.list_depth else "",
            options=options.as_dict(),
            directory=str(directory),
            max_bytes=settings.VNSITE.max_bytes,
            stall_seconds=settings.VNSITE.stall_seconds,
            allow_private_hosts=self._allowed_private_hosts(),
            max_seconds=settings.VNSITE.max_seconds,
            min_free_bytes=settings.VNSITE.min_free_bytes,
            is_last_try=self.download.tries >= self.download.max_attempts,
            rate_limit=self._rate_limit,
            servers=settings.VNSITE.extractor_helpers,
            # After a failure it learns anew: what was known may be what is wrong.
            memory=str(settings.VNSITE.memory_root) if self.epoch == 1 else "",
            asks_first=not (self.download.is_again or options.check),
            max_entries=settings.VNSITE.max_entries,
            fragments_at_once=settings.VNSITE.fragments_at_once,
            may_list=self.download.list_depth < MAX_LIST_DEPTH,
            lists_all=options.check and self.row.ask(self._is_check_of_subscription),
            wants_preview=self.epoch == 1 or not self.row.ask(self._has_thumbnail),
            film=str(self._source.film) if self._source else "",
            beside=self._source.beside if self._source else (),
        )

    def _allowed_private_hosts(self) -> tuple[str, ...]:
        """Return what the settings allow and, to the demo's link alone, the demo's site."""
        is_demo = self._demo_link and self.download.url == self._demo_link
        also = (urlsplit(self._demo_link).netloc,) if is_demo else ()
        return (*settings.VNSITE.allow_private_hosts, *also)

    def _is_check_of_subscription(self) -> bool:
        return Check.objects.of_list(self.download) is not None

    def _has_thumbnail(self) -> bool:
        return Thumbnail.objects.filter(download=self.download).exists()

    def _listen(self, child: Child, directory: Path) -> LastWord | None:
        """Pass on what the child says until it has said its last word, or we were asked to end.

        None when the child ended without a last word.
        """
        listener = ChildListener(
            child,
            directory=directory,
            progress=self._progress,
            list_being_read=self._list,
            log=self._log,
            loan=self._loan,
            learning=self._learning,
            rate_limit=self._rate_limit,
        )
        while self._request is None:
            messages = listener.receive(wake=self._wake)
            self.row.require()
            if messages is None:
                return self._request
            last_word = (
                listener.take(messages) or self._look_whether_had(child) or listener.why_stop()
            )
            if last_word is not None:
                return last_word
            listener.report()
        return self._request

    def _look_whether_had(self, child: Child) -> Had | None:
        """Look for files of the same video, once it is known which that is.

        The child waits for that, but not when it was asked for again on purpose or only looks it
        up, nor with what no extractor knows: at its address may be another video by now.
        """
        extractor, media_id = self._progress.media_id
        is_wanted = self.download.is_again or self.download.options.get("check")
        if self._has_looked or not media_id or extractor == GENERIC or is_wanted:
            return None
        self._has_looked = True
        found = had.look(self.download, extractor, media_id)
        if found is None:
            child.take()
        return found

    def _conclude(self, last_word: LastWord, directory: Path) -> None:
        self.row.require()
        self._progress.finish(is_published=isinstance(last_word, Fetched))
        self._loan.store_renewed(self.row)
        if isinstance(last_word, Succeeded):
            self._learning.keep(is_personal=bool(self._loan.lent.cookies))
        match last_word:
            case Fetched():
                self._log.note(f"fetched {len(last_word.files)} files")
                self._publish(last_word, directory)
            case ListingEnded():
                self._log.note(f"read a list: {last_word.title}")
                self._log.write_unless_away()
                self._complete(partial(self._list.complete, self.row, last_word))
            case Checked():
                self._log.note("looked up, and nothing else was wanted")
                self._log.write_unless_away()
                columns = {**self._progress.known(), "media": last_word.media}
                write = partial(self.download.complete_as_checked, actor=self.row.actor, **columns)
                self._complete(partial(self.row.write, write, state=State.COMPLETED))
            case Had(by=other):
                self._log.note(f"its owner has it already: {other}")
                self._log.write_unless_away()
                columns = {"have": other, **self._progress.known()}
                write = partial(self.download.complete_as_had, actor=self.row.actor, **columns)
                self._complete(partial(self.row.write, write, state=State.COMPLETED))
            case Broke():
                self._fail(last_word)
            case StopRequest.LEAVE:
                raise LostDownload(self.download.correlation_id)
            case StopRequest():
                self._log.note(f"asked to {last_word.value.replace('_', ' ')}")
                if last_word is not StopRequest.STOP:  # that waits for nothing
                    self._log.write_unless_away()
                self._end(endings.after_request(last_word, self._facts()))

    def _publish(self, fetched: Fetched, directory: Path) -> None:
        self._has_ended = False
        if self._source is not None:
            fetched = replace(fetched, about=self._source.about)
        self._progress.enter(Phase.PUBLISHING)
        try:
            self._complete(partial(self._write_published, fetched, directory))
        except NotPublished as error:
            self._has_ended = True  # its files are where they were
            self._fail(_broke(error), ending_after=endings.after_refusal)

    def _write_published(self, fetched: Fetched, directory: Path) -> None:
        publication.publish(
            self.row,
            replace(fetched, data={**fetched.data, **self._progress.resumed()}),
            directory=directory,
            known=self._progress.unwritten(),
            thumbnail=self._progress.thumbnail,
            log=self._log.unwritten(),
        )
        self._log.was_written()

    def _complete(self, complete: Callable[[], object]) -> None:
        """Write COMPLETED and clean, unless a cancel was asked for before."""
        try:
            complete()
        except CancelWasAsked:
            self._end(endings.after_request(StopRequest.CANCEL, self._facts()))
        else:
            if not self.download.remux_of:
                self.row.ask(partial(Site.objects.answered, self.download.site))
            self._clean(Outcome.COMPLETED)

    def _fail(
        self,
        broke: Broke,
        *,
        ending_after: Callable[[Failure, Facts], Ending] = endings.after_failure,
    ) -> None:
        facts = ErrorFacts(
            kinds=tuple(broke.kinds),
            message=broke.message,
            http_status=broke.http_status,
            errno=broke.errno,
        )
        code = code_of(facts)
        failure = Failure(
            error_class=classify(facts),
            data={**broke.error_data, **({"code": code} if code else {})},
            retry_after_seconds=broke.retry_after_seconds,
        )
        self._log.note(f"{failure.error_class}: {broke.message or broke.data}", level="error")
        self._log.write_unless_away()  # before the page hears of the end and asks for it
        ending = ending_after(failure, self._facts())
        self._end(ending, first=partial(self._judge_site, ending, failure))

    def _facts(self) -> Facts:
        """Return what is known of the row. Raises LostDownload when it was deleted."""
        rows = Download.objects.filter(pk=self.download.pk)
        asked_by = self.row.ask(rows.values_list("cancel_requested_by", flat=True).first)
        if asked_by is None:
            raise LostDownload(self.download.correlation_id)
        return Facts(
            tries=self.download.tries,
            max_attempts=self.download.max_attempts,
            uncounted=self.download.uncounted,
            is_decided=bool(self.download.library_path),
            has_recorded=self._progress.has_recorded,
            asked_by=asked_by,
        )

    def _end(self, ending: Ending, *, first: Callable[[], object] | None = None) -> None:
        """Give the attempt its end, on the disk and in the row; `first`: see `Row.move`."""
        kept = resume.settle(self.download, ending.directory, is_over=self._has_ended)
        columns = ending.columns(uncounted=self.download.uncounted)
        if ending.delay_seconds is not None:
            # The database's time: another machine may be the one that waits for it.
            now = self.row.ask(database_now)
            columns["not_before"] = now + timedelta(seconds=ending.delay_seconds)
        self.row.move(
            ending.to,
            ending.reason,
            {**ending.data, **kept.data},
            first=first,
            carried=kept.carried,
            **columns,
            **self._progress.known(),
        )
        if ending.withdraws:
            publication.withdraw(self.row)
        if ending.to in ENDED:
            self._clean(Outcome(ending.to.value))

    def _judge_site(self, ending: Ending, failure: Failure) -> None:
        """Count the end of this attempt for or against its site, in the transaction of its move."""
        if self.download.remux_of:  # that was not asked
            return
        match ending.verdict:
            case Verdict.ANSWERS:
                Site.objects.answered(self.download.site)
            case Verdict.REFUSES:
                site = Site.objects.refused(
                    self.download.site,
                    failure.error_class,
                    retry_after_seconds=failure.retry_after_seconds,
                )
                if site.waits_until:
                    logger.warning(
                        "%s waits until %s: %d failures in a row, the last of them %s",
                        site,
                        site.waits_until,
                        site.failures,
                        failure.error_class,
                    )

    def _clean(self, outcome: Outcome) -> None:
        if not should_clean(outcome):
            return
        # Retried or deleted already: then its directory went before. It is not ours any more.
        with suppress(actions.NotAllowed):
            self.row.write(
                lambda: actions.clean(self.download, actor=self.row.actor), state=State.CLEANED
            )


def _broke(error: Exception) -> Broke:
    """Describe an error of the worker's side: its disk, the child's start, or an unforeseen one."""
    kinds = [type(error).__name__]
    if not isinstance(
        error, OSError | ChildFailed | InvalidLink | NotMedia | NotPublished | RefusedFile
    ):
        kinds.append(ErrorClass.INTERNAL)
    return Broke(kinds=kinds, message=str(error), errno=getattr(error, "errno", None))
