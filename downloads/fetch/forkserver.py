"""The fork server: imports yt-dlp once, builds what every download shares, and forks.

Single-threaded for its whole life: a fork of a process with threads can hang for ever inside
OpenSSL. It is told what to do over one socket (a request is one packet, with the child's end of
its channel), and it dies with the worker that started it. Run as
`python -m downloads.fetch.forkserver`.
"""

import gc
import json
import os
import select
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import yt_dlp

from downloads.fetch import downloader as downloading
from downloads.fetch import job as jobs
from downloads.fetch.failure import facts_of
from downloads.fetch.protocol import GO, Job, sender
from downloads.sandbox import guard as guarding
from downloads.sandbox import landlock, limits
from downloads.sandbox.addresses import AllowedHosts
from downloads.sandbox.programs import find_deno, find_ffmpeg, media_tools, watched

MAX_PACKET_BYTES = 64 * 1024
REAP_INTERVAL_MS = 1000


class Server:
    def __init__(self, control: socket.socket) -> None:
        self.control = control
        self.downloader = downloading.build()
        ffmpeg, deno = find_ffmpeg(), find_deno()
        self.programs = [*(media_tools(ffmpeg) if ffmpeg else []), *([deno] if deno else [])]
        self.readable = [*landlock.own_code(), *self.programs]
        self.ended: dict[int, int] = {}  # pid → wait status of children, until it was asked for
        self.own: set[int] = set()  # children that were started here; others were adopted

    def serve(self) -> None:
        """Answer requests until the worker closes the control socket."""
        gc.collect()
        gc.freeze()  # a collection in a child would touch, and so copy, every shared page
        waiting = select.poll()
        waiting.register(self.control, select.POLLIN)
        self.control.send(b"{}")
        while True:
            ready = waiting.poll(REAP_INTERVAL_MS)
            self.reap()
            if ready and not self.answer():
                return

    def answer(self) -> bool:
        """Answer one request; False when there will be no more."""
        packet, descriptors, _, _ = socket.recv_fds(self.control, MAX_PACKET_BYTES, 1)
        if not packet:
            return False
        request = json.loads(packet)
        reply = {"number": request["number"]}
        if "start" in request:
            try:
                reply["pid"] = self.start(request["start"], descriptors[0])
            except OSError as error:  # no memory or too many processes: only this child is not made
                os.close(descriptors[0])
                reply["error"] = str(error)
        else:
            reply["status"] = self.status_of(request["status_of"])
        self.control.send(json.dumps(reply).encode())
        return True

    def start(self, job: dict[str, Any], descriptor: int) -> int:
        """Fork a child. Raises OSError when the system does not allow one more process."""
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            run_child(self, job, socket.socket(fileno=descriptor), parent)
        os.close(descriptor)
        self.own.add(pid)
        return pid

    def reap(self) -> None:
        """Collect the children that ended; adopted ones only to make them go away."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in self.own:
                self.own.discard(pid)
                self.ended[pid] = status

    def status_of(self, pid: int) -> int | None:
        """The wait status of a child that ended, once; None while it runs or is not known."""
        self.reap()
        return self.ended.pop(pid, None)


def run_child(
    fork_server: Server, values: dict[str, Any], channel: socket.socket, parent: int
) -> None:
    """The life of a child. Never returns: whatever happens, it leaves by `os._exit`."""
    code = 1
    try:
        os.setsid()
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # the others are as `main` reset them
        limits.die_with_parent(signal.SIGKILL)
        if os.getppid() != parent:
            return
        fork_server.control.close()
        job = Job(**{**values, "allow_private_hosts": tuple(values["allow_private_hosts"])})
        if channel.recv(len(GO), socket.MSG_WAITALL) == GO:
            carry_out(fork_server, job, channel)
            code = 0
    finally:
        os._exit(code)


def carry_out(fork_server: Server, job: Job, channel: socket.socket) -> None:
    """Run the job and send its last message: what was fetched, or what broke."""
    send = sender(channel)
    guard = guarding.Guard(
        AllowedHosts.parse(job.allow_private_hosts), programs=fork_server.programs
    )
    try:
        directory = Path(job.directory)
        limits.confine(directory, max_bytes=job.max_bytes, mark=directory.name)
        landlock.confine(directory, readable=fork_server.readable)
        confine_programs(stall_seconds=job.stall_seconds)
        send(jobs.run(fork_server.downloader, job, guard, send))
    except Exception as error:
        send(facts_of(error, refusals=guard.refusals))


def confine_programs(*, stall_seconds: float) -> None:
    """Every program that yt-dlp starts here dies with this process and gets no network; when one
    is killed or hangs, the attempt breaks."""
    popen = yt_dlp.utils.Popen
    popen.__init__ = guarding.only_local_files(popen.__init__, limits.before_program(os.getpid()))
    popen.communicate = watched(popen.communicate, stall_seconds=stall_seconds)


def main() -> None:
    parent, descriptor = int(sys.argv[1]), int(sys.argv[2])
    limits.reset_signals()
    # Ctrl-C in the terminal goes to the whole foreground group: it is the worker's to handle.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    limits.die_with_parent(signal.SIGKILL)
    if os.getppid() != parent:
        return
    limits.adopt_orphans()
    with socket.socket(fileno=descriptor) as control:
        Server(control).serve()


if __name__ == "__main__":
    main()
