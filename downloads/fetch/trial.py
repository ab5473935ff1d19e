"""Tries a set of extractors before it is used: in a fork server of its own, on a site of its own.

The site is on loopback, and of all private addresses its alone is allowed to the trial.
"""

import errno
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from downloads.fetch.client import Child, ForkServer, NotBuilt
from downloads.fetch.processes import ChildFailed, last_line
from downloads.fetch.protocol import Broke, Fetched, Job, LastMessage, ListingEnded
from downloads.rules.options import DownloadOptions
from downloads.sandbox.programs import find_ffmpeg
from downloads.updates.refusal import Interrupted, Refused

SITE = Path(__file__).parent / "trial_site"
# What the site has, and how the attempt at it ends.
PAGES: dict[str, type[LastMessage]] = {"page.html": Fetched, "list.xml": ListingEnded}
# Picture and sound come apart.
PAGES_FOR_FFMPEG: dict[str, type[LastMessage]] = {"master.m3u8": Fetched, "film.mpd": Fetched}
LOOK_SECONDS = 0.2
TIMEOUT_SECONDS = 60.0  # of one step
MAX_BYTES = 2**26
CODES = {"NotMatched": "not_matched", "NoRuntime": "no_runtime"}


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


def try_out(
    folder: Path, *, scratch: Path, plugins: Iterable[str] = (), should_stop: Callable[[], bool]
) -> None:
    """Raise Refused when a set does not do what downloads need, Interrupted when asked to stop, and
    OSError on a full disk.

    `scratch` is an empty folder for what is fetched; `plugins` are loaded as for downloads. Nothing
    of the trial runs when this returns.
    """
    with (
        TemporaryFile(dir=scratch) as errors,
        closing(ForkServer(folder, plugins=plugins, errors=errors)) as tried,
    ):
        trial = _Trial(tried, scratch, should_stop)
        try:
            trial.start()
            with serving() as origin:
                trial.run(origin)
        except NotBuilt as error:
            if error.part:
                raise Refused("part_missing", part=error.part) from error
            raise Refused("not_built", message=last_line(errors) or str(error)) from error
        except ChildFailed as error:
            raise Refused("no_process", message=str(error)) from error


class _Trial:
    def __init__(
        self, fork_server: ForkServer, scratch: Path, should_stop: Callable[[], bool]
    ) -> None:
        self._fork_server = fork_server
        self._scratch = scratch
        self._should_stop = should_stop

    def start(self) -> None:
        self._fork_server.launch()
        for _ in self._patiently():
            if self._fork_server.is_warm(timeout_seconds=LOOK_SECONDS):
                return
        raise NotBuilt("it does not start in time")

    def run(self, origin: str) -> None:
        """Examine the set, then fetch each page of the site. Raises Refused."""
        last = self._last_word(self._job("", origin, is_examination=True))
        if isinstance(last, Broke):
            code = CODES.get(last.kinds[0], "not_built")
            raise Refused(code, message=last.message, url=last.message)
        for page, ending in {**PAGES, **(PAGES_FOR_FFMPEG if find_ffmpeg() else {})}.items():
            last = self._last_word(self._job(f"http://{origin}/{page}", origin))
            if isinstance(last, Broke):
                raise Refused("not_fetched", file=page, message=last.message or last.kinds[0])
            if not isinstance(last, ending):
                raise Refused("not_fetched", file=page, message=f"it is {type(last).__name__}")

    def _job(self, url: str, origin: str, *, is_examination: bool = False) -> Job:
        # Not a name of an isolated directory: recovery would take its processes for an orphan's.
        directory = self._scratch / f"child-{len(list(self._scratch.iterdir()))}"
        directory.mkdir(mode=0o700)
        return Job(
            url=url,
            options=DownloadOptions().as_dict(),
            directory=str(directory),
            max_bytes=MAX_BYTES,
            stall_seconds=TIMEOUT_SECONDS,
            allow_private_hosts=(origin,),
            max_seconds=TIMEOUT_SECONDS,
            min_free_bytes=0,
            is_last_try=True,
            max_entries=10,
            fragments_at_once=1,
            may_list=True,
            is_examination=is_examination,
        )

    def _last_word(self, job: Job) -> LastMessage:
        child = self._fork_server.fork(job)
        last: LastMessage | None = None
        try:
            child.go()
            last = self._listen(child)
        finally:
            how = child.end(grace_seconds=0)
        if isinstance(last, Broke) and last.errno == errno.ENOSPC:  # the set is not at fault
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), job.directory)
        return last or Broke(kinds=["ChildDied"], message=f"its process {how}")

    def _listen(self, child: Child) -> LastMessage | None:
        """Return what it said last; None when it ended without a word."""
        never = os.eventfd(0, os.EFD_CLOEXEC)
        try:
            for _ in self._patiently():
                messages = child.receive(timeout_seconds=LOOK_SECONDS, wake=never)
                if messages is None:
                    return None
                for message in messages:
                    if isinstance(message, LastMessage):
                        return message
        except ValueError as error:
            return Broke(kinds=["ValueError"], message=str(error))
        finally:
            os.close(never)
        return Broke(kinds=["Timeout"], message="it does not end")

    def _patiently(self) -> Iterator[None]:
        """Go on until one step has taken too long. Raises Interrupted."""
        give_up_at = time.monotonic() + TIMEOUT_SECONDS
        while time.monotonic() < give_up_at:
            if self._should_stop():
                raise Interrupted
            yield


@contextmanager
def serving() -> Iterator[str]:
    """Serve the site of the trial meanwhile; its host and port."""
    handler = partial(_Quiet, directory=str(SITE))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
