"""A machine and an internet of a test's own: two networks, one cable, and nothing else.

Each is a thread in network namespaces(7): what a thread opens or starts is in its network, and all
of it is gone with the thread. In the internet every address answers, so that whatever leaves the
machine is seen there; at each address but the site's and the name server's, by a canary.
"""

import ctypes
import os
import shutil
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self, TypeVar

import certifi

from downloads.fetch.client import ForkServer
from tests.egress.authority import Authority
from tests.helpers.scripted_site import ScriptedSite

Result = TypeVar("Result")

CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000
SITE = "11.0.0.1"  # public, as far as anybody can tell
OWN = "11.0.0.2"  # the machine's own, just as public
OWN_V6 = "2620:fe::2"
METADATA = "169.254.169.254"
NEIGHBOUR = "10.0.0.1"
NEIGHBOUR_V6 = "fd00:ec2::254"
NAME_OF_THE_MACHINE = "machine.example"
A, AAAA = 1, 28
ANSWERED, NO_SUCH_NAME = 0x8180, 0x8183

_libc = ctypes.CDLL(None, use_errno=True)


def why_not() -> str:
    """Why there can be no such networks here; empty when there can."""
    if os.geteuid():
        return "network namespaces are needed: run as root"
    if missing := [name for name in ("ip", "mount", "openssl") if shutil.which(name) is None]:
        return f"{missing[0]} is needed: apt-get install iproute2 mount openssl"
    try:
        with Place(CLONE_NEWNS | CLONE_NEWNET) as place:
            place.run("mount", "--make-rprivate", "/")
            place.run("ip", "link", "add", "near", "type", "veth", "peer", "name", "far")
            place.run("ip", "address", "add", f"{OWN_V6}/64", "dev", "near", "nodad")
    except (OSError, subprocess.CalledProcessError) as error:
        return f"network namespaces are needed: {error}"
    return ""


