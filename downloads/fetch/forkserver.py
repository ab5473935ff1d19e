"""The fork server: imports yt-dlp once, builds what every download shares, and forks.

Single-threaded for its whole life: a fork of a process with threads can hang for ever inside
OpenSSL. It is told what to do over one socket (a request is one packet, with the child's end of
its channel). When the worker is gone, it ends its children and all that these left, then itself.
Run as `python -m downloads.fetch.forkserver`.
"""

import gc

if __name__ == "__main__":
    # What is loaded stays: to search it for garbage takes a fifth of the start. See `serve`.
    gc.disable()

import importlib.metadata
import json
import mmap
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import yt_dlp

from downloads.fetch import downloader as downloading
from downloads.fetch import examination, huge_pages, immortal, processes
from downloads.fetch import job as jobs
from downloads.fetch.failure import facts_of
from downloads.fetch.lending import Lending
from downloads.fetch.plugins import PluginFailed
from downloads.fetch.plugins import load as load_plugins
from downloads.fetch.protocol import Job, Lent, Outbox, Wishes, receive_go
from downloads.fetch.rehearsal import rehearse
from downloads.sandbox import guard as guarding
from downloads.sandbox import landlock, limits, seccomp
from downloads.sandbox.addresses import AllowedHosts
from downloads.sandbox.programs import find_ffmpeg, media_tools, runtime_of, watched
from downloads.updates.state import hold

MAX_PACKET_BYTES = 64 * 1024
MAX_REASON_LENGTH = 500
REAP_INTERVAL_MS = 1000
RESERVED_BYTES = 4 * 2**20  # of address space, in a child


class Server:
    def __init__(
        self,
        control: socket.socket,
        *,
        extractors: Path | None = None,
        plugins: Iterable[str] = (),
        needs: Path | None = None,
    ) -> None:
        """`extractors`: the folder of the set that was imported, None: the installed one; `needs`:
        see `downloader.build`.

        Raises PluginFailed.
        """
        self.control = control
        load_plugins(plugins)
        ffmpeg, deno = find_ffmpeg(), runtime_of(extractors)
        self.downloader = downloading.build(deno=deno, needs=needs)
        self.programs = [*(media_tools(ffmpeg) if ffmpeg else []), *([deno] if deno else [])]
        self.extractors = extractors
        own_set = [extractors] if extractors else []
        self.readable = [*landlock.own_code(), *own_set, *self.programs]
        self.ended: dict[int, int] = {}  # pid → wait status of children, until it was asked for
        self.own: set[int] = set()  # children that were started here; others were adopted

    def serve(self) -> None:
        """Answer requests until the worker closes the control socket; rehearse before the first."""
        sys.dont_write_bytecode = True  # children write nothing beside the code
        gc.freeze()  # a collection in a child would touch, and so copy, what is there
        gc.enable()
        waiting = select.poll()
        waiting.register(self.control, select.POLLIN)
        # The end of the socket says that the worker is gone: one that is stopped has to read it.
        limits.die_with_parent(signal.SIGCONT)
        self.control.send(json.dumps({"yt_dlp": importlib.metadata.version("yt-dlp")}).encode())
        # The first child, when it is asked for meanwhile, waits for about 0.1 s.
        for _ in rehearse(self.downloader):
            if waiting.poll(0):
                break
        gc.collect()
        gc.freeze()
        huge_pages.gather()
        making, is_made = immortal.immortalize(), False
        while True:
            # Without a child nobody is there who could leave something.
            patience_ms = REAP_INTERVAL_MS if self.has_children() else None
            if waiting.poll(patience_ms if is_made else 0):
                if not self.answer():
                    return
            elif is_made:
                self.reap()
            else:
                is_made = next(making, True) is True

    def answer(self) -> bool:
        """Answer one request; False when there will be no more."""
        packet, descriptors, _, _ = socket.recv_fds(self.control, MAX_PACKET_BYTES, 1)
        if not packet:
            return False
        request = json.loads(packet)
        reply: dict[str, Any] = {"number": request["number"]}
        if "start" in request:
            try:
                reply["pid"] = self.start(request["start"], descriptors[0])
            except OSError as error:  # no memory or too many processes: only this child is not made
                os.close(descriptors[0])
                reply["error"] = str(error)
        else:
            reply |= self.collect(request["collect"])
        self.control.send(json.dumps(reply).encode())
        return True

    def start(self, job: dict[str, Any], descriptor: int) -> int:
        """Fork a child. Raises OSError when the system does not allow one more process."""
        parent = os.getpid()
        self.downloader.matcher.prepare(job["url"])  # once for all downloads of a site
        pid = os.fork()
        if pid == 0:
            run_child(self, job, socket.socket(fileno=descriptor), parent)
        os.close(descriptor)
        self.own.add(pid)
        return pid

    def reap(self) -> set[int]:
        """Collect the children that ended, and kill what they left, which is returned."""
        with suppress(ChildProcessError):
            while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                pid = ended.si_pid
                if pid in self.own:
                    processes.end_group(pid)
                    self.own.discard(pid)
                    self.ended[pid] = os.waitpid(pid, 0)[1]
                else:
                    os.waitpid(pid, 0)
        left = self.adopted()
        for pid in left:
            processes.end_own(pid)
        return left

    def adopted(self) -> set[int]:
        """Return the children that were not started here: their own parents have ended.

        A child adopts what loses its parent while it lives: these were left by one that ended.
        """
        return processes.own_children() - self.own or processes.own_children() - self.own

    def has_children(self) -> bool:
        """Return whether it has children, its own or adopted."""
        return bool(self.own or self.adopted())

    def collect(self, child: int) -> dict[str, Any]:
        """Kill what a child that ended has left: its wait status, and who is still there.

        That may be the child itself, while its last threads end. The status is told once; None when
        it is not known. One that does not die is held against nobody else.
        """
        killed = self.reap()
        if child in self.own:
            return {"status": None, "left": [child]}
        others = self.own | self.ended.keys() - {child}
        still_there = self.adopted() if killed else ()
        left = [pid for pid in still_there if os.getsid(pid) not in others]
        return {"status": None if left else self.ended.pop(child, None), "left": left}

    def end_all(self) -> None:
        """End every child and all that they left; wait until nothing of it is there."""
        for pid in self.own:
            processes.end_own(pid)
        with suppress(ChildProcessError):
            while os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT):
                self.reap()


