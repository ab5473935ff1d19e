"""The guard in the child: judges every address at the moment of connecting.

An audit hook, because it sees every socket that Python code connects, whatever library does it,
and because no later Python code can remove it. It cannot see into C code or other programs:
that is why C libraries that are loaded later are refused here, and other programs, except those
that get no network.
"""

import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from downloads.rules.proxies import Proxy
from downloads.sandbox.addresses import Address, AllowedHosts, as_address, carried, refusal

REFUSED_EVENTS = frozenset(
    {
        "os.exec",
        "os.fork",
        "os.forkpty",
        "os.posix_spawn",
        "os.spawn",
        "os.startfile",
        "os.system",
        "pty.spawn",
    }
)
# Of the others, some send without connecting: packets of the network card, datagrams of VSOCK.
KINDS = frozenset({socket.SOCK_STREAM, socket.SOCK_DGRAM})
FAMILIES = frozenset({socket.AF_INET, socket.AF_INET6, socket.AF_UNIX})
OF_A_DESCRIPTOR = -1  # a socket that is there already
# What ffmpeg may take for an address: `tcp:host:port` is one, and `[f=mpegts]udp://host` too.
NOT_LOCAL = re.compile(r"^(?!file:|pipe:)(?:[a-z][a-z0-9+]*:|.*://)", re.IGNORECASE | re.DOTALL)


class PolicyBlocked(Exception):
    """A connection or a program that is not allowed. The message says which and why."""