class Place:
    """A thread in namespaces of its own."""

    def __init__(self, namespaces: int) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="place")
        try:
            self.call(_unshare, namespaces)
        except OSError:
            self._thread.shutdown()
            raise
        self.id = self.call(threading.get_native_id)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._thread.shutdown()

    def call(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Do something there, and wait for what comes of it."""
        return self._thread.submit(function, *arguments).result()

    def run(self, *command: str) -> None:
        self.call(lambda: subprocess.run(command, check=True, capture_output=True))


def _unshare(namespaces: int) -> None:
    if _libc.unshare(namespaces):
        number = ctypes.get_errno()
        raise OSError(number, f"unshare: {os.strerror(number)}")


class Networks:
    """The machine, with a fork server on it; the internet, with a site and a name server."""

    def __init__(self, directory: Path, *, authority: Authority) -> None:
        """`authority`: one more that the machine trusts."""
        self.authority = authority
        self.machine = Place(CLONE_NEWNS | CLONE_NEWNET)
        self.internet = Place(CLONE_NEWNET)
        self._lay_cable()
        self._write_files(directory)
        self.names = self.internet.call(NameServer, SITE)
        self.canaries = [place.call(Listener, 80) for place in (self.machine, self.internet)]
        self.site = self.internet.call(ScriptedSite, SITE, 80)
        self.fork_server = ForkServer()
        self.machine.call(self.fork_server.start)

    def close(self) -> None:
        self.fork_server.close()
        self.site.__exit__()
        self.names.close()
        for canary in self.canaries:
            canary.close()
        for place in (self.machine, self.internet):
            place.__exit__()

    def touched(self) -> list[str]:
        """Where, but at the site, somebody connected or sent something since the last look."""
        return [address for canary in self.canaries for address in canary.touched()]

    def _lay_cable(self) -> None:
        machine, internet = self.machine.run, self.internet.run
        for run in (machine, internet):
            run("ip", "link", "set", "lo", "up")
        far = ("peer", "name", "far", "netns", str(self.internet.id))
        machine("ip", "link", "add", "near", "type", "veth", *far)
        for run, end, last in ((machine, "near", 2), (internet, "far", 1)):
            for network in (f"11.0.0.{last}/24", f"10.0.0.{last}/24", f"169.254.1.{last}/16"):
                run("ip", "address", "add", network, "dev", end)
            for network in (f"2620:fe::{last}/64", f"fd00:ec2::{last}/64"):
                run("ip", "address", "add", network, "dev", end, "nodad")
            run("ip", "link", "set", end, "up")
        machine("ip", "route", "add", "default", "via", SITE)
        machine("ip", "-6", "route", "add", "default", "via", "2620:fe::1")
        # In the main table: in the table of local addresses it would hide the way back.
        local = ("dev", "lo", "table", "main")
        internet("ip", "-4", "route", "add", "local", "0.0.0.0/0", *local)
        internet("ip", "-6", "route", "add", "local", "::/0", *local)
        internet("ip", "address", "add", f"{METADATA}/32", "dev", "far")
        internet("ip", "address", "add", f"{NEIGHBOUR_V6}/128", "dev", "far", "nodad")

    def _write_files(self, directory: Path) -> None:
        """Give the machine a name server, names that it knows by itself, and authorities."""
        files = {
            certifi.where(): certifi.contents() + self.authority.certificate.read_text(),
            "/etc/resolv.conf": f"nameserver {SITE}\noptions timeout:5 attempts:2\n",
            "/etc/hosts": f"127.0.0.1 localhost\n::1 localhost ip6-localhost\n"
            f"127.0.1.1 {NAME_OF_THE_MACHINE}\n{NEIGHBOUR} nas\n",
        }
        self.machine.run("mount", "--make-rprivate", "/")
        for place, text in files.items():
            path = directory / Path(place).name
            path.write_text(text)
            self.machine.run("mount", "--bind", str(path), place)


class Listener:
    """A canary at one port of every address of a network, for TCP and UDP."""

    def __init__(self, port: int) -> None:
        self._stream = _bound(socket.SOCK_STREAM, port)
        self._stream.listen(1000)
        self._datagrams = _bound(socket.SOCK_DGRAM, port)

    def close(self) -> None:
        self._stream.close()
        self._datagrams.close()

    def touched(self) -> list[str]:
        """The addresses that somebody connected or sent something to since the last look."""
        found = []
        while True:
            try:
                accepted, _ = self._stream.accept()
            except BlockingIOError:
                break
            with accepted:
                found.append(str(accepted.getsockname()[0]).removeprefix("::ffff:"))
        while True:
            try:
                self._datagrams.recv(2048)
            except BlockingIOError:
                return found
            found.append("a datagram")


def _bound(kind: int, port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET6, kind)
    listening.setblocking(False)
    listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    # The site has the same port, at its own address.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listening.bind(("::", port))
    return listening


class NameServer:
    """Answers for names that a test gives, at once, with a time to live of 0; no name otherwise."""

    def __init__(self, address: str) -> None:
        self._answers: dict[str, list[list[str]]] = {}
        self._asked: dict[str, set[int]] = {}  # the kinds of address that were asked for
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, 53))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def answer(self, name: str, *answers: Sequence[str]) -> None:
        """Answer with the first list of addresses, the next time with the next; the last stays."""
        self._asked[name] = set()
        self._answers[name] = [list(addresses) for addresses in answers]

    def _next_answer(self, name: str, kind: int) -> list[str] | None:
        """Whoever resolves a name asks once for each kind of address."""
        waiting = self._answers.get(name)
        if waiting is None:
            return None
        if kind in self._asked[name] and len(waiting) > 1:
            waiting.pop(0)
            self._asked[name].clear()
        self._asked[name].add(kind)
        return waiting[0]

    def _serve(self) -> None:
        while True:
            query, sender = self._socket.recvfrom(2048)
            if not query:
                return
            self._socket.sendto(self._reply(query), sender)

    def _reply(self, query: bytes) -> bytes:
        """RFC 1035, 4.1: the question again, and an address record for each address."""
        labels, position = [], 12
        while length := query[position]:
            labels.append(query[position + 1 : position + 1 + length].decode().lower())
            position += 1 + length
        end = position + 5
        (kind,) = struct.unpack_from("!H", query, position + 1)
        addresses = self._next_answer(".".join(labels), kind)
        family = {A: socket.AF_INET, AAAA: socket.AF_INET6}.get(kind)
        records = [
            struct.pack("!HHHIH", 0xC00C, kind, 1, 0, len(packed)) + packed
            for address in addresses or []
            if family is not None and (":" in address) == (kind == AAAA)
            for packed in [socket.inet_pton(family, address)]
        ]
        status = NO_SUCH_NAME if addresses is None else ANSWERED
        counts = struct.pack("!HHHHH", status, 1, len(records), 0, 0)
        return query[:2] + counts + query[12:end] + b"".join(records)
