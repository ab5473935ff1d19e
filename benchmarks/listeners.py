"""The process of a crowd's listeners: sockets and epoll, so that they cost next to nothing.

`benchmarks.crowd` starts it, with the host, the port and the head of the request as JSON. Commands
come as lines: `open NUMBER SECONDS`, `forget`, `tell` and `again`, each answered by a line.
"""

import json
import os
import re
import select
import socket
import sys
import time
from typing import Any

NOTED_EVERY = 20  # to look at every event of all would cost more than to send them
DRAIN_SECONDS = 1.0  # the others are read this often: a browser elsewhere would cost us nothing
GIVE_UP_SECONDS = 120.0
BUFFER = bytearray(2**18)
ID = re.compile(rb"\nid: (\d+)\n")


class Listener:
    """One stream. If `arrivals` is not None, it notes when it got each event, by the id."""

    def __init__(self, *, is_noted: bool) -> None:
        self.socket = socket.socket()
        self.arrivals: dict[int, float] | None = {} if is_noted else None
        self.last_id = 0
        self.is_greeted = False
        self._tail = b""

    def connect(self, address: tuple[str, int], head: bytes) -> None:
        self.socket = socket.create_connection(address)
        last = f"Last-Event-ID: {self.last_id}\r\n" if self.last_id else ""
        self.socket.sendall(head + last.encode() + b"\r\n")
        self.socket.setblocking(False)
        self.is_greeted = False
        self._tail = b""

    def read(self) -> bool:
        """Read what is there; False at the end of the stream."""
        while True:
            try:
                size = self.socket.recv_into(BUFFER)
            except BlockingIOError:
                return True
            except ConnectionResetError:
                return False
            if not size:
                return False
            if self.arrivals is None and self.is_greeted:
                self._skip(size)
            else:
                self._take(size)
            if size < len(BUFFER):
                return True

    def _take(self, size: int) -> None:
        now = time.perf_counter()
        text = self._tail + BUFFER[:size]
        self._tail = text[-32:]
        if not self.is_greeted:
            self._look_for_greeting(text)
        for found in ID.findall(text):
            self.last_id = int(found)
            if self.arrivals is not None:
                self.arrivals.setdefault(self.last_id, now)

    def _skip(self, size: int) -> None:
        """Look only for the last id: to look at all would keep those waiting that are noted."""
        start = BUFFER.rfind(b"\nid: ", 0, size)
        if found := ID.match(BUFFER, max(0, start), size):
            self.last_id = int(found[1])

    def _look_for_greeting(self, text: bytes) -> None:
        self.is_greeted = b"event: hello" in text
        if not self.is_greeted and text.startswith(b"HTTP/") and b" 200 " not in text[:16]:
            raise SystemExit(f"a stream was refused: {text[:200]!r}")


class Listeners:
    """All of them. Those that are noted are always watched, the others while they connect."""

    def __init__(self, address: tuple[str, int], head: bytes) -> None:
        self._address, self._head = address, head
        self._all: list[Listener] = []
        self._poll = select.epoll()
        self._watched: dict[int, Listener] = {}
        self._drain_at = 0.0

    def serve(self, commands: int) -> None:
        """Obey until the end of the commands."""
        self._poll.register(commands, select.EPOLLIN)
        waiting = b""
        while True:
            if commands in self._turn(DRAIN_SECONDS):
                read = os.read(commands, 4096)
                if not read:
                    return
                *lines, waiting = (waiting + read).split(b"\n")
                for line in lines:
                    print(json.dumps(self._obey(*line.decode().split())), flush=True)

    def _obey(self, command: str, *arguments: str) -> Any:
        if command == "open":
            return self._open(int(arguments[0]), within_seconds=float(arguments[1]))
        if command == "again":
            return self._come_back()
        if command == "forget":
            for listener in self._noted():
                listener.arrivals = {}
            return None
        return [listener.arrivals for listener in self._noted()]

    def _noted(self) -> list[Listener]:
        return [listener for listener in self._all if listener.arrivals is not None]

    def _open(self, number: int, *, within_seconds: float) -> float:
        new = [Listener(is_noted=each % NOTED_EVERY == 0) for each in range(number)]
        self._all += new
        return self._connect(new, within_seconds=within_seconds)

    def _come_back(self) -> float:
        """Connect all again, each after the last id that it saw, when the server has left."""
        deadline = time.perf_counter() + GIVE_UP_SECONDS
        left = list(self._all)
        while left and time.perf_counter() < deadline:
            left = [listener for listener in left if listener.read()]
            time.sleep(0.01)
        self._watched.clear()
        for listener in self._all:
            listener.socket.close()  # epoll forgets it
        return self._connect(self._all, within_seconds=0.0)

    def _connect(self, listeners: list[Listener], *, within_seconds: float) -> float:
        """Return the seconds from the first connection to the last greeting."""
        began = time.perf_counter()
        waiting = set(listeners)
        for number, listener in enumerate(listeners):
            begins_at = began + within_seconds * number / len(listeners)
            while (left := begins_at - time.perf_counter()) > 0:
                self._turn(left)
            listener.connect(self._address, self._head)
            self._watch(listener)
        while waiting := {listener for listener in waiting if not listener.is_greeted}:
            if time.perf_counter() > began + GIVE_UP_SECONDS:
                raise SystemExit(f"{len(waiting)} streams were not greeted")
            self._turn(0.1)
        took = time.perf_counter() - began
        for listener in listeners:
            if listener.arrivals is None:
                self._unwatch(listener)
        return took

    def _turn(self, seconds: float) -> list[int]:
        """Wait for something to read, and read it; return the files that are not sockets."""
        others = []
        for file, _ in self._poll.poll(min(seconds, DRAIN_SECONDS)):
            listener = self._watched.get(file)
            if listener is None:
                others.append(file)
            elif not listener.read():
                self._unwatch(listener)
        if time.perf_counter() >= self._drain_at:
            for listener in self._all:
                if listener.is_greeted:
                    listener.read()
            self._drain_at = time.perf_counter() + DRAIN_SECONDS
        return others

    def _watch(self, listener: Listener) -> None:
        self._watched[listener.socket.fileno()] = listener
        self._poll.register(listener.socket, select.EPOLLIN)

    def _unwatch(self, listener: Listener) -> None:
        if self._watched.pop(listener.socket.fileno(), None):
            self._poll.unregister(listener.socket)


def main() -> None:
    host, port, head = json.loads(sys.argv[1])
    Listeners((host, port), head.encode()).serve(sys.stdin.fileno())


if __name__ == "__main__":
    main()