class Guard:
    """Installed once in a child, before anything of the download runs; never removed."""

    def __init__(
        self, allowed: AllowedHosts, *, programs: Iterable[Path], proxy: Proxy | None = None
    ) -> None:
        """With a proxy nothing else may be connected to, and `allowed` does not count."""
        self.has_proxy = proxy is not None
        if proxy is not None:
            allowed = AllowedHosts.parse([proxy.endpoint])
        self.allowed = allowed.pin(resolve)
        self.programs = frozenset(str(program) for program in programs)
        self.refusals: list[str] = []  # the first is the cause when the download fails
        self._asked = ""  # the host whose addresses were asked for last
        # `hosts`: what this thread may connect to just now; `is_aside`: see `aside`.
        self._also = threading.local()

    def install(self) -> None:
        """Judge from now on. A program is judged where `subprocess` says which it starts.

        From Python 3.13 on that may be done by posix_spawn(3), which is refused: whoever calls it
        says less.
        """
        subprocess._USE_POSIX_SPAWN = False  # type: ignore[misc]
        sys.addaudithook(self._hook)

    def pin(self, hosts: AllowedHosts) -> AllowedHosts:
        """Resolve the names among some hosts, once."""
        return hosts.pin(resolve)

    @contextmanager
    def allowing(self, hosts: AllowedHosts) -> Iterator[None]:
        """Let this thread connect to `hosts` as well, until the end of the block."""
        self._also.hosts = hosts
        try:
            yield
        finally:
            self._also.hosts = None

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Let what is refused to this thread be no cause of a failure, until the end of the block.

        It is refused all the same.
        """
        self._also.is_aside = True
        try:
            yield
        finally:
            self._also.is_aside = False

    def _hook(self, event: str, args: tuple[Any, ...]) -> None:
        if event == "socket.getaddrinfo":
            self._asked = os.fsdecode(args[0]) if isinstance(args[0], str | bytes) else ""
        elif event == "socket.__new__":
            self._judge_kind(args[1], args[2])
        elif event == "socket.connect":
            self._judge(*args)
        elif event in ("socket.sendto", "socket.sendmsg"):
            if args[1] is not None:
                self._refuse("sending without a connection is not allowed")
        elif event == "subprocess.Popen":
            self._judge_program(args[0], args[1])
        elif event == "ctypes.dlopen":
            self._refuse("loading a library is not allowed")
        elif event == "ctypes.dlsym":
            if args[0]._name is None:  # this process: the C library, and connect() in it
                self._refuse(f"calling {args[1]} is not allowed")
        elif event in REFUSED_EVENTS:
            self._refuse(f"{event} is not allowed")

    def _judge_kind(self, family: int, kind: int) -> None:
        if family == OF_A_DESCRIPTOR:
            return
        kind &= ~(socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        if family not in FAMILIES or kind not in KINDS:
            self._refuse("only connections over IP are allowed")

    def _judge(self, connecting: socket.socket, target: Any) -> None:
        if connecting.family not in (socket.AF_INET, socket.AF_INET6):
            self._refuse("only connections over IP are allowed")
        host, port = target[0], target[1]
        address = as_address(host) if isinstance(host, str) else None
        if address is None:
            # The C library would resolve a name after this judgement.
            self._refuse(f"{host!r} is a name, not an address")
            return
        also: AllowedHosts | None = getattr(self._also, "hosts", None)
        if also is not None and also.allows(address, port):
            return
        reason = refusal(address, port, self.allowed)
        if self.has_proxy and not self.allowed.allows(address, port):
            reason = f"{address} is not the proxy of this site"
        if reason is None and not self.allowed.allows(address, port) and _is_own(address):
            reason = f"{address} is an address of this machine"
        if reason:
            self._refuse(f"{self._led_by(address)}{reason} (port {port})")

    def _led_by(self, address: Address) -> str:
        """The name that led to an address, when there is one, to be put before the reason."""
        is_named = self._asked and as_address(self._asked) is None
        return f"{self._asked}: " if is_named else ""

    def _judge_program(self, executable: Any, arguments: Any) -> None:
        program = os.fsdecode(executable) if executable else os.fsdecode(arguments[0])
        if str(Path(program).resolve()) not in self.programs:
            self._refuse(f"the program {Path(program).name!r} is not allowed")
        if any(NOT_LOCAL.search(os.fsdecode(argument)) for argument in arguments[1:]):
            self._refuse(f"{Path(program).name} may not use the network")

    def _refuse(self, sentence: str) -> None:
        if not getattr(self._also, "is_aside", False):
            self.refusals.append(sentence)
        raise PolicyBlocked(sentence)


def resolve(name: str) -> list[str]:
    """The addresses of a host name; an empty list when it has none."""
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return [str(entry[4][0]) for entry in found]


def _is_own(address: Address) -> bool:
    """Whether the address, or one that it carries, is of this machine."""
    return any(_can_be_bound(candidate) for candidate in (address, *carried(address)))


def _can_be_bound(address: Address) -> bool:
    """Whether the address is of this machine: only such an address can be bound."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((str(address), 0))
        except OSError:
            return False
    return True


def only_local_files(wrapped: Callable[..., None], prepare: Callable[[], None]) -> Any:
    """Wrap the constructor of yt-dlp's `Popen`: `prepare` runs before exec, and ffmpeg and
    ffprobe are told to read nothing but local files."""

    def constructor(self: Any, args: Any, *rest: Any, **kwargs: Any) -> None:
        if isinstance(args, list):
            args = without_network(args)
        wrapped(self, args, *rest, **{**kwargs, "preexec_fn": prepare})

    return constructor


def without_network(command: list[Any]) -> list[Any]:
    """An ffmpeg or ffprobe command whose inputs may be local files only.

    The protocols are named before each input, because ffmpeg applies them to the next one; a file
    that was fetched may be a playlist that points anywhere.
    """
    protocols = ["-protocol_whitelist", "file,crypto,data,pipe"]
    name = Path(os.fsdecode(command[0])).name
    if "ffprobe" in name and len(command) > 2:
        return [command[0], *protocols, *command[1:]]
    if "ffmpeg" not in name:
        return command
    limited: list[Any] = []
    for argument in command:
        if os.fsdecode(argument) == "-i":
            limited += protocols
        limited.append(argument)
    return limited