def run_child(
    fork_server: Server, values: dict[str, Any], channel: socket.socket, parent: int
) -> None:
    """The life of a child. Never returns: whatever happens, it leaves by `os._exit`."""
    code = 1
    try:
        os.setsid()
        limits.give_way()
        limits.adopt_orphans()
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # the others are as `main` reset them
        limits.die_with_parent(signal.SIGKILL)
        if os.getppid() != parent:
            return
        fork_server.control.close()
        job = Job.from_json(values)
        lent = receive_go(channel)
        if lent is not None:
            carry_out(fork_server, job, channel, lent)
            code = 0
    finally:
        os._exit(code)


def carry_out(fork_server: Server, job: Job, channel: socket.socket, lent: Lent) -> None:
    """Run the job and send its last message: what was fetched, or what broke."""
    # Without it nothing could be said of a MemoryError. No page of it is touched: an object of
    # Python's would be filled with zeros, and cost up to a thousand page faults.
    room = mmap.mmap(-1, RESERVED_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    lending = Lending(lent)
    outbox = Outbox(channel)
    send = lending.discreet(outbox.send)
    guard = guarding.Guard(
        AllowedHosts.parse(job.allow_private_hosts),
        programs=fork_server.programs,
        proxy=lending.proxy,
    )
    try:
        directory = Path(job.directory)
        limits.confine(directory, max_bytes=job.max_bytes, mark=directory.name)
        lent_files = [job.memory, job.film, *(each["path"] for each in job.beside)]
        known = [Path(name) for name in lent_files if name]
        landlock.confine(directory, readable=[*fork_server.readable, *known])
        seccomp.keep_session()
        confine_programs(stall_seconds=job.stall_seconds, before_waiting=outbox.flush)
        fork_server.downloader.before_waiting = outbox.flush
        guard.install()
        if job.is_examination:
            send(examination.run(fork_server.downloader))
            return
        wishes = Wishes(channel)
        jobs.fulfil(fork_server.downloader, job, guard, lending, send=send, wishes=wishes)
    except Exception as error:
        room.close()
        traceback.clear_frames(error.__traceback__)
        hints = fork_server.downloader.params["logger"].hints
        video = fork_server.downloader.video
        send(facts_of(error, refusals=guard.refusals, hints=hints, video=video))
    finally:
        outbox.flush()


def confine_programs(*, stall_seconds: float, before_waiting: Callable[[], None]) -> None:
    """Every program that yt-dlp starts here dies with this process and gets no network; when one
    is killed or hangs, the attempt breaks. `before_waiting` is called before one is waited for."""
    popen = yt_dlp.utils.Popen
    popen.__init__ = guarding.only_local_files(popen.__init__, limits.before_program(os.getpid()))
    popen.communicate = watched(
        popen.communicate, stall_seconds=stall_seconds, before_waiting=before_waiting
    )


def build(
    control: socket.socket,
    extractors: Path | None,
    *,
    plugins: Iterable[str],
    needs: Path | None = None,
) -> Server | None:
    """Build what downloads share. None when this yt-dlp is not one that vnsite can use, or a plugin
    cannot be loaded: then the worker was told why."""
    try:
        if extractors:
            hold(extractors)
            examination.require_parts()
        fork_server = Server(control, extractors=extractors, plugins=plugins, needs=needs)
        examination.require_parts_of(fork_server.downloader)
        return fork_server
    except PluginFailed as fault:
        said = {"error": f"an extractor plugin cannot be loaded: {fault}"[:MAX_REASON_LENGTH]}
        control.send(json.dumps(said).encode())
        return None
    except Exception as error:
        if extractors is None:
            raise
        part = examination.part_in(error)
        said = {"error": f"{type(error).__name__}: {error}"[:MAX_REASON_LENGTH], "part": part}
        control.send(json.dumps(said).encode())
        return None


def main() -> None:
    parent, descriptor = int(sys.argv[1]), int(sys.argv[2])
    extractors, needs = (Path(name) if name else None for name in sys.argv[3:5])
    limits.reset_signals()
    # Ctrl-C in the terminal goes to the whole foreground group: it is the worker's to handle.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    limits.die_with_parent(signal.SIGKILL)
    if os.getppid() != parent:
        return
    limits.adopt_orphans()
    # The worker may die before it is told something.
    with socket.socket(fileno=descriptor) as control, suppress(ConnectionError):
        fork_server = build(control, extractors, plugins=sys.argv[5:], needs=needs)
        if fork_server is None:
            return
        try:
            fork_server.serve()
        finally:
            fork_server.end_all()


if __name__ == "__main__":
    main()
